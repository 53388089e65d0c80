import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BudgetMeter, defaultBudget } from '../../src/pki/budget.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { type PolicyOptions, PolicyState } from '../../src/pki/policies.ts';
import { ANY_POLICY, ext, issue, keyFor, nameDer } from './make.ts';
import { ANY, type PolicyCertificate, type PolicyInputs, policyTreeAccepts } from './policy-tree.ts';

const OIDS: Record<string, string> = { [ANY]: ANY_POLICY, a: '1.2.3.1', b: '1.2.3.2', c: '1.2.3.3' };
const oidOf = (policy: string): string => OIDS[policy] as string;
const key = keyFor('policies');

/** A certificate with these extensions; nobody looks at its signature. */
function certificateOf(given: PolicyCertificate, index: number) {
  const { policies, mappings, requireExplicit, inhibitMapping, inhibitAny } = given;
  const { der } = issue({
    key,
    subject: given.selfIssued ? 'CN=same' : `CN=${index}`,
    issuerName: nameDer('CN=same'),
    extensions: [
      ...(policies === null ? [] : [ext.policies(policies.map(oidOf))]),
      ...(mappings.length === 0
        ? []
        : [ext.mappings(mappings.map(([from, to]) => [oidOf(from), oidOf(to)]))]),
      ...(requireExplicit === null && inhibitMapping === null
        ? []
        : [ext.policyConstraints(requireExplicit, inhibitMapping)]),
      ...(inhibitAny === null ? [] : [ext.inhibitAny(inhibitAny)]),
      ext.raw('1.2.3.4', false, Uint8Array.of(5, 0)),
    ],
    algorithm: { der: Uint8Array.of(0x30, 0), sign: () => new Uint8Array(0) },
  });
  return parseCertificate(der);
}

function graphAccepts(path: readonly PolicyCertificate[], inputs: PolicyInputs): boolean {
  const options: PolicyOptions = {
    ...(inputs.acceptable === null ? {} : { acceptable: inputs.acceptable.map(oidOf) }),
    requireExplicit: inputs.requireExplicit,
    inhibitMapping: inputs.inhibitMapping,
    inhibitAny: inputs.inhibitAny,
  };
  const state = new PolicyState(path.length, options, null, new BudgetMeter(defaultBudget));
  return path.every((given, i) => state.next(certificateOf(given, i), i === path.length - 1) === null);
}

const policy = fc.constantFrom('a', 'b', 'c');
const skip = fc.option(fc.integer({ min: 0, max: 2 }), { freq: 4 });
const certificate: fc.Arbitrary<PolicyCertificate> = fc.record({
  selfIssued: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  policies: fc.option(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', ANY), { minLength: 1 }), { freq: 12 }),
  mappings: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.uniqueArray(fc.tuple(policy, policy), { minLength: 1, maxLength: 3, selector: String }),
    },
  ),
  requireExplicit: skip,
  inhibitMapping: skip,
  inhibitAny: skip,
});
const inputs: fc.Arbitrary<PolicyInputs> = fc.record({
  acceptable: fc.option(fc.uniqueArray(policy, { minLength: 1 })),
  requireExplicit: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  inhibitMapping: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  inhibitAny: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});

it('decides every path as the tree of RFC 5280 does', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(certificate, { minLength: 1, maxLength: 4 }), inputs, (path, given) => {
      const expected = policyTreeAccepts(path, given);
      if (expected) accepted++;
      else refused++;
      expect(graphAccepts(path, given)).toBe(expected);
    }),
    { numRuns: 6000, seed: 9618 },
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(1000);
}, 60_000);
