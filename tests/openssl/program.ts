/** What a C program around libssl needs, for tests: contexts, pairs of SSLs over memory BIOs, and their end. */
import { expect } from 'vitest';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import * as ssl from '../../src/entry/openssl.ts';
import type { Clock } from '../../src/util/clock.ts';
import { type Chain, testChain } from '../support/certs.ts';

export const chain: Chain = await testChain('p256');
export const certificatePem: string = chain.leaf.certPem + chain.intermediate.certPem;
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
export type Ctx = ssl.SSL_CTX;
export type Ssl = ReturnType<typeof ssl.SSL_new>;
export type Session = ssl.SSL_SESSION;

export const TLS1_2 = 0x0303;
export const TLS1_3 = 0x0304;

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  ms: number = Date.now();
  wallMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

export interface CtxOptions {
  readonly clock?: Clock | undefined;
  readonly provider?: CryptoProvider | undefined;
}

/** Frees what a test made, last first. */
export class Program implements Disposable {
  readonly #free: (() => void)[] = [];
  readonly #connections: Set<Ssl> = new Set();
  readonly #contexts: Set<Ctx> = new Set();
  readonly #options: CtxOptions;

  constructor(options: CtxOptions = {}) {
    this.#options = options;
  }

  /** `version` fixes both bounds; 0 leaves them. */
  ctx(method: ssl.SSL_METHOD, version = 0, clock: Clock | undefined = this.#options.clock): Ctx {
    const provider = this.#options.provider ?? null;
    const ctx = ssl.SSL_CTX_new_ex(
      provider,
      null,
      method,
      ...(clock === undefined ? [] : ([clock] as const)),
    );
    this.#contexts.add(ctx);
    if (version !== 0) {
      expect(ssl.SSL_CTX_set_min_proto_version(ctx, version)).toBe(1);
      expect(ssl.SSL_CTX_set_max_proto_version(ctx, version)).toBe(1);
    }
    return ctx;
  }

  server(version = 0, clock?: Clock): Ctx {
    const ctx = this.ctx(ssl.TLS_server_method(), version, clock);
    expect(ssl.SSL_CTX_use_cert_and_key(ctx, certificatePem, chain.leaf.keyPem)).toBe(1);
    return ctx;
  }

  client(version = 0, clock?: Clock): Ctx {
    return this.ctx(ssl.TLS_client_method(), version, clock);
  }

  freeCtx(...contexts: Ctx[]): void {
    for (const ctx of contexts) {
      if (this.#contexts.delete(ctx)) ssl.SSL_CTX_free(ctx);
    }
  }

  ssl(ctx: Ctx): Ssl {
    const made = ssl.SSL_new(ctx);
    this.#connections.add(made);
    return made;
  }

  /** Two SSLs over fresh memory BIOs; one that is given is used again. */
  pair(
    client: Ctx,
    server: Ctx,
    prepare: (c: Ssl, s: Ssl) => void = () => {},
    again: { readonly c?: Ssl; readonly s?: Ssl } = {},
  ): { c: Ssl; s: Ssl } {
    const c = again.c ?? this.ssl(client);
    const s = again.s ?? this.ssl(server);
    wire(c, s);
    prepare(c, s);
    return { c, s };
  }

  freeSsl(...connections: Ssl[]): void {
    for (const each of connections) {
      if (this.#connections.delete(each)) ssl.SSL_free(each);
    }
  }

  /** Both say close_notify, and are freed. */
  end(c: Ssl, s: Ssl): void {
    ssl.SSL_shutdown(c);
    ssl.SSL_shutdown(s);
    this.freeSsl(s, c);
  }

  /** A session whose reference the program gives back at its end. */
  owned<T extends Session | null>(session: T): NonNullable<T> {
    if (session === null) throw new Error('no session');
    this.later(() => ssl.SSL_SESSION_free(session));
    return session as NonNullable<T>;
  }

  /** The client's session of a full handshake that was closed in order. */
  firstSession(client: Ctx, server: Ctx): Session {
    const { c, s } = this.pair(client, server);
    expect(connect(c, s)).toBe(true);
    const session = this.owned(ssl.SSL_get1_session(c));
    this.end(c, s);
    return session;
  }

  later(free: () => void): void {
    this.#free.push(free);
  }

  [Symbol.dispose](): void {
    for (const connection of [...this.#connections].reverse()) this.freeSsl(connection);
    for (const free of this.#free.reverse()) free();
    for (const ctx of [...this.#contexts].reverse()) this.freeCtx(ctx);
    ssl.ERR_clear_error();
  }
}

export function memory(): NonNullable<ReturnType<typeof ssl.BIO_new>> {
  const bio = ssl.BIO_new(ssl.BIO_s_mem());
  if (bio === null) throw new Error('no BIO');
  return bio;
}

export function wire(c: Ssl, s: Ssl): void {
  const [there, back] = [memory(), memory()];
  ssl.BIO_up_ref(there);
  ssl.BIO_up_ref(back);
  ssl.SSL_set_bio(c, back, there);
  ssl.SSL_set_bio(s, there, back);
}

/**
 * Client and server in turn until both are done. `want`: stops as soon as one of the two calls ends with that
 * error. Then the client reads what tickets came. True when the handshake is complete.
 */
export function connect(c: Ssl, s: Ssl, want: number = ssl.SSL_ERROR_NONE): boolean {
  let client = -1;
  let server = -1;
  let hasFailed = [false, false];
  for (let i = 0; i < 20; i++) {
    if (client <= 0 && !hasFailed[0]) client = ssl.SSL_connect(c);
    const clientError = ssl.SSL_get_error(c, client);
    if (want !== ssl.SSL_ERROR_NONE && client <= 0 && clientError === want) return false;
    if (server <= 0 && !hasFailed[1]) server = ssl.SSL_accept(s);
    const serverError = ssl.SSL_get_error(s, server);
    if (want !== ssl.SSL_ERROR_NONE && server <= 0 && serverError === want) return false;
    hasFailed = [client <= 0 && clientError === 1, server <= 0 && serverError === 1];
    if (hasFailed[0] && hasFailed[1]) return false;
    if (client > 0 && server > 0) break;
  }
  if (client <= 0 || server <= 0) return false;
  for (let i = 0; i < 2; i++) {
    const { ret } = ssl.SSL_read_ex(c, new Uint8Array(1));
    expect(ret).toBe(0);
    expect(ssl.SSL_get_error(c, 0)).toBe(ssl.SSL_ERROR_WANT_READ);
  }
  return true;
}

/** Reads a text, or says how it ended. */
export function readText(connection: Ssl, length = 100): string {
  const buffer = new Uint8Array(length);
  const { ret, readbytes } = ssl.SSL_read_ex(connection, buffer);
  return ret === 1 ? text(buffer.subarray(0, readbytes)) : `error ${ssl.SSL_get_error(connection, ret)}`;
}

export function writeText(connection: Ssl, message: string): boolean {
  const { ret, written } = ssl.SSL_write_ex(connection, bytes(message));
  if (ret === 1) expect(written).toBe(bytes(message).length);
  return ret === 1;
}

/** Whether a context's cache has this very session. */
export function isCached(ctx: Ctx, session: Session): boolean {
  return ssl.SSL_CTX_sessions(ctx).includes(session);
}

/** The reasons on the error queue, which is empty afterwards. */
export function errors(): string[] {
  const list: string[] = [];
  for (let error = ssl.ERR_get_error(); error !== 0; error = ssl.ERR_get_error()) {
    list.push(ssl.ERR_reason_error_string(error) ?? `${error}`);
  }
  return list;
}
