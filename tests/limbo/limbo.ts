/** x509-limbo: reads the vectors, decides every case, and counts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { RevocationLists } from '../../src/pki/crl.ts';
import type { KeyUsageName } from '../../src/pki/extensions.ts';
import { decodePem } from '../../src/pki/pem.ts';
import type { Profile } from '../../src/pki/relaxations.ts';
import type { PathResult } from '../../src/pki/result.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';

/** What we read of a case. */
interface LimboCase {
  readonly id: string;
  readonly expected_result: 'SUCCESS' | 'FAILURE';
  readonly validation_kind: 'SERVER' | 'CLIENT';
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly key_usage: readonly KeyUsageName[];
  readonly expected_peer_name: { readonly kind: string; readonly value: string } | null;
  readonly max_chain_depth: number | null;
  readonly crls?: readonly string[];
}

/** When cases without a time of their own are judged: the vectors' certificates last until 2969. */
const DEFAULT_TIME = Date.UTC(2026, 3, 1);

/** The vectors stand beside the checkout, and beside its parent for a work tree. */
export function findLimbo(): string | null {
  const root = join(import.meta.dirname, '../..');
  for (const folder of ['..', '../..']) {
    const path = join(root, folder, 'shared/vectors/x509-limbo.json');
    if (existsSync(path)) return path;
  }
  return null;
}

export interface Verdict {
  readonly id: string;
  readonly category: string;
  readonly expected: boolean;
  readonly result: PathResult;
  readonly right: boolean;
  readonly milliseconds: number;
}

export function runLimbo(path: string, profile: Profile): Verdict[] {
  const { testcases } = JSON.parse(readFileSync(path, 'utf8')) as { testcases: LimboCase[] };
  return testcases.map((test) => {
    const began = performance.now();
    const chain = [test.peer_certificate, ...test.untrusted_intermediates].flatMap((pem) =>
      decodePem(pem, 'CERTIFICATE'),
    );
    const result = validateCertificatePath({
      provider: nodeProvider,
      chain,
      anchors: TrustAnchors.from(test.trusted_certs),
      purpose: test.validation_kind === 'CLIENT' ? 'client' : 'server',
      name: test.expected_peer_name?.value,
      atMs: test.validation_time === null ? DEFAULT_TIME : Date.parse(test.validation_time),
      profile,
      // A case that names no key usage demands none.
      keyUsage: test.key_usage,
      maxDepth: test.max_chain_depth ?? undefined,
      crls: test.crls === undefined || test.crls.length === 0 ? undefined : RevocationLists.from(test.crls),
    });
    const milliseconds = performance.now() - began;
    const expected = test.expected_result === 'SUCCESS';
    const category = test.id.slice(0, test.id.indexOf('::'));
    return { id: test.id, category, expected, result, right: result.ok === expected, milliseconds };
  });
}

export interface Tally {
  readonly category: string;
  readonly cases: number;
  readonly right: number;
  readonly falseAccepts: number;
  readonly falseRefusals: number;
}

function count(category: string, verdicts: readonly Verdict[]): Tally {
  const wrong = verdicts.filter(({ right }) => !right);
  const falseAccepts = wrong.filter(({ result }) => result.ok).length;
  return {
    category,
    cases: verdicts.length,
    right: verdicts.length - wrong.length,
    falseAccepts,
    falseRefusals: wrong.length - falseAccepts,
  };
}

/** A row a category, in the order of the vectors, and the sum. */
export function tally(verdicts: readonly Verdict[]): Tally[] {
  const categories = [...new Set(verdicts.map(({ category }) => category))];
  const rows = categories.map((name) =>
    count(
      name,
      verdicts.filter(({ category }) => category === name),
    ),
  );
  return [...rows, count('all', verdicts)];
}

/** The table as docs/certificate-paths.md has it. */
export function tallyMarkdown(verdicts: readonly Verdict[]): string {
  const rows = tally(verdicts).map(
    ({ category, cases, right, falseAccepts, falseRefusals }) =>
      `| ${category} | ${cases} | ${right} | ${falseAccepts} | ${falseRefusals} |`,
  );
  return [
    '| category | cases | right | accepted wrongly | refused wrongly |',
    '|---|--:|--:|--:|--:|',
    ...rows,
  ].join('\n');
}
