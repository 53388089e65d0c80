/** X25519MLKEM768 where this Node has no ML-KEM: through the optional peer, against stock node:tls that has it. */
import { once } from 'node:events';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { expect, test } from 'vitest';
import { connect, createSecureContext, nodeProvider, withNobleMlKem } from '../../src/entry/index.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { NodePeer } from '../interop/node-peer.ts';
import { testChain, writeChain } from '../support/certs.ts';
import { describeOnNodes } from '../support/node-versions.ts';
import { describeWhere } from '../support/skip.ts';
import { listen } from './pair.ts';

const native = nodeProvider.groups.includes(NamedGroup.x25519mlkem768);
const provider = withNobleMlKem(nodeProvider, ml_kem768);
const chain = await testChain();

describeOnNodes(
  'X25519MLKEM768',
  (node) => {
    test('our client with @noble/post-quantum, stock server', async () => {
      using files = writeChain(chain);
      await using peer = new NodePeer(node);
      const port = await peer.listen({ key: files.key, cert: files.chain, ecdhCurve: 'X25519MLKEM768' });
      const { caPem: ca } = chain;
      const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, provider });
      await once(socket, 'secureConnect');
      expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519MLKEM768' });
      socket.write('hello');
      const [data] = (await once(socket, 'data')) as [Buffer];
      expect(data.toString()).toBe('hello');
      socket.destroy();
    });

    test('stock client, our server with @noble/post-quantum', async () => {
      using files = writeChain(chain);
      await using peer = new NodePeer(node);
      await using site = await listen({ key: chain.keyPem, cert: chain.chainPem, provider });
      const [seen] = await peer.visit({ port: site.port, ca: files.ca, ecdhCurve: 'X25519MLKEM768' }, 1);
      expect(seen).toMatchObject({ protocol: 'TLSv1.3', text: 'hello' });
    });
  },
  [24, 26],
);

describeWhere(!native, 'this Node has ML-KEM', 'without ML-KEM', () => {
  test('the group is refused in words that say what would help', () => {
    expect(() => createSecureContext({ ecdhCurve: 'X25519MLKEM768' })).toThrow(
      /Node 24\.7.*withNobleMlKem.*@noble\/post-quantum/,
    );
    expect(createSecureContext({ ecdhCurve: 'X25519MLKEM768', provider }).groups).toEqual([
      NamedGroup.x25519mlkem768,
    ]);
    expect(createSecureContext().groups).not.toContain(NamedGroup.x25519mlkem768);
  });
});
