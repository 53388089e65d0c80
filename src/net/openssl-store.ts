/**
 * OpenSSL's default store, by which Node verifies under --use-openssl-ca (X509_STORE_set_default_paths(3)):
 * SSL_CERT_FILE and SSL_CERT_DIR, or what stands where Node's OpenSSL looks. Node gives no list of it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { certificateBytes } from '../pki/anchors.ts';
import { parseCertificate } from '../pki/certificate.ts';

/** OPENSSLDIR of the OpenSSL that comes with Node. */
const DIRECTORIES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: '/System/Library/OpenSSL',
  win32: 'C:\\Program Files\\Common Files\\SSL',
};
const OPENSSLDIR = DIRECTORIES[process.platform] ?? '/etc/ssl';

/** A certificate in a directory: its subject's hash, and a number (openssl-rehash(1)). */
const HASHED = /^[0-9a-f]{8}\.\d+$/;

const OPTION = /^--(use|no-use)[-_]openssl[-_]ca$/;

/** Whether Node was told to verify by it: on the command line, or else in NODE_OPTIONS. */
export function usesOpensslStore(): boolean {
  // Node takes quotes around an option.
  const inherited = (process.env['NODE_OPTIONS'] ?? '').replaceAll('"', '').split(/\s+/);
  const given = [...inherited, ...process.execArgv];
  return OPTION.exec(given.findLast((option) => OPTION.test(option)) ?? '')?.[1] === 'use';
}

/**
 * Certificates in DER. OpenSSL reads PEM alone, and nothing of a file in which a certificate is damaged. `TRUSTED
 * CERTIFICATE`, which says what for, is not read.
 */
export function readOpensslStore(): Uint8Array[] {
  const { SSL_CERT_FILE, SSL_CERT_DIR } = process.env;
  const files = [SSL_CERT_FILE ?? join(OPENSSLDIR, 'cert.pem')];
  for (const directory of (SSL_CERT_DIR ?? join(OPENSSLDIR, 'certs')).split(delimiter)) {
    for (const name of namesIn(directory)) if (HASHED.test(name)) files.push(join(directory, name));
  }
  return files.flatMap(certificatesIn);
}

function namesIn(directory: string): string[] {
  try {
    return directory === '' ? [] : readdirSync(directory);
  } catch {
    return [];
  }
}

function certificatesIn(path: string): Uint8Array[] {
  try {
    const text = readFileSync(path, 'latin1');
    if (!text.includes('-----BEGIN ')) return [];
    const certificates = certificateBytes(text);
    for (const certificate of certificates) parseCertificate(certificate);
    return certificates;
  } catch {
    return [];
  }
}
