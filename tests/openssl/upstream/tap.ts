/**
 * Somebody between two SSLs who sees every message and may change it: OpenSSL's TLSProxy, over memory BIOs.
 * As there, digests are blind (the transcript's hash is the same whatever was said) and nothing is encrypted,
 * so that a change breaks no binder, signature or Finished: what is tested is what the two ends make of it.
 */
import type { CryptoProvider } from '../../../src/crypto/provider.ts';
import * as ssl from '../../../src/entry/openssl.ts';
import { concatBytes } from '../../../src/util/bytes.ts';
import { Dissector, frame, type Item } from '../../order/tap.ts';
import { openProvider } from '../../support/open-provider.ts';
import { memory, type Ssl } from '../program.ts';

const HASH_LENGTH = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;

/** Protects nothing, and hashes everything to the same value. Tickets and names of keys are real. */
export function blindProvider(): CryptoProvider {
  const open = openProvider();
  return {
    ...open,
    // The last for the certificate alone: TLS 1.2 wants its curve here (RFC 8422, 5.3).
    groups: [0x1d, 0x18, 0x17],
    digest: (hash) => new Uint8Array(HASH_LENGTH[hash]).fill(1),
    createHash: (hash) => {
      const state = {
        update(): void {},
        peek: (): Uint8Array => new Uint8Array(HASH_LENGTH[hash]).fill(1),
        fork: () => state,
      };
      return state;
    },
  };
}

export interface Seen extends Item {
  readonly from: 'client' | 'server';
}

/** What becomes of a message: as it is, another, several, or none. */
export type Filter = (seen: Seen) => Uint8Array | Uint8Array[] | null | undefined;

/** Carries bytes between a client and a server until both are quiet. */
export class Tap {
  readonly seen: Seen[] = [];
  readonly c: Ssl;
  readonly s: Ssl;
  readonly #version: number;
  readonly #dissectors: { readonly client: Dissector; readonly server: Dissector };
  readonly #filter: Filter;
  clientResult = -1;
  serverResult = -1;
  /** The alert that somebody sent, and who. */
  alert: { readonly from: 'client' | 'server'; readonly description: number } | null = null;

  constructor(c: Ssl, s: Ssl, version: number, filter: Filter = (): undefined => undefined) {
    this.c = c;
    this.s = s;
    this.#version = version;
    this.#filter = filter;
    this.#dissectors = { client: new Dissector(version), server: new Dissector(version) };
    ssl.SSL_set_bio(c, memory(), memory());
    ssl.SSL_set_bio(s, memory(), memory());
  }

  /** True when both ends are done. */
  run(): boolean {
    for (let quiet = 0; quiet < 2; ) {
      if (this.clientResult <= 0) this.clientResult = ssl.SSL_connect(this.c);
      else ssl.SSL_read(this.c, new Uint8Array(1));
      const went = this.#carry('client', this.c, this.s);
      if (this.serverResult <= 0) this.serverResult = ssl.SSL_accept(this.s);
      const came = this.#carry('server', this.s, this.c);
      quiet = went || came ? 0 : quiet + 1;
    }
    return this.clientResult === 1 && this.serverResult === 1;
  }

  #carry(from: 'client' | 'server', sender: Ssl, receiver: Ssl): boolean {
    const out = ssl.SSL_get_wbio(sender);
    const to = ssl.SSL_get_rbio(receiver);
    if (out === null || to === null) throw new Error('no BIO');
    const bytes = ssl.BIO_read(out, 1_000_000);
    if (bytes === null) return false;
    for (const item of this.#dissectors[from].push(bytes)) {
      const seen: Seen = { ...item, from };
      this.seen.push(seen);
      if (item.type === 21) this.alert = { from, description: item.content[1] as number };
      const answer = this.#filter(seen);
      const contents = answer === undefined ? [item.content] : answer === null ? [] : [answer].flat();
      for (const content of contents) {
        ssl.BIO_write(to, frame(this.#version, item.type, content, item.isProtected));
      }
    }
    return true;
  }

  /** The names of the handshake messages, in the order in which they were sent; `>` for the client's. */
  get messages(): string[] {
    return this.seen
      .filter(({ type }) => type === 22)
      .map(({ arrival, from }) => (from === 'client' ? `> ${arrival}` : arrival));
  }

  /** The n-th message of that name. */
  find(arrival: string, n = 0): Seen | undefined {
    return this.seen.filter((item) => item.arrival === arrival)[n];
  }
}

// Hellos ----------------------------------------------------------------------------------------------------

export type Extension = [type: number, body: Uint8Array];

function split(message: Uint8Array): { head: Uint8Array; list: Extension[] } {
  const isClient = message[0] === 1;
  let at = 4 + 2 + 32;
  at += 1 + (message[at] as number);
  if (isClient) {
    at += 2 + u16(message, at);
    at += 1 + (message[at] as number);
  } else at += 3;
  return { head: message.slice(4, at), list: readList(message.subarray(at)) };
}

function readList(block: Uint8Array): Extension[] {
  const list: Extension[] = [];
  if (block.length === 0) return list;
  const end = 2 + u16(block, 0);
  for (let at = 2; at < end; ) {
    const length = u16(block, at + 2);
    list.push([u16(block, at), block.slice(at + 4, at + 4 + length)]);
    at += 4 + length;
  }
  return list;
}

const u16 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
const be16 = (value: number): Uint8Array => new Uint8Array([value >> 8, value & 0xff]);

/** The extensions of a ClientHello, ServerHello or HelloRetryRequest. */
export function extensionsOf(message: Uint8Array): Extension[] {
  return split(message).list;
}

/** The extensions of an EncryptedExtensions. */
export function encryptedExtensionsOf(message: Uint8Array): number[] {
  return readList(message.subarray(4)).map(([type]) => type);
}

export function hasExtension(message: Uint8Array | undefined, type: number): boolean {
  return message !== undefined && extensionsOf(message).some(([each]) => each === type);
}

/** A hello with other extensions. */
export function withExtensions(message: Uint8Array, change: (list: Extension[]) => Extension[]): Uint8Array {
  const { head, list } = split(message);
  const body = concatBytes(...change(list).flatMap(([type, data]) => [be16(type), be16(data.length), data]));
  const whole = concatBytes(head, be16(body.length), body);
  return handshake(message[0] as number, whole);
}

export function handshake(type: number, body: Uint8Array): Uint8Array {
  return concatBytes(
    new Uint8Array([type, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff]),
    body,
  );
}

/** Replaces an extension where it stands; null takes it away; one that is not there is put in front. */
export function withExtension(message: Uint8Array, type: number, body: Uint8Array | null): Uint8Array {
  return withExtensions(message, (list) => {
    if (body === null) return list.filter(([each]) => each !== type);
    if (!list.some(([each]) => each === type)) return [[type, body], ...list];
    return list.map(([each, data]) => (each === type ? [type, body] : [each, data]));
  });
}
