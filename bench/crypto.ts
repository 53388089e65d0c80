/** The node provider beside plain calls of node:crypto, for what a handshake does many times. */
import * as crypto from 'node:crypto';
import { createNodeProvider, nodeProvider } from '../src/crypto/node/index.ts';
import type { AeadKey, CryptoProvider } from '../src/crypto/provider.ts';
import { EarlySecret } from '../src/schedule/tls13.ts';
import { Transcript } from '../src/schedule/transcript.ts';
import { NamedGroup } from '../src/util/registries.ts';
import { compare, type Plan, type Report, type Row, takeTurns, timed } from './harness.ts';

interface Case {
  readonly what: string;
  readonly peer: string;
  readonly count: number;
  readonly target: number | null;
  readonly ours: () => unknown;
  readonly theirs: () => unknown;
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
}

/** All secrets, keys and Finished values that one end of a full TLS 1.3 handshake with two tickets derives. */
function derivations(provider: CryptoProvider, hash: 'sha256' | 'sha384', shared: Uint8Array): () => void {
  const th = provider.digest(hash, bytes(1));
  const aead = hash === 'sha256' ? 'aes-128-gcm' : 'aes-256-gcm';
  return () => {
    const handshake = EarlySecret.create(provider, hash, null).toHandshake(shared);
    const hs = handshake.traffic(th);
    hs.client.keys(aead);
    hs.server.keys(aead);
    const master = handshake.toMaster();
    hs.server.verifyData(th);
    hs.client.verifyData(th);
    const ap = master.traffic(th);
    ap.client.keys(aead);
    ap.server.keys(aead);
    const resumption = master.resumption(th);
    resumption.psk(bytes(8));
    resumption.psk(bytes(8));
    master.destroy();
  };
}

/** The transcript of a full TLS 1.3 handshake with a chain of `chain` bytes: seven messages, five hashes. */
function transcript(provider: CryptoProvider, hash: 'sha256' | 'sha384', chain: number): () => void {
  const [hello, serverHello, extensions, certificate, verify, finished] = [400, 122, 20, chain, 80, 52].map(
    bytes,
  ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  return () => {
    const running = new Transcript(provider);
    running.update(hello);
    running.choose(hash);
    running.update(serverHello);
    running.peek();
    running.update(extensions);
    running.update(certificate);
    running.peek();
    running.update(verify);
    running.peek();
    running.update(finished);
    running.peek();
    running.update(finished);
    running.peek();
  };
}

function cases(): Case[] {
  const native = createNodeProvider({ short: false });
  const info = bytes(54);
  const key = bytes(32);
  const found: Case[] = [];
  const add = (
    what: string,
    peer: string,
    count: number,
    target: number | null,
    ours: () => unknown,
    theirs: () => unknown,
  ) => found.push({ what, peer, count, target, ours, theirs });

  for (const hash of ['sha256', 'sha384'] as const) {
    const mine = nodeProvider.hmacKey(hash, key);
    const theirs = crypto.createSecretKey(key);
    add(
      `HMAC ${hash}, 54 bytes, kept key`,
      'createHmac',
      20_000,
      0.5,
      () => mine.sign(info),
      () => crypto.createHmac(hash, theirs).update(info).digest(),
    );
    add(
      `HMAC ${hash}, 54 bytes, fresh key`,
      'createHmac',
      20_000,
      0.7,
      () => nodeProvider.hmac(hash, key, info),
      () => crypto.createHmac(hash, crypto.createSecretKey(key)).update(info).digest(),
    );
    for (const length of [32, 200, 1000, 4000]) {
      const data = bytes(length);
      add(
        `digest ${hash}, ${length} bytes`,
        'crypto.hash',
        20_000,
        null,
        () => nodeProvider.digest(hash, data),
        () => crypto.hash(hash, data, 'buffer'),
      );
    }
    const shared = bytes(32);
    add(
      `schedule ${hash}, one end`,
      'the same by node:crypto',
      1000,
      0.6,
      derivations(nodeProvider, hash, shared),
      derivations(native, hash, shared),
    );
    for (const chain of [450, 3000]) {
      add(
        `transcript ${hash}, chain of ${chain} bytes`,
        'the same by node:crypto',
        3000,
        null,
        transcript(nodeProvider, hash, chain),
        transcript(native, hash, chain),
      );
    }
  }

  for (const aead of ['aes-256-gcm', 'aes-128-gcm', 'chacha20-poly1305'] as const) {
    const secret = bytes(aead === 'aes-128-gcm' ? 16 : 32);
    const [nonce, aad] = [bytes(12), bytes(5)];
    const [mine, theirs] = [nodeProvider.aeadKey(aead, secret), native.aeadKey(aead, secret)];
    for (const length of [64, 512, 2048, 4096]) {
      const buffer = new Uint8Array(length + 16);
      const peer = 'one of node:crypto a record';
      const sealBy = (key: AeadKey) => () => key.sealInPlace(nonce, aad, buffer, 0, length);
      const record = new Uint8Array(length + 16);
      theirs.sealInPlace(nonce, aad, record, 0, length);
      const openBy = (key: AeadKey) => () => key.open(nonce, aad, record);
      add(`seal ${aead}, ${length} bytes`, peer, 10_000, null, sealBy(mine), sealBy(theirs));
      add(`open ${aead}, ${length} bytes`, peer, 10_000, null, openBy(mine), openBy(theirs));
    }
  }

  add(
    '32 random bytes',
    'randomBytes',
    50_000,
    0.2,
    () => nodeProvider.random(32),
    () => crypto.randomBytes(32),
  );

  /** A public key in DER; the declarations for Node 20 lack half of these calls. */
  const der = { format: 'der', type: 'spki' } as const;
  const generate = crypto.generateKeyPairSync as unknown as (
    type: string,
    options: object,
  ) => { publicKey: Buffer; privateKey: crypto.KeyObject };
  const spkiOf = (type: string, options: object = {}): Buffer =>
    generate(type, { ...options, publicKeyEncoding: der }).publicKey;
  const spki = spkiOf('x25519');
  add(
    'X25519, both halves of the server',
    'DER keys',
    300,
    null,
    () => nodeProvider.respondKeyExchange(NamedGroup.x25519, spki.subarray(12)),
    () => {
      // The public half is encoded at once: exporting it later can hang Node 20 (src/crypto/node/x25519.ts).
      const own = generate('x25519', { publicKeyEncoding: der });
      const publicKey = crypto.createPublicKey({ key: spki, ...der });
      crypto.diffieHellman({ privateKey: own.privateKey, publicKey });
    },
  );
  for (const [name, key] of [
    ['P-256', spkiOf('ec', { namedCurve: 'P-256' })],
    ['Ed25519', spkiOf('ed25519')],
    ['RSA-2048', spkiOf('rsa', { modulusLength: 2048 })],
  ] as const) {
    add(
      `import of a public key met before, ${name}`,
      'createPublicKey of the DER',
      500,
      null,
      () => nodeProvider.importPublicKey(key),
      () => crypto.createPublicKey({ key, ...der }),
    );
  }
  return found;
}

export async function run(plan: Plan): Promise<Report> {
  const rows: Row[] = [];
  for (const { what, peer, count, target, ours, theirs } of cases()) {
    if (!what.includes(plan.only)) continue;
    plan.say(what);
    const repeat = (body: () => unknown) =>
      timed(plan.smoke ? 3 : count, (times) => {
        for (let i = 0; i < times; i++) body();
      });
    const samples = await takeTurns(plan, { ours: repeat(ours), theirs: repeat(theirs) });
    rows.push(compare(what, 'ns', samples.ours, peer, samples.theirs, target));
  }
  return {
    title: 'crypto: the node provider beside node:crypto',
    rows,
    facts: { node: process.version, openssl: process.versions.openssl },
  };
}
