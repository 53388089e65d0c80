/** How sessions become bytes for a store, and what comes back becomes a session again. */
import type { SessionCore } from '../session/core.ts';
import { decodeEnvelope, encodeEnvelope } from '../session/envelope.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { toHex } from '../util/bytes.ts';
import { TlsessionError } from '../util/errors.ts';

/**
 * `place` is the store's key. A sealer for a store that others can reach encrypts, and binds what it seals
 * to the place, so that nobody moves a session to another name.
 */
export interface SessionSealer {
  /** What the store's key calls a server's session: printable ASCII without a blank, at most 128 characters. */
  name(version: number, id: Uint8Array): string;
  seal(session: SessionCore, place: string): Uint8Array;
  /** A session with one reference, the application's; or why there is none. Never throws for its input. */
  open(bytes: Uint8Array, place: string): SessionCore | ResumptionReason;
}

/** The envelope as it is. Only for a store that does not leave this process: whoever has the bytes has the session. */
export const plainSealer: SessionSealer = Object.freeze({
  name: (version: number, id: Uint8Array): string => `${version.toString(16)}:${toHex(id)}`,
  seal: (session: SessionCore): Uint8Array => encodeEnvelope(session, 'session store'),
  open: (bytes: Uint8Array): SessionCore | ResumptionReason => {
    try {
      return decodeEnvelope(bytes, 'session store');
    } catch (error) {
      if (TlsessionError.is(error)) return 'bad-stored-session';
      throw error;
    }
  },
});
