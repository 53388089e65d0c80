/** The write side of a secure socket: plaintext in, at the pace of the transport; records out, many to a write. */
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Connection } from '../connection/connection.ts';
import { EarlyOutput } from './early-output.ts';
import { FLUSH_BYTES, giveBuffer, hasRoom, takeBuffer } from './output-pool.ts';
import { closedError } from './transport.ts';

/** What a net.Socket inherits. Whoever puts another in its place may hold on to what is written. */
const { write: STREAM_WRITE } = Duplex.prototype;

export type Callback = (error?: Error | null) => void;

/** A write, and how far it has come. */
interface Write {
  readonly chunks: readonly Uint8Array[];
  readonly done: Callback;
  /** The chunk that comes next, and how much of it is gone. */
  index: number;
  offset: number;
}

/** The socket, as its write side sees it. */
export interface OutputOwner {
  readonly destroyed: boolean;
  readonly engine: Connection;
  /** Whether application data may go out behind the handshake, or beside it. */
  readonly maySend: boolean;
  /** Whether the engine's events are being taken: its output is flushed at the end of that. */
  readonly isWorking: boolean;
  /** Takes the engine's events. */
  work(): void;
  /** Bytes go out: it is not idle. */
  touch(): void;
}

function flushNow(output: SocketOutput): void {
  output.flush();
}

export class SocketOutput {
  readonly #owner: OutputOwner;
  readonly #transport: Duplex;
  /** A net.Socket has done with what it was given as soon as it says so: memory for it is used again. */
  readonly #recycles: boolean;
  /** Where the output of the moment is put. */
  #lent: Uint8Array | null = null;
  #flushQueued = false;
  /** Application bytes given to the engine since the last flush. */
  #unsent = 0;
  /** The transport has enough for now. */
  #blocked = false;
  /** Of a write that is with the transport, which has enough for now. */
  #waiting: Callback | null = null;
  /** A write that waits for the handshake, or of which a part waits for the transport. */
  #write: Write | null = null;
  /** An end that waits for the handshake. */
  #finishing: Callback | null = null;
  /** Client: what goes out early. */
  #early: EarlyOutput | null = null;
  #bytes = 0;
  #farewell = false;

  constructor(owner: OutputOwner, transport: Duplex) {
    this.#owner = owner;
    this.#transport = transport;
    this.#recycles = transport.constructor === Socket;
  }

  /** Application bytes that were encrypted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of these, what went out early. */
  get earlyBytes(): number {
    return this.#early?.bytes ?? 0;
  }

  /** The peer has said its end, and close_notify is all that is still to be sent. */
  get isFarewell(): boolean {
    return this.#farewell;
  }

  /** `done` is called when the transport wants more. */
  put(chunks: readonly Uint8Array[], done: Callback): void {
    this.#write = { chunks, done, index: 0, offset: 0 };
    if (this.#owner.maySend) this.#send(this.#write);
    else this.#sendEarly();
  }

  /** Application data may go out from now on. */
  open(): void {
    if (this.#write !== null) this.#send(this.#write);
  }

  /** The transport has done with what it was given. */
  drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    if (this.#write !== null && this.#owner.maySend) {
      this.#send(this.#write);
      return;
    }
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    waiting();
  }

  /** What the engine has to send goes to the transport, in one write. */
  flush(): void {
    this.#flushQueued = false;
    this.#unsent = 0;
    const owner = this.#owner;
    const transport = this.#transport;
    if (owner.destroyed || transport.destroyed) return;
    const output = owner.engine.takeOutput();
    if (output === null) {
      // The keys may be used up: that is an event.
      if (owner.engine.error !== null && !owner.isWorking) owner.work();
      return;
    }
    const lent = this.#lent;
    this.#lent = null;
    const isLent = lent !== null && output.buffer === lent.buffer;
    // The engine had more memory of its own, with what it had to say itself.
    if (lent !== null && !isLent) giveBuffer(lent.fill(0));
    if (!transport.writable) return;
    const goesOn = isLent ? this.#writeLent(output, lent) : transport.write(output);
    if (!goesOn) this.#blocked = true;
  }

  /** Most writes are with the kernel when the call returns: their memory is free at once, and still in its caches. */
  #writeLent(output: Uint8Array, lent: Uint8Array): boolean {
    const transport = this.#transport;
    let given = false;
    const goesOn = transport.write(output, (error) => {
      if (given || (error !== null && error !== undefined)) return;
      given = true;
      giveBuffer(lent);
    });
    if (!given && transport.writableLength === 0) {
      given = true;
      giveBuffer(lent);
    }
    return goesOn;
  }

  /** As much as the transport takes; the rest when it has drained. */
  #send(write: Write): void {
    const transport = this.#transport;
    if (transport.destroyed || !transport.writable) {
      this.#write = null;
      write.done(closedError());
      return;
    }
    this.#owner.touch();
    try {
      while (write.index < write.chunks.length) {
        const chunk = write.chunks[write.index] as Uint8Array;
        const end = Math.min(chunk.length, write.offset + FLUSH_BYTES - this.#unsent);
        this.#encrypt(write.offset === 0 && end === chunk.length ? chunk : chunk.subarray(write.offset, end));
        write.offset = end;
        if (end === chunk.length) {
          write.index++;
          write.offset = 0;
        }
        if (this.#unsent >= FLUSH_BYTES) {
          this.flush();
          // Who was told of it may have ended all this, or the transport has enough.
          if (this.#write !== write || this.#blocked) break;
        }
      }
    } catch (error) {
      this.#write = null;
      write.done(error as Error);
      return;
    }
    if (this.#write !== write || write.index < write.chunks.length) return;
    this.#write = null;
    if (this.#unsent > 0 && !this.#owner.isWorking && !this.#flushQueued) {
      this.#flushQueued = true;
      process.nextTick(flushNow, this);
    }
    if (this.#blocked) this.#waiting = write.done;
    else write.done();
  }

  #encrypt(data: Uint8Array): void {
    const { engine } = this.#owner;
    if (this.#recycles && this.#transport.write === STREAM_WRITE) this.#lend(this.#unsent + data.length);
    engine.write(data);
    this.#unsent += data.length;
    this.#bytes += data.length;
  }

  /** Memory for `bytes` application bytes, of which some may be in what was lent before. */
  #lend(bytes: number): void {
    const before = this.#lent;
    if (before !== null && hasRoom(before, bytes)) return;
    this.#lent = takeBuffer(bytes);
    this.#owner.engine.lendOutput(this.#lent);
    // What was in it is copied, and some of that is not sealed yet.
    if (before !== null) giveBuffer(before.fill(0));
  }

  // Early data -----------------------------------------------------------------------------------------

  /** Client: what is written from now on may go out early, for the protocol `alpn`. */
  startEarly(alpn: Uint8Array): void {
    this.#early = new EarlyOutput(alpn);
  }

  /** Client: the hello is out, and so may be what was written before. */
  continueEarly(): void {
    this.#sendEarly();
  }

  /** Client: of a write that waits for the handshake, what may go out as early data. */
  #sendEarly(): void {
    const write = this.#write;
    const early = this.#early;
    if (write === null || early === null || this.#owner.maySend) return;
    let sent = 0;
    while (write.index < write.chunks.length) {
      const chunk = write.chunks[write.index] as Uint8Array;
      const count = early.write(this.#owner.engine, chunk.subarray(write.offset));
      sent += count;
      write.offset += count;
      if (write.offset < chunk.length) break;
      write.index++;
      write.offset = 0;
    }
    if (sent === 0) return;
    this.#bytes += sent;
    this.flush();
    if (this.#write !== write || write.index < write.chunks.length) return;
    this.#write = null;
    write.done();
  }

  earlyDecided(accepted: boolean): void {
    this.#early?.decided(accepted);
  }

  /**
   * Early data that was refused goes out before anything else.
   * @throws {TlsessionError} when it may not go out: see EarlyOutput.
   */
  resendEarly(): void {
    const early = this.#early;
    if (early === null) return;
    const { engine } = this.#owner;
    for (const chunk of early.takeRefused(engine.info.alpn)) {
      engine.write(chunk);
      chunk.fill(0);
    }
  }

  // The end --------------------------------------------------------------------------------------------

  /** Ends the transport behind close_notify; `inputEnded`: the peer has said its end. */
  finish(done: Callback, inputEnded: boolean): void {
    const transport = this.#transport;
    const { engine } = this.#owner;
    this.#farewell = inputEnded && transport.writableLength === 0 && !engine.hasOutput;
    engine.close();
    this.flush();
    if (transport.destroyed || transport.writableEnded) done();
    else transport.end(() => done());
  }

  /** An end that comes before the handshake is complete. */
  finishLater(done: Callback): void {
    this.#finishing = done;
  }

  /** Whoever waited to end, if anybody. */
  takeFinishing(): Callback | null {
    const finishing = this.#finishing;
    this.#finishing = null;
    return finishing;
  }

  /** A write that waits will never go out. False when there is none. */
  refuse(error: Error): boolean {
    const waiting = this.#waiting ?? this.#write?.done;
    this.#waiting = null;
    this.#write = null;
    waiting?.(error);
    return waiting !== undefined;
  }

  /** When the engine is gone. Whatever waits is told of `error`; what is kept, or was not sealed yet, is wiped. */
  destroy(error: Error): void {
    this.#lent?.fill(0);
    this.#lent = null;
    this.#early?.destroy();
    const finishing = this.takeFinishing();
    if (!this.refuse(error)) finishing?.(error);
  }
}
