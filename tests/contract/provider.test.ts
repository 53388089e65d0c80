import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { describe, expect, it } from 'vitest';
import { withNobleMlKem } from '../../src/crypto/ml-kem.ts';
import { createNodeProvider, nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import { toHex } from '../../src/util/bytes.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { testWhere } from '../support/skip.ts';
import { describeProvider } from './provider.ts';

const HYBRID = NamedGroup.x25519mlkem768;
const withoutKem: CryptoProvider = {
  ...nodeProvider,
  groups: nodeProvider.groups.filter((group) => group !== HYBRID),
};
const withNoble = withNobleMlKem(withoutKem, ml_kem768);

describeProvider(nodeProvider);
describeProvider(createNodeProvider({ short: false }));
describeProvider(withNoble);

describe('withNobleMlKem', () => {
  it('adds the group as the least preferred', () => {
    expect(withNoble.groups).toEqual([...withoutKem.groups, HYBRID]);
    expect(withNoble.name).toBe('node+noble-ml-kem');
  });

  it('leaves a provider alone that has the group', () => {
    expect(withNobleMlKem(withNoble, ml_kem768)).toBe(withNoble);
  });

  const native = nodeProvider.groups.includes(HYBRID);
  const why = 'this Node has no ML-KEM';
  testWhere(native, why, "agrees with node:crypto's ML-KEM, both ways round", () => {
    for (const [one, other] of [
      [nodeProvider, withNoble],
      [withNoble, nodeProvider],
    ] as const) {
      const client = one.generateKeyExchange(HYBRID);
      const server = other.respondKeyExchange(HYBRID, client.publicKey);
      if (server === null) throw new Error('refused');
      const secret = client.derive(server.publicKey);
      expect(secret === null ? null : toHex(secret)).toBe(toHex(server.secret));
    }
  });

  testWhere(native, why, 'is put first where node:crypto has it', () => {
    expect(nodeProvider.groups[0]).toBe(HYBRID);
  });
});
