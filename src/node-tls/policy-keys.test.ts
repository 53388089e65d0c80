import * as tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { clientSessionKeyText } from '../cache/client-session-key.ts';
import { clientKeyOf } from './client-key.ts';
import { digest } from './options-digest.ts';
import { BindingOf } from './server-binding.ts';

describe('whom a connection trusts, and who it is', () => {
  const policies = [
    {},
    { ca: 'one' },
    { crl: 'one' },
    { crl: ['one', 'two'] },
    { pfx: Buffer.from('one') },
    { pfx: [{ buf: Buffer.from('two'), passphrase: 'secret' }] },
    { ca: 'one', crl: 'one' },
  ];

  it('makes another key for a client session', () => {
    const keys = policies.map((policy) =>
      clientSessionKeyText(clientKeyOf({ host: 'localhost', port: 443, ...policy }, true)),
    );
    expect(new Set(keys).size).toBe(policies.length);
  });

  it('binds the sessions of a server that asks for certificates, and of no other', () => {
    const asking = tls.createServer({ requestCert: true });
    const open = tls.createServer();
    const trusts = (server: tls.Server): string[] => {
      const binding = new BindingOf(server);
      return policies.slice(2, 6).map((policy) => {
        Object.assign(server, { crl: undefined, pfx: undefined }, policy);
        const { current } = binding;
        expect(binding.current).toBe(current);
        return current.trust.join();
      });
    };
    expect(new Set(trusts(asking)).size).toBe(4);
    expect(new Set(trusts(open)).size).toBe(1);
  });

  it('reads every kind of view by its bytes', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const digestOf = (value: unknown): string => digest('test', [value]).join();
    const same = digestOf(bytes);
    expect(digestOf(new DataView(bytes.buffer))).toBe(same);
    bytes[0] = 9;
    expect(digestOf(new DataView(bytes.buffer))).not.toBe(same);
  });
});
