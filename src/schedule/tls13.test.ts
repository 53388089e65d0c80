import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { toHex, utf8 } from '../util/bytes.ts';
import type { KeyLogLabel } from './key-log.ts';
import { keyLogLine } from './key-log.ts';
import { EarlySecret } from './tls13.ts';

const TH = nodeProvider.digest('sha384', utf8('transcript'));
const SHARED = utf8('a shared secret of thirty-two by');

function masterSecret(psk: Uint8Array | null = null) {
  return EarlySecret.create(nodeProvider, 'sha384', psk).toHandshake(SHARED).toMaster();
}

/** Counts HMACs, and remembers every key array that it was given. */
function counting(): { provider: CryptoProvider; hmacs: () => number; keys: Uint8Array[] } {
  let hmacs = 0;
  const keys: Uint8Array[] = [];
  const provider: CryptoProvider = {
    ...nodeProvider,
    hmac: (hash, key, data) => {
      hmacs++;
      keys.push(key);
      return nodeProvider.hmac(hash, key, data);
    },
    hmacKey: (hash, key) => {
      keys.push(key);
      const inner = nodeProvider.hmacKey(hash, key);
      return {
        sign: (data) => {
          hmacs++;
          return inner.sign(data);
        },
        destroy: () => inner.destroy(),
      };
    },
    aeadKey: (aead, key) => {
      keys.push(key);
      return nodeProvider.aeadKey(aead, key);
    },
  };
  return { provider, hmacs: () => hmacs, keys };
}

describe('the TLS 1.3 key schedule', () => {
  it('consumes each stage as the next is made', () => {
    const early = EarlySecret.create(nodeProvider, 'sha256', utf8('psk'));
    const handshake = early.toHandshake(SHARED);
    expect(() => early.toHandshake(SHARED)).toThrow(/early secret is used up/);
    expect(() => early.binder('resumption', TH)).toThrow(TypeError);
    expect(() => early.clientTraffic(TH)).toThrow(TypeError);
    expect(() => early.exporter(TH)).toThrow(TypeError);
    const master = handshake.toMaster();
    expect(() => handshake.toMaster()).toThrow(/handshake secret is used up/);
    expect(() => handshake.traffic(TH)).toThrow(TypeError);
    master.destroy();
    expect(() => master.traffic(TH)).toThrow(/master secret is used up/);
    expect(() => master.exporter(TH)).toThrow(TypeError);
    expect(() => master.resumption(TH)).toThrow(TypeError);
  });

  it('does not lose the constants of a handshake without a pre-shared key when one is destroyed', () => {
    const first = EarlySecret.create(nodeProvider, 'sha384', null);
    first.destroy();
    expect(() => first.toHandshake(SHARED)).toThrow(TypeError);
    const again = masterSecret().resumption(TH).psk(utf8('n'));
    expect(toHex(masterSecret().resumption(TH).psk(utf8('n')))).toBe(toHex(again));
    expect(toHex(masterSecret(utf8('psk')).resumption(TH).psk(utf8('n')))).not.toBe(toHex(again));
    // A pre-shared key of zeros is the same as none.
    expect(toHex(masterSecret(new Uint8Array(48)).resumption(TH).psk(utf8('n')))).toBe(toHex(again));
  });

  it('tells external and resumption binders apart', () => {
    const early = EarlySecret.create(nodeProvider, 'sha256', utf8('psk'));
    expect(toHex(early.binder('external', TH))).not.toBe(toHex(early.binder('resumption', TH)));
  });

  it('takes psk_ke, without a key exchange, as zeros', () => {
    const th = nodeProvider.digest('sha256', utf8('x'));
    const one = EarlySecret.create(nodeProvider, 'sha256', utf8('psk')).toHandshake(null);
    const two = EarlySecret.create(nodeProvider, 'sha256', utf8('psk')).toHandshake(new Uint8Array(32));
    expect(toHex(one.traffic(th).client.verifyData(th))).toBe(toHex(two.traffic(th).client.verifyData(th)));
  });

  it('walks both directions through KeyUpdate alike, and each generation is new', () => {
    let a = masterSecret().traffic(TH).client;
    let b = masterSecret().traffic(TH).client;
    const ivs = new Set<string>();
    for (let generation = 0; generation < 5; generation++) {
      const { key, iv } = a.keys('aes-256-gcm');
      const peer = b.keys('aes-256-gcm');
      ivs.add(toHex(iv));
      const record = new Uint8Array(5 + 16).fill(generation, 0, 5);
      key.sealInPlace(iv, utf8('aad'), record, 0, 5);
      expect(peer.key.open(peer.iv, utf8('aad'), record)).toEqual(new Uint8Array(5).fill(generation));
      const old = a;
      a = a.next();
      b = b.next();
      expect(() => old.keys('aes-256-gcm')).toThrow(TypeError);
      expect(() => old.next()).toThrow(TypeError);
      expect(() => old.verifyData(TH)).toThrow(TypeError);
    }
    expect(ivs.size).toBe(5);
  });

  it('exports by label, context and length; no context is an empty one', () => {
    const exporter = masterSecret().exporter(TH);
    const one = toHex(exporter.export('EXPORTER-test', null, 40));
    expect(toHex(exporter.export('EXPORTER-test', new Uint8Array(0), 40))).toBe(one);
    expect(toHex(exporter.export('EXPORTER-test', utf8('c'), 40))).not.toBe(one);
    expect(toHex(exporter.export('EXPORTER-other', null, 40))).not.toBe(one);
    expect(toHex(exporter.export('EXPORTER-test', null, 20))).not.toBe(one.slice(0, 40));
    expect(() => exporter.export('x'.repeat(250), null, 20)).toThrow(RangeError);
    expect(() => exporter.export('x', null, 65536)).toThrow(RangeError);
    exporter.destroy();
    expect(() => exporter.export('x', null, 1)).toThrow(TypeError);
  });

  it('wipes every secret that it imported', () => {
    const { provider, keys } = counting();
    const early = EarlySecret.create(provider, 'sha384', utf8('psk'));
    early.binder('resumption', TH);
    early.clientTraffic(TH).keys('aes-256-gcm');
    const handshake = early.toHandshake(SHARED);
    handshake.traffic(TH).server.verifyData(TH);
    const master = handshake.toMaster();
    master.traffic(TH).client.next();
    master.exporter(TH).export('x', null, 100);
    master.resumption(TH).psk(utf8('nonce'));
    expect(keys.length).toBeGreaterThan(15);
    for (const key of keys) expect(toHex(key)).toMatch(/^0*$/);
  });

  it('needs 7 HMACs for the secrets of a full handshake: the first stage is constant', () => {
    const { provider, hmacs } = counting();
    const run = () => {
      const handshake = EarlySecret.create(provider, 'sha384', null).toHandshake(SHARED);
      handshake.traffic(TH);
      handshake.toMaster().traffic(TH);
    };
    run();
    const before = hmacs();
    run();
    // handshake, c hs, s hs, derived, master, c ap, s ap
    expect(hmacs() - before).toBe(7);
  });

  it('hands borrowed secrets to the key log, and writes NSS lines', () => {
    const lines: string[] = [];
    const random = new Uint8Array(32).fill(0xab);
    const kept: Uint8Array[] = [];
    const log = (label: KeyLogLabel, secret: Uint8Array) => {
      kept.push(secret);
      lines.push(keyLogLine(label, random, secret));
    };
    const early = EarlySecret.create(nodeProvider, 'sha384', utf8('psk'), log);
    early.clientTraffic(TH);
    early.exporter(TH);
    const handshake = early.toHandshake(SHARED);
    handshake.traffic(TH);
    const master = handshake.toMaster();
    master.traffic(TH);
    master.exporter(TH);
    expect(lines.map((line) => line.split(' ')[0])).toEqual([
      'CLIENT_EARLY_TRAFFIC_SECRET',
      'EARLY_EXPORTER_SECRET',
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'SERVER_TRAFFIC_SECRET_0',
      'EXPORTER_SECRET',
    ]);
    for (const line of lines) expect(line).toMatch(/^[A-Z_0]+ (ab){32} [0-9a-f]{96}$/);
    for (const secret of kept) expect(toHex(secret)).toMatch(/^0+$/);
  });
});
