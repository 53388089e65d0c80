/** certificateCompression: RFC 8879 with what node:zlib has. */
import * as zlib from 'node:zlib';
import type { CertificateCompressor } from '../handshake/config.ts';
import { invalidArgType, invalidArgValue } from './node-errors.ts';

export type CertificateCompressionAlgorithm = 'zlib' | 'brotli' | 'zstd';

type Transform = (input: Uint8Array) => Uint8Array;
type Bounded = (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

function compressor(id: number, compress: Transform, decompress: Bounded): CertificateCompressor {
  return {
    id,
    compress: (certificate) => {
      const compressed = compress(certificate);
      return compressed.length < certificate.length ? new Uint8Array(compressed) : null;
    },
    decompress: (compressed, maxLength) => {
      try {
        return new Uint8Array(decompress(compressed, { maxOutputLength: maxLength }));
      } catch {
        return null;
      }
    },
  };
}

/** Node 22.15 and later. */
const { zstdCompressSync, zstdDecompressSync } = zlib as {
  readonly zstdCompressSync?: Transform;
  readonly zstdDecompressSync?: Bounded;
};

/** CertificateCompressionAlgorithm ids of RFC 8879, 7.3. */
const COMPRESSORS: ReadonlyMap<string, CertificateCompressor> = new Map<string, CertificateCompressor>([
  ['zlib', compressor(1, (input) => zlib.deflateSync(input), zlib.inflateSync)],
  ['brotli', compressor(2, (input) => zlib.brotliCompressSync(input), zlib.brotliDecompressSync)],
  ...(zstdCompressSync === undefined || zstdDecompressSync === undefined
    ? []
    : ([['zstd', compressor(3, zstdCompressSync, zstdDecompressSync)]] as const)),
]);

/** What `certificateCompression` takes here: `zstd` where node:zlib has it. */
export function getCertificateCompressionAlgorithms(): CertificateCompressionAlgorithm[] {
  return [...COMPRESSORS.keys()] as CertificateCompressionAlgorithm[];
}

/** In order of preference. @throws {CodedTypeError} for names that are not known or not there. */
export function readCertificateCompression(
  names: readonly string[] | null | undefined,
): readonly CertificateCompressor[] {
  if (names === null || names === undefined) return [];
  const option = 'options.certificateCompression';
  if (!Array.isArray(names)) throw invalidArgType(option, 'an instance of Array', names);
  if (names.length > 3) throw invalidArgValue(option, names, 'can specify at most 3 algorithms');
  return names.map((name: string, i) => {
    const found = COMPRESSORS.get(name);
    if (found !== undefined) return found;
    const known = getCertificateCompressionAlgorithms().map((each) => `'${each}'`);
    throw invalidArgValue(
      `${option}[${i}]`,
      name,
      `must be ${known.join(', ').replace(/, (?!.*, )/, ' or ')}`,
    );
  });
}
