/**
 * The "Simple 1-RTT Handshake" of RFC 8448 through whole connections. The provider injects what the trace
 * drew at random (private keys, randoms, the signature), and lets the transcript have the trace's
 * ClientHello in the place of ours, whose extensions are others. Everything else is computed here: every
 * secret, every record byte for byte, both Finished messages.
 */
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider, HashState } from '../../src/crypto/provider.ts';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { concatBytes, toHex } from '../../src/util/bytes.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import { type Trace, traces, traceValue } from './rfc8448.ts';

const trace = traces[0] as Trace;
const value = (role: 'client' | 'server', step: string, name: string, nth = 0): Uint8Array =>
  traceValue(trace, role, step, name, nth);
const secretOf = (role: 'client' | 'server', step: string): string =>
  toHex(value(role, step, step.startsWith('extract') ? 'secret' : 'expanded'));

const hello = value('client', 'construct a ClientHello', 'ClientHello');
const helloRecord = value('client', 'send handshake record', 'complete record', 0);
const serverHello = value('server', 'construct a ServerHello', 'ServerHello');
const serverRecords = [0, 1].map((nth) => value('server', 'send handshake record', 'complete record', nth));
const ticketRecord = value('server', 'send handshake record', 'complete record', 2);
const finishedRecord = value('client', 'send handshake record', 'complete record', 1);
const certificate = value('server', 'construct a Certificate', 'Certificate');
const certificateVerify = value('server', 'construct a CertificateVerify', 'CertificateVerify');

function x25519(raw: Uint8Array): { publicKey: Uint8Array; derive: (peer: Uint8Array) => Uint8Array } {
  const pkcs8 = concatBytes(new Uint8Array(Buffer.from('302e020100300506032b656e04220420', 'hex')), raw);
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    derive: (peer) => {
      const prefix = Buffer.from('302a300506032b656e032100', 'hex');
      const publicKey = createPublicKey({ key: Buffer.concat([prefix, peer]), format: 'der', type: 'spki' });
      return new Uint8Array(diffieHellman({ privateKey: key, publicKey }));
    },
  };
}

/** Injects, and remembers every secret that is made into a key. */
function traceProvider(
  role: 'client' | 'server',
  secrets: Set<string>,
  trafficKeys: Set<string>,
): CryptoProvider {
  const own = x25519(value(role, 'create an ephemeral x25519 key pair', 'private key'));
  const swap = (data: Uint8Array): Uint8Array => (data[0] === HandshakeType.client_hello ? hello : data);
  const hashState = (inner: HashState): HashState => ({
    update: (data) => inner.update(swap(data)),
    peek: () => inner.peek(),
    fork: () => hashState(inner.fork()),
  });
  return {
    ...nodeProvider,
    groups: [0x1d, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104],
    createHash: (hash) => hashState(nodeProvider.createHash(hash)),
    hmacKey: (hash, key) => {
      secrets.add(toHex(key));
      return nodeProvider.hmacKey(hash, key);
    },
    aeadKey: (aead, key) => {
      trafficKeys.add(toHex(key));
      return nodeProvider.aeadKey(aead, key);
    },
    generateKeyExchange: (group) => ({
      group,
      publicKey: own.publicKey,
      derive: own.derive,
      destroy() {},
    }),
    respondKeyExchange: (_group, peer) => ({ publicKey: own.publicKey, secret: own.derive(peer) }),
  };
}

function checkSecrets(secrets: Set<string>, trafficKeys: Set<string>): void {
  const expected = [
    secretOf('server', 'extract secret "handshake"'),
    secretOf('server', 'extract secret "master"'),
    secretOf('server', 'derive secret "tls13 c hs traffic"'),
    secretOf('server', 'derive secret "tls13 s hs traffic"'),
    secretOf('server', 'derive secret "tls13 c ap traffic"'),
    secretOf('server', 'derive secret "tls13 s ap traffic"'),
    secretOf('server', 'derive secret "tls13 exp master"'),
  ];
  for (const secret of expected) expect(secrets).toContain(secret);
  for (const [role, step] of [
    ['server', 'derive write traffic keys for handshake'],
    ['server', 'derive write traffic keys for applicatio'],
    ['server', 'derive read traffic keys for handshake'],
    ['client', 'derive write traffic keys for applicatio'],
  ] as const) {
    expect(trafficKeys).toContain(toHex(value(role, step, 'key expanded')));
  }
}

const lists = {
  minVersion: 0x0304,
  cipherSuites: [0x1301, 0x1303, 0x1302],
  compatibilityMode: false,
  recordSizeLimit: 16_384,
  alpn: [],
};

describe('RFC 8448, 3: Simple 1-RTT Handshake', () => {
  test('the client', () => {
    const secrets = new Set<string>();
    const trafficKeys = new Set<string>();
    const provider = traceProvider('client', secrets, trafficKeys);
    const config: Partial<ClientConfig> = {
      ...lists,
      maxVersion: 0x0304,
      serverName: 'server',
      groups: [0x1d, 0x17, 0x18, 0x19],
      random: () => hello.slice(6, 38),
      limits: { ...clientConfig(provider, {}).limits },
    };
    const client = new Connection(clientConfig(provider, config));
    client.start();
    const sessions: SessionCore[] = [];
    const work = (): void => {
      for (let event = client.nextEvent(); event !== null; event = client.nextEvent()) {
        if (event.type === 'session') sessions.push(event.session);
        if (event.type !== 'job') continue;
        expect(event.job.kind).toBe('verify-certificate');
        client.finishJob(event.id, { ok: true, verifyResult: 0 });
      }
    };
    expect(client.takeOutput()?.slice(0, 3)).toEqual(helloRecord.slice(0, 3));
    for (const record of serverRecords) {
      client.receive(record);
      work();
    }
    expect(client.error).toBeNull();
    expect(client.takeOutput()).toEqual(finishedRecord);
    expect(client.info).toMatchObject({ cipherSuite: 0x1301, group: 0x1d, peerSignatureScheme: 0x0804 });
    expect(client.info.peerChain[0]).toEqual(certificate.slice(4 + 1 + 3 + 3, -2));
    // Its secret is derived when it is first asked for.
    client.exportKeyingMaterial('test', null, 16);
    checkSecrets(secrets, trafficKeys);

    client.receive(ticketRecord);
    work();
    expect(sessions).toHaveLength(1);
    const session = sessions[0] as SessionCore;
    const psk = value('server', 'generate resumption secret', 'expanded');
    expect(session.field(Field.masterKey, 'test')).toEqual(psk);
    expect(session.body('test')).toMatchObject({
      ticketLifetimeHint: 30,
      ticketAgeAdd: 0xfad6aac5,
      maxEarlyData: 1024,
    });
    expect(secrets).toContain(secretOf('client', 'derive secret "tls13 res master"'));

    client.write(value('client', 'send application_data', 'payload'));
    expect(client.takeOutput()).toEqual(value('client', 'send application_data', 'complete record'));
    client.receive(value('server', 'send application_data', 'complete record'));
    const data = client.nextEvent();
    expect(data).toMatchObject({ type: 'data', early: false });
    expect(data?.type === 'data' ? new Uint8Array(data.data) : null).toEqual(
      value('server', 'send application_data', 'payload'),
    );
    client.close();
    expect(client.takeOutput()).toEqual(value('client', 'send alert', 'complete record'));
    client.receive(value('server', 'send alert', 'complete record'));
    expect(client.closeReceived).toBe(true);
    client.destroy();
    session.release('test');
  });

  test('the server', () => {
    const secrets = new Set<string>();
    const trafficKeys = new Set<string>();
    const provider = traceProvider('server', secrets, trafficKeys);
    const leaf = certificate.slice(4 + 1 + 3 + 3, -2);
    const config: Partial<ServerConfig> = {
      ...lists,
      credentials: [{ chain: [leaf], keyType: 'rsa', keyBits: 1024 }],
      advertiseGroups: true,
      groups: provider.groups,
      ticketCount: 0,
      random: () => serverHello.slice(6, 38),
    };
    const server = new Connection(serverConfig(provider, config));
    server.start();
    const work = (): void => {
      for (let event = server.nextEvent(); event !== null; event = server.nextEvent()) {
        if (event.type !== 'job') continue;
        const { job } = event;
        if (job.kind !== 'sign') throw new Error(job.kind);
        // The content is ours; the recorded signature is over the same bytes.
        const verifies = nodeProvider
          .importPublicKey(spkiOf(leaf))
          ?.verify(0x0804, job.content, certificateVerify.slice(8));
        expect(verifies).toBe(true);
        server.finishJob(event.id, certificateVerify.slice(8));
      }
    };
    server.receive(helloRecord);
    work();
    expect(server.error).toBeNull();
    expect(server.takeOutput()).toEqual(concatBytes(...serverRecords));
    server.receive(finishedRecord);
    work();
    expect(server.isHandshaking).toBe(false);
    // Its secret is derived when it is first asked for.
    server.exportKeyingMaterial('test', null, 16);
    checkSecrets(secrets, trafficKeys);
    expect(server.info).toMatchObject({ serverName: 'server', cipherSuite: 0x1301, group: 0x1d });

    server.receive(value('client', 'send application_data', 'complete record'));
    const data = server.nextEvent();
    expect(data?.type === 'handshake' ? server.nextEvent() : data).toMatchObject({ type: 'data' });
    // The trace's ticket went out before its next records: theirs have the next sequence numbers.
    server.destroy();
  });
});

function spkiOf(der: Uint8Array): Uint8Array {
  return parseCertificate(der).spki;
}

/** Content types of the trace's records, so that a change of the fixture cannot go unseen. */
test('the fixture is the handshake', () => {
  expect(helloRecord[0]).toBe(ContentType.handshake);
  expect(serverRecords.map((record) => record[0])).toEqual([
    ContentType.handshake,
    ContentType.application_data,
  ]);
});
