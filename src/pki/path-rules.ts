/**
 * A whole path from a leaf to an anchor (RFC 5280, 6.1), everything but signatures and revocation. The
 * single certificates have been checked by rules.ts.
 */
import { equalBytes } from '../util/bytes.ts';
import type { TrustAnchor } from './anchors.ts';
import type { BudgetMeter } from './budget.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import { decodeTlsFeature } from './extensions.ts';
import { type Fault, fault, lapse } from './fault.ts';
import { guarded } from './guarded.ts';
import { NameConstraintState } from './name-constraints.ts';
import { ExtensionOid } from './oid.ts';
import { type PolicyOptions, PolicyState, policiesMatter } from './policies.ts';
import type { Profile } from './relaxations.ts';
import { checkAnchor, checkDates, checkKey, type RuleContext } from './rules.ts';

export interface PathRuleOptions extends RuleContext {
  readonly checkAnchorDates: boolean;
  readonly policies: PolicyOptions;
  /** A common name that is going to stand in for a DNS name, and is constrained as one. */
  readonly commonName: string | null;
  readonly meter: BudgetMeter;
}

/** A fault and its place: 0 is the leaf, the path's length is the anchor. */
export interface PlacedFault {
  readonly fault: Fault;
  readonly depth: number;
}

/** `path` is leaf first; the anchor issued its last certificate by name. */
export function checkPath(
  path: readonly Certificate[],
  anchor: TrustAnchor,
  options: PathRuleOptions,
): PlacedFault | null {
  let depth = path.length;
  const problem = guarded(() => {
    const { purpose, profile } = options;
    const certificate = anchor.certificate;
    if (certificate !== null) {
      const unfit =
        anchor.judged(options, () => checkAnchor(certificate, options)) ??
        (options.checkAnchorDates ? checkDates(certificate, options.atMs) : null);
      if (unfit !== null) return unfit;
    }
    if (anchor.purposes?.includes(purpose) === false) {
      return fault('extended-key-usage', `the anchor is not trusted for TLS ${purpose}s`);
    }
    const refused = checkKey(anchor.key, options.algorithms);
    if (refused !== null) return refused;

    const names = new NameConstraintState(profile, options.meter);
    for (const constraints of [certificate?.nameConstraints, anchor.nameConstraints]) {
      const bad = constraints == null ? null : names.add(constraints);
      if (bad !== null) return bad;
    }
    const policies = policiesMatter(path, certificate, options.policies)
      ? new PolicyState(path.length, options.policies, certificate, options.meter)
      : null;
    let room = Math.min(
      path.length,
      certificate?.basicConstraints?.pathLength ?? path.length,
      anchor.maxPathLength ?? path.length,
    );
    let issuer = certificate;

    for (depth = path.length - 1; depth >= 0; depth--) {
      const current = path[depth] as Certificate;
      const isLeaf = depth === 0;
      const bad =
        (isLeaf || !current.isSelfIssued ? names.check(current, isLeaf ? options.commonName : null) : null) ??
        policies?.next(current, isLeaf) ??
        (issuer === null ? null : checkFeatures(issuer, current));
      if (bad !== null) return bad;
      if (isLeaf) break;
      // 6.1.4 (l), (m).
      if (!current.isSelfIssued && room-- <= 0) {
        return fault('path-length-exceeded', 'more CA certificates than an issuer’s path length allows');
      }
      room = Math.min(room, current.basicConstraints?.pathLength ?? room);
      const constraints = current.nameConstraints;
      const malformed = constraints === null ? null : names.add(constraints);
      if (malformed !== null) return malformed;
      issuer = current;
    }
    return null;
  });
  return problem === null ? null : { fault: problem, depth };
}

/** RFC 7633, 4.2.2: what an issuer demands of those below it. */
function checkFeatures(issuer: Certificate, current: Certificate): Fault | null {
  const demanded = issuer.extension(ExtensionOid.tlsFeature);
  if (demanded === undefined) return null;
  const own = current.extension(ExtensionOid.tlsFeature);
  const features = own === undefined ? [] : decodeValue(own, decodeTlsFeature);
  if (decodeValue(demanded, decodeTlsFeature).every((feature) => features.includes(feature))) return null;
  return fault('feature-missing', 'a TLS feature that the issuer demands is missing (RFC 7633, 4.2.2)');
}

/**
 * 4.2.1.1, 4.2.1.2: each authority key identifier is the issuer's subject key identifier. Only of use once the
 * signatures are verified: before, a difference says that another key of that name is meant.
 */
export function checkKeyIdentifiers(
  path: readonly Certificate[],
  anchor: TrustAnchor,
  profile: Profile,
): PlacedFault | null {
  for (const [depth, current] of path.entries()) {
    const issuer = path[depth + 1] ?? anchor.certificate;
    const claimed = current.authorityKeyIdentifier?.keyIdentifier ?? null;
    const actual = issuer?.subjectKeyIdentifier ?? null;
    if (claimed === null || actual === null || equalBytes(claimed, actual)) continue;
    const problem = lapse(
      profile,
      'key-identifier-mismatch',
      'the authority key identifier is not the issuer’s subject key identifier',
    );
    if (problem !== null) return { fault: problem, depth };
  }
  return null;
}
