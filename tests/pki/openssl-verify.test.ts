import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { type PathReason, pathReasons } from '../../src/pki/reason.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { describeWithPeers } from '../support/peer.ts';
import { Random } from '../support/random.ts';
import { pem } from './der.ts';
import { NOW } from './make.ts';
import { mutations, openEnds, type RandomPath, randomPath } from './random-paths.ts';

const PATHS = 2000;
const SEED = 20260115;
/** At once: one for each core of a small machine, and one that waits. */
const WORKERS = 3;

/** Where we and OpenSSL may differ, by mutation. There is nothing else. */
const KNOWN: ReadonlyMap<string, string> = new Map([
  [
    'CA for any purpose by anyExtendedKeyUsage',
    'we accept: RFC 5280, 4.2.1.12 says that the extension then does not restrict; OpenSSL looks for serverAuth alone',
  ],
  [
    'a way that ends at a stranger, first in the bag',
    'we accept: there is a valid path (6.1); OpenSSL does not come back from the way that it took first',
  ],
  [
    'a wildcard that may stand for an excluded name',
    'we refuse: *.example.com may be bad.example.com, which is excluded (CVE-2025-61727)',
  ],
]);

/** The reasons that `openssl verify` can be asked about. */
const reasons = [...new Set(mutations.map(([, reason]) => reason))].filter((reason) => reason !== null);

/** The others, which it has no rule for: OCSP answers and TLS features. openssl-ocsp.test.ts asks `openssl ocsp`. */
const OTHERS: readonly PathReason[] = [
  'feature-missing',
  'ocsp-invalid',
  'ocsp-expired',
  'ocsp-unknown',
  'staple-required',
];

interface Answer {
  readonly ok: boolean;
  readonly text: string;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Writes a path's files and gives the shell command that judges it and leaves output and exit code beside them. */
function command(openssl: string, folder: string, id: number, path: RandomPath): string {
  const file = (name: string): string => join(folder, `${id}.${name}`);
  const args = ['verify', '-no-CApath', '-no-CAstore', '-partial_chain', '-auth_level', '2'];
  args.push('-purpose', 'sslserver', '-attime', String(NOW / 1000));
  writeFileSync(file('ca'), path.anchors.map((der) => pem(der)).join(''));
  args.push('-CAfile', file('ca'));
  if (path.bag.length > 0) {
    writeFileSync(file('bag'), path.bag.map((der) => pem(der)).join(''));
    args.push('-untrusted', file('bag'));
  }
  if (path.crls.length > 0) {
    writeFileSync(file('crl'), path.crls.map((der) => pem(der, 'X509 CRL')).join(''));
    args.push('-CRLfile', file('crl'));
  }
  writeFileSync(file('leaf'), pem(path.leaf));
  const words = [openssl, ...args, ...path.args, file('leaf')].map(quote).join(' ');
  return `${words} >${quote(file('out'))} 2>&1; echo $? >${quote(file('code'))}`;
}

function answer(folder: string, id: number): Answer {
  const text = readFileSync(join(folder, `${id}.out`), 'latin1')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300);
  return { ok: readFileSync(join(folder, `${id}.code`), 'latin1') === '0\n', text };
}

/** Small shells start programs much faster than this process does, with its memory. */
function runAll(folder: string, commands: readonly string[]): Promise<unknown> {
  const shells = Array.from({ length: WORKERS }, (_, worker) => {
    const script = join(folder, `run-${worker}.sh`);
    writeFileSync(script, commands.filter((_, i) => i % WORKERS === worker).join('\n'));
    return new Promise<void>((done, fail) => {
      execFile('/bin/sh', [script], (error) => (error === null ? done() : fail(error)));
    });
  });
  return Promise.all(shells);
}

it('breaks paths for every reason that openssl verify knows', () => {
  expect([...reasons, ...OTHERS].sort()).toEqual([...pathReasons].sort());
});

describeWithPeers(['openssl'], 'openssl verify', ({ openssl }) => {
  it(`agrees on ${PATHS} random paths`, async () => {
    const random = new Random(SEED);
    let turn = 0;
    const paths = Array.from({ length: PATHS }, (_, i) => {
      if (i % 200 === 0) return randomPath(random, random.pick(openEnds));
      if (i % 5 > 2) return randomPath(random, null);
      // Every reason in turn, so that none is rare.
      const reason = reasons[turn++ % reasons.length];
      return randomPath(random, random.pick(mutations.filter((mutation) => mutation[1] === reason)));
    });
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-verify-'));
    const hits = new Map<PathReason, number>();
    const disagreements: string[] = [];
    const surprises: string[] = [];
    let invalid = 0;
    try {
      await runAll(
        folder,
        paths.map((path, id) => command(openssl, folder, id, path)),
      );
      for (const [id, path] of paths.entries()) {
        const anchors = TrustAnchors.from(path.anchors);
        const ours = validateCertificatePath({ provider: nodeProvider, anchors, ...path.options });
        const theirs = answer(folder, id);
        if (!ours.ok) {
          invalid++;
          hits.set(ours.reason, (hits.get(ours.reason) ?? 0) + 1);
        }
        const said = ours.ok ? 'accepted' : `${ours.reason}: ${ours.message}`;
        if (ours.ok !== theirs.ok) {
          const line = `${path.title}\n  ours: ${said}\n  openssl: ${theirs.text}`;
          if (KNOWN.has(path.mutation)) disagreements.push(line);
          else surprises.push(line);
        } else if (path.expected !== undefined && (ours.ok ? null : ours.reason) !== path.expected) {
          surprises.push(`${path.title}\n  ours: ${said}\n  meant: ${path.expected}`);
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    expect(surprises).toEqual([]);
    expect(disagreements.length).toBeLessThanOrEqual(PATHS / 100);
    expect(invalid).toBeGreaterThanOrEqual(PATHS / 2);
    expect(reasons.filter((reason) => (hits.get(reason) ?? 0) < 20)).toEqual([]);
  }, 300_000);
});
