/**
 * The ticket keys of a fleet as they lie in its store, all in one record, sealed (`secret-box.ts`):
 *
 *     struct {
 *         uint8  form;                     // 1: key[32], AES-256-GCM;
 *                                          // 2: hmac[32], aes[32]; 3: hmac[16], aes[16]: OpenSSL's form
 *         uint8  first;                    // 1: made when no key could seal, and used at once; else 0
 *         uint64 published;                // when others could first read it; milliseconds since 1970, as all
 *         uint64 start;                    // seals from then
 *         uint64 seal_until;               // seals no longer than to then
 *         uint64 end;                      // opens no longer than to then, and is wiped
 *         opaque name[16];
 *         opaque key[32 or 64];
 *     } SharedKey;
 *
 *     struct {
 *         uint8  version = 1;
 *         uint8  count;                    // 0..64
 *         SharedKey keys[count];
 *     } Ring;
 */
import { KEY_NAME_LENGTH, type TicketKeyMaterial } from '../ticket/key-material.ts';
import { copyBytes } from '../util/bytes.ts';

export interface SharedKey {
  readonly material: TicketKeyMaterial;
  readonly first: boolean;
  readonly publishedMs: number;
  readonly startMs: number;
  readonly sealUntilMs: number;
  readonly endMs: number;
}

/** More keys than any rotation needs. */
export const MAX_RING_KEYS = 64;

const VERSION = 1;
const FIXED = 2 + 4 * 8 + KEY_NAME_LENGTH;

function secretLength(form: number): number | null {
  return form === 1 || form === 3 ? 32 : form === 2 ? 64 : null;
}

function formOf(material: TicketKeyMaterial): 1 | 2 | 3 {
  if (material.format === 'aead') return 1;
  return material.aesKey.length === 32 ? 2 : 3;
}

/** @throws {RangeError} for more than 64 keys. The bytes hold secrets: the caller wipes them. */
export function encodeRing(keys: readonly SharedKey[]): Uint8Array {
  if (keys.length > MAX_RING_KEYS) throw new RangeError(`a ring has at most ${MAX_RING_KEYS} keys`);
  let length = 2;
  for (const { material } of keys) length += FIXED + (secretLength(formOf(material)) as number);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  bytes[1] = keys.length;
  let at = 2;
  for (const key of keys) {
    const { material } = key;
    bytes[at] = formOf(material);
    bytes[at + 1] = key.first ? 1 : 0;
    for (const [i, ms] of [key.publishedMs, key.startMs, key.sealUntilMs, key.endMs].entries()) {
      view.setBigUint64(at + 2 + i * 8, BigInt(Math.round(ms)));
    }
    bytes.set(material.name, at + FIXED - KEY_NAME_LENGTH);
    at += FIXED;
    if (material.format === 'aead') {
      bytes.set(material.key, at);
      at += 32;
    } else {
      bytes.set(material.hmacKey, at);
      bytes.set(material.aesKey, at + material.hmacKey.length);
      at += 2 * material.aesKey.length;
    }
  }
  return bytes;
}

/** The keys, in memory of their own; null for anything that is not exactly one ring. */
export function decodeRing(bytes: Uint8Array): SharedKey[] | null {
  if (bytes.length < 2 || bytes[0] !== VERSION || (bytes[1] as number) > MAX_RING_KEYS) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const keys: SharedKey[] = [];
  let at = 2;
  for (let i = 0; i < (bytes[1] as number); i++) {
    if (at + FIXED > bytes.length) return null;
    const form = bytes[at] as number;
    const length = secretLength(form);
    const first = bytes[at + 1] as number;
    if (length === null || first > 1 || at + FIXED + length > bytes.length) return null;
    const times = [0, 1, 2, 3].map((n) => Number(view.getBigUint64(at + 2 + n * 8)));
    if (!times.every(Number.isSafeInteger)) return null;
    const [publishedMs, startMs, sealUntilMs, endMs] = times as [number, number, number, number];
    const name = copyBytes(bytes.subarray(at + FIXED - KEY_NAME_LENGTH, at + FIXED));
    at += FIXED;
    const half = at + length / 2;
    const material: TicketKeyMaterial =
      form === 1
        ? { format: 'aead', name, key: copyBytes(bytes.subarray(at, at + length)) }
        : {
            format: 'openssl',
            name,
            hmacKey: copyBytes(bytes.subarray(at, half)),
            aesKey: copyBytes(bytes.subarray(half, at + length)),
          };
    at += length;
    keys.push({ material, first: first === 1, publishedMs, startMs, sealUntilMs, endMs });
  }
  return at === bytes.length ? keys : null;
}
