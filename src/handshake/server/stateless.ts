/**
 * A HelloRetryRequest that leaves nothing behind: what the server has to remember goes out in the cookie and
 * comes back with the second ClientHello, to another connection (RFC 8446, 4.2.2; SSL_stateless(3)).
 *
 *     struct {
 *         CipherSuite cipher_suite;
 *         uint16 group;                 the group asked for, or 0
 *         opaque hello_hash<32..48>;    the hash of the first ClientHello
 *     } RetryState;
 */
import { Transcript } from '../../schedule/transcript.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, ProtocolVersion } from '../../util/registries.ts';
import { writeRetryGroup } from '../../wire/extension/key-share.ts';
import { writeSelectedVersion } from '../../wire/extension/lists.ts';
import { readCookie, writeCookie } from '../../wire/extension/small.ts';
import { HELLO_RETRY_RANDOM, writeServerHello } from '../../wire/message/server-hello.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { State, unexpected } from '../state.ts';
import type { ClientRequest } from './client-hello.ts';

/** What a cookie of ours says. */
export interface RetryState {
  readonly suiteId: number;
  /** 0: only the cookie was asked for. */
  readonly group: number;
  readonly helloHash: Uint8Array;
}

/** `group` 0: the client's shares are good, and only the cookie is to come back. */
export function writeRetry(
  writer: Writer,
  request: ClientRequest,
  suite: CipherSuite,
  group: number,
  cookie: Uint8Array | null,
): void {
  writeServerHello(writer, HELLO_RETRY_RANDOM, request.hello.sessionId, suite.id, (out) => {
    if (group !== 0) writeRetryGroup(out, group);
    if (cookie !== null) writeCookie(out, cookie);
    writeSelectedVersion(out, ProtocolVersion.TLS1_3);
  });
}

export function sealRetryState(host: Host<ServerConfig>, state: RetryState): Uint8Array {
  const writer = new Writer(64);
  writer.u16(state.suiteId);
  writer.u16(state.group);
  writer.vector8(state.helloHash);
  const cookie = host.config.cookies?.seal(writer.copy()) ?? null;
  if (cookie === null) throw TlsAlertError.local('internal-error', 'there is no cookie');
  return cookie;
}

/** The state in the hello's cookie. Null when there is no cookie, or one that is out of date. */
export function openRetryState(host: Host<ServerConfig>, request: ClientRequest): RetryState | null {
  const body = request.hello.extensions.get(ExtensionType.cookie);
  const { cookies } = host.config;
  if (body === undefined || cookies === null) return null;
  const opened = cookies.open(readCookie(body).slice());
  if (opened === 'stale') return null;
  if (opened === null) throw TlsAlertError.local('illegal-parameter', 'a cookie that is not ours');
  const reader = new Reader(opened);
  const state: RetryState = {
    suiteId: reader.u16(),
    group: reader.u16(),
    helloHash: reader.vector8().slice(),
  };
  reader.finish();
  return state;
}

/** The transcript as it was when the HelloRetryRequest had gone out. */
export function transcriptAfterRetry(
  host: Host<ServerConfig>,
  request: ClientRequest,
  suite: CipherSuite,
  state: RetryState,
): Transcript {
  const transcript = new Transcript(host.provider);
  transcript.choose(suite.hash);
  const synthetic = new Uint8Array(4 + state.helloHash.length);
  synthetic[0] = 254;
  synthetic[3] = state.helloHash.length;
  synthetic.set(state.helloHash, 4);
  transcript.update(synthetic);
  const { scratch } = host;
  const body = request.hello.extensions.get(ExtensionType.cookie) as Uint8Array;
  scratch.reset();
  writeRetry(scratch, request, suite, state.group, readCookie(body).slice());
  transcript.update(scratch.view());
  return transcript;
}

/** The cookie is out, and this connection is over without having been one. */
export class StatelessRetrySent extends State {
  readonly name = 'statelessRetrySent';

  onMessage(type: number): State {
    throw unexpected(type, this.name);
  }
}
