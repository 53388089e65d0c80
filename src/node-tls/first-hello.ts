/**
 * The ClientHello at the head of a stream that somebody else will speak TLS on: read, and not consumed.
 * node:tls tells a program nothing of it but the legacy session id, which in TLS 1.3 is random.
 */
import type { Duplex } from 'node:stream';
import { concatBytes } from '../util/bytes.ts';
import { TlsessionError } from '../util/errors.ts';
import { DEFAULT_LIMITS } from '../util/limits.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { readU16List8 } from '../wire/extension/lists.ts';
import { readOfferedPsks } from '../wire/extension/pre-shared-key.ts';
import { readServerName } from '../wire/extension/server-name.ts';
import { readClientHello } from '../wire/message/client-hello.ts';
import { ContentType, ExtensionType, HandshakeType } from '../wire/numbers.ts';

/** What a server needs of a hello to find the session that it asks for. All bytes are copies. */
export interface FirstHello {
  /** Null for none. */
  readonly serverName: string | null;
  /** The legacy session id: in TLS 1.2 the session's, in TLS 1.3 random. */
  readonly sessionId: Uint8Array;
  /** The identity of the first pre-shared key; null for none, or without TLS 1.3. */
  readonly pskIdentity: Uint8Array | null;
  /** Whether TLS 1.3 is among the versions offered. */
  readonly offersTls13: boolean;
  readonly extendedMasterSecret: boolean;
  readonly offeredCiphers: readonly number[];
}

const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
/** A plaintext record (RFC 8446, 5.1). */
const MAX_FRAGMENT = 16_384;
/** Records that a hello may be cut into: one of 64 KiB with 256 bytes each. */
const MAX_RECORDS = 256;

/** Not all of the hello has come: nothing can be said before there are so many bytes in all. */
export interface HelloNeeds {
  readonly needs: number;
}

/**
 * The hello that `bytes` begin with, or how many bytes it takes to say; null when there is none: node:tls
 * then has its own say on what it is.
 */
export function firstHelloIn(bytes: Uint8Array): FirstHello | HelloNeeds | null {
  const fragments: Uint8Array[] = [];
  let had = 0;
  let wanted = MESSAGE_HEADER;
  let at = 0;
  while (fragments.length < MAX_RECORDS) {
    if (!couldBeRecord(bytes, at)) return null;
    if (bytes.length - at < RECORD_HEADER) return { needs: at + RECORD_HEADER };
    const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
    if (length === 0 || length > MAX_FRAGMENT) return null;
    at += RECORD_HEADER;
    const fragment = bytes.subarray(at, Math.min(at + length, bytes.length));
    fragments.push(fragment);
    had += fragment.length;
    if (had >= wanted) {
      const message = fragments.length === 1 ? fragment : concatBytes(...fragments);
      if (message[0] !== HandshakeType.client_hello) return null;
      wanted = MESSAGE_HEADER + uint24(message, 1);
      if (wanted > DEFAULT_LIMITS.handshakeMessageBytes) return null;
      if (had >= wanted) return parse(message.subarray(MESSAGE_HEADER, wanted));
    }
    // The message may end before the record does.
    const missing = wanted - had;
    if (fragment.length < length) {
      return { needs: bytes.length + Math.min(missing, length - fragment.length) };
    }
    at += length;
  }
  return null;
}

function couldBeRecord(bytes: Uint8Array, at: number): boolean {
  if (at < bytes.length && bytes[at] !== ContentType.handshake) return false;
  return at + 1 >= bytes.length || bytes[at + 1] === 3;
}

function uint24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

function parse(body: Uint8Array): FirstHello | null {
  try {
    const hello = readClientHello(body);
    const { extensions } = hello;
    const name = extensions.get(ExtensionType.server_name);
    const psk = extensions.get(ExtensionType.pre_shared_key);
    const versions = extensions.get(ExtensionType.supported_versions);
    const offersTls13 = versions !== undefined && readU16List8(versions).includes(ProtocolVersion.TLS1_3);
    const identity =
      psk === undefined || !offersTls13 ? null : (readOfferedPsks(psk).identities[0]?.identity ?? null);
    return {
      serverName: name === undefined ? null : readServerName(name),
      sessionId: new Uint8Array(hello.sessionId),
      pskIdentity: identity === null ? null : new Uint8Array(identity),
      offersTls13,
      extendedMasterSecret: extensions.has(ExtensionType.extended_master_secret),
      offeredCiphers: hello.cipherSuites,
    };
  } catch (error) {
    if (TlsessionError.is(error)) return null;
    throw error;
  }
}

/**
 * Reads the first hello off a stream that nobody reads yet, and puts all that came back in front of it. One
 * of the two is called, once, in a later turn: `done` with the hello, or with null for what is none; `failed`
 * when the stream ended or broke before, or `limitMs` (milliseconds) passed. What has ended is of no use to
 * anybody: nothing is put back then.
 */
export function peekFirstHello(
  stream: Duplex,
  limitMs: number,
  done: (hello: FirstHello | null) => void,
  failed: (error: Error) => void,
): void {
  const chunks: Uint8Array[] = [];
  let received = 0;
  let needs = 1;
  const stop = (): void => {
    clearTimeout(timer);
    stream.off('data', onData);
    stream.off('end', onEnd);
    stream.off('close', onEnd);
    stream.off('error', fail);
  };
  const fail = (error: Error): void => {
    stop();
    failed(error);
  };
  const onEnd = (): void => fail(new TlsessionError('ECONNRESET', 'socket hang up'));
  const onData = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    received += chunk.length;
    if (received < needs) return;
    const all = chunks.length === 1 ? chunk : concatBytes(...chunks);
    const hello = firstHelloIn(all);
    if (hello !== null && 'needs' in hello) {
      needs = hello.needs;
      return;
    }
    stop();
    // Without a listener for `data` a paused stream keeps what comes now for its next reader.
    stream.pause();
    stream.unshift(all);
    done(hello);
  };
  const timer = setTimeout(
    () => fail(new TlsessionError('ERR_TLS_HANDSHAKE_TIMEOUT', 'TLS handshake timeout')),
    limitMs,
  );
  timer.unref();
  stream.on('data', onData);
  stream.on('end', onEnd);
  stream.on('close', onEnd);
  stream.on('error', fail);
}
