/**
 * The key schedule of TLS 1.3 (RFC 8446, section 7.1) as states: each is made from the one before, which is
 * gone then, so that a secret cannot be derived from the wrong stage or left behind.
 *
 *     EarlySecret -> HandshakeSecret -> MasterSecret
 *          |               |                 |
 *     TrafficSecret   TrafficSecret x2   TrafficSecret x2, Exporter, ResumptionSecret
 *
 * No object keeps a secret's bytes: each imports its secret as an HMAC key, from which all of HKDF follows,
 * and wipes the bytes. Transcript hashes are arguments and are only read.
 */
import type { AeadKey, CryptoProvider, HmacKey } from '../crypto/provider.ts';
import { EMPTY } from '../util/bytes.ts';
import { type AeadName, aeadKeyLength } from '../util/registries.ts';
import { emptyHash, expandLabel, hashLength, Label, type ScheduleHash, zeros } from './hkdf.ts';
import type { KeyLogLabel, KeyLogSink } from './key-log.ts';

const LABELS = {
  derived: new Label('derived'),
  externalBinder: new Label('ext binder'),
  resumptionBinder: new Label('res binder'),
  clientEarlyTraffic: new Label('c e traffic'),
  earlyExporter: new Label('e exp master'),
  clientHandshakeTraffic: new Label('c hs traffic'),
  serverHandshakeTraffic: new Label('s hs traffic'),
  clientTraffic: new Label('c ap traffic'),
  serverTraffic: new Label('s ap traffic'),
  exporterMaster: new Label('exp master'),
  resumptionMaster: new Label('res master'),
  exporter: new Label('exporter'),
  resumption: new Label('resumption'),
  finished: new Label('finished'),
  key: new Label('key'),
  iv: new Label('iv'),
  trafficUpdate: new Label('traffic upd'),
};

/** What every state of one handshake shares. */
interface Suite {
  readonly provider: CryptoProvider;
  readonly hash: ScheduleHash;
  readonly keyLog: KeyLogSink | null;
}

/** Imports `secret` and wipes it. */
function take(suite: Suite, secret: Uint8Array): HmacKey {
  const key = suite.provider.hmacKey(suite.hash, secret);
  secret.fill(0);
  return key;
}

function live(key: HmacKey | null, what: string): HmacKey {
  if (key === null) throw new TypeError(`the ${what} is used up`);
  return key;
}

/** Derive-Secret, with the key log told of it, as a key. */
function derive(
  suite: Suite,
  key: HmacKey,
  label: Label,
  transcriptHash: Uint8Array,
  logAs: KeyLogLabel | null,
): HmacKey {
  const secret = expandLabel(key, label, transcriptHash, hashLength(suite.hash));
  if (suite.keyLog !== null && logAs !== null) suite.keyLog(logAs, secret);
  return take(suite, secret);
}

/** The MAC of Finished and of the binders (RFC 8446, 4.4.4), with `key` as BaseKey. */
function finishedMac(suite: Suite, key: HmacKey, transcriptHash: Uint8Array): Uint8Array {
  const finishedKey = expandLabel(key, LABELS.finished, EMPTY, hashLength(suite.hash));
  const mac = suite.provider.hmac(suite.hash, finishedKey, transcriptHash);
  finishedKey.fill(0);
  return mac;
}

/** A key and the IV that nonces are made of (RFC 8446, 5.3). The IV is 12 bytes. */
export interface TrafficKeys {
  readonly key: AeadKey;
  readonly iv: Uint8Array;
}

/** One direction's traffic secret: keys, Finished, and the next generation. */
export class TrafficSecret {
  readonly #suite: Suite;
  #key: HmacKey | null;

  /** @internal Made by the states below. */
  constructor(suite: Suite, key: HmacKey) {
    this.#suite = suite;
    this.#key = key;
  }

  /** The keys for records (RFC 8446, 7.3). May be called again: the secret stays. */
  keys(aead: AeadName): TrafficKeys {
    const key = live(this.#key, 'traffic secret');
    const raw = expandLabel(key, LABELS.key, EMPTY, aeadKeyLength(aead));
    const iv = expandLabel(key, LABELS.iv, EMPTY, 12);
    const imported = this.#suite.provider.aeadKey(aead, raw);
    raw.fill(0);
    return { key: imported, iv };
  }

  /** verify_data for a Finished over `transcriptHash`; as long as the hash. */
  verifyData(transcriptHash: Uint8Array): Uint8Array {
    return finishedMac(this.#suite, live(this.#key, 'traffic secret'), transcriptHash);
  }

  /** The secret after a KeyUpdate (RFC 8446, 7.2). This one is used up. */
  next(): TrafficSecret {
    const key = live(this.#key, 'traffic secret');
    const secret = expandLabel(key, LABELS.trafficUpdate, EMPTY, hashLength(this.#suite.hash));
    const next = new TrafficSecret(this.#suite, take(this.#suite, secret));
    this.destroy();
    return next;
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
  }
}

export interface TrafficSecretPair {
  readonly client: TrafficSecret;
  readonly server: TrafficSecret;
}

/** Exported keying material (RFC 8446, 7.5). */
export class Exporter {
  readonly #suite: Suite;
  #key: HmacKey | null;

  /** @internal Made by EarlySecret and MasterSecret. */
  constructor(suite: Suite, key: HmacKey) {
    this.#suite = suite;
    this.#key = key;
  }

  /**
   * No context and an empty one are the same in TLS 1.3.
   * @param label up to 249 bytes.
   * @param length in bytes, up to 255 hashes.
   * @throws {RangeError} if either is longer.
   */
  export(label: string, context: Uint8Array | null, length: number): Uint8Array {
    const { provider, hash } = this.#suite;
    const secret = expandLabel(
      live(this.#key, 'exporter secret'),
      new Label(label),
      emptyHash(provider, hash),
      hashLength(hash),
    );
    const key = take(this.#suite, secret);
    try {
      const contextHash =
        context === null || context.length === 0 ? emptyHash(provider, hash) : provider.digest(hash, context);
      return expandLabel(key, LABELS.exporter, contextHash, length);
    } finally {
      key.destroy();
    }
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
  }
}

/** resumption_master_secret: makes the pre-shared key of each ticket (RFC 8446, 4.6.1). */
export class ResumptionSecret {
  readonly #hash: ScheduleHash;
  #key: HmacKey | null;

  /** @internal Made by MasterSecret. */
  constructor(hash: ScheduleHash, key: HmacKey) {
    this.#hash = hash;
    this.#key = key;
  }

  /** @param nonce the ticket_nonce, up to 255 bytes. @returns as many bytes as the hash, the caller's. */
  psk(nonce: Uint8Array): Uint8Array {
    return expandLabel(
      live(this.#key, 'resumption secret'),
      LABELS.resumption,
      nonce,
      hashLength(this.#hash),
    );
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
  }
}

/**
 * What depends on the hash alone, kept for each provider as imported keys that nobody destroys: the salt of
 * zeros that a pre-shared key is extracted with, and, where there is none, the early secret and the salt that
 * the handshake secret is extracted with.
 */
interface Constants {
  readonly zeroSalt: HmacKey;
  readonly early: HmacKey;
  readonly salt: HmacKey;
}
const allConstants: WeakMap<CryptoProvider, Map<ScheduleHash, Constants>> = new WeakMap();

function constantsOf(suite: Suite): Constants {
  const { provider, hash } = suite;
  let byHash = allConstants.get(provider);
  if (byHash === undefined) {
    byHash = new Map();
    allConstants.set(provider, byHash);
  }
  let constants = byHash.get(hash);
  if (constants === undefined) {
    const zeroSalt = provider.hmacKey(hash, zeros(hash));
    const early = take(suite, zeroSalt.sign(zeros(hash)));
    const salt = derive(suite, early, LABELS.derived, emptyHash(provider, hash), null);
    constants = { zeroSalt, early, salt };
    byHash.set(hash, constants);
  }
  return constants;
}

/** The first stage: what follows from a pre-shared key alone, if there is one. */
export class EarlySecret {
  readonly #suite: Suite;
  /** Set without a pre-shared key: the state's key is then one of them. */
  readonly #shared: Constants | null;
  #key: HmacKey | null;

  private constructor(suite: Suite, shared: Constants | null, key: HmacKey) {
    this.#suite = suite;
    this.#shared = shared;
    this.#key = key;
  }

  /** @param psk is only read; null in a handshake without a pre-shared key. */
  static create(
    provider: CryptoProvider,
    hash: ScheduleHash,
    psk: Uint8Array | null,
    keyLog: KeyLogSink | null = null,
  ): EarlySecret {
    const suite: Suite = { provider, hash, keyLog };
    const constants = constantsOf(suite);
    if (psk === null) return new EarlySecret(suite, constants, constants.early);
    return new EarlySecret(suite, null, take(suite, constants.zeroSalt.sign(psk)));
  }

  /**
   * The binder (RFC 8446, 4.2.11.2) over the hash of the transcript up to the cut ClientHello.
   * @param kind `external` for a key that was not made by a ticket.
   */
  binder(kind: 'resumption' | 'external', transcriptHash: Uint8Array): Uint8Array {
    const suite = this.#suite;
    const label = kind === 'external' ? LABELS.externalBinder : LABELS.resumptionBinder;
    const key = derive(
      suite,
      live(this.#key, 'early secret'),
      label,
      emptyHash(suite.provider, suite.hash),
      null,
    );
    const binder = finishedMac(suite, key, transcriptHash);
    key.destroy();
    return binder;
  }

  /** client_early_traffic_secret, over ClientHello. */
  clientTraffic(transcriptHash: Uint8Array): TrafficSecret {
    const key = live(this.#key, 'early secret');
    return new TrafficSecret(
      this.#suite,
      derive(this.#suite, key, LABELS.clientEarlyTraffic, transcriptHash, 'CLIENT_EARLY_TRAFFIC_SECRET'),
    );
  }

  /** early_exporter_master_secret, over ClientHello. */
  exporter(transcriptHash: Uint8Array): Exporter {
    const key = live(this.#key, 'early secret');
    return new Exporter(
      this.#suite,
      derive(this.#suite, key, LABELS.earlyExporter, transcriptHash, 'EARLY_EXPORTER_SECRET'),
    );
  }

  /**
   * The next stage; this one is used up.
   * @param shared the secret of the key exchange, only read; null for psk_ke, without a key exchange.
   */
  toHandshake(shared: Uint8Array | null): HandshakeSecret {
    const suite = this.#suite;
    const key = live(this.#key, 'early secret');
    const input = shared ?? zeros(suite.hash);
    let secret: Uint8Array;
    if (this.#shared !== null) {
      secret = this.#shared.salt.sign(input);
    } else {
      const salt = expandLabel(
        key,
        LABELS.derived,
        emptyHash(suite.provider, suite.hash),
        hashLength(suite.hash),
      );
      secret = suite.provider.hmac(suite.hash, salt, input);
      salt.fill(0);
    }
    this.destroy();
    return new HandshakeSecret(suite, take(suite, secret));
  }

  destroy(): void {
    if (this.#shared === null) this.#key?.destroy();
    this.#key = null;
  }
}

/** The second stage: keys for the handshake's encrypted messages. */
export class HandshakeSecret {
  readonly #suite: Suite;
  #key: HmacKey | null;

  /** @internal Made by EarlySecret. */
  constructor(suite: Suite, key: HmacKey) {
    this.#suite = suite;
    this.#key = key;
  }

  /** Both directions' handshake traffic secrets, over ClientHello to ServerHello. */
  traffic(transcriptHash: Uint8Array): TrafficSecretPair {
    const suite = this.#suite;
    const key = live(this.#key, 'handshake secret');
    const client = derive(
      suite,
      key,
      LABELS.clientHandshakeTraffic,
      transcriptHash,
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
    );
    const server = derive(
      suite,
      key,
      LABELS.serverHandshakeTraffic,
      transcriptHash,
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
    );
    return { client: new TrafficSecret(suite, client), server: new TrafficSecret(suite, server) };
  }

  /** The next stage; this one is used up. */
  toMaster(): MasterSecret {
    const suite = this.#suite;
    const { provider, hash } = suite;
    const salt = expandLabel(
      live(this.#key, 'handshake secret'),
      LABELS.derived,
      emptyHash(provider, hash),
      hashLength(hash),
    );
    const secret = provider.hmac(hash, salt, zeros(hash));
    salt.fill(0);
    this.destroy();
    return new MasterSecret(suite, take(suite, secret));
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
  }
}

/**
 * The last stage. It may be kept to make the exporter and the resumption secret only when they are asked
 * for; `destroy` it as soon as both exist or will not be needed, since it holds what the first traffic
 * keys can be made from.
 */
export class MasterSecret {
  readonly #suite: Suite;
  #key: HmacKey | null;

  /** @internal Made by HandshakeSecret. */
  constructor(suite: Suite, key: HmacKey) {
    this.#suite = suite;
    this.#key = key;
  }

  /** Both directions' first application traffic secrets, over ClientHello to the server's Finished. */
  traffic(transcriptHash: Uint8Array): TrafficSecretPair {
    const suite = this.#suite;
    const key = live(this.#key, 'master secret');
    const client = derive(suite, key, LABELS.clientTraffic, transcriptHash, 'CLIENT_TRAFFIC_SECRET_0');
    const server = derive(suite, key, LABELS.serverTraffic, transcriptHash, 'SERVER_TRAFFIC_SECRET_0');
    return { client: new TrafficSecret(suite, client), server: new TrafficSecret(suite, server) };
  }

  /** exporter_master_secret, over ClientHello to the server's Finished. */
  exporter(transcriptHash: Uint8Array): Exporter {
    const key = live(this.#key, 'master secret');
    return new Exporter(
      this.#suite,
      derive(this.#suite, key, LABELS.exporterMaster, transcriptHash, 'EXPORTER_SECRET'),
    );
  }

  /** resumption_master_secret, over ClientHello to the client's Finished. */
  resumption(transcriptHash: Uint8Array): ResumptionSecret {
    const key = live(this.#key, 'master secret');
    return new ResumptionSecret(
      this.#suite.hash,
      derive(this.#suite, key, LABELS.resumptionMaster, transcriptHash, null),
    );
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
  }
}
