import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultBudget } from '../../src/pki/budget.ts';
import { failureFor, nodeCodeFor, pathReasons, pathReasonText } from '../../src/pki/reason.ts';
import { relaxations } from '../../src/pki/relaxations.ts';

const docs = readFileSync(join(import.meta.dirname, '../../docs/certificate-paths.md'), 'utf8');

it('documents every reason with its alert and Node’s code', () => {
  for (const reason of pathReasons) {
    expect(docs).toContain(
      `| \`${reason}\` | ${pathReasonText(reason)} | \`${failureFor(reason)}\` | \`${nodeCodeFor(reason)}\` |`,
    );
  }
});

it('documents every relaxation, and no other', () => {
  for (const [id, text] of relaxations) expect(docs).toContain(`| \`${id}\` | ${text} |`);
  const table = docs.slice(docs.indexOf('## The two profiles'), docs.indexOf('## Names'));
  expect(table.match(/^\| `/gm)?.length).toBe(relaxations.size);
});

it('documents the budget', () => {
  for (const [name, value] of Object.entries(defaultBudget))
    expect(docs).toContain(`| \`${name}\` | ${value} |`);
});
