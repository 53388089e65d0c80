/** Certificate compression (RFC 8879) by node:zlib. */
import * as zlib from 'node:zlib';
import type { CertificateCompressor } from '../certificate-compressor.ts';
import { plain } from './plain.ts';
import { Recent } from './recent.ts';

/** Names as node:tls has them in `certificateCompression`. */
export type CertificateCompressionAlgorithm = 'zlib' | 'brotli' | 'zstd';

const { constants } = zlib;

/** CertificateCompressionAlgorithm (RFC 8879, 7.3). */
const ZLIB = 1;
const BROTLI = 2;
const ZSTD = 3;
/** Compressed messages that are kept: a server sends the same few in every handshake. */
const KEPT = 16;

/** Compresses once what is sent again and again. */
function remembering(compress: (bytes: Uint8Array) => Uint8Array): (bytes: Uint8Array) => Uint8Array | null {
  const recent = new Recent<Uint8Array | null>(KEPT);
  return (bytes) => {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    let compressed = recent.get(key);
    if (compressed === undefined) {
      const result = compress(bytes);
      compressed = result.length < bytes.length ? result : null;
      recent.set(key, compressed);
    }
    return compressed;
  };
}

/** What zlib's and brotli's calls give with `info`: the engine knows how much of its input it has read. */
interface Expanded {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Null for what is malformed, cut, longer than it may become, or followed by anything. */
function bounded(
  expand: (bytes: Uint8Array, options: zlib.ZlibOptions & zlib.BrotliOptions) => unknown,
): (compressed: Uint8Array, maxLength: number) => Uint8Array | null {
  return (compressed, maxLength) => {
    try {
      const options = { maxOutputLength: maxLength, chunkSize: Math.max(64, maxLength), info: true };
      const { buffer, engine } = expand(compressed, options) as Expanded;
      return engine.bytesWritten === compressed.length ? plain(buffer) : null;
    } catch {
      return null;
    }
  };
}

type OneShot = (bytes: Uint8Array, options?: object) => Buffer;

/** Node 22.15 and later. */
const { zstdCompressSync, zstdDecompressSync } = zlib as {
  readonly zstdCompressSync?: OneShot;
  readonly zstdDecompressSync?: OneShot;
};

/** What there is, in no order of preference: `zstd` where node:zlib has it. */
export const certificateCompressors: ReadonlyMap<CertificateCompressionAlgorithm, CertificateCompressor> =
  new Map<CertificateCompressionAlgorithm, CertificateCompressor>([
    [
      'zlib',
      {
        id: ZLIB,
        compress: remembering((bytes) =>
          plain(zlib.deflateSync(bytes, { level: constants.Z_BEST_COMPRESSION })),
        ),
        decompress: bounded(zlib.inflateSync),
      },
    ],
    [
      'brotli',
      {
        id: BROTLI,
        compress: remembering((bytes) =>
          plain(
            zlib.brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
          ),
        ),
        decompress: bounded(zlib.brotliDecompressSync),
      },
    ],
    ...(zstdCompressSync === undefined || zstdDecompressSync === undefined
      ? []
      : ([
          [
            'zstd',
            {
              id: ZSTD,
              compress: remembering((bytes) => plain(zstdCompressSync(bytes))),
              decompress: bounded(zstdDecompressSync),
            },
          ],
        ] as const)),
  ]);
