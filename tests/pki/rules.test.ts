import { describe, expect, it } from 'vitest';
import { pathReasons } from '../../src/pki/reason.ts';
import { type Profile, relaxations } from '../../src/pki/relaxations.ts';
import { certificateRules } from './rules-certificate.ts';
import { pathRules } from './rules-path.ts';
import { revocationRules } from './rules-revocation.ts';
import { judge, type Rule } from './world.ts';

const profiles: readonly Profile[] = ['rfc5280', 'compatible'];

function check(rule: Rule): void {
  for (const profile of profiles) {
    const good = judge(rule.good ?? {}, profile);
    expect(good.ok || `${profile}: ${good.reason}: ${good.message}`, 'without what breaks the rule').toBe(
      true,
    );
  }
  for (const profile of rule.profile === undefined ? profiles : [rule.profile]) {
    const bad = judge(rule.bad, profile);
    if (rule.relaxation !== undefined && profile === 'compatible') {
      expect(bad.ok || `${profile}: ${bad.reason}: ${bad.message}`).toBe(true);
      continue;
    }
    expect(
      bad.ok ? 'accepted' : `${bad.reason} at ${bad.depth}`,
      bad.ok ? profile : `${profile}: ${bad.message}`,
    ).toBe(`${rule.reason} at ${rule.depth}`);
    if (!bad.ok && rule.reason === 'profile-violation') expect(bad.relaxation).toBe(rule.relaxation);
  }
}

describe('a path that only one rule refuses: single certificates', () => {
  it.each(certificateRules.map((rule) => [`${rule.reason}: ${rule.title}`, rule] as const))('%s', (_, rule) =>
    check(rule),
  );
});

describe('a path that only one rule refuses: whole paths', () => {
  it.each(pathRules.map((rule) => [`${rule.reason}: ${rule.title}`, rule] as const))('%s', (_, rule) =>
    check(rule),
  );
});

describe('a path that only one rule refuses: revocation', () => {
  it.each(revocationRules.map((rule) => [`${rule.reason}: ${rule.title}`, rule] as const))('%s', (_, rule) =>
    check(rule),
  );
});

const all = [...certificateRules, ...pathRules, ...revocationRules];

it('has a path for every reason', () => {
  expect(pathReasons.filter((reason) => !all.some((rule) => rule.reason === reason))).toEqual([]);
});

it('has a path for every relaxation', () => {
  const covered = new Set(all.map((rule) => rule.relaxation));
  // Needs an anchor that is the leaf: builder.test.ts.
  expect([...relaxations.keys()].filter((id) => !covered.has(id))).toEqual(['leaf-is-anchor']);
});
