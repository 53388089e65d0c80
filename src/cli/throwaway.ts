/** A root and a certificate under it, good for a day and for loopback alone: made in memory, kept nowhere. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { concatBytes, utf8 } from '../util/bytes.ts';

export interface Throwaway {
  /** PEM. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 86_400_000;

const OID = {
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  commonName: [0x55, 0x04, 0x03],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
  basicConstraints: [0x55, 0x1d, 0x13],
  extKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
} as const;

function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const content = concatBytes(...parts.map((part) => Uint8Array.from(part)));
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return concatBytes(Uint8Array.from(head), content);
}
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(0x30, ...parts);
const oid = (bytes: readonly number[]): Uint8Array => der(0x06, bytes);
const ALGORITHM = sequence(oid(OID.ecdsaWithSha256));

function name(commonName: string): Uint8Array {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, utf8(commonName)))));
}

function utcTime(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, utf8(`${digits}Z`));
}

function extension(id: readonly number[], critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(id), ...(critical ? [der(0x01, [0xff])] : []), der(0x04, value));
}

interface Wanted {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly nowMs: number;
  readonly extensions: readonly Uint8Array[];
}

function certificate({ subject, issuer, publicKey, signer, nowMs, extensions }: Wanted): Uint8Array {
  const serial = randomBytes(16);
  // Positive, and of full length.
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  const tbs = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, serial),
    ALGORITHM,
    name(issuer),
    sequence(utcTime(nowMs - 60_000), utcTime(nowMs + DAY_MS)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  return sequence(tbs, ALGORITHM, der(0x03, [0], sign('sha256', tbs, signer)));
}

function pem(bytes: Uint8Array): string {
  const text = Buffer.from(bytes)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`;
}

/** P-256 keys; the certificate is for `localhost`, 127.0.0.1 and ::1. */
export function makeThrowaway(nowMs: number): Throwaway {
  const root = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rootName = 'tlsession throw-away root';
  const ca = certificate({
    subject: rootName,
    issuer: rootName,
    publicKey: root.publicKey,
    signer: root.privateKey,
    nowMs,
    extensions: [
      extension(OID.basicConstraints, true, sequence(der(0x01, [0xff]))),
      // keyCertSign
      extension(OID.keyUsage, true, der(0x03, [2, 0x04])),
    ],
  });
  const cert = certificate({
    subject: 'localhost',
    issuer: rootName,
    publicKey: leaf.publicKey,
    signer: root.privateKey,
    nowMs,
    extensions: [
      extension(OID.basicConstraints, true, sequence()),
      // digitalSignature
      extension(OID.keyUsage, true, der(0x03, [7, 0x80])),
      extension(OID.extKeyUsage, false, sequence(oid(OID.serverAuth))),
      extension(
        OID.subjectAltName,
        false,
        sequence(
          der(0x82, utf8('localhost')),
          der(0x87, [127, 0, 0, 1]),
          der(0x87, [...new Array<number>(15).fill(0), 1]),
        ),
      ),
    ],
  });
  return {
    ca: pem(ca),
    cert: pem(cert),
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
