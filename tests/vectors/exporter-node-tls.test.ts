/** Exporters against stock node:tls, from the secrets that its key log tells. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import * as tls from 'node:tls';
import { expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { MasterSecret12 } from '../../src/schedule/tls12.ts';
import { Exporter } from '../../src/schedule/tls13.ts';
import { fromHex, toHex } from '../../src/util/bytes.ts';
import { testChain } from '../support/certs.ts';

const LABEL = 'EXPORTER-tlsession-test';
const CONTEXTS = [undefined, Buffer.alloc(0), Buffer.from('some context')] as const;

/** Label, client random and secret of the key log's lines. */
type KeyLog = ReadonlyMap<string, { random: Uint8Array; secret: Uint8Array }>;

async function handshake(
  version: 'TLSv1.2' | 'TLSv1.3',
  ciphers: string,
  check: (socket: tls.TLSSocket, log: KeyLog, serverRandom: Uint8Array) => void,
): Promise<void> {
  const chain = await testChain();
  const secure = tls.createServer({
    cert: chain.chainPem,
    key: chain.keyPem,
    minVersion: version,
    maxVersion: version,
    ciphers,
  });
  secure.on('secureConnection', (socket) => socket.on('error', () => {}));
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');

  // A relay in between reads the server's random off its first record: 5 bytes of record header, 4 of
  // handshake header, 2 of version.
  let serverRandom: Uint8Array = new Uint8Array(0);
  const relay: Server = createServer((down) => {
    const up = connect((secure.address() as AddressInfo).port, '127.0.0.1');
    up.once('data', (bytes: Buffer) => {
      serverRandom = new Uint8Array(bytes.subarray(11, 43));
    });
    for (const end of [up, down]) end.on('error', () => {});
    down.pipe(up).pipe(down);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');

  const log = new Map<string, { random: Uint8Array; secret: Uint8Array }>();
  const { port } = relay.address() as AddressInfo;
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca: chain.caPem });
  socket.on('keylog', (line: Buffer) => {
    const [label = '', random = '', secret = ''] = line.toString('latin1').trim().split(' ');
    log.set(label, { random: fromHex(random), secret: fromHex(secret) });
  });
  try {
    await once(socket, 'secureConnect');
    check(socket, log, serverRandom);
  } finally {
    socket.destroy();
    secure.close();
    relay.close();
  }
}

it.each([
  ['TLS_AES_128_GCM_SHA256', 'sha256'],
  ['TLS_AES_256_GCM_SHA384', 'sha384'],
] as const)('exports of TLS 1.3 with %s', async (ciphers, hash) => {
  await handshake('TLSv1.3', ciphers, (socket, log) => {
    const secret = log.get('EXPORTER_SECRET')?.secret ?? new Uint8Array(0);
    const key = nodeProvider.hmacKey(hash, secret);
    const exporter = new Exporter({ provider: nodeProvider, hash, keyLog: null }, key);
    for (const context of CONTEXTS) {
      for (const length of [1, 32, 100]) {
        // Node 24 insists on a context for TLS 1.3; none and an empty one are the same there.
        const wanted = socket.exportKeyingMaterial(length, LABEL, context ?? Buffer.alloc(0));
        expect(toHex(exporter.export(LABEL, context ?? null, length))).toBe(toHex(wanted));
      }
    }
  });
});

it.each([
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'sha256'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 'sha384'],
] as const)('exports of TLS 1.2 with %s', async (ciphers, hash) => {
  await handshake('TLSv1.2', ciphers, (socket, log, serverRandom) => {
    const line = log.get('CLIENT_RANDOM');
    if (line === undefined) throw new Error('no key log');
    const master = MasterSecret12.resume(nodeProvider, hash, line.secret);
    for (const context of CONTEXTS) {
      for (const length of [1, 32, 100]) {
        const wanted =
          context === undefined
            ? (socket.exportKeyingMaterial as (length: number, label: string) => Buffer)(length, LABEL)
            : socket.exportKeyingMaterial(length, LABEL, context);
        const ours = master.export(LABEL, context ?? null, length, line.random, serverRandom);
        expect(toHex(ours)).toBe(toHex(wanted));
      }
    }
  });
});
