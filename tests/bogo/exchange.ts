/** One connection of a test: the engine, the socket, and what the shim does with the two. */
import { Connection } from '../../src/connection/connection.ts';
import type { ConnectionEvent } from '../../src/handshake/events.ts';
import type { SessionCore } from '../../src/session/core.ts';
import type { TicketKeyring } from '../../src/ticket/keyring.ts';
import { concatBytes, fromHex, utf8 } from '../../src/util/bytes.ts';
import { TlsAlertError, TlsessionError } from '../../src/util/errors.ts';
import { Alert, ProtocolVersion } from '../../src/util/registries.ts';
import { checkHandshake, Expectation } from './expectations.ts';
import type { ShimConfig } from './flags.ts';
import { answerJob, type JobContext } from './jobs.ts';
import { clientConfig, serverConfig } from './settings.ts';
import type { SocketQueue } from './sockets.ts';
import type { SessionShelf, SteppedClock } from './tickets.ts';

const HELLO = utf8('hello');
/** Filled into what was read once it was given to the engine: a view that it kept would show. */
const POISON = 0xa5;
const READ_SIZE = 65_536;
/** Turns of the event loop that an answer takes in an `-async` test: BoringSSL's takes two as well. */
const LATE_TURNS = 2;

/** What the connections of one shim process share. */
export interface Shared {
  readonly clock: SteppedClock;
  readonly tickets: TicketKeyring;
  readonly sessions: SessionShelf;
}

export interface ExchangeResult {
  /** Null when all went well, else what the engine or the peer did. */
  readonly failure: string | null;
  /** The newest session, with one reference of the library's that is the caller's to give back. */
  readonly session: SessionCore | null;
}

export class Exchange {
  readonly #connection: Connection;
  readonly #socket: SocketQueue;
  readonly #isResumption: boolean;
  readonly #context: JobContext;
  #config: ShimConfig;
  readonly #retryConfig: ShimConfig;
  #isDone = false;
  #failure: string | null = null;
  /** Answers that are on their way: nothing more is read until they are there, so that each has one place. */
  #pendingAnswers = 0;
  /** Thrown where it cannot be caught: in a late answer. */
  #lateError: unknown = null;
  #handshakeDone = false;
  /** What the application does first is done, or must not be any more. */
  #isReady = false;
  #isClosing = false;
  #peerClosed = false;
  #sentAlert = false;
  #rejection: string | null = null;
  #sessionsInHandshake = 0;
  #sessionsAfter = 0;
  #session: SessionCore | null = null;
  /** Output that a test holds back: `-read-with-unfinished-write`. */
  #held: Uint8Array | null = null;
  /** It was early data: what the handshake sends next cannot overtake it, and pushes it out. */
  #heldEarly = false;
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #scratch = new Uint8Array(READ_SIZE);

  constructor(
    socket: SocketQueue,
    config: ShimConfig,
    retryConfig: ShimConfig,
    isResumption: boolean,
    offer: SessionCore | null,
    shared: Shared,
  ) {
    this.#socket = socket;
    this.#config = config;
    this.#retryConfig = retryConfig;
    this.#isResumption = isResumption;
    this.#context = { config, ...shared, verified: new Set(), storedSessions: 0, helloSeen: false };
    this.#connection = new Connection(
      config.server ? serverConfig(config, shared.clock) : clientConfig(config, shared.clock, offer),
    );
  }

  /** @throws {Expectation} when what happened is not what the flags say. */
  async run(): Promise<ExchangeResult> {
    try {
      this.#connection.start();
      await this.#loop();
      if (this.#failure === null) this.#checkEnd();
      return { failure: this.#failure, session: this.#failure === null ? this.#takeSession() : null };
    } finally {
      this.#takeSession()?.release('bogo');
      this.#connection.destroy();
    }
  }

  async #loop(): Promise<void> {
    const connection = this.#connection;
    for (;;) {
      while (!this.#isDone) {
        const event = connection.nextEvent();
        if (event === null) break;
        this.#onEvent(event);
      }
      if (!this.#isDone) this.#writeEarly();
      this.#flush();
      if (this.#lateError !== null) throw this.#lateError;
      if (this.#isDone) return;
      const pauses = connection.isWaiting || this.#pendingAnswers > 0;
      const input = pauses ? null : this.#socket.take(this.#config.async ? 1 : READ_SIZE);
      if (input !== null) this.#receive(input);
      else if (!pauses && this.#socket.hasEnded) this.#onEnd();
      else await this.#socket.wait();
    }
  }

  #receive(input: Uint8Array): void {
    const scratch = this.#scratch.subarray(0, input.length);
    scratch.set(input);
    this.#connection.receive(scratch);
    scratch.fill(POISON);
  }

  #onEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case 'job':
        this.#onJob(event);
        return;
      case 'handshake':
        this.#onHandshake();
        return;
      case 'data':
        this.#onData(event.data);
        return;
      case 'early-data':
        this.#onEarlyData(event.accepted, event.reason);
        return;
      case 'session':
        if (this.#handshakeDone) this.#sessionsAfter++;
        else this.#sessionsInHandshake++;
        this.#takeSession()?.release('bogo');
        this.#session = event.session;
        return;
      case 'keylog': {
        const [label, , secret] = event.line.split(' ');
        this.#secrets.set(label as string, fromHex(secret as string));
        return;
      }
      case 'warning':
        return;
      case 'close-notify':
        this.#peerClosed = true;
        this.#onPeerClosed();
        return;
      case 'error':
        this.#onError(event.error);
        return;
    }
  }

  #onJob({ id, job }: Extract<ConnectionEvent, { type: 'job' }>): void {
    const answer = (): void => answerJob(this.#connection, id, job, this.#context);
    if (!this.#config.async) {
      answer();
      return;
    }
    this.#pendingAnswers++;
    let turns = LATE_TURNS;
    const later = (): void => {
      if (--turns > 0) {
        setImmediate(later);
        return;
      }
      this.#pendingAnswers--;
      try {
        if (!this.#isDone) answer();
      } catch (error) {
        this.#lateError = error;
      }
      this.#socket.wake();
    };
    setImmediate(later);
  }

  #onHandshake(): void {
    this.#handshakeDone = true;
    if (this.#rejection !== null) {
      this.#fail(this.#rejection);
      return;
    }
    if (this.#config['handshake-never-done']) throw new Expectation('the handshake was completed');
    checkHandshake(this.#connection, this.#config, this.#isResumption);
    this.#start();
  }

  #onEarlyData(accepted: boolean, reason: string | null): void {
    if (accepted) {
      // A server's application goes on before the client's Finished: half-RTT data.
      if (this.#config.server) this.#start();
      return;
    }
    if (this.#config.server) return;
    if (!this.#config['expect-reject-early-data'] || !this.#isResumption) {
      // An error only if nothing worse follows: what a server says after it is still to be judged.
      this.#rejection = `early data was rejected: ${reason}`;
      return;
    }
    if (this.#config['expect-early-data-reason'] !== null) {
      throw new Expectation('the reason of a rejection is to be expected of the retry');
    }
    // What comes is another connection to the application: nothing of what it wrote has arrived.
    this.#config = this.#retryConfig;
    this.#context.config = this.#retryConfig;
    this.#isReady = false;
  }

  /** What a client writes before the handshake, if it may now. */
  #writeEarly(): void {
    const connection = this.#connection;
    if (this.#config.server || this.#isReady || connection.earlyDataBudget === 0) return;
    const after = this.#config['early-write-after-message'];
    if (after !== null && !hasPassed(connection.stateName, after)) return;
    if (this.#isResumption && this.#config['expect-no-offer-early-data']) {
      throw new Expectation('early data was offered');
    }
    this.#start();
  }

  /** What the application does first, as soon as it may write. */
  #start(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    const config = this.#config;
    const connection = this.#connection;
    const exported = config['export-keying-material'];
    if (exported !== null && exported > 0) this.#writeExported(exported);
    if (this.#isDone) return;
    if (config['tls-unique']) this.#writeUnique();
    if (this.#isDone) return;
    if (config['export-traffic-secrets']) this.#writeTrafficSecrets();
    if (config['send-alert']) {
      connection.abort(Alert.decompression_failure);
      this.#sentAlert = true;
      this.#isDone = true;
      return;
    }
    if (config['write-different-record-sizes']) {
      for (const size of [0, 1, 255, 256, 257, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769]) {
        this.#write(new Uint8Array(size).fill(0x42));
      }
      this.#isDone = true;
      return;
    }
    if (config['read-with-unfinished-write']) this.#leaveWriteUnfinished();
    else if (config['shim-writes-first']) this.#write(HELLO);
    if (config['shim-shuts-down']) this.#shutDown();
  }

  #write(data: Uint8Array): void {
    const connection = this.#connection;
    const early = connection.canWrite ? 0 : connection.writeEarly(data);
    if (early < data.length) connection.write(data.subarray(early));
  }

  #writeExported(length: number): void {
    const context = this.#config['use-export-context'] ? bytesOf(this.#config['export-context']) : null;
    try {
      this.#write(this.#connection.exportKeyingMaterial(this.#config['export-label'] ?? '', context, length));
    } catch (error) {
      if (!TlsessionError.is(error)) throw error;
      this.#fail(`no keying material: ${error.message}`);
    }
  }

  #writeUnique(): void {
    try {
      const unique = this.#connection.channelBinding('tls-unique');
      if (unique === null) this.#fail('no tls-unique: TLS 1.3 has none');
      else this.#write(unique);
    } catch (error) {
      if (!TlsessionError.is(error)) throw error;
      this.#fail(`no tls-unique: ${error.message}`);
    }
  }

  #writeTrafficSecrets(): void {
    const read = this.#secrets.get(
      this.#config.server ? 'CLIENT_TRAFFIC_SECRET_0' : 'SERVER_TRAFFIC_SECRET_0',
    );
    const write = this.#secrets.get(
      this.#config.server ? 'SERVER_TRAFFIC_SECRET_0' : 'CLIENT_TRAFFIC_SECRET_0',
    );
    if (read === undefined || write === undefined) throw new Expectation('no traffic secrets in the key log');
    this.#write(concatBytes(new Uint8Array([read.length, 0]), read, write));
  }

  /** Lets one byte of the record through. The rest goes when something has been read. */
  #leaveWriteUnfinished(): void {
    this.#flush();
    this.#write(HELLO);
    const output = this.#connection.takeOutput();
    if (output === null) throw new Expectation('nothing was written');
    this.#socket.write(output.subarray(0, 1));
    this.#held = output.subarray(1);
    this.#heldEarly = !this.#handshakeDone;
  }

  #onData(data: Uint8Array): void {
    const config = this.#config;
    const connection = this.#connection;
    if (this.#isClosing) {
      this.#fail('application data after the shutdown');
      return;
    }
    const size = config['read-size'] ?? 512;
    for (let at = 0; at < data.length; at += size) {
      if (config['use-exporter-between-reads']) connection.exportKeyingMaterial('', null, 1);
      this.#releaseHeld();
      if (config['key-update']) connection.updateKeys(false);
      this.#write(data.slice(at, at + size).map((byte) => byte ^ 0xff));
    }
  }

  #shutDown(): void {
    this.#isClosing = true;
    // Without the flag BoringSSL's shim is quiet: it closes the socket and says nothing.
    if (this.#config['check-close-notify']) this.#connection.close();
    else this.#isDone = true;
  }

  #onPeerClosed(): void {
    if (this.#config['check-close-notify']) this.#connection.close();
    this.#isDone = true;
  }

  #onEnd(): void {
    this.#connection.receiveEnd();
    const { error } = this.#connection;
    if (error !== null) {
      this.#onError(error);
      return;
    }
    if (this.#config['check-close-notify'] && !this.#peerClosed) this.#fail('closed without a close_notify');
    this.#isDone = true;
  }

  #onError(error: TlsessionError): void {
    if (error instanceof TlsAlertError && error.reason === 'internal-error') {
      throw new Expectation(`a fault of our own: ${describe(error)}`);
    }
    this.#fail(describe(error));
  }

  #fail(text: string): void {
    this.#failure ??= text;
    this.#isDone = true;
  }

  #flush(): void {
    if (this.#heldEarly && this.#connection.hasOutput) this.#releaseHeld();
    if (this.#held !== null) return;
    const output = this.#connection.takeOutput();
    if (output !== null) this.#socket.write(output);
  }

  #releaseHeld(): void {
    const held = this.#held;
    this.#held = null;
    this.#heldEarly = false;
    if (held !== null) this.#socket.write(held);
  }

  #takeSession(): SessionCore | null {
    const session = this.#session;
    this.#session = null;
    return session;
  }

  #checkEnd(): void {
    const config = this.#config;
    const { info } = this.#connection;
    const context = this.#context;
    if (config.server) {
      if (!context.helloSeen) throw new Expectation('the hello was never shown');
      if (!this.#isResumption && config['expect-session-id'] && context.storedSessions === 0) {
        throw new Expectation('no session was stored');
      }
      if (!this.#isResumption && config['expect-no-session-id'] && context.storedSessions > 0) {
        throw new Expectation('a session was stored');
      }
      return;
    }
    if (this.#sentAlert) return;
    const is13 = info.version === ProtocolVersion.TLS1_3;
    // Whether tickets were read before a shutdown of ours is chance.
    if (is13 && config['shim-shuts-down']) return;
    const expected =
      !config['expect-no-session'] && (is13 || !info.resumed || config['expect-ticket-renewal']);
    if (is13 && this.#sessionsInHandshake > 0) throw new Expectation('a session before its ticket');
    const count = this.#sessionsInHandshake + this.#sessionsAfter;
    if (count > 0 !== expected) throw new Expectation(`${count} new sessions`);
    if (is13 && expected) {
      const early = (this.#session?.body('bogo').maxEarlyData ?? 0) > 0;
      if (early !== config['expect-ticket-supports-early-data']) {
        throw new Expectation(`early data with the new session: ${early}`);
      }
    }
  }
}

function bytesOf(text: string | null): Uint8Array {
  return new Uint8Array(Buffer.from(text ?? '', 'latin1'));
}

/** Whether a client in this state has read the message (2 ServerHello, 8 EncryptedExtensions). */
function hasPassed(state: string, message: number): boolean {
  if (state === 'expectServerHello') return false;
  return message === 2 || state !== 'expectEncryptedExtensions';
}

function describe(error: TlsessionError): string {
  const cause = error.cause instanceof Error ? `\n${error.cause.stack}` : '';
  return `${error.code}: ${error.message}${cause}`;
}
