/** Revocation lists and OCSP answers for tests. */
import { createHash } from 'node:crypto';
import { copyBytes } from '../../src/util/bytes.ts';
import { bits, context, generalizedTime, int, octets, oid, primitive, seq, time, tlv } from './der.ts';
import {
  type Algorithm,
  DAY,
  defaultAlgorithm,
  ext,
  extensionDer,
  NOW,
  type TestCertificate,
  type TestExtension,
  type TestKey,
} from './make.ts';

export interface Revoked {
  /** Contents of the INTEGER. */
  readonly serial: Uint8Array;
  readonly atMs?: number;
  readonly reason?: number;
  readonly extensions?: readonly TestExtension[];
}

export interface CrlSpec {
  readonly issuer: { readonly subjectDer: Uint8Array; readonly key: TestKey };
  readonly revoked?: readonly Revoked[];
  readonly thisUpdate?: number;
  /** Null for none. */
  readonly nextUpdate?: number | null;
  /** CRLNumber; null for none. */
  readonly number?: number | null;
  readonly add?: readonly TestExtension[];
  readonly omitAki?: boolean;
  readonly version?: 1 | 2;
  readonly algorithm?: Algorithm;
  readonly innerAlgorithm?: Uint8Array;
  readonly breakSignature?: boolean;
}

export const crlExt = {
  delta: (base: number, critical = true): TestExtension => ext.raw('2.5.29.27', critical, int(base)),
  /** IssuingDistributionPoint; flags by their tag number. */
  scope: (url: string | null, flags: readonly number[] = [], critical = true): TestExtension =>
    ext.raw(
      '2.5.29.28',
      critical,
      seq(
        ...(url === null ? [] : [context(0, context(0, primitive(6, new TextEncoder().encode(url))))]),
        ...flags.map((flag) =>
          flag === 3 ? tlv(0x83, Uint8Array.of(6, 0x40)) : primitive(flag, Uint8Array.of(0xff)),
        ),
      ),
    ),
};

export function issueCrl(spec: CrlSpec): Uint8Array {
  const version = spec.version ?? 2;
  const algorithm = spec.algorithm ?? defaultAlgorithm(spec.issuer.key.kind);
  const entries = (spec.revoked ?? []).map((entry) => {
    const extensions = [
      ...(entry.reason === undefined ? [] : [ext.raw('2.5.29.21', false, int(entry.reason, 0x0a))]),
      ...(entry.extensions ?? []),
    ];
    return seq(
      tlv(2, entry.serial),
      time(entry.atMs ?? NOW - DAY),
      ...(extensions.length === 0 ? [] : [seq(...extensions.map(extensionDer))]),
    );
  });
  const extensions = [
    ...(spec.omitAki ? [] : [ext.aki(spec.issuer.key.id)]),
    ...(spec.number === null ? [] : [ext.raw('2.5.29.20', false, int(spec.number ?? 7))]),
    ...(spec.add ?? []),
  ];
  const tbs = seq(
    ...(version === 1 ? [] : [int(1)]),
    spec.innerAlgorithm ?? algorithm.der,
    spec.issuer.subjectDer,
    time(spec.thisUpdate ?? NOW - DAY),
    ...(spec.nextUpdate === null ? [] : [time(spec.nextUpdate ?? NOW + DAY)]),
    ...(entries.length === 0 ? [] : [seq(...entries)]),
    ...(version === 1 || extensions.length === 0 ? [] : [context(0, seq(...extensions.map(extensionDer)))]),
  );
  const signature = Uint8Array.from(algorithm.sign(spec.issuer.key, tbs));
  if (spec.breakSignature) (signature[signature.length - 1] as number) ^= 1;
  return seq(tbs, algorithm.der, bits(signature));
}

const HASHES = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
} as const;

export interface OcspSpec {
  /** Whom the answer is about. */
  readonly certificate: TestCertificate;
  readonly issuer: TestCertificate;
  /** Who signs. Default: the issuer. */
  readonly responder?: TestCertificate;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly thisUpdate?: number;
  readonly nextUpdate?: number | null;
  readonly producedAt?: number;
  readonly hash?: keyof typeof HASHES;
  readonly byKey?: boolean;
  /** Certificates that are sent along. Default: the responder's when it is not the issuer. */
  readonly certificates?: readonly Uint8Array[];
  readonly responseStatus?: number;
  /** Puts the answer beside a status that says that there is none. */
  readonly answerAnyway?: boolean;
  /** `thisUpdate` as a UTCTime, which is for certificates alone. */
  readonly utcTime?: boolean;
  /** Bytes in the status `good`, which has none. */
  readonly goodContents?: Uint8Array;
  readonly type?: string;
  readonly serial?: Uint8Array;
  readonly singleExtensions?: readonly TestExtension[];
  readonly extensions?: readonly TestExtension[];
  readonly algorithm?: Algorithm;
  readonly breakSignature?: boolean;
  /** More single answers, put first. */
  readonly others?: readonly OcspSpec[];
}

const digest = (hash: string, data: Uint8Array): Uint8Array =>
  copyBytes(createHash(hash).update(data).digest());

/** The bits of the key in an SPKI: what follows the algorithm and the BIT STRING's header. */
function keyBits(spki: Uint8Array): Uint8Array {
  const long = (spki[1] as number) >= 0x80;
  const start = long ? 2 + ((spki[1] as number) & 0x7f) : 2;
  const algorithm = 2 + (spki[start + 1] as number);
  const at = start + algorithm;
  const size = spki[at + 1] as number;
  return spki.slice(at + 2 + (size >= 0x80 ? size & 0x7f : 0) + 1);
}

function single(spec: OcspSpec): Uint8Array {
  const hash = spec.hash ?? 'sha1';
  const status = spec.status ?? 'good';
  return seq(
    seq(
      seq(oid(HASHES[hash])),
      octets(digest(hash, spec.issuer.subjectDer)),
      octets(digest(hash, keyBits(spec.issuer.key.spki))),
      tlv(2, spec.serial ?? spec.certificate.serial),
    ),
    status === 'good'
      ? primitive(0, spec.goodContents ?? new Uint8Array(0))
      : status === 'unknown'
        ? primitive(2, new Uint8Array(0))
        : context(1, generalizedTime(NOW - DAY), context(0, int(1, 0x0a))),
    (spec.utcTime === true ? time : generalizedTime)(spec.thisUpdate ?? NOW - DAY),
    ...(spec.nextUpdate === null ? [] : [context(0, generalizedTime(spec.nextUpdate ?? NOW + DAY))]),
    ...(spec.singleExtensions === undefined
      ? []
      : [context(1, seq(...spec.singleExtensions.map(extensionDer)))]),
  );
}

export function issueOcsp(spec: OcspSpec): Uint8Array {
  const responder = spec.responder ?? spec.issuer;
  const algorithm = spec.algorithm ?? defaultAlgorithm(responder.key.kind);
  const tbs = seq(
    spec.byKey
      ? context(2, octets(digest('sha1', keyBits(responder.key.spki))))
      : context(1, responder.subjectDer),
    generalizedTime(spec.producedAt ?? NOW - DAY),
    seq(...(spec.others ?? []).map(single), single(spec)),
    ...(spec.extensions === undefined ? [] : [context(1, seq(...spec.extensions.map(extensionDer)))]),
  );
  const signature = Uint8Array.from(algorithm.sign(responder.key, tbs));
  if (spec.breakSignature) (signature[signature.length - 1] as number) ^= 1;
  const certificates = spec.certificates ?? (spec.responder === undefined ? [] : [spec.responder.der]);
  const basic = seq(
    tbs,
    algorithm.der,
    bits(signature),
    ...(certificates.length === 0 ? [] : [context(0, seq(...certificates))]),
  );
  const status = spec.responseStatus ?? 0;
  return seq(
    int(status, 0x0a),
    ...(status === 0 || spec.answerAnyway === true
      ? [context(0, seq(oid(spec.type ?? '1.3.6.1.5.5.7.48.1.1'), octets(basic)))]
      : []),
  );
}
