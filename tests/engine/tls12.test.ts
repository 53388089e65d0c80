import { describe, expect, test } from 'vitest';
import { ProtocolVersion } from '../../src/util/registries.ts';
import { engineCredential, Pair, text } from '../support/engine-pair.ts';

const only12 = { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_2 };
const credential = await engineCredential();

describe('full handshakes', () => {
  test('the usual one', () => {
    using pair = new Pair(credential, { client: only12 }).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.client.has('handshake')).toBe(true);
    pair.client.connection.write(text('x'));
    pair.server.connection.write(text('y'));
    pair.run();
    expect(pair.server.received).toBe('x');
    expect(pair.client.received).toBe('y');
  });
});
