/** Rules about single certificates: their form, keys, dates and rights. */
import { concatBytes } from '../../src/util/bytes.ts';
import {
  ascii,
  bits,
  bool,
  context,
  generalizedTime,
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
import {
  algorithms,
  attribute,
  type CertificateSpec,
  DAY,
  EKU,
  ext,
  extensionDer,
  generalName,
  keyFor,
  NOW,
  nameDer,
  OIDS,
  pssAlgorithm,
  type TestExtension,
  type TestKey,
} from './make.ts';
import type { Rule } from './world.ts';

const { dns } = generalName;
const UNKNOWN = '1.3.6.1.4.1.55555.1';
const AIA = '1.3.6.1.5.5.7.1.1';
const aia = (value: Uint8Array, critical = false): TestExtension => ext.raw(AIA, critical, value);
const goodAia = seq(seq(oid('1.3.6.1.5.5.7.48.2'), generalName.uri('http://ca.example/ca.crt')));

/** A key with an SPKI of its own making; it cannot be used, but it is not used either. */
const withSpki = (spki: Uint8Array): TestKey => ({ ...keyFor('odd'), spki });
const rsaSpki = (modulus: bigint, exponent: bigint): Uint8Array =>
  seq(seq(oid('1.2.840.113549.1.1.1'), nil()), tlv(3, Uint8Array.of(0), seq(int(modulus), int(exponent))));
const MODULUS_2048 = (1n << 2047n) | (0x1234567n << 64n) | 1n;
const explicitCurve = seq(
  seq(oid('1.2.840.10045.2.1'), seq(int(1), seq(oid('1.2.840.10045.1.1'), int(23)))),
  bits(new Uint8Array(65).fill(4)),
);

/** The right length and form, and no point of P-256. */
const offCurve = seq(
  seq(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')),
  bits(Uint8Array.from({ length: 65 }, (_, i) => (i === 0 ? 4 : i))),
);

/** The contents of a SEQUENCE of up to 65535 bytes. */
function contentsOf(sequence: Uint8Array): Uint8Array {
  const first = sequence[1] as number;
  return sequence.slice(first < 0x80 ? 2 : 2 + (first & 0x7f));
}

function manyExtensions(count: number): TestExtension[] {
  return Array.from({ length: count }, (_, i) => ext.raw(`1.3.6.1.4.1.55555.9.${i}`, false, nil()));
}

const form: Rule[] = [
  {
    title: 'bytes after the certificate',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { sent: (der) => concatBytes(der, Uint8Array.of(0)) },
  },
  {
    title: 'a certificate that breaks off',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { sent: (der) => der.slice(0, -1) },
  },
  {
    title: 'a length that is not in its shortest form (BER, not DER)',
    reason: 'malformed-certificate',
    depth: 0,
    // 30 82 xx xx becomes 30 83 00 xx xx.
    bad: { sent: (der) => concatBytes(Uint8Array.of(0x30, 0x83, 0), der.slice(2)) },
  },
  {
    title: 'an indefinite length',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { sent: (der) => concatBytes(Uint8Array.of(0x30, 0x80), der.slice(4), Uint8Array.of(0, 0)) },
  },
  {
    title: 'an empty issuer',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { issuerName: nameDer('') } },
  },
  {
    title: 'an intermediate CA without a name',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { ca: { subject: '', key: keyFor('nameless') } },
  },
  {
    title: 'a negative INTEGER of two bytes where one does',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { serial: Uint8Array.of(0xff, 0x80) } },
  },
  {
    title: 'a time without seconds',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { validity: seq(tlv(0x17, ascii('2501011200Z')), time(NOW + DAY)) } },
  },
  {
    title: 'a time with a zone',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { validity: seq(tlv(0x17, ascii('250101120000+0100')), time(NOW + DAY)) } },
  },
  {
    title: 'a time with fractions',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { validity: seq(tlv(0x18, ascii('20250101120000.5Z')), time(NOW + DAY)) } },
  },
  {
    title: 'the thirtieth of February',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { validity: seq(tlv(0x17, ascii('240230120000Z')), time(NOW + DAY)) } },
  },
  {
    title: 'a name part without an attribute',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { subject: seq(set()), key: keyFor('leaf') } },
  },
  {
    title: 'a BIT STRING of a signature that is no whole bytes',
    reason: 'malformed-certificate',
    depth: 0,
    bad: {
      sent: (der) => {
        const copy = der.slice();
        // The unused-bits byte of the signature: 64 to 72 bytes of ECDSA signature follow it.
        const at = copy.lastIndexOf(0, copy.length - 70);
        copy[at] = 1;
        return copy;
      },
    },
  },
  {
    title: 'extensions in a version 1 certificate',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { version: 1 } },
  },
  {
    title: 'extensions in a version 2 certificate',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { version: 2 } },
  },
  {
    title: 'unique identifiers in a version 1 certificate',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { version: 1, extensions: null, uniqueId: true } },
  },
  {
    title: 'a list of extensions without one',
    reason: 'malformed-certificate',
    depth: 0,
    bad: { leaf: { extensions: null, editTbs: (tbs) => seq(contentsOf(tbs), context(3, seq())) } },
  },
  {
    title: 'a BOOLEAN that is neither 00 nor FF',
    reason: 'malformed-certificate',
    depth: 0,
    bad: {
      leaf: {
        extensions: null,
        editTbs: (tbs) =>
          seq(contentsOf(tbs), context(3, seq(seq(oid(OIDS.basic), Uint8Array.of(1, 1, 1), octets(seq()))))),
      },
    },
  },
  {
    title: 'an extension that comes twice',
    reason: 'duplicate-extension',
    depth: 0,
    bad: { leaf: { add: [ext.raw(UNKNOWN, false, nil()), ext.raw(UNKNOWN, false, nil())] } },
  },
  {
    title: 'more than 64 extensions',
    reason: 'malformed-certificate',
    depth: 0,
    good: { leaf: { add: manyExtensions(58) } },
    bad: { leaf: { add: manyExtensions(60) } },
  },
  {
    title: 'an extension that comes twice in an intermediate',
    reason: 'duplicate-extension',
    depth: 1,
    bad: { ca: { add: [ext.raw(UNKNOWN, false, nil()), ext.raw(UNKNOWN, false, nil())] } },
  },
  {
    title: 'an unknown critical extension in the leaf',
    reason: 'unknown-critical-extension',
    depth: 0,
    good: { leaf: { add: [ext.raw(UNKNOWN, false, nil())] } },
    bad: { leaf: { add: [ext.raw(UNKNOWN, true, nil())] } },
  },
  {
    title: 'an unknown critical extension in a CA',
    reason: 'unknown-critical-extension',
    depth: 1,
    good: { ca: { add: [ext.raw(UNKNOWN, false, nil())] } },
    bad: { ca: { add: [ext.raw(UNKNOWN, true, nil())] } },
  },
  {
    title: 'an unknown critical extension in the anchor',
    reason: 'unknown-critical-extension',
    depth: 2,
    good: { root: { add: [ext.raw(UNKNOWN, false, nil())] } },
    bad: { root: { add: [ext.raw(UNKNOWN, true, nil())] } },
  },
  {
    title: 'a critical authority information access',
    reason: 'unknown-critical-extension',
    depth: 0,
    good: { leaf: { add: [aia(goodAia)] } },
    bad: { leaf: { add: [aia(goodAia, true)] } },
  },
  {
    title: 'a critical subject key identifier',
    reason: 'unknown-critical-extension',
    depth: 1,
    bad: { ca: { add: [ext.ski(keyFor('CN=ca').id, true)] } },
  },
  {
    title: 'a critical authority key identifier',
    reason: 'unknown-critical-extension',
    depth: 0,
    bad: { leaf: { add: [ext.aki(keyFor('CN=ca').id, true)] } },
  },
  {
    title: 'an intermediate of version 1',
    reason: 'unsupported-version',
    depth: 1,
    bad: { ca: { version: 1, extensions: null } },
  },
  {
    title: 'two signature algorithms',
    reason: 'algorithm-mismatch',
    depth: 0,
    bad: { leaf: { innerAlgorithm: algorithms.ecdsaSha384.der } },
  },
  {
    title: 'two signature algorithms in a CA',
    reason: 'algorithm-mismatch',
    depth: 1,
    bad: { ca: { innerAlgorithm: algorithms.ecdsaSha384.der } },
  },
];

const malformedLeaf: readonly (readonly [title: string, oid: string, value: Uint8Array])[] = [
  ['alternative names that are no DER', OIDS.san, ascii('DNS:example.com')],
  ['an empty list of alternative names', OIDS.san, seq()],
  ['an alternative name of an unknown type', OIDS.san, seq(primitive(9, ascii('x')))],
  ['bytes after the alternative names', OIDS.san, concatBytes(seq(dns('a.example')), nil())],
  ['key usage with unused bits that are set', OIDS.usage, Uint8Array.of(3, 2, 6, 0xc1)],
  ['key usage that is an INTEGER', OIDS.usage, int(5)],
  ['basic constraints with bytes left', OIDS.basic, seq(bool(true), int(0), nil())],
  ['a negative path length', OIDS.basic, seq(bool(true), int(-1))],
  ['extended key usage without a purpose', OIDS.eku, seq()],
  ['extended key usage with no identifiers', OIDS.eku, seq(int(1))],
  ['name constraints without a constraint', '2.5.29.30', seq()],
  ['name constraints with an empty list', '2.5.29.30', seq(context(0))],
  ['name constraints with NULL for lists', '2.5.29.30', seq(primitive(0, new Uint8Array(0)))],
  [
    'a name constraint with a minimum',
    '2.5.29.30',
    seq(context(0, seq(dns('example.com'), primitive(0, Uint8Array.of(1))))),
  ],
  ['more than 64 TLS features', '1.3.6.1.5.5.7.1.24', seq(...Array.from({ length: 65 }, (_, i) => int(i)))],
  ['policies without a policy', '2.5.29.32', seq()],
  ['a policy that comes twice', '2.5.29.32', seq(seq(oid('1.2.3')), seq(oid('1.2.3')))],
  ['a policy with an empty list of qualifiers', '2.5.29.32', seq(seq(oid('1.2.3'), seq()))],
  ['policy mappings without a mapping', '2.5.29.33', seq()],
  ['policy constraints without a constraint', '2.5.29.36', seq()],
  ['a negative inhibitAnyPolicy', '2.5.29.54', int(-1)],
  ['TLS features that are no numbers', '1.3.6.1.5.5.7.1.24', seq(oid('1.2.3'))],
];

const extensions: Rule[] = [
  ...malformedLeaf.map(
    ([title, oidText, value]): Rule => ({
      title,
      reason: 'malformed-extension',
      depth: 0,
      bad: { leaf: { add: [ext.raw(oidText, false, value)] } },
    }),
  ),
  {
    title: 'a critical distribution point that is malformed',
    reason: 'malformed-extension',
    depth: 0,
    good: { leaf: { add: [ext.crlPoint('http://ca.example/1.crl', true)] } },
    bad: { leaf: { add: [ext.raw('2.5.29.31', true, seq())] } },
  },
  {
    title: 'a malformed constraint on DNS names in a CA',
    reason: 'malformed-extension',
    depth: 1,
    good: { ca: { add: [ext.names([dns('example.com')], [])] } },
    bad: { ca: { add: [ext.names([dns('*.example.com')], [])] } },
  },
];

const keys: Rule[] = [
  {
    title: 'an RSA key of 1024 bits in the leaf',
    reason: 'key-not-allowed',
    depth: 0,
    good: { leaf: { key: keyFor('leaf', 'rsa2048') } },
    bad: { leaf: { key: keyFor('leaf', 'rsa1024') } },
  },
  {
    title: 'an RSA key of 1024 bits in the anchor',
    reason: 'key-not-allowed',
    depth: 2,
    good: { root: { key: keyFor('root', 'rsa2048') } },
    bad: { root: { key: keyFor('root', 'rsa1024') } },
  },
  {
    title: 'an RSA key of 1024 bits in a CA',
    reason: 'key-not-allowed',
    depth: 1,
    good: { ca: { key: keyFor('ca', 'rsa2048') } },
    bad: { ca: { key: keyFor('ca', 'rsa1024') } },
  },
  {
    title: 'an RSA key of 8200 bits',
    reason: 'key-not-allowed',
    depth: 0,
    good: { leaf: { key: withSpki(rsaSpki((1n << 8191n) | 1n, 65537n)) } },
    bad: { leaf: { key: withSpki(rsaSpki((1n << 8199n) | 1n, 65537n)) } },
  },
  {
    title: 'an RSA exponent of 34 bits',
    reason: 'key-not-allowed',
    depth: 0,
    good: { leaf: { key: withSpki(rsaSpki(MODULUS_2048, (1n << 32n) | 1n)) } },
    bad: { leaf: { key: withSpki(rsaSpki(MODULUS_2048, (1n << 33n) | 1n)) } },
  },
  {
    title: 'an RSA exponent of 1',
    reason: 'key-not-allowed',
    depth: 0,
    good: { leaf: { key: withSpki(rsaSpki(MODULUS_2048, 3n)) } },
    bad: { leaf: { key: withSpki(rsaSpki(MODULUS_2048, 1n)) } },
  },
  {
    title: 'an even RSA modulus',
    reason: 'key-not-allowed',
    depth: 0,
    bad: { leaf: { key: withSpki(rsaSpki(MODULUS_2048 + 1n, 3n)) } },
  },
  {
    title: 'a negative RSA modulus',
    reason: 'key-not-allowed',
    depth: 0,
    bad: { leaf: { key: withSpki(rsaSpki(-MODULUS_2048, 3n)) } },
  },
  {
    title: 'secp256k1',
    reason: 'key-not-allowed',
    depth: 0,
    bad: { leaf: { key: keyFor('leaf', 'secp256k1') } },
  },
  {
    title: 'a curve given by its parameters',
    reason: 'key-not-allowed',
    depth: 0,
    bad: { leaf: { key: withSpki(explicitCurve) } },
  },
  {
    title: 'a point of the wrong length',
    reason: 'key-not-allowed',
    depth: 0,
    bad: {
      leaf: {
        key: withSpki(
          seq(seq(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), bits(new Uint8Array(64).fill(4))),
        ),
      },
    },
  },
  { title: 'DSA', reason: 'key-not-allowed', depth: 0, bad: { leaf: { key: keyFor('leaf', 'dsa') } } },
  {
    title: 'a kind of key that the caller leaves out',
    reason: 'key-not-allowed',
    depth: 0,
    good: { options: { algorithms: { keys: ['ec-p256'] } } },
    bad: { leaf: { key: keyFor('leaf', 'ed25519') }, options: { algorithms: { keys: ['ec-p256'] } } },
  },
  {
    title: 'ECDSA with SHA-1',
    reason: 'signature-algorithm-not-allowed',
    depth: 0,
    bad: { leaf: { algorithm: algorithms.ecdsaSha1 } },
  },
  {
    title: 'ECDSA with SHA-1 over a CA',
    reason: 'signature-algorithm-not-allowed',
    depth: 1,
    bad: { ca: { algorithm: algorithms.ecdsaSha1 } },
  },
  {
    title: 'RSA with SHA-1',
    reason: 'signature-algorithm-not-allowed',
    depth: 1,
    good: { root: { key: keyFor('root', 'rsa2048') } },
    bad: { root: { key: keyFor('root', 'rsa2048') }, ca: { algorithm: algorithms.sha1Rsa } },
  },
  {
    title: 'PSS with a salt shorter than its hash',
    reason: 'signature-algorithm-not-allowed',
    depth: 1,
    good: { root: { key: keyFor('root', 'rsa2048') }, ca: { algorithm: pssAlgorithm('sha256', 32) } },
    bad: { root: { key: keyFor('root', 'rsa2048') }, ca: { algorithm: pssAlgorithm('sha256', 20) } },
  },
  {
    title: 'PSS with two hashes',
    reason: 'signature-algorithm-not-allowed',
    depth: 1,
    bad: {
      root: { key: keyFor('root', 'rsa2048') },
      ca: { algorithm: pssAlgorithm('sha256', 32, 'sha384') },
    },
  },
  {
    title: 'a hash that the caller leaves out',
    reason: 'signature-algorithm-not-allowed',
    depth: 0,
    good: { options: { algorithms: { hashes: ['sha256'] } } },
    bad: { leaf: { algorithm: algorithms.ecdsaSha384 }, options: { algorithms: { hashes: ['sha256'] } } },
  },
  {
    title: 'a signature over other bytes, leaf',
    reason: 'bad-signature',
    depth: 0,
    bad: { leaf: { breakSignature: true } },
  },
  {
    title: 'a signature over other bytes, CA',
    reason: 'bad-signature',
    depth: 1,
    bad: { ca: { breakSignature: true } },
  },
  {
    title: 'a signature algorithm that is not the key’s',
    reason: 'bad-signature',
    depth: 0,
    bad: { leaf: { algorithm: { der: algorithms.sha256Rsa.der, sign: algorithms.ecdsaSha256.sign } } },
  },
  {
    title: 'an issuer’s point that is not on its curve',
    reason: 'key-not-allowed',
    depth: 1,
    bad: { ca: { key: withSpki(offCurve) } },
  },
];

const dates: Rule[] = [
  {
    title: 'a leaf one second before its time',
    reason: 'not-yet-valid',
    depth: 0,
    good: { leaf: { notBefore: NOW } },
    bad: { leaf: { notBefore: NOW + 1000 } },
  },
  {
    title: 'a leaf almost a second before its time',
    reason: 'not-yet-valid',
    depth: 0,
    bad: { leaf: { notBefore: NOW + 1000 }, options: { atMs: NOW + 999 } },
  },
  {
    title: 'a leaf one second after its time',
    reason: 'expired',
    depth: 0,
    good: { leaf: { notAfter: NOW }, options: { atMs: NOW + 999 } },
    bad: { leaf: { notAfter: NOW }, options: { atMs: NOW + 1000 } },
  },
  {
    title: 'a CA before its time',
    reason: 'not-yet-valid',
    depth: 1,
    good: { ca: { notBefore: NOW } },
    bad: { ca: { notBefore: NOW + 1000 } },
  },
  {
    title: 'a CA after its time',
    reason: 'expired',
    depth: 1,
    good: { ca: { notAfter: NOW } },
    bad: { ca: { notAfter: NOW - 1000 } },
  },
  {
    title: 'an anchor after its time, when its dates are to count',
    reason: 'expired',
    depth: 2,
    good: { root: { notAfter: NOW }, options: { checkAnchorDates: true } },
    bad: { root: { notAfter: NOW - 1000 }, options: { checkAnchorDates: true } },
  },
];

const rights: Rule[] = [
  {
    title: 'an issuer without basic constraints',
    reason: 'not-a-ca',
    depth: 1,
    bad: { ca: { omit: [OIDS.basic] } },
  },
  {
    title: 'an issuer that is no CA',
    reason: 'not-a-ca',
    depth: 1,
    bad: { ca: { add: [ext.basic(false)] } },
  },
  {
    title: 'an anchor without basic constraints',
    reason: 'not-a-ca',
    depth: 2,
    bad: { root: { omit: [OIDS.basic] } },
  },
  {
    title: 'an anchor that is no CA',
    reason: 'not-a-ca',
    depth: 2,
    bad: { root: { add: [ext.basic(false)] } },
  },
  {
    title: 'an issuer without keyCertSign',
    reason: 'issuer-key-usage',
    depth: 1,
    good: { ca: { omit: [OIDS.usage] } },
    bad: { ca: { add: [ext.usage(['cRLSign'])] } },
  },
  {
    title: 'an anchor without keyCertSign',
    reason: 'issuer-key-usage',
    depth: 2,
    good: { root: { omit: [OIDS.usage] } },
    bad: { root: { add: [ext.usage(['cRLSign'])] } },
  },
  {
    title: 'a leaf without digitalSignature',
    reason: 'key-usage',
    depth: 0,
    good: { leaf: { omit: [OIDS.usage] } },
    bad: { leaf: { add: [ext.usage(['keyEncipherment'])] } },
  },
  {
    title: 'a leaf without a key usage that the caller wants',
    reason: 'key-usage',
    depth: 0,
    good: {
      leaf: { add: [ext.usage(['digitalSignature', 'keyAgreement'])] },
      options: { keyUsage: ['keyAgreement'] },
    },
    bad: { options: { keyUsage: ['keyAgreement'] } },
  },
  {
    title: 'a leaf for TLS clients as a server',
    reason: 'extended-key-usage',
    depth: 0,
    good: { leaf: { omit: [OIDS.eku] } },
    bad: { leaf: { purposes: [EKU.client] } },
  },
  {
    title: 'a leaf for TLS servers as a client',
    reason: 'extended-key-usage',
    depth: 0,
    good: { leaf: { purposes: [EKU.server, EKU.client] }, options: { purpose: 'client' } },
    bad: { leaf: { purposes: [EKU.server] }, options: { purpose: 'client' } },
  },
  {
    title: 'a leaf for any purpose and none by name',
    reason: 'extended-key-usage',
    depth: 0,
    good: { leaf: { purposes: [EKU.any, EKU.server] } },
    bad: { leaf: { purposes: [EKU.any] } },
  },
  {
    title: 'a CA for TLS clients alone',
    reason: 'extended-key-usage',
    depth: 1,
    good: { ca: { purposes: [EKU.server] } },
    bad: { ca: { purposes: [EKU.client] } },
  },
  {
    title: 'a CA for e-mail, two above the leaf',
    reason: 'extended-key-usage',
    depth: 2,
    good: { ca: { purposes: [EKU.any] }, sub: { purposes: [EKU.server] } },
    bad: { ca: { purposes: [EKU.email] }, sub: { purposes: [EKU.server] } },
  },
  {
    title: 'an anchor for e-mail',
    reason: 'extended-key-usage',
    depth: 2,
    good: { root: { purposes: [EKU.server, EKU.email] } },
    bad: { root: { purposes: [EKU.email] } },
  },
  {
    title: 'a client below a CA for TLS servers',
    reason: 'extended-key-usage',
    depth: 1,
    good: {
      ca: { purposes: [EKU.client] },
      leaf: { purposes: [EKU.client] },
      options: { purpose: 'client' },
    },
    bad: { ca: { purposes: [EKU.server] }, leaf: { purposes: [EKU.client] }, options: { purpose: 'client' } },
  },
  {
    title: 'an anchor that the caller trusts for clients alone',
    reason: 'extended-key-usage',
    depth: 2,
    good: { anchors: ({ root }) => [{ certificate: root.der, constraints: { purposes: ['server'] } }] },
    bad: { anchors: ({ root }) => [{ certificate: root.der, constraints: { purposes: ['client'] } }] },
  },
];

const violation = (
  relaxation: Rule['relaxation'] & string,
  title: string,
  depth: number,
  bad: Rule['bad'],
  good?: Rule['bad'],
): Rule => ({
  title,
  reason: 'profile-violation',
  relaxation,
  depth,
  bad,
  ...(good === undefined ? {} : { good }),
});

/** A SET OF is sorted by its encodings, so the shorter of these comes first. */
const commonName = attribute('CN', utf8String('leaf'));
const organization = attribute('O', utf8String('org'));

const profile: Rule[] = [
  {
    title: 'an anchor with two signature algorithms',
    reason: 'algorithm-mismatch',
    relaxation: 'anchor-as-certificate',
    depth: 2,
    bad: { root: { innerAlgorithm: algorithms.ecdsaSha384.der } },
  },
  {
    title: 'an anchor after its time',
    reason: 'expired',
    relaxation: 'anchor-as-certificate',
    depth: 2,
    good: { root: { notAfter: NOW } },
    bad: { root: { notAfter: NOW - 1000 } },
  },
  violation('version-1-leaf', 'a leaf of version 1', 0, { leaf: { version: 1, extensions: null } }),
  violation('serial-number', 'a serial number of zero', 0, { leaf: { serial: 0 } }, { leaf: { serial: 1 } }),
  violation('serial-number', 'a serial number of zero on the anchor', 2, { root: { serial: 0 } }),
  violation('serial-number', 'a negative serial number', 0, { leaf: { serial: -5 } }),
  violation(
    'serial-number',
    'a serial number of 21 bytes',
    0,
    { leaf: { serial: 1n << 160n } },
    { leaf: { serial: (1n << 159n) - 1n } },
  ),
  violation('date-form', 'a GeneralizedTime before 2050', 0, {
    leaf: { validity: seq(generalizedTime(NOW - DAY), time(NOW + DAY)) },
  }),
  violation('explicit-default', 'critical FALSE written out', 0, {
    leaf: { extensions: null, ...explicitFalse() },
  }),
  violation(
    'explicit-default',
    'cA FALSE written out',
    0,
    { leaf: { add: [ext.raw(OIDS.basic, true, seq(bool(false)))] } },
    { leaf: { add: [ext.basic(false)] } },
  ),
  violation(
    'unsorted-name-part',
    'a name part in the wrong order',
    0,
    { leaf: { subject: seq(set(commonName, organization)), key: keyFor('leaf') } },
    { leaf: { subject: seq(set(organization, commonName)), key: keyFor('leaf') } },
  ),
  violation(
    'modulus-bits',
    'an RSA modulus of 2052 bits',
    0,
    { leaf: { key: keyFor('leaf', 'rsa2052') } },
    { leaf: { key: keyFor('leaf', 'rsa2048') } },
  ),
  violation('modulus-bits', 'an RSA modulus of 2052 bits in the anchor', 2, {
    root: { key: keyFor('root', 'rsa2052') },
  }),
  violation('unique-identifiers', 'a unique identifier', 0, { leaf: { uniqueId: true } }),
  violation('subject-key-identifier', 'a CA without a subject key identifier', 1, {
    ca: { omit: [OIDS.ski] },
  }),
  violation('subject-key-identifier', 'an anchor without a subject key identifier', 2, {
    root: { omit: [OIDS.ski] },
  }),
  violation('authority-key-identifier', 'a leaf without an authority key identifier', 0, {
    leaf: { omit: [OIDS.aki] },
  }),
  violation('authority-key-identifier', 'an authority key identifier without the identifier', 0, {
    leaf: { add: [ext.raw(OIDS.aki, false, seq())] },
  }),
  violation(
    'authority-key-identifier',
    'an authority key identifier with a serial number and no issuer',
    0,
    {
      leaf: {
        add: [
          ext.raw(OIDS.aki, false, seq(primitive(0, keyFor('CN=ca').id), primitive(2, Uint8Array.of(5)))),
        ],
      },
    },
    {
      leaf: {
        add: [
          ext.raw(
            OIDS.aki,
            false,
            seq(
              primitive(0, keyFor('CN=ca').id),
              context(1, generalName.directory('CN=root')),
              primitive(2, Uint8Array.of(5)),
            ),
          ),
        ],
      },
    },
  ),
  violation(
    'authority-key-identifier',
    'an anchor that another root signed, without an authority key identifier',
    2,
    { root: { issuer: { subjectDer: nameDer('CN=other'), key: keyFor('other') }, omit: [OIDS.aki] } },
    { root: { issuer: { subjectDer: nameDer('CN=other'), key: keyFor('other') } } },
  ),
  violation('key-identifier-mismatch', 'an authority key identifier of another key', 0, {
    leaf: { add: [ext.aki(Uint8Array.of(1, 2, 3))] },
  }),
  violation('key-identifier-mismatch', 'a root whose authority key identifier is not its own', 2, {
    root: { add: [ext.aki(Uint8Array.of(1, 2, 3))] },
  }),
  violation('key-usage-without-bits', 'a key usage without a bit', 0, {
    leaf: { add: [ext.raw(OIDS.usage, true, namedBits([]))] },
    options: { keyUsage: [] },
  }),
  violation('key-usage-trailing-zeros', 'a key usage with trailing zero bits', 0, {
    leaf: { add: [ext.raw(OIDS.usage, true, Uint8Array.of(3, 2, 6, 0x80))] },
  }),
  violation(
    'key-cert-sign-without-ca',
    'a leaf with keyCertSign that is no CA',
    0,
    { leaf: { add: [ext.usage(['digitalSignature', 'keyCertSign'])] } },
    { leaf: { add: [ext.usage(['digitalSignature', 'keyCertSign']), ext.basic(true)] } },
  ),
  violation('ca-without-key-cert-sign', 'a leaf that is a CA without keyCertSign', 0, {
    leaf: { add: [ext.basic(true)] },
  }),
  violation('ca-without-key-cert-sign', 'a path length in a leaf that is no CA', 0, {
    leaf: { add: [ext.basic(false, 0)] },
  }),
  violation('basic-constraints-not-critical', 'basic constraints of a CA that are not critical', 1, {
    ca: { add: [ext.basic(true, undefined, false)] },
  }),
  violation('basic-constraints-not-critical', 'basic constraints of an anchor that are not critical', 2, {
    root: { add: [ext.basic(true, undefined, false)] },
  }),
  violation(
    'name-constraints-not-critical',
    'name constraints that are not critical',
    1,
    { ca: { add: [ext.names([dns('example.com')], [], false)] } },
    { ca: { add: [ext.names([dns('example.com')], [])] } },
  ),
  violation('name-constraints-in-leaf', 'name constraints in a leaf', 0, {
    leaf: { add: [ext.names([dns('other.example')], [])] },
  }),
  violation(
    'dns-constraint-leading-period',
    'a DNS constraint that begins with a period',
    1,
    { ca: { add: [ext.names([dns('.com')], [])] } },
    { ca: { add: [ext.names([dns('com')], [])] } },
  ),
  violation(
    'policy-extensions-not-critical',
    'policy constraints that are not critical',
    1,
    { ca: { add: [ext.policyConstraints(null, 0, false)] } },
    { ca: { add: [ext.policyConstraints(null, 0)] } },
  ),
  violation(
    'policy-extensions-not-critical',
    'inhibitAnyPolicy that is not critical',
    1,
    { ca: { add: [ext.inhibitAny(0, false)] } },
    { ca: { add: [ext.inhibitAny(0)] } },
  ),
  violation(
    'subject-alt-name-not-critical',
    'an empty subject with alternative names that are not critical',
    0,
    { leaf: { subject: '', key: keyFor('leaf'), add: [ext.san([dns('example.com')])] } },
    { leaf: { subject: '', key: keyFor('leaf') } },
  ),
  violation(
    'alternative-name-syntax',
    'an underscore in a DNS name',
    0,
    { leaf: { names: [dns('a_b.example.com')] } },
    // Every type of name there is.
    {
      leaf: {
        names: [
          dns('*.example.com'),
          generalName.email('a@example.com'),
          generalName.uri('urn:isbn:1'),
          generalName.ip('::1'),
          generalName.directory('CN=x'),
          generalName.other('1.2.3', nil()),
          generalName.registeredId('1.2.3'),
          tlv(0xa3, seq()),
          tlv(0xa5, seq()),
        ],
      },
    },
  ),
  violation('alternative-name-syntax', 'a period in front of a DNS name', 0, {
    leaf: { names: [dns('example.com'), dns('.example.com')] },
  }),
  violation('alternative-name-syntax', 'an address of five bytes', 0, {
    leaf: { names: [generalName.ipBytes(1, 2, 3, 4, 5)] },
  }),
  violation('alternative-name-syntax', 'an e-mail address with two @', 0, {
    leaf: { names: [generalName.email('a@b@example.com')] },
  }),
  violation('alternative-name-syntax', 'a URI without a scheme', 0, {
    leaf: { names: [generalName.uri('//example.com/')] },
  }),
];

const unused: Rule[] = [
  // What `compatible` does not read is malformed there and nowhere else.
  {
    title: 'a malformed authority information access',
    reason: 'malformed-extension',
    relaxation: 'unused-extension',
    depth: 0,
    good: { leaf: { add: [aia(goodAia)] } },
    bad: { leaf: { add: [aia(seq())] } },
  },
  {
    title: 'a malformed distribution point',
    reason: 'malformed-extension',
    relaxation: 'unused-extension',
    depth: 0,
    good: { leaf: { add: [ext.crlPoint('http://ca.example/1.crl')] } },
    bad: { leaf: { add: [ext.raw('2.5.29.31', false, seq(seq()))] } },
  },
];

/** The one extension with `critical FALSE` written out, put in by hand. */
function explicitFalse(): Pick<CertificateSpec, 'editTbs'> {
  const key = keyFor('CN=leaf');
  const list = [
    ext.usage(['digitalSignature']),
    ext.san([dns('example.com')]),
    ext.ski(key.id),
    ext.aki(keyFor('CN=ca').id),
  ].map(extensionDer);
  const spelled = seq(oid(OIDS.eku), bool(false), octets(seq(oid(EKU.server))));
  return {
    editTbs: (tbs: Uint8Array) => seq(contentsOf(tbs), context(3, seq(...list, spelled))),
  };
}

export const certificateRules: readonly Rule[] = [
  ...form,
  ...extensions,
  ...keys,
  ...dates,
  ...rights,
  ...profile,
  ...unused,
];
