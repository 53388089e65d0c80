/** The table of what is shown against whom: whole, without contradiction, and the same as its page. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CLIENT_SCENARIOS } from './scenarios-client.ts';
import { SERVER_SCENARIOS } from './scenarios-server.ts';
import {
  allCells,
  countCells,
  EXCUSES,
  excusesOf,
  PEER_IDS,
  PEERS,
  renderTable,
  SCENARIO_IDS,
} from './table.ts';

test('every cell is tested or excused: each peer has its tests, each scenario its two halves', () => {
  const files = ['openssl', 'gnutls', 'boringssl', 'curl', 'node'].map((name) => `matrix-${name}.test.ts`);
  const sources = files.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8')).join('\n');
  for (const peer of PEER_IDS) {
    // One file has all of Node's versions.
    const call = peer.startsWith('node') ? /testMatrix\(`node\$/ : new RegExp(`testMatrix\\('${peer}'`);
    expect(sources, peer).toMatch(call);
  }
  for (const scenario of SCENARIO_IDS) {
    expect(CLIENT_SCENARIOS[scenario], scenario).toBeTypeOf('function');
    expect(SERVER_SCENARIOS[scenario], scenario).toBeTypeOf('function');
  }
  expect(countCells().tested).toBeGreaterThan(countCells().excused);
});

test('an excuse is for something that there is, and a cell has at most one', () => {
  for (const excuse of EXCUSES) {
    for (const peer of excuse.peers) expect(PEERS[peer][excuse.role], excuse.why).not.toBe(null);
    const cells = allCells().filter((cell) => excusesOf(cell).includes(excuse));
    for (const peer of excuse.peers) {
      for (const scenario of excuse.scenarios) {
        expect(
          cells.some((cell) => cell.peer === peer && cell.scenario === scenario),
          `${peer}, ${excuse.role}, ${scenario}`,
        ).toBe(true);
      }
    }
  }
  for (const cell of allCells()) expect(excusesOf(cell).length, JSON.stringify(cell)).toBeLessThan(2);
});

test('docs/interoperability.md is this table', async () => {
  const page = join(import.meta.dirname, '../../docs/interoperability.md');
  if (process.env['CI'] !== undefined) expect(existsSync(page)).toBe(true);
  await expect(renderTable()).toMatchFileSnapshot(page);
});
