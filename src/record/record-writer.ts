import { EMPTY } from '../util/bytes.ts';
import { TlsAlertError } from '../util/errors.ts';
import { ContentType } from '../wire/numbers.ts';
import { HEADER_LENGTH, MAX_PLAINTEXT, type RecordProtection, TAG_LENGTH } from './protection.ts';

/** What a flight mostly needs. What comes after it is taken as it is. */
const FIRST_CAPACITY = 2048;

/**
 * Outgoing records in one growing buffer: header, content and tag in place. What is written in one go with
 * one type and one key shares records, so small writes and the messages of a flight coalesce; `take` ends
 * the open record and hands everything over for one write to the transport.
 */
export class RecordWriter {
  #buffer: Uint8Array = EMPTY;
  #capacity: number = FIRST_CAPACITY;
  #length = 0;
  /** Where the open record's header begins, −1 when none is open. */
  #open = -1;
  #openType = 0;
  #protection: RecordProtection | null = null;
  #peerLimit = MAX_PLAINTEXT;
  #ownLimit = MAX_PLAINTEXT;
  /** The smaller of the two. */
  #maxFragment = MAX_PLAINTEXT;
  #headerVersion = 0x0301;
  /** TLS 1.3 pads each record's content up to a multiple of this many bytes; 0 for no padding. */
  paddingBlock = 0;
  /** A ChangeCipherSpec that goes out in front of the next record, so that it never travels alone. */
  changeCipherSpecPending = false;

  get protection(): RecordProtection | null {
    return this.#protection;
  }

  /**
   * The version in the header of unprotected records from here on: 0x0301 for a first ClientHello
   * (RFC 8446, 5.1).
   */
  set headerVersion(version: number) {
    this.#closeRecord();
    this.#headerVersion = version;
  }

  /** Largest content of a record in bytes (RFC 8449; OpenSSL's max_send_fragment). */
  set maxFragment(bytes: number) {
    this.#peerLimit = Math.min(bytes, MAX_PLAINTEXT);
    this.#maxFragment = Math.min(this.#peerLimit, this.#ownLimit);
  }

  /** The same by this end's own choice, whatever the peer takes. */
  set ownLimit(bytes: number) {
    this.#ownLimit = bytes;
    this.#maxFragment = Math.min(this.#peerLimit, bytes);
  }

  get maxFragment(): number {
    return this.#maxFragment;
  }

  /** Bytes that wait to be taken, with those of the open record. */
  get pending(): number {
    return this.#length;
  }

  /** Records that the key in use may still protect if it may protect `limit`; those without a key have no end. */
  recordsLeft(limit: number): number {
    const protection = this.#protection;
    if (protection === null) return Number.POSITIVE_INFINITY;
    return Math.max(0, limit - protection.sequence - (this.#open < 0 ? 0 : 1));
  }

  /** From here on records are under `protection`. What was written before stays under the old keys. */
  setProtection(protection: RecordProtection | null): void {
    this.#closeRecord();
    this.#protection?.destroy();
    this.#protection = protection;
  }

  append(type: number, bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserveRecords(type, length);
    let from = 0;
    // An empty write is an empty record only for application data, where it is legal; here it is nothing.
    while (from < length) {
      const count = Math.min(this.#roomFor(type), length - from);
      // A ChangeCipherSpec may have gone in front.
      this.#reserve(count);
      this.#buffer.set(count === length ? bytes : bytes.subarray(from, from + count), this.#length);
      this.#length += count;
      from += count;
    }
  }

  /**
   * Goes on in `buffer`, if that has more room than the one before. `take` then gives a part of it, unless it
   * was too small after all.
   */
  lend(buffer: Uint8Array): void {
    if (buffer.length <= this.#buffer.length) return;
    buffer.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = buffer;
  }

  /** Ends the open record, so that the next bytes begin one of their own (alerts, ChangeCipherSpec). */
  endRecord(): void {
    this.#closeRecord();
  }

  /**
   * ChangeCipherSpec: never protected in TLS 1.3, where it is for middleboxes only (RFC 8446, D.4), and
   * sent before the keys change in TLS 1.2.
   */
  appendChangeCipherSpec(): void {
    this.#closeRecord();
    this.changeCipherSpecPending = false;
    this.#reserve(6);
    this.#buffer.set([ContentType.change_cipher_spec, 3, 3, 0, 1, 1], this.#length);
    this.#length += 6;
  }

  /** Everything written so far, as bytes that belong to the caller. Null when there is nothing. */
  take(): Uint8Array | null {
    this.#closeRecord();
    const length = this.#length;
    if (length === 0) return null;
    const bytes = length === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, length);
    this.#buffer = EMPTY;
    this.#capacity = 0;
    this.#length = 0;
    return bytes;
  }

  destroy(): void {
    this.#protection?.destroy();
    this.#protection = null;
  }

  /** Room for all the records that `count` bytes take: growing later would copy what is sealed already. */
  #reserveRecords(type: number, count: number): void {
    const max = this.#maxFragment;
    const joins = this.#open >= 0 && this.#openType === type;
    const room = joins ? max - (this.#length - this.#contentStart()) : 0;
    const records = Math.ceil(Math.max(0, count - room) / max);
    this.#reserve(count + records * (HEADER_LENGTH + (this.#protection?.overhead ?? 0)));
  }

  #roomFor(type: number): number {
    if (this.#open >= 0) {
      const content = this.#length - this.#contentStart();
      if (this.#openType === type && content < this.#maxFragment) return this.#maxFragment - content;
      this.#closeRecord();
    }
    // An alert in the clear says that there will be no second flight for it to stand in front of.
    const inFront = type !== ContentType.alert || this.#protection !== null;
    if (this.changeCipherSpecPending && inFront) this.appendChangeCipherSpec();
    const prefix = this.#protection?.prefix ?? 0;
    this.#reserve(HEADER_LENGTH + prefix);
    this.#open = this.#length;
    this.#openType = type;
    this.#length += HEADER_LENGTH + prefix;
    return this.#maxFragment;
  }

  #contentStart(): number {
    return this.#open + HEADER_LENGTH + (this.#protection?.prefix ?? 0);
  }

  #closeRecord(): void {
    const open = this.#open;
    if (open < 0) return;
    try {
      this.#protect(open, this.#contentStart());
    } catch (error) {
      // What could not be protected must never leave.
      this.#buffer.fill(0, open, this.#length);
      this.#length = open;
      throw error;
    } finally {
      this.#open = -1;
    }
  }

  #protect(open: number, start: number): void {
    const protection = this.#protection;
    let type = this.#openType;
    let version = this.#headerVersion;
    if (protection !== null) {
      if (protection.isExhausted) throw TlsAlertError.local('record-limit');
      version = 0x0303;
      if (protection.version === 0x0304) {
        this.#reserve(1 + TAG_LENGTH);
        this.#buffer[this.#length++] = type;
        if (this.paddingBlock > 0) this.#pad(start);
        type = ContentType.application_data;
      }
      this.#reserve(TAG_LENGTH);
      protection.seal(type, this.#buffer, start, this.#length);
      this.#length += protection.tagLength;
    }
    const length = this.#length - open - HEADER_LENGTH;
    const buffer = this.#buffer;
    buffer[open] = type;
    buffer[open + 1] = version >> 8;
    buffer[open + 2] = version;
    buffer[open + 3] = length >> 8;
    buffer[open + 4] = length;
  }

  #pad(start: number): void {
    const content = this.#length - start - 1;
    const target = Math.min(Math.ceil(content / this.paddingBlock) * this.paddingBlock, this.#maxFragment);
    const zeros = Math.max(0, target - content);
    this.#reserve(zeros + TAG_LENGTH);
    this.#buffer.fill(0, this.#length, this.#length + zeros);
    this.#length += zeros;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2, this.#capacity));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
