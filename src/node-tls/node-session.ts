/** Sessions of stock node:tls as `Session` objects, and back: to inspect, save, load and resume them. */
import type * as tls from 'node:tls';
import { Session } from '../session/session.ts';
import { type Clock, systemClock } from '../util/clock.ts';

/**
 * Whether this Node wraps client sessions with the name that they were authenticated for, and takes no others
 * (CVE-2026-48934): from 22.23, 24.17 and 26 on.
 */
export function nodeWrapsSessions(version: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 25 || (major === 24 && minor >= 17) || (major === 22 && minor >= 23);
}

/**
 * The session of a stock `tls.TLSSocket`, as `getSession` has it now, or of what its `session` event gave;
 * null when there is none. The handle is the caller's to free. In TLS 1.3 a session can be resumed only once
 * the server has sent a ticket: take it from the event.
 * @throws {DecodeError} for bytes that are not a session.
 */
export function sessionFromNode(
  source: tls.TLSSocket | Uint8Array,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Session | null {
  const bytes = source instanceof Uint8Array ? source : source.getSession();
  return bytes === undefined || bytes === null || bytes.length === 0 ? null : Session.from(bytes, { clock });
}

/**
 * The bytes that this Node's `tls.connect` takes as `session` for a connection to `host` (its `servername`, or
 * else its `host`). @throws {UsageError} `ERR_SESSION_NODE_HOST` when there is no name, and this Node wants one.
 */
export function sessionForNode(session: Session, host?: string): Buffer {
  const bytes = nodeWrapsSessions()
    ? host === undefined
      ? session.toNode()
      : session.toNode(host)
    : session.toDER();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
