/** CertificateCompressionAlgorithm (RFC 8879, 7.3). `crypto/node` has zlib and brotli; others may be given. */
export interface CertificateCompressor {
  readonly id: number;
  /** The body of a Certificate message. Null: it is better sent as it is. */
  readonly compress: ((certificate: Uint8Array) => Uint8Array | null) | null;
  /**
   * All that `compressed` expands to, and null unless it is exactly that. Never makes more than `maxLength` bytes
   * on the way: the peer chose what to expand.
   */
  readonly decompress: ((compressed: Uint8Array, maxLength: number) => Uint8Array | null) | null;
}
