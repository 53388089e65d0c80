/** pskCallback in both roles: external pre-shared keys of TLS 1.3 (RFC 8446, 4.2.11). */
import type { ExternalPsk } from '../handshake/config.ts';
import type { FindPskJob, OfferPskJob } from '../handshake/jobs.ts';
import type { SessionCore } from '../session/core.ts';
import { externalKeySession } from '../session/external-key.ts';
import { plainBytes, utf8 } from '../util/bytes.ts';
import {
  invalidArgType,
  invalidArgValue,
  requireBytes,
  requireObject,
  requireString,
} from './node-errors.ts';

/** OpenSSL's PSK_MAX_PSK_LEN and PSK_MAX_IDENTITY_LEN, in bytes. */
const MAX_KEY = 512;
const MAX_IDENTITY = 256;

/** What a client answers. */
export interface PskNegotiation {
  readonly psk: NodeJS.ArrayBufferView;
  readonly identity: string;
}

/** The hint is a thing of TLS 1.2: null here. Null: no key is offered. */
export type ClientPskCallback = (hint: string | null) => PskNegotiation | null | undefined;

/** Null: the identity is not known. */
export type ServerPskCallback<Socket> = (
  socket: Socket,
  identity: string,
) => NodeJS.ArrayBufferView | { readonly psk: NodeJS.ArrayBufferView } | null | undefined;

function bytesOf(view: NodeJS.ArrayBufferView): Uint8Array {
  return plainBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}

function checkKey(psk: NodeJS.ArrayBufferView): void {
  if (psk.byteLength > MAX_KEY) {
    throw invalidArgValue('psk', '(secret)', `Pre-shared key exceeds ${MAX_KEY} bytes`);
  }
}

/** The key to offer, or null. `keep` gives the session back when the connection no longer needs it. */
export function offerPsk(
  callback: ClientPskCallback,
  job: OfferPskJob,
  keep: (session: SessionCore) => void,
): ExternalPsk | null {
  // These keys are for SHA-256; after a HelloRetryRequest the suite may ask for another.
  if (job.hash === 'sha384') return null;
  const answer = callback(null);
  if (answer === null || answer === undefined) return null;
  requireObject(answer, 'ret');
  requireBytes(answer.psk, 'psk');
  checkKey(answer.psk);
  requireString(answer.identity, 'identity');
  const identity = utf8(answer.identity);
  if (identity.length > MAX_IDENTITY) {
    throw invalidArgValue('identity', answer.identity, `PSK identity exceeds ${MAX_IDENTITY} bytes`);
  }
  if (answer.psk.byteLength === 0 || identity.length === 0) return null;
  const session = externalKeySession(bytesOf(answer.psk), 'pskCallback');
  keep(session);
  return { identity, session };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The session of an identity, with one library reference; null for none. Tickets, which are no text, are not asked about. */
export function findPsk<Socket>(
  callback: ServerPskCallback<Socket>,
  job: FindPskJob,
  socket: Socket,
): SessionCore | null {
  if (job.identity.length > MAX_IDENTITY || job.identity.includes(0)) return null;
  let identity: string;
  try {
    identity = decoder.decode(job.identity);
  } catch {
    return null;
  }
  const answer = callback(socket, identity);
  if (answer === null || answer === undefined) return null;
  if (typeof answer !== 'object') {
    throw invalidArgType('ret', 'of type object or an instance of Buffer, TypedArray, or DataView', answer);
  }
  const psk = ArrayBuffer.isView(answer) ? answer : answer.psk;
  requireBytes(psk, 'psk');
  checkKey(psk);
  return psk.byteLength === 0 ? null : externalKeySession(bytesOf(psk), 'pskCallback');
}
