/**
 * The search for a path (RFC 4158): from the leaf upwards, by name; anchors first, then the certificates
 * given. Every rule that costs little is applied before a signature is verified, and no signature is
 * verified before a path reaches an anchor.
 */
import { equalBytes } from '../util/bytes.ts';
import { DecodeError } from '../util/errors.ts';
import { defaultAlgorithms } from './algorithm.ts';
import type { TrustAnchor } from './anchors.ts';
import { type Budget, BudgetExceeded, BudgetMeter, defaultBudget } from './budget.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { KeyUsage } from './extensions.ts';
import { type Fault, fault } from './fault.ts';
import { guarded } from './guarded.ts';
import { checkKeyIdentifiers, checkPath, type PathRuleOptions, type PlacedFault } from './path-rules.ts';
import { failureFor, nodeCodeFor, type PathReason, pathReasonText } from './reason.ts';
import type { Relaxation } from './relaxations.ts';
import {
  DEFAULT_MAX_DEPTH,
  MAX_ATTEMPTS,
  type PathAttempt,
  type PathFailure,
  type PathOptions,
  type PathResult,
} from './result.ts';
import { checkRevocation, type RevocationOutcome } from './revocation.ts';
import { checkIntermediate, checkLeaf, type RuleContext } from './rules.ts';
import { fallbackCommonName, type ReferenceName } from './server-name.ts';
import { SignatureChecker } from './signatures.ts';

/** How telling a refusal is: the highest of all attempts is reported. */
const Rank = Object.freeze({
  noIssuer: 0,
  selfSigned: 1,
  tooLong: 2,
  wrongKey: 3,
  unfitIssuer: 4,
  refusedPath: 5,
});

interface Attempt extends PathAttempt {
  readonly rank: number;
  readonly relaxation: Relaxation | null;
  readonly nodeCode: string;
}

export class Search {
  readonly #options: PathOptions;
  readonly #reference: ReferenceName | null;
  readonly #maxDepth: number;
  readonly #meter: BudgetMeter;
  readonly #limits: Budget;
  readonly #bySubject = new Map<string, Certificate[]>();
  /** Certificates as issuers: their fault, or null when they may issue. */
  readonly #fitness = new Map<Certificate, Fault | null>();
  readonly #signatures: SignatureChecker;
  readonly #attempts: Attempt[] = [];
  #best: Attempt | null = null;
  #unreadable = 0;
  /** What was found out about revocation for the path just completed. */
  #status: RevocationOutcome | null = null;
  readonly #context: RuleContext;
  #rules: PathRuleOptions | null = null;

  constructor(options: PathOptions, reference: ReferenceName | null) {
    this.#options = options;
    this.#reference = reference;
    this.#maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
    this.#limits = { ...defaultBudget, ...options.budget };
    this.#meter = new BudgetMeter(this.#limits);
    this.#signatures = new SignatureChecker(options.provider, this.#meter);
    const profile = options.profile ?? 'compatible';
    const algorithms =
      options.algorithms === undefined ? defaultAlgorithms : { ...defaultAlgorithms, ...options.algorithms };
    this.#context = { purpose: options.purpose, atMs: options.atMs, profile, algorithms };
  }

  run(): PathResult {
    try {
      return this.#run();
    } catch (error) {
      if (!(error instanceof BudgetExceeded)) throw error;
      return { ...refusal('budget-exceeded', 0, error.message), attempts: this.#attempts };
    }
  }

  #run(): PathResult {
    const { chain } = this.#options;
    const { purpose, profile } = this.#context;
    this.#checkSize(chain);
    let leaf: Certificate;
    try {
      leaf = parseCertificate(chain[0] as Uint8Array);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return refusal('malformed-certificate', 0, error.message);
    }
    const usage = (this.#options.keyUsage ?? ['digitalSignature']).reduce(
      (bits, name) => bits | KeyUsage[name],
      0,
    );
    const unfit = checkLeaf(leaf, this.#context, usage);
    if (unfit !== null) return refusal(unfit.reason, 0, unfit.message, unfit.relaxation);

    const own = profile === 'compatible' ? this.#options.anchors.find(leaf) : null;
    if (own !== null && own.purposes?.includes(purpose) !== false) return this.#success([leaf], own);
    this.#fillBag(chain);
    const found = this.#extend([leaf], 0);
    if (found !== null) return found;
    const best = this.#best as Attempt;
    return {
      ok: false,
      reason: best.reason,
      relaxation: best.relaxation,
      depth: best.depth,
      message: best.message,
      alert: failureFor(best.reason),
      nodeCode: best.nodeCode,
      attempts: this.#attempts,
    };
  }

  get #checkAnchorDates(): boolean {
    return this.#options.checkAnchorDates ?? this.#context.profile === 'rfc5280';
  }

  #checkSize(chain: readonly Uint8Array[]): void {
    if (chain.length - 1 > this.#limits.certificates) throw new BudgetExceeded('too many certificates');
    const bytes = chain.reduce((sum, der) => sum + der.length, 0);
    if (bytes > this.#limits.bytes) throw new BudgetExceeded('too many bytes of certificates');
  }

  #fillBag(chain: readonly Uint8Array[]): void {
    for (const der of chain.slice(1)) {
      try {
        const certificate = parseCertificate(der);
        const list = this.#bySubject.get(certificate.subject.key);
        if (list === undefined) this.#bySubject.set(certificate.subject.key, [certificate]);
        else if (!list.some((other) => equalBytes(other.der, der))) list.push(certificate);
      } catch (error) {
        // What cannot be read is of no use to a path; whether one is needed is seen later.
        if (!(error instanceof DecodeError)) throw error;
        this.#unreadable++;
      }
    }
  }

  /** `counted` is the number of intermediates so far, self-issued ones left out. */
  #extend(path: readonly Certificate[], counted: number): PathResult | null {
    const last = path[path.length - 1] as Certificate;
    const anchors = this.#options.anchors.bySubject(last.issuer);
    for (const anchor of byHint(anchors, last, ({ certificate }) => certificate)) {
      this.#meter.step();
      const problem = this.#complete(path, anchor);
      if (problem === null) return this.#success(path, anchor);
      this.#refuse(path, anchor, problem);
    }
    let candidates = 0;
    for (const issuer of byHint(this.#bySubject.get(last.issuer.key) ?? [], last, (issuer) => issuer)) {
      this.#meter.step();
      // The same name with the same key again leads nowhere new (RFC 4158, 2.4.2).
      if (path.some((other) => other.subject.equals(issuer.subject) && equalBytes(other.spki, issuer.spki)))
        continue;
      candidates++;
      const depth = path.length;
      const unfit = this.#unfit(issuer);
      if (unfit !== null) {
        this.#record([...path, issuer], null, unfit, depth, Rank.unfitIssuer);
        continue;
      }
      const length = counted + (issuer.isSelfIssued ? 0 : 1);
      if (length > this.#maxDepth) {
        const tooLong = fault('path-too-long', `more than ${this.#maxDepth} intermediate certificates`);
        this.#record([...path, issuer], null, tooLong, depth, Rank.tooLong);
        continue;
      }
      if (this.#signatures.known(last, issuer.spki) === false) continue;
      const found = this.#extend([...path, issuer], length);
      if (found !== null) return found;
    }
    if (anchors.length === 0 && candidates === 0) this.#deadEnd(path, last);
    return null;
  }

  #deadEnd(path: readonly Certificate[], last: Certificate): void {
    const depth = path.length - 1;
    if (last.isSelfIssued && !claimsOtherKey(last, last)) {
      const reason = depth === 0 ? 'self-signed-leaf' : 'self-signed-in-chain';
      this.#record(path, null, fault(reason, pathReasonText(reason)), depth, Rank.selfSigned);
      return;
    }
    const unreadable =
      this.#unreadable === 0 ? '' : `; ${this.#unreadable} of the certificates given cannot be read`;
    const message = `no issuer named ${last.issuer} is trusted or among the certificates given${unreadable}`;
    const nodeCode = depth === 0 ? 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' : nodeCodeFor('unknown-issuer');
    this.#record(path, null, fault('unknown-issuer', message), depth, Rank.noIssuer, nodeCode);
  }

  #unfit(certificate: Certificate): Fault | null {
    let problem = this.#fitness.get(certificate);
    if (problem === undefined) {
      problem = checkIntermediate(certificate, this.#context);
      this.#fitness.set(certificate, problem);
    }
    return problem;
  }

  #pathRules(leaf: Certificate): PathRuleOptions {
    const fallback = this.#options.commonNameFallback === true && this.#reference?.type === 'dns';
    this.#rules ??= {
      ...this.#context,
      checkAnchorDates: this.#checkAnchorDates,
      policies: this.#options.policies ?? {},
      commonName: fallback ? fallbackCommonName(leaf) : null,
      meter: this.#meter,
    };
    return this.#rules;
  }

  /** Everything that makes a chain of names a valid path. */
  #complete(path: readonly Certificate[], anchor: TrustAnchor): PlacedFault | null {
    const problem = checkPath(path, anchor, this.#pathRules(path[0] as Certificate));
    if (problem !== null) return problem;
    const unsigned = this.#checkSignatures(path, anchor);
    if (unsigned !== null) return unsigned;
    if (this.#context.profile === 'rfc5280') {
      const mismatch = checkKeyIdentifiers(path, anchor, this.#context.profile);
      if (mismatch !== null) return mismatch;
    }
    const { crls, requireCrl, ocsp, provider } = this.#options;
    const revocation = checkRevocation(
      path,
      anchor,
      { crls: crls ?? null, requireCrl: requireCrl ?? 'none', ocsp },
      this.#context,
      provider,
      this.#signatures,
    );
    this.#status = revocation;
    return revocation.problem;
  }

  #checkSignatures(path: readonly Certificate[], anchor: TrustAnchor): PlacedFault | null {
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const problem = this.#signatures.check(path[depth] as Certificate, path[depth + 1] ?? anchor);
      if (problem === null) continue;
      return { fault: problem, depth: problem.reason === 'key-not-allowed' ? depth + 1 : depth };
    }
    return null;
  }

  #success(path: readonly Certificate[], anchor: TrustAnchor): PathResult {
    const leaf = path[0] as Certificate;
    let validFromMs = Math.max(
      this.#status?.validFromMs ?? Number.NEGATIVE_INFINITY,
      ...path.map((certificate) => certificate.notBeforeMs),
    );
    // notAfter is the last second, to its end.
    let validUntilMs = Math.min(
      this.#status?.validUntilMs ?? Number.POSITIVE_INFINITY,
      ...path.map((certificate) => certificate.notAfterMs + 999),
    );
    if (this.#checkAnchorDates && anchor.certificate !== null) {
      validFromMs = Math.max(validFromMs, anchor.certificate.notBeforeMs);
      validUntilMs = Math.min(validUntilMs, anchor.certificate.notAfterMs + 999);
    }
    return { ok: true, leaf, path, anchor, matchedName: null, validFromMs, validUntilMs };
  }

  #refuse(path: readonly Certificate[], anchor: TrustAnchor, { fault: problem, depth }: PlacedFault): void {
    if (problem.reason !== 'bad-signature') {
      this.#record(path, anchor, problem, depth, Rank.refusedPath);
      return;
    }
    const signed = path[depth] as Certificate;
    const issuer = path[depth + 1] ?? anchor.certificate;
    if (issuer !== null && claimsOtherKey(signed, issuer)) {
      // The certificate says itself that another key of that name signed it.
      const message = `another key of ${signed.issuer} is trusted or given, not the one that signed`;
      const nodeCode = path.length === 1 ? 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' : nodeCodeFor('unknown-issuer');
      this.#record(path, anchor, fault('unknown-issuer', message), depth, Rank.noIssuer, nodeCode);
      return;
    }
    this.#record(path, anchor, problem, depth, Rank.wrongKey);
  }

  #record(
    path: readonly Certificate[],
    anchor: TrustAnchor | null,
    problem: Fault,
    depth: number,
    rank: number,
    nodeCode: string = nodeCodeFor(problem.reason),
  ): void {
    const { reason, message, relaxation } = problem;
    const attempt = { path, anchor, reason, message, relaxation, depth, rank, nodeCode };
    if (this.#best === null || rank > this.#best.rank) this.#best = attempt;
    if (this.#options.traceAttempts === true && this.#attempts.length < MAX_ATTEMPTS)
      this.#attempts.push(attempt);
  }
}

/** A refusal without attempts. */
export function refusal(
  reason: PathReason,
  depth: number,
  message: string,
  relaxation: Relaxation | null = null,
): PathFailure {
  return {
    ok: false,
    reason,
    relaxation,
    depth,
    message,
    alert: failureFor(reason),
    nodeCode: nodeCodeFor(reason),
    attempts: [],
  };
}

/** Whether `signed` names a key identifier that `issuer` says is not its own. */
function claimsOtherKey(signed: Certificate, issuer: Certificate): boolean {
  let other = false;
  guarded(() => {
    const claimed = signed.authorityKeyIdentifier?.keyIdentifier ?? null;
    const own = issuer.subjectKeyIdentifier;
    other = claimed !== null && own !== null && !equalBytes(claimed, own);
    return null;
  });
  return other;
}

/** Candidates in the order to try: those whose key identifier is not another than the named one first (RFC 4158, 3.5.12). */
function byHint<T>(
  candidates: readonly T[],
  signed: Certificate,
  certificateOf: (candidate: T) => Certificate | null,
): readonly T[] {
  if (candidates.length < 2) return candidates;
  const likely: T[] = [];
  const others: T[] = [];
  for (const candidate of candidates) {
    const certificate = certificateOf(candidate);
    if (certificate !== null && claimsOtherKey(signed, certificate)) others.push(candidate);
    else likely.push(candidate);
  }
  return [...likely, ...others];
}
