/** certificateCompression: RFC 8879 with what node:zlib has. */
import type { CertificateCompressor } from '../crypto/certificate-compressor.ts';
import { type CertificateCompressionAlgorithm, certificateCompressors } from '../crypto/node/index.ts';
import { invalidArgType, invalidArgValue } from './node-errors.ts';

export type { CertificateCompressionAlgorithm };

/** What `certificateCompression` takes here: `zstd` where node:zlib has it. */
export function getCertificateCompressionAlgorithms(): CertificateCompressionAlgorithm[] {
  return [...certificateCompressors.keys()];
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
    const found = certificateCompressors.get(name as CertificateCompressionAlgorithm);
    if (found !== undefined) return found;
    const known = getCertificateCompressionAlgorithms().map((each) => `'${each}'`);
    throw invalidArgValue(
      `${option}[${i}]`,
      name,
      `must be ${known.join(', ').replace(/, (?!.*, )/, ' or ')}`,
    );
  });
}
