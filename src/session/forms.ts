/** Which of its serialised forms a session is in. */
import { latin1 } from '../util/bytes.ts';
import { DerTag } from '../util/der.ts';
import { SESSION_LIMITS } from '../util/limits.ts';
import type { SessionCore } from './core.ts';
import { decodeSession } from './der.ts';
import { decodeEnvelope, isEnvelope } from './envelope.ts';
import { SessionFormatError } from './errors.ts';
import { isNodeForm, unwrapNodeForm } from './node-form.ts';
import { decodePem, hasSessionPem } from './pem.ts';

export type SessionForm = 'DER' | 'PEM' | 'node' | 'envelope';

/** Longer input is not looked at: no form can hold a session of that size. */
export const MAX_INPUT_BYTES: number = SESSION_LIMITS.fileBytes;

/** Which form bytes are in, by how they begin; null when by none. They may still be broken. */
export function detectForm(bytes: Uint8Array): SessionForm | null {
  if (isEnvelope(bytes)) return 'envelope';
  if (isNodeForm(bytes)) return 'node';
  if (bytes[0] === DerTag.sequence) return 'DER';
  return hasSessionPem(latin1(bytes)) ? 'PEM' : null;
}

export interface ReadSession {
  /** Has one reference, the application's. */
  readonly session: SessionCore;
  readonly form: SessionForm;
  /** The name in front of a session in Node's form; otherwise null. */
  readonly nodeHost: string | null;
}

/**
 * Reads a session that is the whole of `bytes` (in PEM, text may stand around it).
 * @throws {DecodeError} when it is not one in that form, or, without a form, in any.
 */
export function readSession(
  bytes: Uint8Array,
  form: SessionForm | null,
  nowMs: number,
  call = 'readSession',
): ReadSession {
  if (bytes.length > MAX_INPUT_BYTES) {
    throw new SessionFormatError('ERR_SESSION_UNKNOWN_FORM', 'far too long for a session', MAX_INPUT_BYTES);
  }
  const found = form ?? detectForm(bytes);
  switch (found) {
    case 'DER':
      return { session: decodeSession(bytes, nowMs, call), form: found, nodeHost: null };
    case 'PEM': {
      const der = decodePem(latin1(bytes));
      try {
        return { session: decodeSession(der, nowMs, call), form: found, nodeHost: null };
      } finally {
        der.fill(0);
      }
    }
    case 'node': {
      const { host, der } = unwrapNodeForm(bytes);
      return { session: decodeSession(der, nowMs, call), form: found, nodeHost: host };
    }
    case 'envelope':
      return { session: decodeEnvelope(bytes, call), form: found, nodeHost: null };
    case null:
      throw new SessionFormatError(
        'ERR_SESSION_UNKNOWN_FORM',
        'not a session in DER, PEM, the form of newer Node versions, or an envelope',
        0,
      );
  }
}
