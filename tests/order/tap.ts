/**
 * A connection whose one direction is taken apart into messages, each of which can be held back, and into
 * which anything can be put. It needs the provider that protects nothing (`support/open-provider.ts`).
 */
import type { Connection } from '../../src/connection/connection.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import type { End } from '../support/engine-pair.ts';
import type { Arrival } from './table.ts';

const TAG_LENGTH = 16;
const HANDSHAKE_NAMES: ReadonlyMap<number, Arrival> = new Map(
  (Object.entries(HandshakeType) as [Arrival, number][]).map(([name, type]) => [type, name]),
);
/** SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3), its first bytes. */
const RETRY_RANDOM = [0xcf, 0x21, 0xad, 0x74];

/** One thing that crossed: a handshake message with its header, or the content of another record. */
export interface Item {
  readonly arrival: Arrival;
  readonly type: number;
  readonly content: Uint8Array;
  readonly isProtected: boolean;
}

export function nameOf(message: Uint8Array): Arrival {
  const type = message[0] as number;
  const isRetry = RETRY_RANDOM.every((byte, i) => message[6 + i] === byte);
  if (type === HandshakeType.server_hello && isRetry) return 'hello_retry_request';
  return HANDSHAKE_NAMES.get(type) ?? 'unknown_message';
}

/** Cuts a sender's records into items. Records of TLS 1.2 are protected from its ChangeCipherSpec on. */
export class Dissector {
  readonly #version: number;
  #input: Uint8Array = new Uint8Array(0);
  #handshake: Uint8Array = new Uint8Array(0);
  #isProtected12 = false;

  constructor(version: number) {
    this.#version = version;
  }

  push(bytes: Uint8Array): Item[] {
    const items: Item[] = [];
    this.#input = concatBytes(this.#input, bytes);
    for (;;) {
      const input = this.#input;
      if (input.length < 5) return items;
      const end = 5 + ((input[3] as number) << 8) + (input[4] as number);
      if (input.length < end) return items;
      this.#input = input.slice(end);
      this.#record(input[0] as number, input.slice(5, end), items);
    }
  }

  #record(outer: number, payload: Uint8Array, items: Item[]): void {
    let type = outer;
    let content = payload;
    let isProtected = this.#isProtected12;
    if (this.#version === 0x0304 && outer === ContentType.application_data) {
      isProtected = true;
      content = payload.slice(0, payload.length - TAG_LENGTH);
      type = content[content.length - 1] as number;
      content = content.slice(0, -1);
    } else if (isProtected) content = payload.slice(0, payload.length - TAG_LENGTH);
    if (type !== ContentType.handshake) {
      const arrival = type === ContentType.change_cipher_spec ? 'change_cipher_spec' : 'application_data';
      items.push({ arrival, type, content, isProtected });
      if (arrival === 'change_cipher_spec' && this.#version === 0x0303) this.#isProtected12 = true;
      return;
    }
    this.#handshake = concatBytes(this.#handshake, content);
    for (;;) {
      const at = this.#handshake;
      if (at.length < 4) return;
      const length = 4 + ((at[1] as number) << 16) + ((at[2] as number) << 8) + (at[3] as number);
      if (at.length < length) return;
      const message = at.slice(0, length);
      this.#handshake = at.slice(length);
      items.push({ arrival: nameOf(message), type, content: message, isProtected });
    }
  }
}

/** One record, for a reader that protects, or does not, as the open provider has it. */
export function frame(version: number, type: number, content: Uint8Array, isProtected: boolean): Uint8Array {
  const hidden = isProtected && version === 0x0304 && type !== ContentType.change_cipher_spec;
  const parts = [content];
  if (hidden) parts.push(new Uint8Array([type]));
  if (hidden || (isProtected && version === 0x0303)) parts.push(new Uint8Array(TAG_LENGTH));
  const payload = concatBytes(...parts);
  const outer = hidden ? ContentType.application_data : type;
  return concatBytes(new Uint8Array([outer, 3, 3, payload.length >> 8, payload.length & 0xff]), payload);
}

export function deliver(connection: Connection, version: number, item: Item): void {
  connection.receive(frame(version, item.type, item.content, item.isProtected));
}

/**
 * Runs the two ends, handing the sender's items to `onItem` in order. Stops when that says so, or when both
 * are quiet.
 */
export function runTapped(
  sender: End,
  receiver: End,
  version: number,
  onItem: (item: Item) => boolean,
): void {
  const dissector = new Dissector(version);
  for (;;) {
    sender.work();
    const out = sender.connection.takeOutput();
    for (const item of out === null ? [] : dissector.push(out)) {
      if (!onItem(item)) return;
      receiver.work();
    }
    receiver.work();
    const back = receiver.connection.takeOutput();
    if (back !== null) sender.connection.receive(back);
    if (out === null && back === null) return;
  }
}
