/**
 * PKCS#12 (RFC 7292) as key and certificates are kept in: password integrity by an HMAC, privacy by PBES2 or
 * by SHA-1 with triple DES. What OpenSSL 3 has only in its legacy provider (RC2, RC4) is not read, nor is BER
 * that is no DER.
 */
import { createDecipheriv, createHash, createHmac, createPrivateKey, pbkdf2Sync } from 'node:crypto';
import { copyBytes, equalSecret } from '../util/bytes.ts';
import { contextConstructed, contextPrimitive, DerReader, DerTag, oidToText } from '../util/der.ts';
import { UsageError } from '../util/errors.ts';

export interface Pkcs12 {
  /** PKCS#8, PEM. Null when there is none. */
  readonly keyPem: string | null;
  /** DER, in the order of the file. */
  readonly certificates: readonly Uint8Array[];
}

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const KEY_BAG = '1.2.840.113549.1.12.10.1.1';
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERT_BAG = '1.2.840.113549.1.12.10.1.3';
const SAFE_CONTENTS_BAG = '1.2.840.113549.1.12.10.1.6';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const SHA1_TRIPLE_DES = '1.2.840.113549.1.12.1.3';

/** A file that asks for more holds up the process and not its reader. */
const MAX_ITERATIONS = 10_000_000;
const MAX_DEPTH = 8;

interface Hash {
  readonly name: string;
  /** The block that RFC 7292, B.2 calls v, in bytes. */
  readonly block: number;
}

const HASHES: Readonly<Record<string, Hash>> = {
  '1.3.14.3.2.26': { name: 'sha1', block: 64 },
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', block: 64 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', block: 128 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', block: 128 },
};
const SHA1: Hash = HASHES['1.3.14.3.2.26'] as Hash;

const PRFS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

/** Cipher and key length in bytes. */
const CIPHERS: Readonly<Record<string, readonly [string, number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
  '1.2.840.113549.3.7': ['des-ede3-cbc', 24],
};

function unsupported(what: string, oid: string): UsageError {
  return new UsageError('ERR_TLS_PFX_UNSUPPORTED', `the PFX has ${what} that is not read here: ${oid}`);
}

/**
 * Reads a PFX. @throws {DecodeError} for what is none; {UsageError} `ERR_TLS_PFX_MAC` when the password is
 * not the file's or the file was changed, `ERR_TLS_PFX_UNSUPPORTED` for an algorithm that is not read.
 */
export function readPkcs12(der: Uint8Array, passphrase: string): Pkcs12 {
  const outer = new DerReader(der);
  const pfx = outer.readSequence();
  outer.end();
  pfx.readInteger(3, 3);
  const { type, content } = readContentInfo(pfx.readSequence());
  if (type !== DATA) throw unsupported('a kind of integrity', type);
  const safes = content.readOctetString();
  if (pfx.done) throw new UsageError('ERR_TLS_PFX_MAC', 'the PFX has no MAC');
  checkMac(pfx.readSequence(), safes, passphrase);
  pfx.end();

  const keys: string[] = [];
  const certificates: Uint8Array[] = [];
  const list = new DerReader(safes).readSequence();
  while (!list.done) {
    const part = readContentInfo(list.readSequence());
    if (part.type === DATA) readBags(part.content.readOctetString(), passphrase, keys, certificates, 0);
    else if (part.type === ENCRYPTED_DATA) {
      readBags(decryptData(part.content, passphrase), passphrase, keys, certificates, 0);
    } else throw unsupported('contents', part.type);
  }
  return { keyPem: keys[0] ?? null, certificates };
}

function readContentInfo(info: DerReader): { readonly type: string; readonly content: DerReader } {
  const type = oidToText(info.readOid());
  const content = info.readConstructed(contextConstructed(0));
  info.end();
  return { type, content };
}

/** MacData (RFC 7292, 4). */
function checkMac(macData: DerReader, content: Uint8Array, passphrase: string): void {
  const info = macData.readSequence();
  const oid = readPlainAlgorithm(info.readSequence());
  const expected = info.readOctetString();
  info.end();
  const salt = macData.readOctetString();
  const iterations = macData.done ? 1 : macData.readInteger(1, MAX_ITERATIONS);
  macData.end();
  const hash = HASHES[oid];
  if (hash === undefined) throw unsupported('a MAC', oid);
  const matches = (password: Uint8Array): boolean => {
    const key = deriveKey(hash, 3, password, salt, iterations, expected.length);
    return equalSecret(createHmac(hash.name, key).update(content).digest(), expected);
  };
  // No password is either an empty string or none at all.
  if (matches(bmpString(passphrase)) || (passphrase === '' && matches(new Uint8Array(0)))) return;
  throw new UsageError('ERR_TLS_PFX_MAC', 'mac verify failure: the passphrase is not the one of the PFX');
}

/** An AlgorithmIdentifier without parameters, which some write as NULL. */
function readPlainAlgorithm(algorithm: DerReader): string {
  const oid = oidToText(algorithm.readOid());
  if (!algorithm.done) algorithm.readNull();
  algorithm.end();
  return oid;
}

function readBags(
  contents: Uint8Array,
  passphrase: string,
  keys: string[],
  certificates: Uint8Array[],
  depth: number,
): void {
  if (depth > MAX_DEPTH) throw new UsageError('ERR_TLS_PFX_UNSUPPORTED', 'the PFX is nested too deeply');
  const bags = new DerReader(contents).readSequence();
  while (!bags.done) {
    const bag = bags.readSequence();
    const type = oidToText(bag.readOid());
    const value = bag.readConstructed(contextConstructed(0));
    switch (type) {
      case KEY_BAG:
      case SHROUDED_KEY_BAG:
        keys.push(readKey(value.readAnyElement(), passphrase));
        break;
      case CERT_BAG: {
        const certificate = value.readSequence();
        if (oidToText(certificate.readOid()) !== X509_CERTIFICATE) break;
        const bytes = certificate.readConstructed(contextConstructed(0)).readOctetString();
        certificates.push(copyBytes(bytes));
        break;
      }
      case SAFE_CONTENTS_BAG:
        readBags(value.readAnyElement(), passphrase, keys, certificates, depth + 1);
        break;
      default:
      // Revocation lists and secrets are nothing that TLS takes from here.
    }
  }
}

function readKey(pkcs8: Uint8Array, passphrase: string): string {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8', passphrase });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** EncryptedData (RFC 5652, 8). */
function decryptData(content: DerReader, passphrase: string): Uint8Array {
  const data = content.readSequence();
  data.readInteger(0, 2);
  const info = data.readSequence();
  info.readOid();
  const algorithm = info.readSequence();
  const encrypted = info.readContents(contextPrimitive(0));
  const oid = oidToText(algorithm.readOid());
  const parameters = algorithm.readSequence();
  if (oid === PBES2) return decryptPbes2(parameters, encrypted, passphrase);
  if (oid !== SHA1_TRIPLE_DES) throw unsupported('an encryption', oid);
  const salt = parameters.readOctetString();
  const iterations = parameters.readInteger(1, MAX_ITERATIONS);
  const password = bmpString(passphrase);
  const key = deriveKey(SHA1, 1, password, salt, iterations, 24);
  return decrypt('des-ede3-cbc', key, deriveKey(SHA1, 2, password, salt, iterations, 8), encrypted);
}

/** PBES2 (RFC 8018, 6.2). */
function decryptPbes2(parameters: DerReader, encrypted: Uint8Array, passphrase: string): Uint8Array {
  const kdf = parameters.readSequence();
  const kdfOid = oidToText(kdf.readOid());
  if (kdfOid !== PBKDF2) throw unsupported('a key derivation', kdfOid);
  const derivation = kdf.readSequence();
  const salt = derivation.readOctetString();
  const iterations = derivation.readInteger(1, MAX_ITERATIONS);
  if (derivation.peekTag() === DerTag.integer) derivation.readInteger(1, 64);
  const prfOid = derivation.done ? '1.2.840.113549.2.7' : readPlainAlgorithm(derivation.readSequence());
  const prf = PRFS[prfOid];
  if (prf === undefined) throw unsupported('a key derivation', prfOid);
  const scheme = parameters.readSequence();
  const cipherOid = oidToText(scheme.readOid());
  const cipher = CIPHERS[cipherOid];
  if (cipher === undefined) throw unsupported('an encryption', cipherOid);
  const [name, keyLength] = cipher;
  const key = pbkdf2Sync(passphrase, salt, iterations, keyLength, prf);
  return decrypt(name, key, scheme.readOctetString(), encrypted);
}

function decrypt(cipher: string, key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(cipher, key, iv);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}

/** UTF-16, big-endian, with two zero bytes at the end (RFC 7292, B.1). */
function bmpString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2 + 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit >> 8;
    bytes[2 * i + 1] = unit & 0xff;
  }
  return bytes;
}

/** RFC 7292, B.2. `id` is 1 for a key, 2 for an IV, 3 for a MAC key; `length` is in bytes. */
function deriveKey(
  { name, block }: Hash,
  id: number,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  const fill = (source: Uint8Array): Uint8Array => {
    const filled = new Uint8Array(block * Math.ceil(source.length / block));
    for (let i = 0; i < filled.length; i++) filled[i] = source[i % source.length] as number;
    return filled;
  };
  const input = Buffer.concat([fill(salt), fill(password)]);
  const diversifier = new Uint8Array(block).fill(id);
  const output: Buffer[] = [];
  for (let have = 0; have < length; ) {
    let digest = createHash(name).update(diversifier).update(input).digest();
    for (let i = 1; i < iterations; i++) digest = createHash(name).update(digest).digest();
    output.push(digest);
    have += digest.length;
    for (let start = 0; start < input.length; start += block) {
      let carry = 1;
      for (let i = block - 1; i >= 0; i--) {
        carry += (input[start + i] as number) + (digest[i % digest.length] as number);
        input[start + i] = carry & 0xff;
        carry >>= 8;
      }
    }
  }
  return Buffer.concat(output).subarray(0, length);
}
