import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectForm } from '../../src/session/forms.ts';
import { unwrapNodeForm } from '../../src/session/node-form.ts';
import { Session } from '../../src/session/session.ts';
import { fromBase64, toBase64 } from '../../src/util/base64.ts';
import { type ChainFiles, testChain, writeChain } from '../support/certs.ts';
import { describeOnNodes } from '../support/node-versions.ts';
import { type RunningPeer, spawnPeer } from '../support/peer.ts';

let chain: ChainFiles;
beforeAll(async () => {
  chain = writeChain(await testChain());
});
afterAll(() => chain[Symbol.dispose]());

/** Asks the peer one line and gives its answer. */
async function ask(peer: RunningPeer, bytes: Uint8Array): Promise<string> {
  const lines = peer.stdout.split('\n').length;
  peer.stdin.write(`${toBase64(bytes)}\n`);
  await peer.waitFor(new RegExp(`^(?:[^\\n]*\\n){${lines}}`));
  return peer.stdout.split('\n')[lines - 1] ?? '';
}

describeOnNodes('sessions of node:tls', (node, major) => {
  describe.each(['TLSv1.2', 'TLSv1.3'])('%s', (version) => {
    it('come in, go out again, and are resumed', async () => {
      await using peer = spawnPeer(node, [
        join(import.meta.dirname, 'fixtures/node-tls.mjs'),
        ...[chain.chain, chain.key, chain.ca, version],
      ]);
      const [, base64 = ''] = await peer.waitFor(/^([\w+/=]+)\n/);
      const bytes = fromBase64(base64) ?? new Uint8Array(0);
      expect(detectForm(bytes)).toBe(major === 20 ? 'DER' : 'node');
      using session = Session.from(bytes);
      expect(session.protocol).toBe(version);

      if (major === 20) {
        expect(session.toDER()).toEqual(bytes);
        expect(await ask(peer, session.toDER())).toBe('reused');
      } else {
        expect(unwrapNodeForm(bytes).host).toBe('localhost');
        expect(session.toNode('localhost')).toEqual(bytes);
        expect(await ask(peer, session.toNode('localhost'))).toBe('reused');
        // A name that is not the connection's, and plain DER, are ignored without a word.
        expect(await ask(peer, session.toNode('other.example'))).toBe('full');
        expect(await ask(peer, session.toDER())).toBe('full');
      }
      // A round trip over a file of OpenSSL's and over an envelope of ours loses nothing that Node needs.
      using fromPem = Session.fromPEM(session.toPEM());
      using fromEnvelope = Session.fromEnvelope(fromPem.toEnvelope());
      const again = major === 20 ? fromEnvelope.toDER() : fromEnvelope.toNode('localhost');
      expect(await ask(peer, again)).toBe('reused');
    });
  });
});
