import type { SessionCore } from '../session/core.ts';
import type { EarlyDataReason } from '../session/resumption-reason.ts';
import type { TlsessionError } from '../util/errors.ts';
import type { Job } from './jobs.ts';

/** What a connection has to say, in order. Taken one by one with `nextEvent`. */
export type ConnectionEvent =
  /** Something to wait for: answer with `finishJob(id, …)` or `failJob(id, …)`. */
  | { readonly type: 'job'; readonly id: number; readonly job: Job }
  /** The handshake is complete: the session is there, data may be written and read. */
  | { readonly type: 'handshake' }
  /**
   * Application data, decrypted; the bytes are the receiver's. `early`: sent before the handshake was
   * complete; whoever recorded it may send it again elsewhere (RFC 8446, 8).
   */
  | { readonly type: 'data'; readonly data: Uint8Array; readonly early: boolean }
  /** What became of early data. At a server before the first of its bytes; at a client with the answer. */
  | { readonly type: 'early-data'; readonly accepted: boolean; readonly reason: EarlyDataReason | null }
  /**
   * A session that can be resumed later: at a client one for each ticket, at a server one for each that was
   * made. Carries one library reference that passes to whoever takes the event.
   */
  | { readonly type: 'session'; readonly session: SessionCore }
  /** A line of the NSS key log, without the line's end. */
  | { readonly type: 'keylog'; readonly line: string }
  /** A warning alert that ends nothing. */
  | { readonly type: 'warning'; readonly alert: number }
  /** The peer will send no more. */
  | { readonly type: 'close-notify' }
  /** The connection failed. Always the last event. */
  | { readonly type: 'error'; readonly error: TlsessionError };
