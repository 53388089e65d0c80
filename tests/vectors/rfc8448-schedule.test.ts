/** Every secret, key, hash and Finished of the five traces of RFC 8448, computed and compared. */
import { describe, expect, it } from 'vitest';
import { NodeEcdh, NodeX25519, nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import type { KeyLogLabel } from '../../src/schedule/key-log.ts';
import { EarlySecret, type TrafficSecret } from '../../src/schedule/tls13.ts';
import { Transcript } from '../../src/schedule/transcript.ts';
import { toHex } from '../../src/util/bytes.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { type Trace, type TraceStep, traces, traceValue } from './rfc8448.ts';

/** node's provider, noting whatever it answers and every key that it is given. */
function recorder(): { provider: CryptoProvider; seen: Set<string> } {
  const seen = new Set<string>();
  const note = (bytes: Uint8Array): Uint8Array => {
    seen.add(toHex(bytes));
    return bytes;
  };
  const provider: CryptoProvider = {
    ...nodeProvider,
    name: 'recorder',
    digest: (hash, data) => note(nodeProvider.digest(hash, data)),
    hmac: (hash, key, data) => note(nodeProvider.hmac(hash, note(key), data)),
    hmacKey: (hash, key) => {
      note(key);
      const inner = nodeProvider.hmacKey(hash, key);
      return { sign: (data) => note(inner.sign(data)), destroy: () => inner.destroy() };
    },
    aeadKey: (aead, key) => nodeProvider.aeadKey(aead, note(key)),
  };
  return { provider, seen };
}

function message(trace: Trace, role: 'client' | 'server', name: string, nth = 0): Uint8Array {
  return traceValue(
    trace,
    role,
    `construct a${name.startsWith('E') ? 'n' : ''} ${name} handshake`,
    name,
    nth,
  );
}

function has(trace: Trace, role: 'client' | 'server', name: string): boolean {
  return trace.steps.some((each) => each.role === role && each.values[name] !== undefined);
}

/** Both sides of a trace's key exchange; they must agree. */
function sharedSecret(trace: Trace): Uint8Array {
  const nist = trace.section === 5;
  const step = nist ? 'P-256 key pair' : 'x25519 key pair';
  const own = (role: 'client' | 'server') => {
    const raw = traceValue(trace, role, step, 'private key');
    const pair = nist ? NodeEcdh.fromPrivate(NamedGroup.secp256r1, raw) : NodeX25519.fromPrivate(raw);
    expect(toHex(pair.publicKey)).toBe(toHex(traceValue(trace, role, step, 'public key')));
    return pair;
  };
  const client = own('client');
  const server = own('server');
  const secret = client.derive(server.publicKey);
  expect(secret).toEqual(server.derive(client.publicKey));
  if (secret === null) throw new Error('no secret');
  return secret;
}

/** Steps whose values depend on the record layer or are not this module's. */
function ofTheSchedule({ step }: TraceStep): boolean {
  return /^(extract|derive|calculate|generate)/.test(step);
}

describe.each(traces)('RFC 8448, section $section: $name', (trace) => {
  it('comes to the same secrets, keys, hashes and Finished values', () => {
    const { provider, seen } = recorder();
    const logged = new Map<KeyLogLabel, string>();
    const keyLog = (label: KeyLogLabel, secret: Uint8Array) => void logged.set(label, toHex(secret));
    const shared = sharedSecret(trace);
    const transcript = new Transcript(provider);
    const ivs: string[] = [];
    const keys = (secret: TrafficSecret): void => void ivs.push(toHex(secret.keys('aes-128-gcm').iv));

    // ClientHello as it was sent: with its binders.
    const psk = trace.section === 4 ? traceValue(trace, 'client', 'extract secret "early"', 'IKM') : null;
    const early = EarlySecret.create(provider, 'sha256', psk, keyLog);
    if (psk !== null) {
      const prefix = traceValue(trace, 'client', 'PSK binder', 'ClientHello prefix');
      const binder = early.binder('resumption', transcript.peekWith('sha256', prefix));
      expect(toHex(binder)).toBe(toHex(traceValue(trace, 'client', 'PSK binder', 'finished')));
    }
    transcript.update(traceValue(trace, 'client', 'send handshake record', 'payload'));
    if (trace.section === 5) {
      transcript.choose('sha256');
      transcript.replaceByMessageHash();
      transcript.update(message(trace, 'server', 'ServerHello'));
      transcript.update(message(trace, 'client', 'ClientHello', 1));
    }
    transcript.choose('sha256');
    if (psk !== null) {
      const clientEarly = early.clientTraffic(transcript.peek());
      keys(clientEarly);
      early.exporter(transcript.peek()).destroy();
    }
    transcript.update(message(trace, 'server', 'ServerHello', trace.section === 5 ? 1 : 0));

    const handshake = early.toHandshake(shared);
    const hs = handshake.traffic(transcript.peek());
    const master = handshake.toMaster();
    keys(hs.client);
    keys(hs.server);
    for (const name of ['EncryptedExtensions', 'CertificateRequest', 'Certificate', 'CertificateVerify']) {
      if (has(trace, 'server', name)) transcript.update(message(trace, 'server', name));
    }
    const serverFinished = message(trace, 'server', 'Finished');
    expect(toHex(hs.server.verifyData(transcript.peek()))).toBe(toHex(serverFinished.subarray(4)));
    transcript.update(serverFinished);

    const ap = master.traffic(transcript.peek());
    master.exporter(transcript.peek());
    keys(ap.client);
    keys(ap.server);
    for (const name of ['EndOfEarlyData', 'Certificate', 'CertificateVerify']) {
      if (has(trace, 'client', name)) transcript.update(message(trace, 'client', name));
    }
    const clientFinished = message(trace, 'client', 'Finished');
    expect(toHex(hs.client.verifyData(transcript.peek()))).toBe(toHex(clientFinished.subarray(4)));
    transcript.update(clientFinished);
    const resumption = master.resumption(transcript.peek());
    master.destroy();
    if (trace.section === 3) resumption.psk(Uint8Array.of(0, 0));

    for (const iv of ivs) seen.add(iv);
    const missing: string[] = [];
    let compared = 0;
    for (const step of trace.steps.filter(ofTheSchedule)) {
      for (const [name, hex] of Object.entries(step.values)) {
        if (!/^(secret|expanded|finished|key expanded|iv expanded|PRK|salt)$/.test(name)) continue;
        compared++;
        if (!seen.has(hex)) missing.push(`${step.role}: ${step.step}: ${name}`);
      }
    }
    expect(missing).toEqual([]);
    expect(compared).toBeGreaterThan(40);

    const log = (step: string, nth = 0) => toHex(traceValue(trace, 'server', step, 'expanded', nth));
    expect(logged.get('CLIENT_HANDSHAKE_TRAFFIC_SECRET')).toBe(log('c hs traffic'));
    expect(logged.get('SERVER_HANDSHAKE_TRAFFIC_SECRET')).toBe(log('s hs traffic'));
    expect(logged.get('CLIENT_TRAFFIC_SECRET_0')).toBe(log('c ap traffic'));
    expect(logged.get('SERVER_TRAFFIC_SECRET_0')).toBe(log('s ap traffic'));
    expect(logged.get('EXPORTER_SECRET')).toBe(log('exp master'));
    if (psk !== null) {
      const own = (step: string) => toHex(traceValue(trace, 'client', step, 'expanded'));
      expect(logged.get('CLIENT_EARLY_TRAFFIC_SECRET')).toBe(own('c e traffic'));
      expect(logged.get('EARLY_EXPORTER_SECRET')).toBe(own('e exp master'));
    }
  });

  it('hashes the transcript as the trace does', () => {
    const transcript = new Transcript(nodeProvider);
    transcript.update(traceValue(trace, 'client', 'send handshake record', 'payload'));
    transcript.choose('sha256');
    if (trace.section === 5) {
      transcript.replaceByMessageHash();
      transcript.update(message(trace, 'server', 'ServerHello'));
      transcript.update(message(trace, 'client', 'ClientHello', 1));
    }
    if (trace.section === 4) {
      const wanted = traceValue(trace, 'client', 'c e traffic', 'hash');
      expect(toHex(transcript.peek())).toBe(toHex(wanted));
    }
    transcript.update(message(trace, 'server', 'ServerHello', trace.section === 5 ? 1 : 0));
    expect(toHex(transcript.peek())).toBe(toHex(traceValue(trace, 'server', 'c hs traffic', 'hash')));
  });
});

it('has all five traces', () => {
  expect(traces.map(({ section }) => section)).toEqual([3, 4, 5, 6, 7]);
});

it('resumes section 4 with the key that section 3 ended with', () => {
  const [first, second] = traces as [Trace, Trace];
  expect(traceValue(first, 'server', 'resumption', 'expanded')).toEqual(
    traceValue(second, 'client', 'extract secret "early"', 'IKM'),
  );
});
