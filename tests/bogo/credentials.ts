import { readFileSync } from 'node:fs';
import type { CertificateCompressor } from '../../src/crypto/certificate-compressor.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { Credential } from '../../src/handshake/config.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { type ShimConfig, Unimplemented } from './flags.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g;

const chains = new Map<string, readonly Uint8Array[]>();
const keys = new Map<string, Credential['key']>();

/** The certificates of a PEM file. The runner's files do not change: each is read once. */
export function loadChain(file: string): readonly Uint8Array[] {
  let chain = chains.get(file);
  if (chain === undefined) {
    const text = readFileSync(file, 'latin1');
    chain = [...text.matchAll(PEM_CERTIFICATE)].map(
      ([, base64]) => new Uint8Array(Buffer.from(base64 as string, 'base64')),
    );
    chains.set(file, chain);
  }
  return chain;
}

function loadKey(file: string): NonNullable<Credential['key']> {
  let key = keys.get(file);
  if (key === undefined) {
    try {
      key = nodeProvider.importPrivateKey(readFileSync(file, 'latin1'));
    } catch (error) {
      throw new Unimplemented(`-key-file ${file}`, String(error));
    }
    keys.set(file, key);
  }
  return key;
}

/** What `-cert-file`, `-key-file`, `-signing-prefs` and the stapling flags describe; null without them. */
export function loadCredential(config: ShimConfig, ocspResponse: Uint8Array | null): Credential | null {
  const certFile = config['cert-file'];
  const keyFile = config['key-file'];
  if (certFile === null || keyFile === null) return null;
  const key = loadKey(keyFile);
  const sctList = config['signed-cert-timestamps'];
  return {
    chain: loadChain(certFile),
    key,
    keyType: key.type,
    keyBits: key.bits,
    ...(config['signing-prefs'].length > 0 ? { signatureSchemes: config['signing-prefs'] } : {}),
    ...(ocspResponse === null ? {} : { ocspResponse }),
    ...(sctList === null ? {} : { sctList }),
  };
}

const EXPANDING = new Uint8Array([1, 2, 3, 4]);
const SHRINKING = new Uint8Array([0, 0]);

function withoutPrefix(bytes: Uint8Array, prefix: Uint8Array): Uint8Array | null {
  return prefix.every((byte, i) => bytes[i] === byte) ? bytes.slice(prefix.length) : null;
}

/** The three algorithms that the runner makes up for its tests of RFC 8879. */
const mockCompressors: readonly CertificateCompressor[] = [
  {
    id: 0xff02,
    compress: (certificate) => concatBytes(EXPANDING, certificate),
    decompress: (compressed) => withoutPrefix(compressed, EXPANDING),
  },
  {
    id: 0xff01,
    compress: (certificate) => withoutPrefix(certificate, SHRINKING),
    decompress: (compressed) => concatBytes(SHRINKING, compressed),
  },
  {
    id: 0xff03,
    compress: (certificate) => concatBytes(nodeProvider.random(1), certificate),
    decompress: (compressed) => (compressed.length === 0 ? null : compressed.slice(1)),
  },
];

export function compressorsOf(config: ShimConfig): readonly CertificateCompressor[] {
  if (config['install-cert-compression-algs']) return mockCompressors;
  const only = config['install-one-cert-compression-alg'];
  return mockCompressors.filter((compressor) => compressor.id === only);
}
