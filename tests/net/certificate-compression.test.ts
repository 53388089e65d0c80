/** `certificateCompression` against the newer versions of stock node:tls, in both roles (RFC 8879). */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { connect, createServer } from '../../src/entry/index.ts';
import { NodePeer } from '../interop/node-peer.ts';
import { testChain, writeChain } from '../support/certs.ts';
import { describeOnNodes } from '../support/node-versions.ts';

const chain = await testChain();

describeOnNodes(
  'certificate compression',
  (node) => {
    test.each(['zlib', 'brotli'] as const)(
      '%s: our client, stock server, a certificate each',
      async (name) => {
        using files = writeChain(chain);
        await using peer = new NodePeer(node);
        const port = await peer.listen({
          key: files.key,
          cert: files.chain,
          ca: files.ca,
          requestCert: true,
          rejectUnauthorized: true,
          certificateCompression: [name],
        });
        const sizes: number[] = [];
        for (const certificateCompression of [[name], undefined]) {
          const socket = connect({
            port,
            host: '127.0.0.1',
            servername: 'localhost',
            ca: chain.caPem,
            key: chain.keyPem,
            cert: chain.chainPem,
            certificateCompression,
          });
          await once(socket, 'secureConnect');
          socket.write('hello');
          await once(socket, 'data');
          // The same chain came, and in fewer bytes where it was compressed.
          expect(socket.getPeerX509Certificate()?.raw.toString('hex')).toBe(
            Buffer.from(chain.leaf.der).toString('hex'),
          );
          const transport = socket.transport as import('node:net').Socket;
          sizes.push(transport.bytesRead);
          sizes.push(transport.bytesWritten);
          socket.destroy();
        }
        const [readCompressed, wroteCompressed, read, wrote] = sizes as [number, number, number, number];
        expect(readCompressed).toBeLessThan(read - 100);
        // Our hello has the extension besides; what our certificate saves is far more.
        expect(wroteCompressed).toBeLessThan(wrote - 100);
      },
    );

    test.each(['zlib', 'brotli'] as const)(
      '%s: stock client, our server, a certificate each',
      async (name) => {
        using files = writeChain(chain);
        await using peer = new NodePeer(node);
        const sizes: number[] = [];
        for (const certificateCompression of [[name], undefined]) {
          const server = createServer({
            key: chain.keyPem,
            cert: chain.chainPem,
            ca: chain.caPem,
            requestCert: true,
            rejectUnauthorized: true,
            certificateCompression,
          });
          server.on('secureConnection', (socket) => {
            socket.on('data', (data: Buffer) => {
              const transport = socket.transport as import('node:net').Socket;
              sizes.push(transport.bytesRead, transport.bytesWritten);
              socket.end(data);
            });
            socket.on('error', () => {});
          });
          server.listen(0, '127.0.0.1');
          await once(server, 'listening');
          const [visit] = await peer.visit(
            {
              port: (server.address() as AddressInfo).port,
              host: '127.0.0.1',
              servername: 'localhost',
              ca: files.ca,
              key: files.key,
              cert: files.chain,
              certificateCompression: [name],
            },
            1,
          );
          expect(visit).toMatchObject({ protocol: 'TLSv1.3', text: 'hello' });
          server.close();
          await once(server, 'close');
        }
        const [readCompressed, wroteCompressed, read, wrote] = sizes as [number, number, number, number];
        expect(readCompressed).toBeLessThan(read - 100);
        expect(wroteCompressed).toBeLessThan(wrote - 100);
      },
    );
  },
  [24, 26],
);

test('a name that nobody knows is refused at once', () => {
  expect(() => createServer({ certificateCompression: ['lzma' as 'zlib'] })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
  );
});
