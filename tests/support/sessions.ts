/** Sessions, clocks and timers for tests of what holds sessions. */
import { Field, type FieldValues, makeBody, type SessionBindings } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import type { Clock } from '../../src/util/clock.ts';
import type { Timer, Timers } from '../../src/util/timers.ts';

export const NOON: number = Date.UTC(2026, 5, 1, 12);

/** A clock whose hands a test turns. The monotonic one goes on when the wall clock is set. */
export class TestClock implements Clock {
  wall: number;
  monotonic = 0;

  constructor(wall: number = NOON) {
    this.wall = wall;
  }

  wallMs(): number {
    return this.wall;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  passSec(seconds: number): void {
    this.wall += seconds * 1000;
    this.monotonic += seconds * 1000;
  }
}

/** Timers that run when a test says that time has passed. */
export class TestTimers implements Timers {
  #now = 0;
  readonly #waiting: Set<{ at: number; run: () => void }> = new Set();

  after(delayMs: number, run: () => void): Timer {
    const entry = { at: this.#now + delayMs, run };
    this.#waiting.add(entry);
    return { cancel: () => void this.#waiting.delete(entry) };
  }

  /** Timers that have neither run nor been cancelled. */
  get waiting(): number {
    return this.#waiting.size;
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const entry of [...this.#waiting]) {
      if (entry.at > this.#now) continue;
      this.#waiting.delete(entry);
      entry.run();
    }
  }
}

export interface SessionSketch {
  readonly id?: Uint8Array | number;
  readonly version?: number;
  readonly timeMs?: number;
  readonly timeoutSec?: number;
  readonly sidCtx?: Uint8Array;
  readonly hostname?: string;
  readonly alpn?: string;
  readonly ticket?: Uint8Array;
  readonly cipher?: number;
  readonly flags?: number;
  readonly lifetimeHint?: number;
  readonly bindings?: SessionBindings;
}

/** An id of 32 bytes from a number. */
export function idOf(number: number): Uint8Array {
  const id = new Uint8Array(32).fill(0xa5);
  new DataView(id.buffer).setUint32(28, number);
  return id;
}

/** A session with one reference, the application's. */
export function makeSession(sketch: SessionSketch = {}): SessionCore {
  const fields: (Uint8Array | null)[] = [];
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  fields[Field.masterKey] = new Uint8Array(48).fill(7);
  fields[Field.id] = typeof sketch.id === 'number' ? idOf(sketch.id) : (sketch.id ?? null);
  fields[Field.sidCtx] = sketch.sidCtx ?? null;
  fields[Field.hostname] = sketch.hostname === undefined ? null : encode(sketch.hostname);
  fields[Field.alpn] = sketch.alpn === undefined ? null : encode(sketch.alpn);
  fields[Field.ticket] = sketch.ticket ?? null;
  const body = makeBody(fields as FieldValues, {
    version: sketch.version ?? 0x0303,
    cipher: sketch.cipher ?? 0xc02f,
    verifyResult: 0,
    flags: sketch.flags ?? 0,
    ticketLifetimeHint: sketch.lifetimeHint ?? 0,
  });
  body.bindings = sketch.bindings ?? null;
  return SessionCore.fromBody(body, sketch.timeMs ?? NOON, sketch.timeoutSec ?? 300, 'test');
}

/** What the context of a server of ours caches lives as long as it; a server of node:tls has none. */
export function endContext(server: object): void {
  if ('context' in server) (server.context as { destroy?(): void } | undefined)?.destroy?.();
}
