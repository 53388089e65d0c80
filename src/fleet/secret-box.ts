/**
 * What a fleet hides from its store: bytes sealed under a secret that only the fleet has, for one place in the
 * store and one use. Whoever reads the store reads nothing; whoever writes it can move nothing.
 *
 *     struct {
 *         uint8  version = 1;
 *         opaque key_id[8];                // names the secret, and says nothing about it
 *         uint24 length;                   // of `sealed`
 *         opaque salt[24];                 // random
 *         opaque sealed[length];           // AES-256-GCM with its tag
 *     } Sealed;
 *
 * Each record has a key of its own, HMAC-SHA256(key of the secret, salt), and so the nonce is zero: a fleet
 * seals for years under one secret, and 2^32 random nonces of 12 bytes (NIST SP 800-38D, 8.3) would not last.
 * Additional data are all that stands before `sealed`, the use, and the place.
 */
import { CacheError } from '../cache/errors.ts';
import type { CryptoProvider, HmacKey } from '../crypto/provider.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { concatBytes, equalBytes, utf8 } from '../util/bytes.ts';

/** Why something sealed does not open: the closed list. */
export type SealFault = Extract<
  ResumptionReason,
  'stored-unknown-key' | 'stored-other-version' | 'stored-truncated' | 'stored-tampered'
>;

/** 32 bytes or more, random: `openssl rand -base64 32`. A text counts as its bytes in UTF-8. */
export type FleetSecret = Uint8Array | string;

const VERSION = 1;
const ID_AT = 1;
const ID_LENGTH = 8;
const LENGTH_AT = ID_AT + ID_LENGTH;
const SALT_AT = LENGTH_AT + 3;
const HEADER_LENGTH = SALT_AT + 24;
const TAG_LENGTH = 16;
const MIN_SECRET = 32;
const MAX_SECRETS = 8;
const ZERO_NONCE: Uint8Array = new Uint8Array(12);

/** Bytes that sealing adds. */
export const SEAL_OVERHEAD: number = HEADER_LENGTH + TAG_LENGTH;

interface BoxKey {
  readonly id: Uint8Array;
  readonly hmac: HmacKey;
}

export class SecretBox {
  readonly #provider: CryptoProvider;
  readonly #keys: readonly BoxKey[];

  /**
   * Seals under the first secret, and opens under all: a new secret comes to the front, and the old one goes
   * when nothing that it sealed is kept any more. At most 8.
   * @throws {CacheError} `ERR_FLEET_SECRET` for none, too many, one under 32 bytes, or the same one twice.
   */
  constructor(provider: CryptoProvider, secrets: FleetSecret | readonly FleetSecret[]) {
    this.#provider = provider;
    const list = Array.isArray(secrets) ? (secrets as readonly FleetSecret[]) : [secrets as FleetSecret];
    if (list.length === 0 || list.length > MAX_SECRETS) {
      throw new CacheError('ERR_FLEET_SECRET', `a fleet has 1 to ${MAX_SECRETS} secrets, not ${list.length}`);
    }
    this.#keys = list.map((secret) => boxKey(provider, secret));
    const ids = this.#keys.map(({ id }) => id.join());
    if (new Set(ids).size !== ids.length) {
      throw new CacheError('ERR_FLEET_SECRET', 'a secret of the fleet is there twice');
    }
  }

  /** `use` keeps apart what is sealed for different ends: at most 255 bytes. The result is the caller's. */
  seal(plaintext: Uint8Array, use: string, place: string): Uint8Array {
    const { id, hmac } = this.#keys[0] as BoxKey;
    const sealed = new Uint8Array(HEADER_LENGTH + plaintext.length + TAG_LENGTH);
    const length = plaintext.length + TAG_LENGTH;
    sealed[0] = VERSION;
    sealed.set(id, ID_AT);
    sealed[LENGTH_AT] = length >> 16;
    sealed[LENGTH_AT + 1] = length >> 8;
    sealed[LENGTH_AT + 2] = length;
    sealed.set(this.#provider.random(HEADER_LENGTH - SALT_AT), SALT_AT);
    sealed.set(plaintext, HEADER_LENGTH);
    const key = this.#recordKey(hmac, sealed);
    key.sealInPlace(
      ZERO_NONCE,
      additional(sealed, use, place),
      sealed,
      HEADER_LENGTH,
      sealed.length - TAG_LENGTH,
    );
    key.destroy();
    return sealed;
  }

  /** The plaintext, the caller's to wipe; or why there is none. Never throws for its input. */
  open(sealed: Uint8Array, use: string, place: string): Uint8Array | SealFault {
    if (sealed.length === 0) return 'stored-truncated';
    if (sealed[0] !== VERSION) return 'stored-other-version';
    if (sealed.length < SEAL_OVERHEAD) return 'stored-truncated';
    const length =
      ((sealed[LENGTH_AT] as number) << 16) |
      ((sealed[LENGTH_AT + 1] as number) << 8) |
      (sealed[LENGTH_AT + 2] as number);
    if (sealed.length < HEADER_LENGTH + length) return 'stored-truncated';
    if (sealed.length > HEADER_LENGTH + length || length < TAG_LENGTH) return 'stored-tampered';
    const id = sealed.subarray(ID_AT, LENGTH_AT);
    const known = this.#keys.find((candidate) => equalBytes(candidate.id, id));
    if (known === undefined) return 'stored-unknown-key';
    const key = this.#recordKey(known.hmac, sealed);
    const plaintext = key.open(ZERO_NONCE, additional(sealed, use, place), sealed.subarray(HEADER_LENGTH));
    key.destroy();
    return plaintext ?? 'stored-tampered';
  }

  /** Forgets the keys. The box cannot be used after. */
  destroy(): void {
    for (const { hmac } of this.#keys) hmac.destroy();
  }

  #recordKey(hmac: HmacKey, sealed: Uint8Array): ReturnType<CryptoProvider['aeadKey']> {
    const bytes = hmac.sign(sealed.subarray(SALT_AT, HEADER_LENGTH));
    const key = this.#provider.aeadKey('aes-256-gcm', bytes);
    bytes.fill(0);
    return key;
  }
}

/** HKDF (RFC 5869), of one block each: extract, and expand for the id and for the key. */
function boxKey(provider: CryptoProvider, secret: FleetSecret): BoxKey {
  const bytes = typeof secret === 'string' ? utf8(secret) : secret;
  if (bytes.length < MIN_SECRET) {
    throw new CacheError(
      'ERR_FLEET_SECRET',
      `a fleet's secret has ${MIN_SECRET} bytes or more, not ${bytes.length}`,
    );
  }
  const prk = provider.hmac('sha256', utf8('tlsession fleet secret'), bytes);
  const id = provider.hmac('sha256', prk, utf8('id\x01')).slice(0, ID_LENGTH);
  const key = provider.hmac('sha256', prk, utf8('store\x01'));
  const hmac = provider.hmacKey('sha256', key);
  for (const wiped of [prk, key]) wiped.fill(0);
  return { id, hmac };
}

function additional(sealed: Uint8Array, use: string, place: string): Uint8Array {
  const useBytes = utf8(use);
  return concatBytes(
    sealed.subarray(0, HEADER_LENGTH),
    Uint8Array.of(useBytes.length),
    useBytes,
    utf8(place),
  );
}
