/**
 * docs/limits.md is made of `util/limits.ts` and of the table below, which names the test that holds each limit:
 * a limit without one fails here. `npx vitest run tests/ground/limits-docs.test.ts -u` writes the page.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultBudget } from '../../src/pki/budget.ts';
import { DEFAULT_LIMITS, type Limits, SESSION_LIMITS } from '../../src/util/limits.ts';

const root = join(import.meta.dirname, '../..');
const source = readFileSync(join(root, 'src/util/limits.ts'), 'utf8');

/** What is said of a limit where it is declared. */
function description(name: string): string {
  const found = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*(?:readonly )?${name}:`).exec(source)?.[1];
  if (found === undefined) throw new Error(`nothing is said of ${name}`);
  return found.replaceAll(/\s*\n\s*\* ?/g, ' ').trim();
}

/** File, and the title of the test in it. */
type Holder = readonly [file: string, title: string];
const FIELDS: Holder = [
  'src/session/core.test.ts',
  'hold every field to its limit, and change nothing when they refuse',
];

const SESSION_TESTS: Readonly<Record<keyof typeof SESSION_LIMITS, Holder>> = {
  idBytes: FIELDS,
  masterKeyBytes: FIELDS,
  earlySecretBytes: FIELDS,
  stringBytes: FIELDS,
  ticketAppdataBytes: FIELDS,
  fileBytes: ['src/session/forms.test.ts', 'is not looked for in what is far too long'],
  issuers: [
    'tests/session/limits.test.ts',
    'issuers: a chain of as many comes back, and one more is refused',
  ],
  references: [
    'tests/session/limits.test.ts',
    'references: up_ref fails at the largest count, and the library’s own throws',
  ],
  exDataIndexes: ['src/session/ex-data.test.ts', 'has 1,024 indexes'],
  tracedEvents: [
    'src/session/tracing.test.ts',
    'keeps a bounded number of events: the first, and the latest',
  ],
  leaks: ['tests/session/leaks.test.ts', 'keeps ten thousand until somebody asks'],
  errors: ['src/openssl/err.test.ts', 'keeps the latest 16'],
};

const number = (value: number): string => {
  const exponent = Math.log2(value);
  return value > 2 ** 20 && Number.isInteger(exponent) ? `2^${exponent}` : value.toLocaleString('en-US');
};

function page(): string {
  const rows = (entries: readonly (readonly string[])[]): string[] =>
    entries.map((row) => `| ${row.join(' | ')} |`);
  return [
    '# Limits',
    '',
    'Every bound that a peer, a file or a program can reach has a number. This page is made of `src/util/limits.ts`; a test',
    'fails when it is not, and when a limit has no test.',
    '',
    '## A connection',
    '',
    'What a peer can make one connection spend: `limits` of a configuration of `tlsession/engine`. Going over ends the',
    'connection with one alert. Each is held, at the number and one above it, by `tests/engine/limits.test.ts` under its',
    'name, in both roles and versions where they differ.',
    '',
    '| limit | default | what it bounds |',
    '|---|---|---|',
    ...rows(
      (Object.entries(DEFAULT_LIMITS) as [keyof Limits, number][]).map(([name, value]) => [
        `\`${name}\``,
        number(value),
        description(name),
      ]),
    ),
    '',
    'Early data that a server takes is bounded by `maxEarlyData`, which its tickets promise, and `receiveMaxEarlyData`',
    '(`tests/engine/tls13.test.ts`: beyond what was allowed is an alert). A record is bounded by the protocol, and by',
    '`recordSizeLimit`.',
    '',
    '## Sessions and their files',
    '',
    'Fixed: what one program writes the next can read.',
    '',
    '| limit | number | what it bounds | test |',
    '|---|---|---|---|',
    ...rows(
      (Object.entries(SESSION_LIMITS) as [keyof typeof SESSION_LIMITS, number][]).map(([name, value]) => [
        `\`${name}\``,
        number(value),
        description(name),
        `\`${SESSION_TESTS[name][0]}\`: ${SESSION_TESTS[name][1]}`,
      ]),
    ),
    '',
    '## Certificate paths',
    '',
    'What validating one chain may cost: [Certificate paths](certificate-paths.md) has the budget and its tests.',
    '',
    `${Object.keys(defaultBudget)
      .map((name) => `\`${name}\``)
      .join(', ')}.`,
    '',
  ].join('\n');
}

test('docs/limits.md is the table of limits', async () => {
  await expect(page()).toMatchFileSnapshot(join(root, 'docs/limits.md'));
});

test('every limit has a test', () => {
  for (const name of Object.keys(SESSION_LIMITS)) {
    const [file, title] = SESSION_TESTS[name as keyof typeof SESSION_LIMITS];
    const text = readFileSync(join(root, file), 'utf8');
    expect(new RegExp(`(it|test)\\('${title.replaceAll(/[.*+?()[\]]/g, '\\$&')}'`).test(text), name).toBe(
      true,
    );
  }
  // The engine's have a file that fails by itself when one is missing; here only that it is the same list.
  const engine = readFileSync(join(root, 'tests/engine/limits.test.ts'), 'utf8');
  for (const name of Object.keys(DEFAULT_LIMITS)) {
    expect(new RegExp(`^ {2}${name}: \\(name\\) =>`, 'm').test(engine), name).toBe(true);
  }
});
