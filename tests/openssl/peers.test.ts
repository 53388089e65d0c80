/** The C names over a socket, with OpenSSL's s_client at the other end: cookies, and certificates that come late. */
import { createServer, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import * as ssl from '../../src/entry/openssl.ts';
import { writeChain } from '../support/certs.ts';
import { describeWithPeers, spawnPeer } from '../support/peer.ts';
import { bytes, chain, memory, Program, type Ssl, TLS1_3, text } from './program.ts';

/** A server of one client: `step` is called whenever there is something new to read. */
async function serve(s: Ssl, step: () => void): Promise<{ port: number; close: () => Promise<void> }> {
  const [into, out] = [memory(), memory()];
  ssl.SSL_set_bio(s, into, out);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      ssl.BIO_write(into, data);
      step();
      const bytes = ssl.BIO_read(out, 1_000_000);
      if (bytes !== null) socket.write(bytes);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

describeWithPeers(['openssl'], 'a server by the C names, and s_client', ({ openssl }) => {
  it('SSL_stateless: a HelloRetryRequest with a cookie, which comes back', async () => {
    using program = new Program();
    using files = writeChain(chain);
    const server = program.server();
    ssl.SSL_CTX_set_stateless_cookie_generate_cb(server, () => bytes('for this client'));
    ssl.SSL_CTX_set_stateless_cookie_verify_cb(server, (_s, cookie) =>
      text(cookie) === 'for this client' ? 1 : 0,
    );
    const s = program.ssl(server);
    const results: number[] = [];
    const heard: string[] = [];
    const { port, close } = await serve(s, () => {
      if (results.at(-1) !== 1) results.push(ssl.SSL_stateless(s));
      if (results.at(-1) !== 1 || ssl.SSL_accept(s) !== 1) return;
      const buffer = new Uint8Array(100);
      const { ret, readbytes } = ssl.SSL_read_ex(s, buffer);
      if (ret === 1) {
        heard.push(text(buffer.subarray(0, readbytes)));
        ssl.SSL_write(s, bytes('well done\n'));
      }
    });
    try {
      await using peer = spawnPeer(openssl, [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3', '-CAfile', files.ca],
        ...['-servername', 'localhost', '-verify_return_error'],
      ]);
      peer.stdin.write('hello\n');
      await peer.waitFor(/well done/);
      expect(results.filter((result) => result >= 0)).toEqual([0, 1]);
      expect(heard.join('')).toBe('hello\n');
      expect(s.engine.info.helloRetryRequest).toBe(true);
    } finally {
      await close();
    }
  });

  it.each([
    ['with a certificate', true],
    ['without one', false],
  ])('SSL_verify_client_post_handshake: a client %s', async (_name, has) => {
    using program = new Program();
    using files = writeChain(chain);
    const server = program.server(TLS1_3);
    ssl.SSL_CTX_set_session_id_context(server, bytes('late'));
    const s = program.ssl(server);
    let asked = false;
    const { port, close } = await serve(s, () => {
      if (ssl.SSL_accept(s) !== 1) return;
      const buffer = new Uint8Array(100);
      const { ret } = ssl.SSL_read_ex(s, buffer);
      if (ret === 1 && !asked) {
        asked = true;
        ssl.SSL_set_verify(s, ssl.SSL_VERIFY_PEER, () => 1);
        expect(ssl.SSL_verify_client_post_handshake(s)).toBe(1);
        expect(ssl.SSL_do_handshake(s)).toBe(1);
        return;
      }
      if (asked && s.connection?.isAskingLate === false) ssl.SSL_write(s, bytes('that is all\n'));
    });
    try {
      await using peer = spawnPeer(openssl, [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-enable_pha', '-CAfile', files.ca],
        ...(has ? ['-cert', files.chain, '-key', files.key] : []),
      ]);
      await peer.waitFor(/Verify return code/);
      peer.stdin.write('hello\n');
      await peer.waitFor(/that is all/);
      const certificate = ssl.SSL_get0_peer_certificate(s);
      if (has) expect(certificate?.der).toEqual(new Uint8Array(chain.leaf.der));
      else expect(certificate).toBeNull();
      // Two tickets after the handshake, and two that know the client. Its output is whole when it has ended.
      peer.stdin.end();
      await peer.waitForExit();
      expect(peer.stdout.match(/Post-Handshake New Session Ticket arrived/g)).toHaveLength(4);
    } finally {
      await close();
    }
  });
});
