/** The Node versions that the project promises to work on, as programs to spawn. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { refuse } from './peer.ts';
import { skipped } from './skip.ts';

export type NodeMajor = 20 | 24 | 26;
export const nodeMajors: readonly NodeMajor[] = [20, 24, 26];

/** The version that runs this test. */
export const currentMajor: number = Number(process.versions.node.split('.')[0]);

/** The path of a Node of that version: this very process's, or one that scripts/node-versions.mjs fetched. */
export function findNode(major: NodeMajor): string | null {
  if (major === currentMajor) return process.execPath;
  const path = join(import.meta.dirname, `../../.cache/node-${major}/bin/node`);
  return existsSync(path) ? path : null;
}

/** `describe` once for each version, with the path of its program. */
export function describeOnNodes(
  title: string,
  body: (node: string, major: NodeMajor) => void,
  majors: readonly NodeMajor[] = nodeMajors,
): void {
  for (const major of majors) {
    const path = findNode(major);
    if (path) describe(`${title}, Node ${major}`, () => body(path, major));
    // Only one of the versions runs the tests: Node 20 is not among those that are fetched.
    else if (major === 20) skipped(`${title}, Node 20`, `these tests run on ${currentMajor}`);
    else refuse(`${title}, Node ${major}`, 'not fetched: run `node scripts/node-versions.mjs`');
  }
}
