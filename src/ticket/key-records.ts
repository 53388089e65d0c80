/**
 * The keys of a ring as bytes, for the processes that share it:
 *
 *     enum { next(0), current(1), previous(2) } Role;
 *     enum { aead(0), openssl(1) } Format;
 *     struct {
 *         Role role;
 *         Format format;
 *         uint8 times;                     // 1 created, 2 active, 4 retired; others 0
 *         uint64 created, active, retired; // milliseconds since 1970; those that are not there are 0
 *         opaque name[16];
 *         opaque key<32..64>;              // aead: the key; openssl: AES key, then as long an HMAC key
 *     } KeyRecord;
 *     struct {
 *         uint8 version = 1;
 *         KeyRecord keys<0..2^16-1>;
 *     } KeyRecords;
 *
 * **It is all secret**, and neither encrypted nor authenticated: whoever sends it where others can listen or
 * write seals it first.
 */
import { equalBytes } from '../util/bytes.ts';
import { TicketError } from './errors.ts';
import { checkKeyMaterial, KEY_NAME_LENGTH, type TicketKeyMaterial } from './key-material.ts';
import type { TicketKeyRecord, TicketKeyRole } from './keyring.ts';

const VERSION = 1;
const ROLES: readonly TicketKeyRole[] = ['next', 'current', 'previous'];
/** Bytes of a record before its key. */
const FIXED = 3 + 3 * 8 + KEY_NAME_LENGTH;
/** Records in one message: a ring has no more previous keys than 256. */
const MAX_RECORDS = 258;

function keyBytes(material: TicketKeyMaterial): readonly Uint8Array[] {
  return material.format === 'aead' ? [material.key] : [material.aesKey, material.hmacKey];
}

/** Bytes to be wiped by the caller once they are sent. @throws {TicketError} `ERR_TICKET_KEY` */
export function encodeKeyRecords(records: readonly TicketKeyRecord[]): Uint8Array {
  if (records.length > MAX_RECORDS) {
    throw new TicketError('ERR_TICKET_KEY', `${records.length} ticket keys, and ${MAX_RECORDS} fit`);
  }
  let length = 3;
  for (const { material } of records) {
    checkKeyMaterial(material);
    for (const key of keyBytes(material)) length += key.length;
    length += FIXED + 1;
  }
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  out[0] = VERSION;
  view.setUint16(1, length - 3);
  let at = 3;
  for (const { role, material, createdMs, activeMs, retiredMs } of records) {
    out[at] = ROLES.indexOf(role);
    out[at + 1] = material.format === 'aead' ? 0 : 1;
    const times = [createdMs, activeMs, retiredMs];
    for (let i = 0; i < 3; i++) {
      const time = times[i];
      if (time === undefined) continue;
      if (!Number.isSafeInteger(time) || time < 0) {
        throw new TicketError('ERR_TICKET_KEY', 'a time of a ticket key that is none');
      }
      out[at + 2] = (out[at + 2] as number) | (1 << i);
      view.setBigUint64(at + 3 + i * 8, BigInt(time));
    }
    out.set(material.name, at + 3 + 24);
    at += FIXED;
    const keys = keyBytes(material);
    out[at++] = keys.reduce((sum, key) => sum + key.length, 0);
    for (const key of keys) {
      out.set(key, at);
      at += key.length;
    }
  }
  return out;
}

/**
 * Records whose keys are in memory of their own, to be wiped by the caller once a ring has them.
 * @throws {TicketError} `ERR_TICKET_KEY` for what is not exactly of this form; then nothing was made.
 */
export function decodeKeyRecords(bytes: Uint8Array): TicketKeyRecord[] {
  if (bytes.length < 3 || bytes[0] !== VERSION) throw bad('of another version');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(1) !== bytes.length - 3) throw bad('of another length than they say');
  const records: TicketKeyRecord[] = [];
  for (let at = 3; at < bytes.length; ) {
    if (bytes.length - at < FIXED + 1) throw bad('that break off');
    const role = ROLES[bytes[at] as number];
    const format = bytes[at + 1] as number;
    const present = bytes[at + 2] as number;
    const keyLength = bytes[at + FIXED] as number;
    if (role === undefined || format > 1 || present > 7) throw bad('with a number that is not known');
    if (keyLength > bytes.length - at - FIXED - 1) throw bad('that break off');
    if (format === 0 ? keyLength !== 32 : keyLength !== 32 && keyLength !== 64) throw bad('of a wrong size');
    const time = (i: number): number | undefined => {
      const value = view.getBigUint64(at + 3 + i * 8);
      if ((present & (1 << i)) === 0) {
        if (value !== 0n) throw bad('with a time that should not be there');
        return undefined;
      }
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw bad('with a time that is too far away');
      return Number(value);
    };
    const [createdMs, activeMs, retiredMs] = [time(0), time(1), time(2)];
    const name = copy(bytes, at + 27, at + FIXED);
    const start = at + FIXED + 1;
    const half = start + keyLength / 2;
    records.push({
      role,
      material:
        format === 0
          ? { format: 'aead', name, key: copy(bytes, start, start + keyLength) }
          : {
              format: 'openssl',
              name,
              aesKey: copy(bytes, start, half),
              hmacKey: copy(bytes, half, start + keyLength),
            },
      ...(createdMs === undefined ? {} : { createdMs }),
      ...(activeMs === undefined ? {} : { activeMs }),
      ...(retiredMs === undefined ? {} : { retiredMs }),
    });
    if (records.length > MAX_RECORDS) throw bad('that are too many');
    at = start + keyLength;
  }
  for (const [i, { material }] of records.entries()) {
    if (records.slice(0, i).some((other) => equalBytes(other.material.name, material.name))) {
      throw bad('of which two have one name');
    }
  }
  return records;
}

/** A Buffer's slice would be a view. */
function copy(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

function bad(what: string): TicketError {
  return new TicketError('ERR_TICKET_KEY', `ticket keys ${what}`);
}
