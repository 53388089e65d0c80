/** Certificates, lists and OCSP answers for tests, signed with node:crypto; any rule can be broken on purpose. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
} from 'node:crypto';
import { parseIpAddress } from '../../src/pki/ip.ts';
import { copyBytes } from '../../src/util/bytes.ts';
import {
  ascii,
  bits,
  bool,
  context,
  int,
  namedBits,
  nil,
  octets,
  oid,
  primitive,
  seq,
  set,
  time,
  tlv,
  utf8String,
} from './der.ts';

export type KeyKind =
  | 'p256'
  | 'p384'
  | 'p521'
  | 'rsa2048'
  | 'rsa1024'
  | 'rsa2052'
  | 'rsa-pss'
  | 'ed25519'
  | 'ed448'
  | 'secp256k1'
  | 'dsa';

export interface TestKey {
  readonly kind: KeyKind;
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  /** SHA-1 of the key's bits, as RFC 5280, 4.2.1.2 (1) suggests. */
  readonly id: Uint8Array;
}

const keys = new Map<string, TestKey>();

function generate(kind: KeyKind): KeyObject {
  switch (kind) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).privateKey;
    case 'secp256k1':
      return generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey;
    case 'rsa1024':
    case 'rsa2048':
    case 'rsa2052':
      return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(3)) }).privateKey;
    case 'rsa-pss':
      return generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'ed448':
      return generateKeyPairSync('ed448').privateKey;
    case 'dsa':
      return generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey;
  }
}

/** The key of that label: made once in a process. */
export function keyFor(label: string, kind: KeyKind = 'p256'): TestKey {
  const known = keys.get(`${kind}/${label}`);
  if (known !== undefined) return known;
  const privateKey = generate(kind);
  const key = fromPrivate(privateKey, kind);
  keys.set(`${kind}/${label}`, key);
  return key;
}

export function fromPrivate(privateKey: KeyObject, kind: KeyKind): TestKey {
  const text = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const spki = copyBytes(createPublicKey(text).export({ type: 'spki', format: 'der' }));
  return { kind, privateKey, spki, id: copyBytes(createHash('sha1').update(spki).digest()) };
}

const OID = {
  sha256Rsa: '1.2.840.113549.1.1.11',
  sha384Rsa: '1.2.840.113549.1.1.12',
  sha512Rsa: '1.2.840.113549.1.1.13',
  sha1Rsa: '1.2.840.113549.1.1.5',
  pss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  ecdsaSha1: '1.2.840.10045.4.1',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  ecdsaSha384: '1.2.840.10045.4.3.3',
  ecdsaSha512: '1.2.840.10045.4.3.4',
  dsaSha256: '2.16.840.1.101.3.4.3.2',
  ed25519: '1.3.101.112',
  ed448: '1.3.101.113',
};
const HASH_OID = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

export interface Algorithm {
  readonly der: Uint8Array;
  readonly sign: (key: TestKey, data: Uint8Array) => Uint8Array;
}

function plain(hash: string | null): Algorithm['sign'] {
  return (key, data) => nodeSign(hash, data, key.privateKey);
}

export function pssAlgorithm(
  hash: keyof typeof HASH_OID,
  saltLength: number,
  maskHash: keyof typeof HASH_OID = hash,
): Algorithm {
  const identifier = (name: keyof typeof HASH_OID): Uint8Array => seq(oid(HASH_OID[name]), nil());
  return {
    der: seq(
      oid(OID.pss),
      seq(
        context(0, identifier(hash)),
        context(1, seq(oid(OID.mgf1), identifier(maskHash))),
        context(2, int(saltLength)),
      ),
    ),
    // RSA_PKCS1_PSS_PADDING is 6.
    sign: (key, data) => nodeSign(hash, data, { key: key.privateKey, padding: 6, saltLength }),
  };
}

export type AlgorithmName =
  | 'ecdsaSha1'
  | 'ecdsaSha256'
  | 'ecdsaSha384'
  | 'ecdsaSha512'
  | 'sha1Rsa'
  | 'sha256Rsa'
  | 'sha384Rsa'
  | 'sha512Rsa'
  | 'pssSha256'
  | 'dsaSha256'
  | 'ed25519'
  | 'ed448';

export const algorithms: Record<AlgorithmName, Algorithm> = {
  ecdsaSha1: { der: seq(oid(OID.ecdsaSha1)), sign: plain('sha1') },
  ecdsaSha256: { der: seq(oid(OID.ecdsaSha256)), sign: plain('sha256') },
  ecdsaSha384: { der: seq(oid(OID.ecdsaSha384)), sign: plain('sha384') },
  ecdsaSha512: { der: seq(oid(OID.ecdsaSha512)), sign: plain('sha512') },
  sha1Rsa: { der: seq(oid(OID.sha1Rsa), nil()), sign: plain('sha1') },
  sha256Rsa: { der: seq(oid(OID.sha256Rsa), nil()), sign: plain('sha256') },
  sha384Rsa: { der: seq(oid(OID.sha384Rsa), nil()), sign: plain('sha384') },
  sha512Rsa: { der: seq(oid(OID.sha512Rsa), nil()), sign: plain('sha512') },
  pssSha256: pssAlgorithm('sha256', 32),
  dsaSha256: { der: seq(oid(OID.dsaSha256)), sign: plain('sha256') },
  ed25519: { der: seq(oid(OID.ed25519)), sign: plain(null) },
  ed448: { der: seq(oid(OID.ed448)), sign: plain(null) },
};

export function defaultAlgorithm(kind: KeyKind): Algorithm {
  switch (kind) {
    case 'p384':
      return algorithms.ecdsaSha384;
    case 'p521':
      return algorithms.ecdsaSha512;
    case 'rsa1024':
    case 'rsa2048':
    case 'rsa2052':
      return algorithms.sha256Rsa;
    case 'rsa-pss':
      return algorithms.pssSha256;
    case 'ed25519':
      return algorithms.ed25519;
    case 'ed448':
      return algorithms.ed448;
    case 'dsa':
      return algorithms.dsaSha256;
    default:
      return algorithms.ecdsaSha256;
  }
}

const ATTRIBUTES: Record<string, string> = {
  CN: '2.5.4.3',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  C: '2.5.4.6',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
};

/** One attribute; `value` is the encoded string. */
export const attribute = (type: string, value: Uint8Array): Uint8Array =>
  seq(oid(ATTRIBUTES[type] ?? type), value);

/** A name from `O=x,CN=y`, in the order of the encoding; the empty text is the empty name. */
export function nameDer(text: string): Uint8Array {
  if (text === '') return seq();
  return seq(
    ...text.split(',').map((part) => {
      const equals = part.indexOf('=');
      return set(attribute(part.slice(0, equals), utf8String(part.slice(equals + 1))));
    }),
  );
}

export const generalName = {
  other: (type: string, value: Uint8Array): Uint8Array => context(0, oid(type), context(0, value)),
  email: (text: string): Uint8Array => primitive(1, ascii(text)),
  dns: (text: string): Uint8Array => primitive(2, ascii(text)),
  directory: (name: string): Uint8Array => context(4, nameDer(name)),
  uri: (text: string): Uint8Array => primitive(6, ascii(text)),
  ip: (text: string): Uint8Array => primitive(7, parseIpAddress(text) ?? ascii(text)),
  ipBytes: (...bytes: number[]): Uint8Array => primitive(7, Uint8Array.from(bytes)),
  registeredId: (dotted: string): Uint8Array => tlv(0x88, oid(dotted).subarray(2)),
};

/** `192.0.2.0/24` as a constraint. */
export function ipRange(text: string): Uint8Array {
  const [address = '', length = ''] = text.split('/');
  const bytes = parseIpAddress(address) as Uint8Array;
  const mask = bytes.map((_, i) => (0xff00 >> Math.max(0, Math.min(8, Number(length) - 8 * i))) & 0xff);
  return primitive(7, Uint8Array.from([...bytes, ...mask]));
}

export interface TestExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const KEY_USAGE = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
] as const;
export type UsageName = (typeof KEY_USAGE)[number];

export const EKU = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  ocsp: '1.3.6.1.5.5.7.3.9',
  any: '2.5.29.37.0',
  email: '1.3.6.1.5.5.7.3.4',
} as const;

export const ANY_POLICY = '2.5.29.32.0';

export const ext = {
  raw: (dotted: string, critical: boolean, value: Uint8Array): TestExtension => ({
    oid: dotted,
    critical,
    value,
  }),
  basic: (ca: boolean, pathLength?: number, critical = true): TestExtension =>
    ext.raw(
      '2.5.29.19',
      critical,
      seq(...(ca ? [bool(true)] : []), ...(pathLength === undefined ? [] : [int(pathLength)])),
    ),
  usage: (names: readonly UsageName[], critical = true): TestExtension =>
    ext.raw('2.5.29.15', critical, namedBits(names.map((name) => KEY_USAGE.indexOf(name)))),
  eku: (purposes: readonly string[], critical = false): TestExtension =>
    ext.raw('2.5.29.37', critical, seq(...purposes.map(oid))),
  san: (names: readonly Uint8Array[], critical = false): TestExtension =>
    ext.raw('2.5.29.17', critical, seq(...names)),
  ski: (id: Uint8Array, critical = false): TestExtension => ext.raw('2.5.29.14', critical, octets(id)),
  aki: (id: Uint8Array, critical = false): TestExtension =>
    ext.raw('2.5.29.35', critical, seq(primitive(0, id))),
  names: (
    permitted: readonly Uint8Array[],
    excluded: readonly Uint8Array[],
    critical = true,
  ): TestExtension =>
    ext.raw(
      '2.5.29.30',
      critical,
      seq(
        ...(permitted.length === 0 ? [] : [context(0, ...permitted.map((base) => seq(base)))]),
        ...(excluded.length === 0 ? [] : [context(1, ...excluded.map((base) => seq(base)))]),
      ),
    ),
  policies: (policies: readonly string[], critical = false): TestExtension =>
    ext.raw('2.5.29.32', critical, seq(...policies.map((policy) => seq(oid(policy))))),
  mappings: (pairs: readonly (readonly [string, string])[], critical = true): TestExtension =>
    ext.raw('2.5.29.33', critical, seq(...pairs.map(([from, to]) => seq(oid(from), oid(to))))),
  policyConstraints: (explicit: number | null, mapping: number | null, critical = true): TestExtension =>
    ext.raw(
      '2.5.29.36',
      critical,
      seq(
        ...(explicit === null ? [] : [int(explicit, 0x80)]),
        ...(mapping === null ? [] : [int(mapping, 0x81)]),
      ),
    ),
  inhibitAny: (skip: number, critical = true): TestExtension => ext.raw('2.5.29.54', critical, int(skip)),
  feature: (numbers: readonly number[]): TestExtension =>
    ext.raw('1.3.6.1.5.5.7.1.24', false, seq(...numbers.map((number) => int(number)))),
  crlPoint: (url: string, critical = false): TestExtension =>
    ext.raw('2.5.29.31', critical, seq(seq(context(0, context(0, generalName.uri(url)))))),
};

export const DAY = 86_400_000;
/** The moment that tests live in. */
export const NOW: number = Date.UTC(2026, 0, 15, 12, 0, 0);

export interface CertificateSpec {
  readonly subject?: string | Uint8Array;
  readonly key?: TestKey;
  /** Absent: signs itself. */
  readonly issuer?: { readonly subjectDer: Uint8Array; readonly key: TestKey };
  /** Instead of the issuer's own name. */
  readonly issuerName?: Uint8Array;
  readonly ca?: boolean;
  readonly serial?: number | bigint | Uint8Array;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly version?: 1 | 2 | 3;
  readonly names?: readonly Uint8Array[];
  readonly purposes?: readonly string[];
  readonly pathLength?: number;
  /** Added to the usual ones; an equal identifier replaces the usual one. */
  readonly add?: readonly TestExtension[];
  /** Identifiers of usual extensions to leave out. */
  readonly omit?: readonly string[];
  /** Instead of all others. */
  readonly extensions?: readonly TestExtension[] | null;
  readonly algorithm?: Algorithm;
  readonly innerAlgorithm?: Uint8Array;
  readonly validity?: Uint8Array;
  readonly uniqueId?: boolean;
  /** Last touch on the signed part, before it is signed. */
  readonly editTbs?: (tbs: Uint8Array) => Uint8Array;
  /** Flips a bit of the signature. */
  readonly breakSignature?: boolean;
}

export interface TestCertificate {
  readonly der: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly key: TestKey;
  readonly serial: Uint8Array;
  readonly spec: CertificateSpec;
}

let counter = 1n;

export const OIDS = {
  basic: '2.5.29.19',
  usage: '2.5.29.15',
  eku: '2.5.29.37',
  san: '2.5.29.17',
  ski: '2.5.29.14',
  aki: '2.5.29.35',
} as const;

export function extensionDer({ oid: dotted, critical, value }: TestExtension): Uint8Array {
  return seq(oid(dotted), ...(critical ? [bool(true)] : []), octets(value));
}

/** A certificate: by default one that the strict profile accepts in its place. */
export function issue(spec: CertificateSpec = {}): TestCertificate {
  const subjectDer = spec.subject instanceof Uint8Array ? spec.subject : nameDer(spec.subject ?? 'CN=leaf');
  const key = spec.key ?? keyFor(typeof spec.subject === 'string' ? spec.subject : 'leaf');
  const signer = spec.issuer?.key ?? key;
  const issuerName = spec.issuerName ?? spec.issuer?.subjectDer ?? subjectDer;
  const serial =
    spec.serial instanceof Uint8Array ? spec.serial : int(spec.serial ?? ++counter + 2n ** 64n).subarray(2);
  const usual: TestExtension[] = spec.ca
    ? [ext.basic(true, spec.pathLength), ext.usage(['keyCertSign', 'cRLSign'])]
    : [ext.usage(['digitalSignature']), ext.eku(spec.purposes ?? [EKU.server])];
  if (spec.ca && spec.purposes !== undefined) usual.push(ext.eku(spec.purposes));
  if (!spec.ca) {
    const names = spec.names ?? [generalName.dns('example.com')];
    if (names.length > 0) usual.push(ext.san(names, subjectDer.length === 2));
  } else if (spec.names !== undefined) usual.push(ext.san(spec.names));
  usual.push(ext.ski(key.id));
  if (spec.issuer !== undefined) usual.push(ext.aki(spec.issuer.key.id));
  const added = new Set(spec.add?.map((extension) => extension.oid));
  const extensions =
    spec.extensions ??
    [...usual.filter((extension) => !added.has(extension.oid)), ...(spec.add ?? [])].filter(
      (extension) => spec.omit?.includes(extension.oid) !== true,
    );
  const version = spec.version ?? 3;
  const algorithm = spec.algorithm ?? defaultAlgorithm(signer.kind);
  let tbs = seq(
    ...(version === 1 ? [] : [context(0, int(version - 1))]),
    tlv(2, serial),
    spec.innerAlgorithm ?? algorithm.der,
    issuerName,
    spec.validity ?? seq(time(spec.notBefore ?? NOW - 30 * DAY), time(spec.notAfter ?? NOW + 60 * DAY)),
    subjectDer,
    key.spki,
    ...(spec.uniqueId ? [bits(Uint8Array.of(1, 2, 3), 0x81)] : []),
    ...(spec.extensions === null || extensions.length === 0
      ? []
      : [context(3, seq(...extensions.map(extensionDer)))]),
  );
  if (spec.editTbs) tbs = spec.editTbs(tbs);
  const signature = Uint8Array.from(algorithm.sign(signer, tbs));
  if (spec.breakSignature) (signature[signature.length - 1] as number) ^= 1;
  return { der: seq(tbs, algorithm.der, bits(signature)), subjectDer, key, serial, spec };
}

/** A CA certificate. */
export function issueCa(subject: string, spec: CertificateSpec = {}): TestCertificate {
  return issue({ subject, ca: true, notBefore: NOW - 400 * DAY, notAfter: NOW + 400 * DAY, ...spec });
}
