/** Whether a path's certificates are revoked, by lists that the caller gave and by a stapled answer. */
import { equalBytes, latin1 } from '../util/bytes.ts';
import { TrustAnchor } from './anchors.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import { numberAtLeast, type RevocationList, type RevocationLists } from './crl.ts';
import { decodeCrlDistributionPoints, decodeTlsFeature, KeyUsage } from './extensions.ts';
import { type Fault, fault, lapse } from './fault.ts';
import type { GeneralName } from './general-name.ts';
import { guarded } from './guarded.ts';
import { checkOcsp } from './ocsp.ts';
import { ExtensionOid } from './oid.ts';
import type { PlacedFault } from './path-rules.ts';
import { checkSignatureAlgorithm, type RuleContext } from './rules.ts';
import type { PathProvider, SignatureChecker } from './signatures.ts';
import { timeText } from './time.ts';

/** The TLS extension status_request, as a TLS feature (RFC 7633, 4.2.3.1). */
const STATUS_REQUEST = 5;

export interface RevocationOptions {
  readonly crls: RevocationLists | null;
  /** For which certificates a list must be there. */
  readonly requireCrl: 'none' | 'leaf' | 'chain';
  /** Undefined: no status was asked for. Null: it was, and none came. */
  readonly ocsp: Uint8Array | null | undefined;
}

export interface RevocationOutcome {
  readonly problem: PlacedFault | null;
  /** When what was found out holds, milliseconds since 1970; infinite when nothing was asked. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

interface Period {
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

const ALWAYS: Period = Object.freeze({
  validFromMs: Number.NEGATIVE_INFINITY,
  validUntilMs: Number.POSITIVE_INFINITY,
});

function overlap(a: Period, b: Period): Period {
  return {
    validFromMs: Math.max(a.validFromMs, b.validFromMs),
    validUntilMs: Math.min(a.validUntilMs, b.validUntilMs),
  };
}

export function checkRevocation(
  path: readonly Certificate[],
  anchor: TrustAnchor,
  options: RevocationOptions,
  context: RuleContext,
  provider: PathProvider,
  signatures: SignatureChecker,
): RevocationOutcome {
  const leaf = path[0] as Certificate;
  let period = ALWAYS;
  const refuse = (problem: Fault, depth: number): RevocationOutcome => ({
    problem: { fault: problem, depth },
    ...period,
  });

  if (options.ocsp != null && options.ocsp.length > 0) {
    const outcome = checkOcsp(options.ocsp, leaf, path[1] ?? anchor, context, provider, signatures);
    if (outcome.fault !== null) return refuse(outcome.fault, 0);
    period = overlap(period, outcome);
  } else if (options.ocsp !== undefined) {
    const feature = leaf.extension(ExtensionOid.tlsFeature);
    if (feature !== undefined && decodeValue(feature, decodeTlsFeature).includes(STATUS_REQUEST)) {
      return refuse(fault('staple-required', 'the certificate demands a stapled status, and none came'), 0);
    }
  }

  if (options.crls === null && options.requireCrl === 'none') return { problem: null, ...period };
  for (const [depth, certificate] of path.entries()) {
    const required = options.requireCrl === 'chain' || (options.requireCrl === 'leaf' && depth === 0);
    const lists = options.crls?.byIssuer(certificate.issuer) ?? [];
    if (lists.length === 0 && !required) continue;
    let current = ALWAYS;
    const problem = guarded(() => {
      const status = checkLists(certificate, path[depth + 1] ?? anchor, lists, required, context, signatures);
      if ('reason' in status) return status;
      current = status;
      return null;
    });
    if (problem !== null) return refuse(problem, depth);
    period = overlap(period, current);
  }
  return { problem: null, ...period };
}

/** RFC 5280, 6.3.3, for lists of the certificate's own issuer; indirect lists are not used. */
function checkLists(
  certificate: Certificate,
  issuer: Certificate | TrustAnchor,
  lists: readonly RevocationList[],
  required: boolean,
  context: RuleContext,
  signatures: SignatureChecker,
): Fault | Period {
  let problem: Fault | null = null;
  let complete: RevocationList | null = null;
  const usable: RevocationList[] = [];
  for (const list of lists) {
    if (!isAbout(list, certificate, issuer)) continue;
    const unusable = checkList(list, issuer, context, signatures);
    if (unusable !== null) {
      problem ??= unusable;
      continue;
    }
    usable.push(list);
    const whole = list.deltaBase === null && list.scope?.onlySomeReasons !== true;
    if (whole && (complete === null || isNewer(list, complete))) complete = list;
  }
  // Any list may say that it is revoked; only a complete one can say that it is not.
  for (const list of usable) {
    const entry = list.find(certificate.serialNumber);
    // removeFromCRL (8) takes back a hold, and a delta may not do that here.
    if (entry !== null && entry.reason !== 8) {
      return fault('revoked', `revoked at ${timeText(entry.revokedAtMs)} by ${list.issuer}`);
    }
  }
  if (usable.some((list) => list.deltaBase !== null && !continuesList(list, complete))) {
    return fault('crl-malformed', 'a delta list without the list that it continues');
  }
  if (complete !== null) {
    const { thisUpdate, nextUpdate } = complete;
    const validUntilMs = nextUpdate === null ? Number.POSITIVE_INFINITY : nextUpdate.ms + 999;
    return { validFromMs: thisUpdate.ms, validUntilMs };
  }
  if (problem !== null) return problem;
  return required
    ? fault('crl-missing', `no revocation list of ${certificate.issuer} is about the certificate`)
    : ALWAYS;
}

function isNewer(a: RevocationList, b: RevocationList): boolean {
  return a.thisUpdate.ms > b.thisUpdate.ms;
}

/** 5.2.4: the complete list is at least as new as the one that the delta starts from. */
function continuesList(delta: RevocationList, complete: RevocationList | null): boolean {
  if (complete === null || complete.number === null || delta.deltaBase === null) return false;
  return numberAtLeast(complete.number, delta.deltaBase);
}

/** Whether a list of the right name has the certificate in its scope (6.3.3 (b)), by the right key. */
function isAbout(list: RevocationList, certificate: Certificate, issuer: Certificate | TrustAnchor): boolean {
  const holder = issuer instanceof TrustAnchor ? issuer.certificate : issuer;
  const claimed = list.authorityKeyIdentifier;
  const own = holder?.subjectKeyIdentifier ?? null;
  // A list of another key of that name is about other certificates.
  if (claimed !== null && own !== null && !equalBytes(claimed, own)) return false;
  const scope = list.scope;
  if (scope === null) return true;
  if (scope.indirect || scope.onlyAttributeCerts || scope.relativeName) return false;
  if (scope.onlyUserCerts && certificate.isCa) return false;
  if (scope.onlyCaCerts && !certificate.isCa) return false;
  if (scope.fullName === null) return true;
  const extension = certificate.extension(ExtensionOid.crlDistributionPoints);
  if (extension === undefined) return false;
  const wanted = new Set(scope.fullName.map(nameKey));
  return decodeValue(extension, decodeCrlDistributionPoints).some(
    (point) => point.crlIssuer === null && point.fullName?.some((name) => wanted.has(nameKey(name))) === true,
  );
}

function nameKey(name: GeneralName): string {
  if (name.value === null) return name.type;
  if (typeof name.value === 'string') return `${name.type}:${name.value}`;
  return `${name.type}:${name.value instanceof Uint8Array ? latin1(name.value) : name.value.key}`;
}

/** What makes a list believable, whatever it says. */
function checkList(
  list: RevocationList,
  issuer: Certificate | TrustAnchor,
  context: RuleContext,
  signatures: SignatureChecker,
): Fault | null {
  const { profile, atMs } = context;
  const second = Math.floor(atMs / 1000) * 1000;
  if (second < list.thisUpdate.ms) {
    return fault('crl-not-yet-valid', `the list is valid from ${timeText(list.thisUpdate.ms)}`);
  }
  if (list.nextUpdate !== null && second > list.nextUpdate.ms) {
    return fault('crl-expired', `the list was valid until ${timeText(list.nextUpdate.ms)}`);
  }
  if (profile === 'rfc5280' && (list.version === 1 || list.number === null || list.nextUpdate === null)) {
    return lapse(profile, 'crl-number', 'a list of version 1, without a number, or without a next date');
  }
  const holder = issuer instanceof TrustAnchor ? issuer.certificate : issuer;
  const usage = holder?.keyUsage ?? null;
  if (usage !== null && (usage & KeyUsage.cRLSign) === 0) {
    return fault('crl-signature', 'the issuer’s key usage leaves out cRLSign');
  }
  const algorithm = checkSignatureAlgorithm(
    list.signatureAlgorithm,
    list.innerSignatureAlgorithm,
    context.algorithms,
  );
  if (algorithm !== null) return fault('crl-malformed', algorithm.message);
  if (!list.isSignedBy(issuer.spki)) {
    if (signatures.check(list, issuer) !== null) {
      return fault('crl-signature', 'the list is not signed by the key of the issuer');
    }
    list.rememberSigner(issuer.spki);
  }
  const unusable = list.contentFault();
  return unusable === null ? null : fault('crl-malformed', unusable);
}
