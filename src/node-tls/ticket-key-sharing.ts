/**
 * A keyring's keys in a stock `tls.Server`. By what node:tls documents, a server has one key: when the ring
 * rotates, tickets of the key before are lost. Several keys at once need a callback that node:tls has and does
 * not document; see `dangerouslyUseTicketKeyCallback`.
 */
import type * as tls from 'node:tls';
import { nodeProvider } from '../crypto/node/index.ts';
import type { FleetKeyring } from '../fleet/keyring.ts';
import { writeTicketKey } from '../ticket/key-layouts.ts';
import { type OpensslTicketKey, wipeKeyMaterial } from '../ticket/key-material.ts';
import type { TicketKeyRole, TicketKeyring } from '../ticket/keyring.ts';
import { concatBytes, equalSecret, utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { BindingOf, type ServerBinding } from './server-binding.ts';

export interface TicketKeySharingOptions {
  /** Its keys are in OpenSSL's format with 16 bytes each (`format: 'openssl', opensslKeyBytes: 16`). */
  readonly keyring: TicketKeyring | FleetKeyring;
  /**
   * Opens tickets with every key of the ring, by way of `server._sharedCreds.context.onticketkeycallback`:
   * there in Node 20 to 26, but in no documentation, so that another Node may do without. Node **ends the
   * process** when what the callback returns is not of the exact form that it wants. Default false.
   */
  readonly dangerouslyUseTicketKeyCallback?: boolean | undefined;
  /** Milliseconds between looks at the ring for a key that has become the current one. Default 1,000. */
  readonly checkEveryMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Told of a ring that cannot be followed any more. Default: a warning of the process. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What a callback returns: 0 refuse, 1 use, 2 use and renew; HMAC key, AES key; to seal also name and IV. */
type KeyAnswer = [number, Buffer, Buffer, Buffer?, Buffer?];

interface NativeContext {
  enableTicketKeyCallback(): void;
  onticketkeycallback?: (name: Buffer, iv: Buffer, encrypt: boolean) => KeyAnswer;
}

interface KeyEntry {
  readonly role: TicketKeyRole;
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;
}

const KEY_BYTES = 16;

export class TicketKeySharing {
  readonly #server: tls.Server;
  readonly #keyring: TicketKeyring | FleetKeyring;
  readonly #clock: Clock;
  readonly #several: boolean;
  readonly #onError: (error: unknown) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  /** What the ring had when it was last looked at: roles and names. */
  #seen = '';
  readonly #binding: BindingOf;
  /** Whom the server trusted then. */
  #bound: ServerBinding | null = null;
  #keys: readonly KeyEntry[] = [];
  /** The server has a key of its own, since the fleet has none. */
  #isAlone = false;
  #native: NativeContext | null = null;

  /** @throws {UsageError} `ERR_NODE_TLS_TICKET_KEYS` for a ring whose keys do not fit, or a Node without the callback. */
  constructor(server: tls.Server, options: TicketKeySharingOptions) {
    this.#server = server;
    this.#binding = new BindingOf(server);
    this.#keyring = options.keyring;
    this.#clock = options.clock ?? systemClock;
    this.#several = options.dangerouslyUseTicketKeyCallback ?? false;
    this.#onError = options.onError ?? ((error) => process.emitWarning(error as Error));
    this.refresh();
    this.#timer = setInterval(() => this.#check(), options.checkEveryMs ?? 1000);
    this.#timer.unref();
  }

  /** Looks at the ring now, and gives the server what has changed. */
  refresh(): void {
    this.#look();
    if (this.#several) this.#install();
    else this.#set();
  }

  #check(): void {
    try {
      this.refresh();
    } catch (error) {
      // A ring that was destroyed, or has keys now that node:tls cannot have: neither mends itself.
      this.stop();
      this.#onError(error);
    }
  }

  /**
   * Looks at the ring no more, and wipes its copies. A server with one key keeps that; one with several makes
   * no tickets from now on and opens none, since the callback cannot be taken away again.
   */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#native !== null) this.#native.onticketkeycallback = REFUSE;
    this.#native = null;
    this.#forget();
  }

  #look(): void {
    const nowMs = this.#clock.wallMs();
    this.#keyring.advance(nowMs);
    const seen = stateOf(this.#keyring);
    const binding = this.#binding.current;
    if (seen === this.#seen && binding === this.#bound) return;
    const keys: KeyEntry[] = [];
    const records = this.#keyring.export();
    try {
      for (const { role, material } of records) {
        if (material.format !== 'openssl' || material.aesKey.length !== KEY_BYTES) {
          throw new UsageError(
            'ERR_NODE_TLS_TICKET_KEYS',
            "node:tls takes ticket keys of 48 bytes: make the keyring with format 'openssl' and opensslKeyBytes 16",
          );
        }
        keys.push(entry(role, material, binding));
      }
    } finally {
      for (const { material } of records) wipeKeyMaterial(material);
    }
    this.#forget();
    this.#keys = keys;
    this.#seen = seen;
    this.#bound = binding;
  }

  /** The current key, by what is documented. */
  #set(): void {
    const current = this.#keys.find(({ role }) => role === 'current');
    if (current === undefined && this.#isAlone) return;
    this.#isAlone = current === undefined;
    // While a fleet has no key, one that nobody else has: no ticket outlives its key.
    const bytes =
      current === undefined
        ? nodeProvider.random(48)
        : writeTicketKey('node48', {
            format: 'openssl',
            name: current.name,
            hmacKey: current.hmac,
            aesKey: current.aes,
          });
    const there = this.#server.getTicketKeys();
    if (!equalSecret(there, bytes)) this.#server.setTicketKeys(Buffer.from(bytes));
    there.fill(0);
    bytes.fill(0);
  }

  #install(): void {
    const native = (this.#server as unknown as { _sharedCreds?: { context?: NativeContext } })._sharedCreds
      ?.context;
    // `setSecureContext` makes a new one.
    if (native === this.#native && native !== null) return;
    if (typeof native?.enableTicketKeyCallback !== 'function') {
      throw new UsageError(
        'ERR_NODE_TLS_TICKET_KEYS',
        `Node ${process.versions.node} does not have the callback that several ticket keys need`,
      );
    }
    native.onticketkeycallback = (name, _iv, encrypt) => {
      try {
        return this.#answer(name, encrypt);
      } catch {
        return REFUSE();
      }
    };
    native.enableTicketKeyCallback();
    this.#native = native;
  }

  #answer(name: Buffer, encrypt: boolean): KeyAnswer {
    this.#look();
    if (encrypt) {
      const current = this.#keys.find(({ role }) => role === 'current');
      if (current === undefined) return REFUSE();
      return [1, current.hmac, current.aes, current.name, Buffer.from(nodeProvider.random(16))];
    }
    const key = this.#keys.find((each) => each.name.equals(name));
    if (key === undefined) {
      // Too late for this ticket; the next one under that key is opened.
      if ('refresh' in this.#keyring) void this.#keyring.refresh();
      return REFUSE();
    }
    // Always renewed: a client of TLS 1.3 uses a ticket once, and node:tls gives no other for it by itself.
    return [2, key.hmac, key.aes];
  }

  #forget(): void {
    for (const { hmac, aes } of this.#keys) {
      hmac.fill(0);
      aes.fill(0);
    }
    this.#keys = [];
    this.#seen = '';
  }
}

/** Every place filled: without them Node ends the process. */
const REFUSE = (): KeyAnswer => [
  0,
  Buffer.alloc(KEY_BYTES),
  Buffer.alloc(KEY_BYTES),
  Buffer.alloc(KEY_BYTES),
  Buffer.alloc(KEY_BYTES),
];

function stateOf(keyring: TicketKeyring | FleetKeyring): string {
  return 'sealingKey' in keyring
    ? `${keyring.sealingKey} ${keyring.keys().map(({ name }) => name)}`
    : keyring
        .keys()
        .map(({ role, name }) => `${role} ${name}`)
        .join();
}

/**
 * OpenSSL asks of a ticket nothing but its key and its session-id context, and node:tls takes a resumption of
 * TLS 1.3 without a client certificate for an authorized one. So a server that asks for client certificates has
 * keys of its own, derived from the ring's by what it asks.
 */
function entry(
  role: TicketKeyRole,
  { name, hmacKey, aesKey }: OpensslTicketKey,
  { trust, clientAuth }: Pick<ServerBinding, 'trust' | 'clientAuth'>,
): KeyEntry {
  if (clientAuth.length === 0) {
    return { role, name: Buffer.from(name), hmac: Buffer.from(hmacKey), aes: Buffer.from(aesKey) };
  }
  const secret = concatBytes(hmacKey, aesKey);
  const derived = (what: string): Buffer => {
    const info = concatBytes(utf8(`tlsession node:tls ${what}\0`), name, trust, clientAuth);
    return Buffer.from(nodeProvider.hmac('sha256', secret, info).subarray(0, KEY_BYTES));
  };
  const keys = { role, name: derived('name'), hmac: derived('hmac'), aes: derived('aes') };
  secret.fill(0);
  return keys;
}
