/**
 * The ways in which servers write ticket keys into files. The same bytes mean different keys in different
 * layouts, and nothing in them says which it is: the layout is always named, never guessed.
 *
 *     openssl80   name16, hmac32, aes32    SSL_CTX_set_tlsext_ticket_keys; nginx, 80-byte files
 *     haproxy80   name16, aes32, hmac32    HAProxy, 80 bytes
 *     nginx48     name16, aes16, hmac16    nginx, Apache and HAProxy, 48 bytes
 *     node48      name16, hmac16, aes16    tls.createServer({ ticketKeys })
 *
 * nginx, Apache and node:tls take one key as bytes, HAProxy a file of base64 lines.
 */
import { TicketError } from './errors.ts';
import { checkKeyMaterial, KEY_NAME_LENGTH, type OpensslTicketKey } from './key-material.ts';

export type TicketKeyLayout = 'openssl80' | 'haproxy80' | 'nginx48' | 'node48';

interface Shape {
  /** Of each of the two keys. */
  readonly keyLength: 16 | 32;
  readonly first: 'aes' | 'hmac';
}

const SHAPES: Readonly<Record<TicketKeyLayout, Shape>> = Object.freeze({
  openssl80: { keyLength: 32, first: 'hmac' },
  haproxy80: { keyLength: 32, first: 'aes' },
  nginx48: { keyLength: 16, first: 'aes' },
  node48: { keyLength: 16, first: 'hmac' },
});

/** All names of layouts. */
export const ticketKeyLayouts: readonly TicketKeyLayout[] = Object.freeze(
  Object.keys(SHAPES) as TicketKeyLayout[],
);

/** More keys than any server reads. */
const MAX_LINES = 64;

function shapeOf(layout: TicketKeyLayout): Shape {
  const shape = Object.hasOwn(SHAPES, layout) ? SHAPES[layout] : undefined;
  if (shape === undefined) throw new TicketError('ERR_TICKET_KEY', 'an unknown layout of ticket keys');
  return shape;
}

/** The bytes of one key in a layout: 48 or 80. */
export function ticketKeyLength(layout: TicketKeyLayout): 48 | 80 {
  return shapeOf(layout).keyLength === 16 ? 48 : 80;
}

/**
 * One key out of its 48 or 80 bytes, in memory of its own.
 * @throws {TicketError} `ERR_TICKET_KEY` for any other length.
 */
export function readTicketKey(layout: TicketKeyLayout, bytes: Uint8Array): OpensslTicketKey {
  const { keyLength, first } = shapeOf(layout);
  const length = ticketKeyLength(layout);
  if (bytes.length !== length) {
    throw new TicketError(
      'ERR_TICKET_KEY',
      `a ticket key in ${layout} is ${length} bytes, not ${bytes.length}`,
    );
  }
  const middle = KEY_NAME_LENGTH + keyLength;
  const one = new Uint8Array(bytes.subarray(KEY_NAME_LENGTH, middle));
  const two = new Uint8Array(bytes.subarray(middle));
  return {
    format: 'openssl',
    name: new Uint8Array(bytes.subarray(0, KEY_NAME_LENGTH)),
    aesKey: first === 'aes' ? one : two,
    hmacKey: first === 'aes' ? two : one,
  };
}

/** @throws {TicketError} `ERR_TICKET_KEY` when the key's lengths are not those of the layout. */
export function writeTicketKey(layout: TicketKeyLayout, key: OpensslTicketKey): Uint8Array {
  const { keyLength, first } = shapeOf(layout);
  checkKeyMaterial(key);
  if (key.aesKey.length !== keyLength) {
    throw new TicketError(
      'ERR_TICKET_KEY',
      `${layout} has keys of ${keyLength} bytes, and this one has ${key.aesKey.length}`,
    );
  }
  const bytes = new Uint8Array(ticketKeyLength(layout));
  bytes.set(key.name);
  bytes.set(first === 'aes' ? key.aesKey : key.hmacKey, KEY_NAME_LENGTH);
  bytes.set(first === 'aes' ? key.hmacKey : key.aesKey, KEY_NAME_LENGTH + keyLength);
  return bytes;
}

const BASE64_LINE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The keys of a text with one key in base64 a line, as HAProxy's `tls-ticket-keys`. Empty lines are skipped.
 * HAProxy seals with the last but one, and opens with all.
 * @throws {TicketError} `ERR_TICKET_KEY` naming the line: not base64, another length, none at all, over 64.
 */
export function readTicketKeyLines(layout: TicketKeyLayout, text: string): OpensslTicketKey[] {
  const keys: OpensslTicketKey[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] as string).trim();
    if (line === '') continue;
    if (keys.length === MAX_LINES) {
      throw new TicketError('ERR_TICKET_KEY', `more than ${MAX_LINES} ticket keys in one text`);
    }
    if (!BASE64_LINE.test(line)) {
      throw new TicketError('ERR_TICKET_KEY', `line ${i + 1} of the ticket keys is not base64`);
    }
    const decoded = atob(line);
    const bytes = new Uint8Array(decoded.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = decoded.charCodeAt(at);
    if (bytes.length !== ticketKeyLength(layout)) {
      throw new TicketError(
        'ERR_TICKET_KEY',
        `line ${i + 1} of the ticket keys is ${bytes.length} bytes; ${layout} has ${ticketKeyLength(layout)}`,
      );
    }
    keys.push(readTicketKey(layout, bytes));
    bytes.fill(0);
  }
  if (keys.length === 0) throw new TicketError('ERR_TICKET_KEY', 'no ticket key in the text');
  return keys;
}

/** The text that `readTicketKeyLines` reads. @throws {TicketError} as `writeTicketKey`. */
export function writeTicketKeyLines(layout: TicketKeyLayout, keys: readonly OpensslTicketKey[]): string {
  let text = '';
  for (const key of keys) {
    const bytes = writeTicketKey(layout, key);
    text += `${btoa(String.fromCharCode(...bytes))}\n`;
    bytes.fill(0);
  }
  return text;
}
