/**
 * Time limits of the handshakes of one server: one timer for all of them, since all have the same limit and
 * almost none reaches it. It does not keep the process up: the sockets do.
 */
import type { Clock } from '../util/clock.ts';

export class HandshakeWatch<T> {
  readonly #limitMs: number;
  readonly #clock: Clock;
  readonly #late: (socket: T) => void;
  /** When each is late, in the order in which they began. */
  readonly #deadlines: Map<T, number> = new Map();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `late` is told of each handshake that took `limitMs` milliseconds. */
  constructor(limitMs: number, clock: Clock, late: (socket: T) => void) {
    this.#limitMs = limitMs;
    this.#clock = clock;
    this.#late = late;
  }

  /** Handshakes that have not ended. */
  get size(): number {
    return this.#deadlines.size;
  }

  begin(socket: T): void {
    this.#deadlines.set(socket, this.#clock.monotonicMs() + this.#limitMs);
    if (this.#timer === null) this.#arm(this.#limitMs);
  }

  end(socket: T): void {
    this.#deadlines.delete(socket);
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#look(), delayMs);
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = null;
    const now = this.#clock.monotonicMs();
    for (const [socket, deadline] of this.#deadlines) {
      // Timers fire a little early by this clock.
      if (deadline > now + 1) {
        this.#arm(deadline - now);
        return;
      }
      this.#deadlines.delete(socket);
      this.#late(socket);
    }
  }
}
