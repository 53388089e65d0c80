/**
 * Certificate policies (RFC 5280, 6.1). The valid policy tree is kept as a graph with one node a policy and
 * level (RFC 9618), since the tree of RFC 5280 can grow exponentially (CVE-2023-0464).
 */
import type { BudgetMeter } from './budget.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import {
  decodeCertificatePolicies,
  decodeInhibitAnyPolicy,
  decodePolicyConstraints,
  decodePolicyMappings,
} from './extensions.ts';
import { type Fault, fault } from './fault.ts';
import { ANY_POLICY, ExtensionOid, oidFromText, oidText } from './oid.ts';

/** What the caller demands of policies (6.1.1 (c), (e), (f), (g)). */
export interface PolicyOptions {
  /** Acceptable policies, dotted. Default: any. */
  readonly acceptable?: readonly string[];
  /** Whether the path must be valid for one of them. Default false. */
  readonly requireExplicit?: boolean;
  readonly inhibitMapping?: boolean;
  readonly inhibitAny?: boolean;
}

/**
 * Whether policies can refuse a path at all: only where an explicit one is demanded, by the caller or by a
 * certificate, or where a mapping might be malformed. Almost no path is concerned.
 */
export function policiesMatter(
  path: readonly Certificate[],
  anchor: Certificate | null,
  options: PolicyOptions,
): boolean {
  if (options.requireExplicit === true) return true;
  const concerns = (certificate: Certificate): boolean =>
    certificate.extension(ExtensionOid.policyConstraints) !== undefined ||
    certificate.extension(ExtensionOid.policyMappings) !== undefined;
  return path.some(concerns) || (anchor !== null && concerns(anchor));
}

/** A policy at one level: the expected policies of the level above that lead to it. */
interface Node {
  /** Policies of the level above, as their own level names them; anyPolicy's child is reached by anyPolicy. */
  readonly parents: Set<string>;
}

/** What the nodes of a level expect of the next one: expected policy to the policies that expect it. */
type Expected = Map<string, Set<string>>;

function add(map: Expected, key: string, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

/** Walks a path from the anchor to the leaf; `remaining` counts are 6.1.2's variables. */
export class PolicyState {
  readonly #meter: BudgetMeter;
  readonly #levels: Map<string, Node>[] = [];
  readonly #acceptable: ReadonlySet<string> | null;
  #expected: Expected;
  #explicit: number;
  #mapping: number;
  #any: number;

  /** `length` is the number of certificates in the path, the anchor not counted. */
  constructor(length: number, options: PolicyOptions, anchor: Certificate | null, meter: BudgetMeter) {
    this.#meter = meter;
    this.#acceptable =
      options.acceptable === undefined ? null : new Set(options.acceptable.map((text) => oidFromText(text)));
    this.#explicit = options.requireExplicit === true ? 0 : length + 1;
    this.#mapping = options.inhibitMapping === true ? 0 : length + 1;
    this.#any = options.inhibitAny === true ? 0 : length + 1;
    let initial: readonly string[] = [ANY_POLICY];
    if (anchor !== null) {
      // An anchor's constraints are inputs (RFC 5937, 3.2).
      const policies = anchor.extension(ExtensionOid.certificatePolicies);
      if (policies !== undefined) initial = decodeValue(policies, decodeCertificatePolicies);
      this.#constrain(anchor);
    }
    const level = new Map<string, Node>();
    this.#expected = new Map();
    this.#meter.policies(initial.length);
    for (const policy of initial) {
      level.set(policy, { parents: new Set() });
      add(this.#expected, policy, policy);
    }
    this.#levels.push(level);
  }

  get #isNull(): boolean {
    return (this.#levels.at(-1) as Map<string, Node>).size === 0;
  }

  /** 6.1.3 (d) to (f) and, unless it is the leaf, 6.1.4 (a), (b), (h), (i), (j); for a leaf 6.1.5 (a), (b), (g). */
  next(certificate: Certificate, isLeaf: boolean): Fault | null {
    const selfIssued = certificate.isSelfIssued;
    this.#enter(certificate, this.#any > 0 || (!isLeaf && selfIssued));
    if (this.#explicit === 0 && this.#isNull) {
      return fault(
        'policy-required',
        'a policy is required, and the certificate has none that its issuers allow',
      );
    }
    if (!isLeaf) {
      const problem = this.#map(certificate);
      if (problem !== null) return problem;
      if (!selfIssued) {
        this.#explicit = Math.max(0, this.#explicit - 1);
        this.#mapping = Math.max(0, this.#mapping - 1);
        this.#any = Math.max(0, this.#any - 1);
      }
      this.#constrain(certificate);
      return null;
    }
    this.#explicit = Math.max(0, this.#explicit - 1);
    const constraints = certificate.extension(ExtensionOid.policyConstraints);
    if (constraints !== undefined) {
      if (decodeValue(constraints, decodePolicyConstraints).requireExplicitPolicy === 0) this.#explicit = 0;
    }
    if (this.#explicit === 0 && !this.#isAcceptable()) {
      return fault(
        'policy-required',
        'a policy is required, and the path is valid for none that is acceptable',
      );
    }
    return null;
  }

  /** 6.1.3 (d), (e): the nodes of a new level. */
  #enter(certificate: Certificate, anyAllowed: boolean): void {
    const level = new Map<string, Node>();
    const extension = certificate.extension(ExtensionOid.certificatePolicies);
    if (extension !== undefined) {
      const policies = decodeValue(extension, decodeCertificatePolicies);
      this.#meter.policies(policies.length);
      for (const policy of policies) {
        if (policy === ANY_POLICY) continue;
        const parents = this.#expected.get(policy) ?? this.#expected.get(ANY_POLICY);
        if (parents !== undefined) level.set(policy, { parents: new Set(parents) });
      }
      if (anyAllowed && policies.includes(ANY_POLICY)) {
        this.#meter.policies(this.#expected.size);
        for (const [policy, parents] of this.#expected) {
          if (!level.has(policy)) level.set(policy, { parents: new Set(parents) });
        }
      }
    }
    this.#levels.push(level);
    this.#expected = new Map([...level.keys()].map((policy) => [policy, new Set([policy])]));
  }

  /** 6.1.4 (a), (b). */
  #map(certificate: Certificate): Fault | null {
    const extension = certificate.extension(ExtensionOid.policyMappings);
    if (extension === undefined) return null;
    const mappings = decodeValue(extension, decodePolicyMappings);
    this.#meter.policies(mappings.length);
    const level = this.#levels.at(-1) as Map<string, Node>;
    const bySource = new Map<string, string[]>();
    for (const { issuerDomain, subjectDomain } of mappings) {
      if (issuerDomain === ANY_POLICY || subjectDomain === ANY_POLICY) {
        return fault('malformed-extension', 'a policy mapping from or to anyPolicy');
      }
      const list = bySource.get(issuerDomain);
      if (list === undefined) bySource.set(issuerDomain, [subjectDomain]);
      else list.push(subjectDomain);
    }
    for (const [source, targets] of bySource) {
      if (this.#mapping === 0) {
        level.delete(source);
        this.#expected.delete(source);
        continue;
      }
      let node = level.get(source);
      const any = level.get(ANY_POLICY);
      if (node === undefined && any !== undefined) {
        node = { parents: new Set(any.parents) };
        level.set(source, node);
      }
      if (node === undefined) continue;
      const own = this.#expected.get(source);
      own?.delete(source);
      if (own?.size === 0) this.#expected.delete(source);
      for (const target of targets) add(this.#expected, target, source);
    }
    return null;
  }

  /** 6.1.4 (i), (j). */
  #constrain(certificate: Certificate): void {
    const constraints = certificate.extension(ExtensionOid.policyConstraints);
    if (constraints !== undefined) {
      const { requireExplicitPolicy, inhibitPolicyMapping } = decodeValue(
        constraints,
        decodePolicyConstraints,
      );
      if (requireExplicitPolicy !== null) this.#explicit = Math.min(this.#explicit, requireExplicitPolicy);
      if (inhibitPolicyMapping !== null) this.#mapping = Math.min(this.#mapping, inhibitPolicyMapping);
    }
    const inhibit = certificate.extension(ExtensionOid.inhibitAnyPolicy);
    if (inhibit !== undefined) this.#any = Math.min(this.#any, decodeValue(inhibit, decodeInhibitAnyPolicy));
  }

  /**
   * The policies, in the anchor's terms, that the whole path is valid for (6.1.5 (g)): keys; `ANY_POLICY`
   * among them when every policy is.
   */
  authorityPolicies(): Set<string> {
    // Walk up from the leaf's level: a policy counts where its parent is anyPolicy, or at the top.
    const result = new Set<string>();
    let reached = new Set((this.#levels.at(-1) as Map<string, Node>).keys());
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const level = this.#levels[i] as Map<string, Node>;
      const above = new Set<string>();
      for (const policy of reached) {
        const node = level.get(policy);
        if (node === undefined) continue;
        this.#meter.policies(1 + node.parents.size);
        if (i === 0) {
          result.add(policy);
        } else if (policy !== ANY_POLICY && node.parents.has(ANY_POLICY)) {
          result.add(policy);
        } else {
          for (const parent of node.parents) above.add(parent);
        }
      }
      reached = above;
    }
    return result;
  }

  #isAcceptable(): boolean {
    if (this.#isNull) return false;
    const acceptable = this.#acceptable;
    if (acceptable === null || acceptable.has(ANY_POLICY)) return true;
    const valid = this.authorityPolicies();
    return valid.has(ANY_POLICY) || [...valid].some((policy) => acceptable.has(policy));
  }
}

/** Dotted forms, for people. */
export function policyTexts(policies: Iterable<string>): string[] {
  return [...policies].map(oidText).sort();
}
