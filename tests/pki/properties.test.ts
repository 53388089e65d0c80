/** What must hold of any path, valid or broken: on the random ones that openssl-verify.test.ts takes too. */
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { PathCache } from '../../src/pki/path-cache.ts';
import { pathReasons } from '../../src/pki/reason.ts';
import type { PathOptions, PathResult } from '../../src/pki/result.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { failureReasons } from '../../src/util/errors.ts';
import { Random } from '../support/random.ts';
import { mutations, type RandomPath, randomPath } from './random-paths.ts';

const random = new Random(4158);
const paths = Array.from({ length: 400 }, (_, i) =>
  randomPath(random, i % 2 === 0 ? null : random.pick(mutations)),
);

function judge(path: RandomPath, options: Partial<PathOptions> = {}): PathResult {
  const anchors = TrustAnchors.from(path.anchors);
  return validateCertificatePath({ provider: nodeProvider, anchors, ...path.options, ...options });
}

const said = (result: PathResult): string => (result.ok ? 'accepted' : result.reason);

describe('any path', () => {
  it('that the strict profile accepts is accepted by the compatible one', () => {
    let strict = 0;
    for (const path of paths) {
      if (!judge(path, { profile: 'rfc5280' }).ok) continue;
      strict++;
      expect(judge(path, { profile: 'compatible' }).ok, path.title).toBe(true);
    }
    expect(strict).toBeGreaterThan(100);
  });

  it('is judged the same in whatever order its certificates come', () => {
    for (const path of paths) {
      const [leaf, ...bag] = path.options.chain as [Uint8Array, ...Uint8Array[]];
      const shuffled = judge(path, { chain: [leaf, ...random.shuffle(bag)] });
      expect(said(shuffled), path.title).toBe(said(judge(path)));
    }
  });

  it('is judged the same when it is remembered', () => {
    const cache = new PathCache({ maxEntries: 1000 });
    for (const path of paths) {
      const anchors = TrustAnchors.from(path.anchors);
      const plain = judge(path);
      for (let i = 0; i < 2; i++) expect(said(judge(path, { anchors, cache })), path.title).toBe(said(plain));
    }
    expect(cache.counts.hits).toBeGreaterThan(100);
  });

  it('gets no better by fewer anchors, a lower budget, or less depth', () => {
    for (const path of paths) {
      if (judge(path).ok) continue;
      for (const less of [
        { anchors: TrustAnchors.from([]) },
        { budget: { steps: 3, signatures: 2 } },
        { maxDepth: Math.min(1, path.options.maxDepth ?? 1) },
      ]) {
        const result = judge(path, less);
        // A refused name or a refused list may hide behind another refusal, and never turns into acceptance.
        expect(result.ok, path.title).toBe(false);
      }
    }
  });

  it('that is refused has a known reason, a place in the path, and a failure of the engine', () => {
    for (const path of paths) {
      const result = judge(path, { traceAttempts: true });
      if (result.ok) {
        expect(result.validFromMs).toBeLessThanOrEqual(path.options.atMs);
        expect(result.validUntilMs).toBeGreaterThanOrEqual(path.options.atMs);
        continue;
      }
      expect(pathReasons).toContain(result.reason);
      expect(failureReasons).toContain(result.alert);
      expect(result.message).not.toBe('');
      for (const attempt of result.attempts) {
        expect(attempt.depth).toBeLessThanOrEqual(attempt.path.length);
        expect(attempt.path[0]?.der).toEqual(path.leaf);
      }
    }
  });
});
