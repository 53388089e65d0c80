import { EMPTY } from '../util/bytes.ts';
import { TlsAlertError } from '../util/errors.ts';
import type { Limits } from '../util/limits.ts';
import { Alert } from '../util/registries.ts';
import { ContentType } from '../wire/numbers.ts';
import { InputBuffer } from './input-buffer.ts';
import {
  HEADER_LENGTH,
  MAX_CIPHERTEXT_12,
  MAX_CIPHERTEXT_13,
  MAX_PLAINTEXT,
  type RecordProtection,
  TAG_LENGTH,
} from './protection.ts';

/**
 * Incoming records: cuts the byte stream, opens what is protected, and enforces every rule that does not
 * need the state of the handshake. Input is borrowed; `keepRest` copies what is left of it.
 */
export class RecordReader {
  /** The record that `next` found. The payload is good until the next call. */
  type = 0;
  payload: Uint8Array = EMPTY;

  readonly #input: InputBuffer = new InputBuffer();
  /** The beginning of a record whose end has not arrived. */
  #staged: Uint8Array = EMPTY;
  #stagedLength = 0;

  readonly #limits: Limits;
  #protection: RecordProtection | null = null;
  #opened = false;
  #emptyInRow = 0;
  /** Bytes of undecryptable records that may still be skipped; −1 when none may be (RFC 8446, 4.2.10). */
  #skipBudget = -1;
  #skipPlainAppData = false;
  #recordSizeLimit = MAX_PLAINTEXT;
  /** The version every record must name once one is negotiated; 0 until then. */
  #version = 0;
  /** TLS 1.3 and before its handshake ended: a ChangeCipherSpec is dropped (RFC 8446, 5). */
  ignoreChangeCipherSpec = false;
  #receivedAny = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  set version(version: number) {
    this.#version = version;
  }

  /** Largest plaintext that this end said it takes (RFC 8449), in bytes without the inner type. */
  set recordSizeLimit(bytes: number) {
    this.#recordSizeLimit = Math.min(bytes, MAX_PLAINTEXT);
  }

  /** From the next record on. */
  setProtection(protection: RecordProtection | null): void {
    this.#protection?.destroy();
    this.#protection = protection;
    this.#opened = false;
  }

  get protection(): RecordProtection | null {
    return this.#protection;
  }

  /**
   * Refused early data: records that do not open are dropped until one does, up to `bytes`.
   * `beforeSecondHello` is the case of a HelloRetryRequest, where they are told by their outer type.
   */
  skipEarlyData(bytes: number, beforeSecondHello: boolean): void {
    this.#skipBudget = bytes;
    this.#skipPlainAppData = beforeSecondHello;
  }

  /** The second ClientHello is here: no early data may follow it (RFC 8446, 4.2.10). */
  secondHelloArrived(): void {
    this.#skipPlainAppData = false;
    this.#skipBudget = -1;
  }

  /** Borrowed until `keepRest`. */
  push(chunk: Uint8Array): void {
    if (this.#input.available + chunk.length > this.#limits.pendingInputBytes && this.#input.available > 0) {
      throw TlsAlertError.local('too-much-input');
    }
    this.#input.push(chunk);
  }

  /** Copies what has not been read, so that the caller may reuse its buffer. */
  keepRest(): void {
    this.#input.keep();
  }

  /** Whether the stream stopped inside a record. */
  get hasPartialRecord(): boolean {
    return this.#stagedLength > 0 || this.#input.available > 0;
  }

  /**
   * The next record with content, or without but of application data, in `type` and `payload`. False when
   * more input is needed.
   */
  next(): boolean {
    for (;;) {
      const record = this.#frame();
      if (record === null) return false;
      if (this.#open(record)) return true;
    }
  }

  destroy(): void {
    this.#protection?.destroy();
    this.#protection = null;
    this.#staged.fill(0);
    this.#input.clear();
    this.payload = EMPTY;
  }

  /** One whole record with its header, or null. Partial ones are gathered in a buffer of their own. */
  #frame(): Uint8Array | null {
    const input = this.#input;
    const available = input.available;
    if (available === 0) return null;
    if (this.#stagedLength === 0 && available >= HEADER_LENGTH) {
      const at = input.position;
      const length = HEADER_LENGTH + this.#checkHeader(input.data, at);
      if (available >= length) {
        input.position = at + length;
        return input.data.subarray(at, at + length);
      }
    }
    if (!this.#stage(HEADER_LENGTH)) {
      // Garbage is refused at its first byte rather than waited for.
      if (!this.#receivedAny) checkFirstByte(this.#staged[0] as number);
      return null;
    }
    const length = HEADER_LENGTH + this.#checkHeader(this.#staged, 0);
    if (!this.#stage(length)) return null;
    this.#stagedLength = 0;
    return this.#staged.subarray(0, length);
  }

  /** Moves input to the staging buffer until it holds `length` bytes. False when there is not enough. */
  #stage(length: number): boolean {
    const missing = length - this.#stagedLength;
    if (missing <= 0) return true;
    const input = this.#input;
    const count = Math.min(missing, input.available);
    if (this.#staged.length < this.#stagedLength + count) {
      const larger = new Uint8Array(Math.max(length, 64));
      larger.set(this.#staged.subarray(0, this.#stagedLength));
      this.#staged = larger;
    }
    this.#staged.set(input.data.subarray(input.position, input.position + count), this.#stagedLength);
    this.#stagedLength += count;
    input.position += count;
    return count === missing;
  }

  /** The payload's length, checked. */
  #checkHeader(buffer: Uint8Array, at: number): number {
    const type = buffer[at] as number;
    const version = ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number);
    const length = ((buffer[at + 3] as number) << 8) | (buffer[at + 4] as number);
    if (!this.#receivedAny) checkFirstByte(type);
    if (type < ContentType.change_cipher_spec || type > ContentType.application_data) {
      throw TlsAlertError.local('bad-record-type');
    }
    // An alert near the choice of a version may come from whoever did not follow it.
    const fixed = this.#version !== 0 && type !== ContentType.alert;
    if (version >> 8 !== 3 || (fixed && version !== 0x0303)) {
      throw TlsAlertError.local('bad-record-version');
    }
    const max =
      this.#protection === null && this.#skipBudget < 0
        ? MAX_PLAINTEXT
        : this.#version === 0x0304 || this.#version === 0
          ? MAX_CIPHERTEXT_13
          : MAX_CIPHERTEXT_12;
    if (length > max) throw TlsAlertError.local('record-too-long');
    this.#receivedAny = true;
    return length;
  }

  /** True when the record has something for the layers above; false when it was dropped. */
  #open(record: Uint8Array): boolean {
    const outer = record[0] as number;
    const payload = record.subarray(HEADER_LENGTH);
    if (outer === ContentType.change_cipher_spec && this.ignoreChangeCipherSpec) {
      if (payload.length !== 1 || payload[0] !== 1) throw TlsAlertError.local('bad-change-cipher-spec');
      this.#countEmpty();
      return false;
    }
    const protection = this.#protection;
    if (protection === null) {
      if (this.#skipPlainAppData && outer === ContentType.application_data) {
        this.#skip(payload.length);
        return false;
      }
      return this.#deliver(outer, payload);
    }
    if (protection.version === 0x0304) return this.#open13(protection, outer, payload);
    return this.#open12(protection, outer, payload);
  }

  #open13(protection: RecordProtection, outer: number, payload: Uint8Array): boolean {
    if (outer !== ContentType.application_data) {
      // A peer that could not make keys says so in the clear. Believing it costs nothing: whoever can
      // forge it can cut the connection as well. It is believed only before anything was opened.
      if (outer === ContentType.alert && !this.#opened && payload.length === 2) {
        return this.#deliver(outer, payload);
      }
      throw TlsAlertError.local('bad-record-type');
    }
    const inner = protection.open(outer, payload);
    if (inner === null) {
      if (this.#skipBudget >= 0) {
        this.#skip(payload.length);
        return false;
      }
      throw TlsAlertError.local('bad-record-mac');
    }
    this.#skipBudget = -1;
    this.#opened = true;
    let end = inner.length;
    while (end > 0 && inner[end - 1] === 0) end--;
    if (end === 0) throw TlsAlertError.local('bad-record-type', 'a record of zeros');
    if (inner.length - 1 > this.#recordSizeLimit) throw TlsAlertError.local('record-too-long');
    const type = inner[end - 1] as number;
    if (type === ContentType.change_cipher_spec || type < 20 || type > 23) {
      throw TlsAlertError.local('bad-record-type');
    }
    return this.#deliver(type, inner.subarray(0, end - 1));
  }

  #open12(protection: RecordProtection, outer: number, payload: Uint8Array): boolean {
    const plaintext = protection.open(outer, payload);
    if (plaintext === null) throw TlsAlertError.local('bad-record-mac');
    if (plaintext.length > this.#recordSizeLimit) throw TlsAlertError.local('record-too-long');
    return this.#deliver(outer, plaintext);
  }

  #deliver(type: number, payload: Uint8Array): boolean {
    if (payload.length === 0) {
      // In TLS 1.3 only application data may be empty (RFC 8446, 5.1).
      if (this.#version === 0x0304 && type !== ContentType.application_data) {
        throw TlsAlertError.local('empty-record');
      }
      this.#countEmpty();
      // That it may not come now is for whoever knows the state to say.
      this.type = type;
      this.payload = payload;
      return type === ContentType.application_data;
    }
    if (type !== ContentType.alert) this.#emptyInRow = 0;
    this.type = type;
    this.payload = payload;
    return true;
  }

  #countEmpty(): void {
    if (++this.#emptyInRow > this.#limits.emptyRecords) throw TlsAlertError.local('too-many-empty-records');
  }

  #skip(length: number): void {
    // What counts is what was early data: without the tag, taken for the longest, and the inner type. Nothing is
    // skipped for nothing.
    this.#skipBudget -= Math.max(1, length - TAG_LENGTH - 1);
    if (this.#skipBudget < 0) throw TlsAlertError.local('too-much-skipped');
  }
}

/** A first byte that no TLS peer sends: an HTTP request, an SSL 2 hello, noise. */
function checkFirstByte(type: number): void {
  if (
    type !== ContentType.handshake &&
    type !== ContentType.alert &&
    type !== ContentType.change_cipher_spec
  ) {
    throw TlsAlertError.local(
      type === ContentType.application_data ? 'bad-record-type' : 'not-tls',
      `the first byte is ${type}`,
    );
  }
}

/** A decoded alert (RFC 8446, 6). */
export interface ReceivedAlert {
  readonly fatal: boolean;
  readonly description: number;
}

export function readAlert(payload: Uint8Array): ReceivedAlert {
  if (payload.length !== 2) throw TlsAlertError.local('bad-alert');
  const level = payload[0] as number;
  const description = payload[1] as number;
  if (level !== 1 && level !== 2) throw TlsAlertError.local('alert-level');
  return { fatal: level === 2 && description !== Alert.close_notify, description };
}
