import { TlsAlertError } from '../util/errors.ts';
import { messageName } from '../wire/numbers.ts';
import type { JobAnswer } from './jobs.ts';

/** Which application data a state takes from the peer. */
export type Reads = 'nothing' | 'early' | 'data';

/**
 * One place in the handshake. A state is consumed by the message that it waits for and gives the next; what
 * it knows exists only in it. Faults are thrown as TlsAlertError.
 */
export abstract class State {
  /** For messages and tests: `expectServerHello`. */
  abstract readonly name: string;

  get reads(): Reads {
    return 'nothing';
  }

  /** True while the handshake is not complete. */
  get handshaking(): boolean {
    return true;
  }

  /** `message` is the whole message with its header, as a view that is good for this call. */
  abstract onMessage(type: number, message: Uint8Array): State;

  /** TLS 1.2: the peer's ChangeCipherSpec. In TLS 1.3 the record layer drops it. */
  onChangeCipherSpec(): State {
    throw TlsAlertError.local('bad-change-cipher-spec');
  }
}

/** The handshake pauses for a job and goes on in place: nothing runs twice. */
export class Waiting extends State {
  readonly jobId: number;
  readonly #next: (answer: JobAnswer) => State;
  readonly #failed: ((error: unknown) => State) | null;
  readonly #reads: Reads;
  readonly #handshaking: boolean;

  constructor(
    jobId: number,
    next: (answer: JobAnswer) => State,
    failed: ((error: unknown) => State) | null,
    reads: Reads = 'nothing',
    handshaking = true,
  ) {
    super();
    this.jobId = jobId;
    this.#next = next;
    this.#failed = failed;
    this.#reads = reads;
    this.#handshaking = handshaking;
  }

  get name(): string {
    return 'waitForJob';
  }

  override get reads(): Reads {
    return this.#reads;
  }

  override get handshaking(): boolean {
    return this.#handshaking;
  }

  onMessage(type: number): State {
    throw unexpected(type, this.name);
  }

  resume(answer: JobAnswer): State {
    return this.#next(answer);
  }

  fail(error: unknown): State {
    if (this.#failed !== null) return this.#failed(error);
    if (error instanceof TlsAlertError) throw error;
    throw TlsAlertError.local('job-failed', undefined, { cause: error });
  }
}

export function unexpected(type: number, state: string): TlsAlertError {
  return TlsAlertError.local('unexpected-message', `${messageName(type)} in ${state}`);
}
