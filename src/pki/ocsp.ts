/**
 * Stapled OCSP answers (RFC 6960): whether one says, by a responder that may, that a certificate is good.
 *
 *     BasicOCSPResponse ::= SEQUENCE {
 *         tbsResponseData      SEQUENCE {
 *             version            [0] EXPLICIT INTEGER DEFAULT v1(0),
 *             responderID            CHOICE { byName [1] EXPLICIT Name, byKey [2] EXPLICIT OCTET STRING },
 *             producedAt             GeneralizedTime,
 *             responses              SEQUENCE OF SingleResponse,
 *             responseExtensions [1] EXPLICIT Extensions OPTIONAL },
 *         signatureAlgorithm   AlgorithmIdentifier,
 *         signature            BIT STRING,
 *         certs            [0] EXPLICIT SEQUENCE OF Certificate OPTIONAL }
 */
import { equalBytes } from '../util/bytes.ts';
import { contextConstructed, contextPrimitive, DerReader, DerTag } from '../util/der.ts';
import { DecodeError } from '../util/errors.ts';
import type { HashName } from '../util/registries.ts';
import type { TrustAnchor } from './anchors.ts';
import { type Certificate, type Extensions, parseCertificate, readExtensions } from './certificate.ts';
import { KeyUsage } from './extensions.ts';
import { type Fault, fault } from './fault.ts';
import { guarded } from './guarded.ts';
import { DistinguishedName } from './name.ts';
import { oidFromText, oidKey, oidText, PurposeOid } from './oid.ts';
import { CertificateError, type PathReason } from './reason.ts';
import {
  checkCriticalExtensions,
  checkDates,
  checkKey,
  checkSignatureAlgorithm,
  type RuleContext,
} from './rules.ts';
import type { PathProvider, SignatureChecker } from './signatures.ts';
import { readTime, timeText } from './time.ts';

const BASIC = oidFromText('1.3.6.1.5.5.7.48.1.1');

const HASHES: ReadonlyMap<string, HashName> = new Map([
  [oidFromText('1.3.14.3.2.26'), 'sha1'],
  [oidFromText('2.16.840.1.101.3.4.2.1'), 'sha256'],
  [oidFromText('2.16.840.1.101.3.4.2.2'), 'sha384'],
  [oidFromText('2.16.840.1.101.3.4.2.3'), 'sha512'],
]);

const STATUS = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  '4',
  'sigRequired',
  'unauthorized',
];

/** How far a responder's clock may be ahead. */
export const OCSP_SKEW_MS = 300_000;
/** How old an answer without `nextUpdate` may be (RFC 6960, 4.2.2.1 sets no limit). */
export const OCSP_MAX_AGE_MS = 86_400_000;
/** Certificates and single answers that are looked at; a stapled answer is about one certificate. */
const MAX_CERTIFICATES = 8;
const MAX_ANSWERS = 64;
const MAX_BYTES = 65_536;

interface SingleAnswer {
  readonly hash: HashName | null;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serialNumber: Uint8Array;
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly revokedAtMs: number;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | null;
}

interface OcspAnswer {
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly responderName: DistinguishedName | null;
  readonly responderKeyHash: Uint8Array | null;
  readonly producedAtMs: number;
  readonly answers: readonly SingleAnswer[];
  readonly certificates: readonly Uint8Array[];
}

function invalid(message: string): never {
  throw new CertificateError('ocsp-invalid', message);
}

function refuseCritical(extensions: Extensions): void {
  for (const { oid, critical } of extensions.byOid.values()) {
    // None of RFC 6960, 4.4 changes what an answer means, and none is critical.
    if (critical) invalid(`the critical extension ${oidText(oid)} of the answer is not understood`);
  }
}

function readGeneralizedTime(reader: DerReader): number {
  if (reader.peekTag() !== DerTag.generalizedTime) invalid('a time that is no GeneralizedTime');
  return readTime(reader).ms;
}

function readSingle(reader: DerReader): SingleAnswer {
  const single = reader.readSequence();
  const id = single.readSequence();
  const algorithm = id.readSequence();
  const hash = HASHES.get(oidKey(algorithm.readOid())) ?? null;
  if (!algorithm.done) algorithm.readNull();
  algorithm.end();
  const issuerNameHash = id.readOctetString();
  const issuerKeyHash = id.readOctetString();
  const serialNumber = id.readIntegerBytes();
  id.end();
  let status: SingleAnswer['status'] = 'unknown';
  let revokedAtMs = 0;
  const tag = single.peekTag();
  if (tag === contextPrimitive(0) || tag === contextPrimitive(2)) {
    if (single.readContents(tag).length !== 0) invalid('a status with contents');
    status = tag === contextPrimitive(0) ? 'good' : 'unknown';
  } else {
    const revoked = single.readConstructed(contextConstructed(1));
    revokedAtMs = readGeneralizedTime(revoked);
    const reason = revoked.readOptional(contextConstructed(0));
    reason?.readInteger(0, 10, DerTag.enumerated);
    reason?.end();
    revoked.end();
    status = 'revoked';
  }
  const thisUpdateMs = readGeneralizedTime(single);
  const next = single.readOptional(contextConstructed(0));
  const nextUpdateMs = next === null ? null : readGeneralizedTime(next);
  next?.end();
  const extensions = single.readOptional(contextConstructed(1));
  if (extensions !== null) {
    refuseCritical(readExtensions(extensions.readSequence()));
    extensions.end();
  }
  single.end();
  return {
    hash,
    issuerNameHash,
    issuerKeyHash,
    serialNumber,
    status,
    revokedAtMs,
    thisUpdateMs,
    nextUpdateMs,
  };
}

function readAnswer(der: Uint8Array): OcspAnswer {
  if (der.length > MAX_BYTES) invalid(`an answer of more than ${MAX_BYTES} bytes`);
  const outer = new DerReader(der);
  const response = outer.readSequence();
  outer.end();
  const status = response.readInteger(0, 6, DerTag.enumerated);
  if (status !== 0) invalid(`the responder gave no answer: ${STATUS[status]}`);
  const explicit = response.readConstructed(contextConstructed(0));
  response.end();
  const typed = explicit.readSequence();
  explicit.end();
  if (oidKey(typed.readOid()) !== BASIC) invalid('an answer of an unknown type');
  const basic = new DerReader(typed.readOctetString());
  typed.end();
  const answer = basic.readSequence();
  basic.end();

  const tbs = answer.readElement(DerTag.sequence);
  const signatureAlgorithm = answer.readElement(DerTag.sequence);
  const signature = answer.readBitString();
  const certificates: Uint8Array[] = [];
  const list = answer.readOptional(contextConstructed(0));
  if (list !== null) {
    const sequence = list.readSequence();
    list.end();
    while (!sequence.done) {
      if (certificates.length === MAX_CERTIFICATES) invalid(`more than ${MAX_CERTIFICATES} certificates`);
      certificates.push(sequence.readElement(DerTag.sequence));
    }
  }
  answer.end();

  const data = new DerReader(tbs).readSequence();
  const version = data.readOptional(contextConstructed(0));
  version?.readInteger(0, 0);
  version?.end();
  let responderName: DistinguishedName | null = null;
  let responderKeyHash: Uint8Array | null = null;
  const byName = data.readOptional(contextConstructed(1));
  if (byName !== null) {
    responderName = new DistinguishedName(byName.readElement(DerTag.sequence));
    byName.end();
  } else {
    const byKey = data.readConstructed(contextConstructed(2));
    responderKeyHash = byKey.readOctetString();
    byKey.end();
  }
  const producedAtMs = readGeneralizedTime(data);
  const responses = data.readSequence();
  const answers: SingleAnswer[] = [];
  while (!responses.done) {
    if (answers.length === MAX_ANSWERS) invalid(`more than ${MAX_ANSWERS} single answers`);
    answers.push(readSingle(responses));
  }
  const extensions = data.readOptional(contextConstructed(1));
  if (extensions !== null) {
    refuseCritical(readExtensions(extensions.readSequence()));
    extensions.end();
  }
  data.end();
  return {
    tbs,
    signatureAlgorithm,
    signature,
    responderName,
    responderKeyHash,
    producedAtMs,
    answers,
    certificates,
  };
}

/** The bits of a SubjectPublicKeyInfo's key, which key hashes are made over. */
function keyBits(spki: Uint8Array): Uint8Array {
  const info = new DerReader(spki).readSequence();
  info.readSequence();
  return info.readBitString();
}

/** What an answer says, or why it is not believed. */
export type OcspOutcome =
  | { readonly fault: Fault }
  | { readonly fault: null; readonly validFromMs: number; readonly validUntilMs: number };

/** Judges a stapled answer about `certificate`, which `issuer` issued. */
export function checkOcsp(
  der: Uint8Array,
  certificate: Certificate,
  issuer: Certificate | TrustAnchor,
  context: RuleContext,
  provider: PathProvider,
  signatures: SignatureChecker,
): OcspOutcome {
  let outcome: OcspOutcome = { fault: fault('ocsp-invalid', 'the stapled status is malformed') };
  const problem = guarded(() => {
    outcome = judge(readAnswer(der), certificate, issuer, context, provider, signatures);
    return null;
  });
  // Whatever in it cannot be read, it is the answer that is at fault.
  return problem === null ? outcome : { fault: fault('ocsp-invalid', problem.message) };
}

function refused(reason: PathReason, message: string): OcspOutcome {
  return { fault: fault(reason, message) };
}

function judge(
  answer: OcspAnswer,
  certificate: Certificate,
  issuer: Certificate | TrustAnchor,
  context: RuleContext,
  provider: PathProvider,
  signatures: SignatureChecker,
): OcspOutcome {
  const bits = keyBits(issuer.spki);
  const hashes = new Map<HashName, { name: Uint8Array; key: Uint8Array }>();
  const matching = answer.answers.filter(({ hash, issuerNameHash, issuerKeyHash, serialNumber }) => {
    if (hash === null || !equalBytes(serialNumber, certificate.serialNumber)) return false;
    let own = hashes.get(hash);
    if (own === undefined) {
      own = { name: provider.digest(hash, certificate.issuer.der), key: provider.digest(hash, bits) };
      hashes.set(hash, own);
    }
    return equalBytes(issuerNameHash, own.name) && equalBytes(issuerKeyHash, own.key);
  });
  if (matching.length === 0)
    return refused('ocsp-invalid', 'the stapled status is about another certificate');

  const unsigned = checkResponder(answer, issuer, context, provider, signatures);
  if (unsigned !== null) return { fault: fault('ocsp-invalid', unsigned.message) };

  if (answer.producedAtMs > context.atMs + OCSP_SKEW_MS) {
    return refused(
      'ocsp-invalid',
      `the stapled status was made at ${timeText(answer.producedAtMs)}, which is to come`,
    );
  }
  // The newest one counts.
  const latest = matching.reduce((a, b) => (b.thisUpdateMs > a.thisUpdateMs ? b : a));
  if (latest.thisUpdateMs > context.atMs + OCSP_SKEW_MS) {
    return refused(
      'ocsp-invalid',
      `the stapled status is valid from ${timeText(latest.thisUpdateMs)}, which is to come`,
    );
  }
  const validUntilMs = latest.nextUpdateMs ?? latest.thisUpdateMs + OCSP_MAX_AGE_MS;
  if (validUntilMs < context.atMs) {
    return refused('ocsp-expired', `the stapled status was valid until ${timeText(validUntilMs)}`);
  }
  switch (latest.status) {
    case 'good':
      return { fault: null, validFromMs: latest.thisUpdateMs - OCSP_SKEW_MS, validUntilMs };
    case 'revoked':
      return refused('revoked', `the responder says that it was revoked at ${timeText(latest.revokedAtMs)}`);
    case 'unknown':
      return refused('ocsp-unknown', 'the responder does not know the certificate');
  }
}

/** 4.2.2.2: the issuer itself, or whom it certified for this with its own key. */
function checkResponder(
  answer: OcspAnswer,
  issuer: Certificate | TrustAnchor,
  context: RuleContext,
  provider: PathProvider,
  signatures: SignatureChecker,
): Fault | null {
  const algorithm = checkSignatureAlgorithm(
    answer.signatureAlgorithm,
    answer.signatureAlgorithm,
    context.algorithms,
  );
  if (algorithm !== null) return algorithm;
  const isResponder = (subject: DistinguishedName, spki: Uint8Array): boolean =>
    answer.responderName !== null
      ? answer.responderName.equals(subject)
      : equalBytes(answer.responderKeyHash as Uint8Array, provider.digest('sha1', keyBits(spki)));
  let problem: Fault | null = null;
  if (isResponder(issuer.subject, issuer.spki)) {
    problem = signatures.check(answer, issuer);
    if (problem === null) return null;
  }
  for (const der of answer.certificates) {
    let delegate: Certificate;
    try {
      delegate = parseCertificate(der);
      if (!isResponder(delegate.subject, delegate.spki)) continue;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      continue;
    }
    const unfit = checkDelegate(delegate, issuer, context, signatures) ?? signatures.check(answer, delegate);
    if (unfit === null) return null;
    problem ??= unfit;
  }
  return problem ?? fault('ocsp-invalid', 'the responder is neither the issuer nor certified by it');
}

function checkDelegate(
  delegate: Certificate,
  issuer: Certificate | TrustAnchor,
  context: RuleContext,
  signatures: SignatureChecker,
): Fault | null {
  return guarded(() => {
    if (!delegate.issuer.equals(issuer.subject)) {
      return fault('ocsp-invalid', 'the responder’s certificate is by another issuer');
    }
    if (delegate.extendedKeyUsage?.includes(PurposeOid.ocspSigning) !== true) {
      return fault('ocsp-invalid', 'the responder’s certificate is not for OCSP');
    }
    const usage = delegate.keyUsage;
    if (usage !== null && (usage & KeyUsage.digitalSignature) === 0) {
      return fault('ocsp-invalid', 'the responder’s key is not for signatures');
    }
    return (
      checkDates(delegate, context.atMs) ??
      checkSignatureAlgorithm(
        delegate.signatureAlgorithm,
        delegate.innerSignatureAlgorithm,
        context.algorithms,
      ) ??
      checkKey(delegate.key, context.algorithms) ??
      checkCriticalExtensions(delegate) ??
      signatures.check(delegate, issuer)
    );
  });
}
