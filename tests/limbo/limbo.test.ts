import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { skipped } from '../support/skip.ts';
import { deviations } from './deviations.ts';
import { findLimbo, runLimbo, tally, tallyMarkdown } from './limbo.ts';

const path = findLimbo();
const title = 'x509-limbo';

if (path === null) {
  skipped(title, '../shared/vectors/x509-limbo.json is not there');
} else {
  describe(title, () => {
    const strict = runLimbo(path, 'rfc5280');
    const compatible = runLimbo(path, 'compatible');
    const sum = (verdicts: typeof strict) => tally(verdicts).at(-1);

    it('decides at least 185 of 208 right under the strict profile', () => {
      expect(sum(strict)?.cases).toBe(208);
      expect(sum(strict)?.right).toBeGreaterThanOrEqual(185);
    });

    it.each(['rfc5280', 'pathlen', 'pathological', 'cve', 'crl', 'invalid', 'online'])(
      'accepts nothing wrongly in %s',
      (category) => {
        const accepted = strict.filter((v) => v.category === category && v.result.ok && !v.expected);
        expect(accepted.map(({ id }) => id)).toEqual([]);
      },
    );

    it('deviates exactly where the list says, each with a reason', () => {
      const wrong = strict.filter(({ right }) => !right);
      expect(wrong.map(({ id }) => id).sort()).toEqual([...deviations.keys()].sort());
      for (const { id, result } of wrong) {
        expect(deviations.get(id)).toMatch(result.ok ? /^accepted: / : /^refused: /);
      }
    });

    it('refuses under the compatible profile nothing that it should accept, and accepts all that the strict one does', () => {
      expect(compatible.filter(({ right, expected }) => !right && expected).map(({ id }) => id)).toEqual([]);
      for (const [index, verdict] of strict.entries()) {
        if (verdict.result.ok) expect(compatible[index]?.result.ok, verdict.id).toBe(true);
      }
    });

    it('takes less than a second for each', () => {
      for (const { id, milliseconds } of [...strict, ...compatible])
        expect(milliseconds, id).toBeLessThan(1000);
    });

    it('gives a refusal a sentence, a place and an alert', () => {
      for (const { id, result } of [...strict, ...compatible]) {
        if (result.ok) continue;
        expect(result.message, id).toMatch(/\w{3}/);
        expect(result.depth, id).toBeGreaterThanOrEqual(0);
        expect(result.alert, id).toBeTypeOf('string');
      }
    });

    it('has its tables and its deviations in the documentation', () => {
      const docs = readFileSync(join(import.meta.dirname, '../../docs/certificate-paths.md'), 'utf8');
      expect(docs).toContain(tallyMarkdown(strict));
      expect(docs).toContain(tallyMarkdown(compatible));
      for (const [id, reason] of deviations) expect(docs).toContain(`| \`${id}\` | ${reason} |`);
    });
  });
}
