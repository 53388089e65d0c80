/**
 * The five traces of RFC 8448 through whole connections, in both roles: each end is given what the other sent, and
 * each record that it sends must be the trace's, byte for byte. The provider injects what the trace drew at random:
 * private keys, randoms, signatures.
 *
 * Two kinds of messages are choices of who made the trace, and are not compared. A ClientHello of ours lists other
 * things; the transcript has the trace's in its place, from which everything behind it follows. And a
 * NewSessionTicket of ours has OpenSSL's nonce of eight bytes, where the trace has one of two.
 */
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import { NodeEcdh, NodeX25519, nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider, HashState, KeyExchange } from '../../src/crypto/provider.ts';
import type { ConnectionEvent } from '../../src/handshake/events.ts';
import type { Job, JobAnswer } from '../../src/handshake/jobs.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { fromHex, toHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import { readRecords, type WireRecord } from '../support/wire.ts';
import { type Trace, traces, traceValue } from './rfc8448.ts';

type Role = 'client' | 'server';
const other = (role: Role): Role => (role === 'client' ? 'server' : 'client');

interface SentRecord {
  readonly role: Role;
  readonly kind: 'handshake' | 'application_data' | 'alert' | 'change_cipher_spec';
  readonly payload: Uint8Array;
  readonly complete: Uint8Array;
}

/** Everything that the trace sent, in its order. */
function recordsOf(trace: Trace): SentRecord[] {
  return trace.steps.flatMap(({ role, step, values }) => {
    const kind = /^send (\w+) record/.exec(step)?.[1];
    if (kind === undefined) return [];
    const payload = fromHex(values['payload'] as string);
    return [
      {
        role,
        kind: kind as SentRecord['kind'],
        payload,
        complete: fromHex(values['complete record'] as string),
      },
    ];
  });
}

/** All values of that name, in order. */
function valuesOf(trace: Trace, role: Role, name: string): Uint8Array[] {
  return trace.steps.flatMap(({ role: who, step, values }) =>
    who === role && step.startsWith('construct') && values[name] !== undefined ? [fromHex(values[name])] : [],
  );
}

/** The hellos as they went out: the one with a binder is complete only in its record. */
function hellosOf(trace: Trace): Uint8Array[] {
  return recordsOf(trace)
    .filter(({ role, payload }) => role === 'client' && payload[0] === HandshakeType.client_hello)
    .map(({ payload }) => payload);
}

function leafOf(trace: Trace, role: Role): Uint8Array {
  const message = valuesOf(trace, role, 'Certificate')[0] as Uint8Array;
  const length = ((message[8] as number) << 16) | ((message[9] as number) << 8) | (message[10] as number);
  return message.slice(11, 11 + length);
}

/** What is ours to choose, and not what follows from a choice. */
function isChoice({ kind, payload }: SentRecord): boolean {
  const type = payload[0];
  return (
    kind === 'handshake' && (type === HandshakeType.client_hello || type === HandshakeType.new_session_ticket)
  );
}

/** The private keys that the trace drew, in the order in which our end asks for them. */
function keysOf(trace: Trace, role: Role): KeyExchange[] {
  return trace.steps
    .filter(({ role: who, step }) => who === role && step.startsWith('create an ephemeral'))
    .map(({ step, values }) => {
      const raw = fromHex(values['private key'] as string);
      const key = step.includes('P-256')
        ? NodeEcdh.fromPrivate(NamedGroup.secp256r1, raw)
        : NodeX25519.fromPrivate(raw);
      expect(toHex(key.publicKey)).toBe(values['public key']);
      return key;
    });
}

/** Injects what the trace drew, and notes every secret that becomes a key. */
function traceProvider(trace: Trace, role: Role): { provider: CryptoProvider; secrets: Set<string> } {
  const secrets = new Set<string>();
  const keys = keysOf(trace, role);
  const theirs = hellosOf(trace);
  const ours: string[] = [];
  const swap = (data: Uint8Array): Uint8Array => {
    if (role === 'server' || data[0] !== HandshakeType.client_hello) return data;
    const hex = toHex(data);
    if (!ours.includes(hex)) ours.push(hex);
    return theirs[ours.indexOf(hex)] as Uint8Array;
  };
  const hashState = (inner: HashState): HashState => ({
    update: (data) => inner.update(swap(data)),
    peek: () => inner.peek(),
    fork: () => hashState(inner.fork()),
  });
  const next = (group: number): KeyExchange => {
    const key = keys.shift();
    if (key?.group !== group) throw new Error(`no key of group ${group} is next`);
    return key;
  };
  const provider: CryptoProvider = {
    ...nodeProvider,
    createHash: (hash) => hashState(nodeProvider.createHash(hash)),
    hmacKey: (hash, key) => {
      secrets.add(toHex(key));
      return nodeProvider.hmacKey(hash, key);
    },
    generateKeyExchange: next,
    respondKeyExchange: (group, peer) => {
      const key = next(group);
      const secret = key.derive(peer);
      return secret === null ? null : { publicKey: key.publicKey, secret };
    },
  };
  return { provider, secrets };
}

/** One random of 32 bytes after the other. */
function draws(...values: readonly Uint8Array[]): (length: number) => Uint8Array {
  const left = [...values];
  return (length) => {
    if (length !== 32) return nodeProvider.random(length);
    const value = left.shift();
    if (value === undefined) throw new Error('the trace drew no more');
    return value.slice();
  };
}

const randomOf = (hello: Uint8Array): Uint8Array => hello.slice(6, 38);
const sessionIdOf = (hello: Uint8Array): Uint8Array => hello.slice(39, 39 + (hello[38] as number));

/** supported_groups of the hello or of EncryptedExtensions, those that exist in TLS 1.3 and those of RFC 7919. */
const GROUPS_OF_NSS = [0x1d, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104];
const SCHEMES_OF_NSS = [
  0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502,
  0x0602, 0x0202,
];

function common(trace: Trace, provider: CryptoProvider) {
  return {
    provider,
    minVersion: 0x0304,
    maxVersion: 0x0304,
    cipherSuites: [0x1301, 0x1303, 0x1302],
    compatibilityMode: trace.section === 7,
    recordSizeLimit: 16_384,
    keyLog: false,
  };
}

/** When the certificates of the traces were valid. */
const NOW_MS = Date.UTC(2018, 0, 1);
const at = (ms: number): Clock => ({ wallMs: () => ms, monotonicMs: () => 0 });

/** One end of a trace, replayed. */
class Replay implements Disposable {
  readonly trace: Trace;
  readonly role: Role;
  readonly secrets: Set<string>;
  readonly sessions: SessionCore[] = [];
  readonly data: { readonly bytes: string; readonly early: boolean }[] = [];
  connection: Connection;
  readonly #provider: CryptoProvider;
  readonly #make: (attempt: number) => Connection;
  #attempts = 1;
  #cookieState: Uint8Array | null = null;
  #offered: SessionCore | null = null;

  constructor(trace: Trace, role: Role, session: SessionCore | null) {
    this.trace = trace;
    this.role = role;
    const { provider, secrets } = traceProvider(trace, role);
    this.#provider = provider;
    this.secrets = secrets;
    this.#make = (attempt) => (role === 'client' ? this.#client(session) : this.#server(attempt, session));
    this.connection = this.#make(0);
    this.connection.start();
    this.#work();
  }

  #client(session: SessionCore | null): Connection {
    const { trace } = this;
    const hello = hellosOf(trace)[0] as Uint8Array;
    return new Connection(
      clientConfig(this.#provider, {
        ...common(trace, this.#provider),
        clock: at(NOW_MS),
        serverName: 'server',
        groups: [0x1d, 0x17, 0x18, 0x19],
        random: draws(randomOf(hello), sessionIdOf(hello)),
        session,
        earlyData: session !== null,
      }),
    );
  }

  #server(attempt: number, session: SessionCore | null): Connection {
    const { trace } = this;
    const hellos = valuesOf(trace, 'server', 'ServerHello');
    const isRetry = trace.section === 5;
    const retry = hellos[0] as Uint8Array;
    // Where the cookie stands in the HelloRetryRequest: behind key_share, and in front of supported_versions.
    const cookie = retry.slice(-6 - 0x72, -6);
    return new Connection(
      serverConfig(this.#provider, {
        ...common(trace, this.#provider),
        // Whoever took the first hello of section 5 wanted another group than the share's.
        groups: isRetry ? (attempt === 0 ? [0x17, 0x18] : [0x17, 0x18, 0x1d]) : GROUPS_OF_NSS,
        advertiseGroups: true,
        credentials:
          session === null
            ? [
                {
                  chain: [leafOf(trace, 'server')],
                  keyType: trace.section === 6 ? 'ec-p256' : 'rsa',
                  keyBits: trace.section === 6 ? 256 : 1024,
                },
              ]
            : [],
        clientCertificate: trace.section === 6 ? 'require' : 'none',
        signatureSchemes: SCHEMES_OF_NSS,
        ticketCount: 0,
        generateSessionId: () => nodeProvider.random(32),
        maxEarlyData: 1024,
        replayGuard: session !== null,
        random: draws(randomOf(hellos[isRetry ? 1 : 0] as Uint8Array)),
        clock: at(NOW_MS + this.#ticketAgeMs(session)),
        cookies: isRetry
          ? {
              seal: (bytes) => {
                this.#cookieState = bytes.slice();
                return cookie;
              },
              open: (bytes) => (toHex(bytes) === toHex(cookie) ? this.#cookieState : null),
            }
          : null,
      }),
    );
  }

  /** What the trace's hello says of the ticket's age, in milliseconds. */
  #ticketAgeMs(session: SessionCore | null): number {
    if (session === null) return 0;
    const hello = hellosOf(this.trace)[0] as Uint8Array;
    // The only identity: its age stands in front of the binders' 2 + 1 + 32 bytes.
    const age = new DataView(hello.buffer, hello.byteOffset + hello.length - 35 - 4, 4).getUint32(0);
    return (age - session.body('test').ticketAgeAdd) >>> 0;
  }

  #work(): void {
    for (let event = this.connection.nextEvent(); event !== null; event = this.connection.nextEvent()) {
      this.#on(event);
    }
  }

  #on(event: ConnectionEvent): void {
    if (event.type === 'session') this.sessions.push(event.session);
    if (event.type === 'data') this.data.push({ bytes: toHex(event.data), early: event.early });
    if (event.type === 'job') this.connection.finishJob(event.id, this.#answer(event.job));
  }

  #answer(job: Job): JobAnswer {
    switch (job.kind) {
      case 'verify-certificate':
        expect(job.chain.map(toHex)).toEqual([toHex(leafOf(this.trace, other(this.role)))]);
        return { ok: true, verifyResult: 0 };
      case 'sign': {
        // The content is ours; the trace's signature is over the same bytes.
        const message = valuesOf(this.trace, this.role, 'CertificateVerify')[0] as Uint8Array;
        const key = nodeProvider.importPublicKey(parseCertificate(leafOf(this.trace, this.role)).spki);
        expect(job.scheme).toBe(((message[4] as number) << 8) | (message[5] as number));
        expect(key?.verify(job.scheme, job.content, message.slice(8))).toBe(true);
        return message.slice(8);
      }
      case 'client-certificate':
        expect(job.signatureSchemes).toEqual(SCHEMES_OF_NSS);
        return { chain: [leafOf(this.trace, 'client')], keyType: 'rsa', keyBits: 1024 };
      case 'seal-ticket':
        return (valuesOf(traces[0] as Trace, 'server', 'NewSessionTicket')[0] as Uint8Array).slice(17, -12);
      case 'open-ticket': {
        const opened = this.#offered as SessionCore;
        expect(toHex(job.ticket)).toBe(toHex(opened.field(Field.ticket, 'test') as Uint8Array));
        opened.retain('test');
        return { opened: true, session: opened, renew: false };
      }
      case 'replay':
        return { accept: true };
      default:
        throw new Error(job.kind);
    }
  }

  /** A server's way to open the trace's ticket. */
  opens(session: SessionCore | null): this {
    this.#offered = session;
    return this;
  }

  /** Goes through the trace: what is ours is compared, what is the other's is taken in. */
  run(): this {
    let expected: SentRecord[] = [];
    const sent: WireRecord[] = [];
    const compare = (): void => {
      this.#work();
      expect(this.connection.error).toBeNull();
      sent.push(...readRecords(this.connection.takeOutput() ?? new Uint8Array(0)));
      for (const wanted of expected) {
        const { type, version, payload } = sent.shift() as WireRecord;
        expect([type, version]).toEqual([wanted.complete[0], 0x0300 + (wanted.complete[2] as number)]);
        if (!isChoice(wanted)) expect(toHex(payload)).toBe(toHex(wanted.complete.subarray(5)));
      }
      expected = [];
    };
    for (const record of recordsOf(this.trace)) {
      if (record.role === this.role) {
        this.#act(record);
        expected.push(record);
        continue;
      }
      compare();
      this.#newConnectionForCookie(record);
      const borrowed = record.complete.slice();
      this.connection.receive(borrowed);
      borrowed.fill(0xa5);
    }
    compare();
    expect(sent).toEqual([]);
    return this;
  }

  /** What the trace's application did. */
  #act({ kind, payload }: SentRecord): void {
    this.#work();
    if (kind === 'alert') this.connection.close();
    if (kind === 'application_data') {
      if (this.connection.earlyDataBudget > 0)
        expect(this.connection.writeEarly(payload)).toBe(payload.length);
      else this.connection.write(payload);
    }
    if (payload[0] === HandshakeType.new_session_ticket && kind === 'handshake') {
      expect(this.connection.issueTicket()).toBe(true);
    }
  }

  /** The server of section 5 keeps nothing between the two hellos but what is in its cookie. */
  #newConnectionForCookie({ kind, payload }: SentRecord): void {
    if (this.role !== 'server' || this.trace.section !== 5) return;
    if (kind !== 'handshake' || payload[0] !== HandshakeType.client_hello || this.#attempts++ === 1) return;
    this.connection.destroy();
    this.connection = this.#make(1);
    this.connection.start();
  }

  [Symbol.dispose](): void {
    this.connection.destroy();
    for (const session of this.sessions) session.release('test');
  }
}

/** The session that the client of section 3 comes away with; the caller's to release. */
function sessionOfSection3(): SessionCore {
  using first = new Replay(traces[0] as Trace, 'client', null).run();
  const session = first.sessions[0] as SessionCore;
  session.retain('test');
  return session;
}

describe.each(traces)('RFC 8448, section $section: $name', (trace) => {
  test.each(['client', 'server'] as const)('the %s', (role) => {
    const session = trace.section === 4 ? sessionOfSection3() : null;
    using replay = new Replay(trace, role, session).opens(session).run();
    const { connection } = replay;
    const { info } = connection;
    expect(info).toMatchObject({
      version: 0x0304,
      cipherSuite: 0x1301,
      group: trace.section === 5 ? 0x17 : 0x1d,
      serverName: 'server',
      resumed: trace.section === 4,
      earlyDataAccepted: trace.section === 4,
      helloRetryRequest: trace.section === 5,
    });
    expect(connection.closeSent && connection.closeReceived).toBe(true);

    // Application data came as it was sent, early data marked.
    const sent = recordsOf(trace).filter(
      ({ role: who, kind }) => who !== role && kind === 'application_data',
    );
    expect(replay.data.map(({ bytes }) => bytes)).toEqual(sent.map(({ payload }) => toHex(payload)));
    expect(replay.data.filter(({ early }) => early)).toHaveLength(
      trace.section === 4 && role === 'server' ? 1 : 0,
    );

    // Secrets that no record shows: the exporter's, and the one that tickets are made from.
    connection.exportKeyingMaterial('test', null, 16);
    const exporter = toHex(traceValue(trace, 'server', 'exp master', 'expanded'));
    expect(replay.secrets).toContain(exporter);
    if (trace.section === 3) {
      expect(replay.secrets).toContain(toHex(traceValue(trace, 'client', 'res master', 'expanded')));
    }
    if (trace.section === 4) {
      expect(replay.secrets).toContain(toHex(traceValue(trace, 'client', 'e exp master', 'expanded')));
    }
    session?.release('test');
  });
});

test('the session of section 3 is the trace’s', () => {
  const session = sessionOfSection3();
  const psk = traceValue(traces[0] as Trace, 'server', 'generate resumption secret', 'expanded');
  expect(session.field(Field.masterKey, 'test')).toEqual(psk);
  expect(session.body('test')).toMatchObject({
    ticketLifetimeHint: 30,
    ticketAgeAdd: 0xfad6aac5,
    maxEarlyData: 1024,
  });
  session.release('test');
});

test('the fixture has what is compared', () => {
  const kinds = traces.map((trace) =>
    recordsOf(trace).map(({ role, complete }) => role[0] + String(complete[0])),
  );
  expect(kinds).toEqual([
    ['c22', 's22', 's23', 'c23', 's23', 'c23', 's23', 'c23', 's23'],
    ['c22', 'c23', 's22', 's23', 'c23', 'c23', 'c23', 's23', 'c23', 's23'],
    ['c22', 's22', 'c22', 's22', 's23', 'c23', 'c23', 's23'],
    ['c22', 's22', 's23', 'c23', 'c23', 's23'],
    ['c22', 's22', 's20', 's23', 'c20', 'c23', 'c23', 's23'],
  ]);
  expect(ContentType.handshake).toBe(22);
});
