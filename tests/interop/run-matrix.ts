/** Makes a test of each cell of a peer that table.ts does not excuse. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { testWhere } from '../support/skip.ts';
import { hasMlKem } from './matrix.ts';
import type { Peer } from './peers/contract.ts';
import { CLIENT_SCENARIOS } from './scenarios-client.ts';
import { SERVER_SCENARIOS } from './scenarios-server.ts';
import { allCells, excusesOf, PEERS, type PeerId, ROLES, SCENARIOS } from './table.ts';
import { type Material, makeMaterial } from './world.ts';

export function testMatrix(id: PeerId, start: (folder: string) => Peer): void {
  let material: Material;
  let peer: Peer;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), `tlsession-${id}-`));
    material = await makeMaterial();
    peer = start(folder);
  });
  afterAll(async () => {
    await peer.dispose?.();
    material[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const role of ROLES) {
    const cells = allCells().filter((cell) => cell.peer === id && cell.role === role);
    if (cells.length === 0) continue;
    describe(`${PEERS[id][role]} and our ${role === 'client' ? 'server' : 'client'}`, () => {
      const scenarios = role === 'client' ? CLIENT_SCENARIOS : SERVER_SCENARIOS;
      for (const cell of cells) {
        if (excusesOf(cell).length > 0) continue;
        const { scenario, version } = cell;
        const title = `TLS ${version}: ${SCENARIOS[scenario].title}`;
        testWhere(scenario !== 'ml-kem' || hasMlKem, 'this Node has no ML-KEM', title, () =>
          scenarios[scenario]({ id, peer, version, material }),
        );
      }
    });
  }
}
