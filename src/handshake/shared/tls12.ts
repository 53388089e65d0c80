/** What both ends do alike once a TLS 1.2 handshake has its master secret (RFC 5246, 6.3 and 7.4.9). */
import type { KeyType } from '../../crypto/provider.ts';
import { RecordProtection } from '../../record/protection.ts';
import { MasterSecret12, type TrafficKeys12, VERIFY_DATA_LENGTH } from '../../schedule/tls12.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import { concatBytes, equalSecret } from '../../util/bytes.ts';
import { TlsAlertError, UsageError } from '../../util/errors.ts';
import { type CipherSuite, NamedGroup, ProtocolVersion } from '../../util/registries.ts';
import { writeFinished } from '../../wire/message/small.ts';
import type { Host } from '../host.ts';

/** What the hellos fixed for the rest of the handshake. */
export interface Hello12 {
  readonly suite: CipherSuite;
  readonly transcript: Transcript;
  readonly serverRandom: Uint8Array;
  /** Whether the extended master secret was agreed on (RFC 7627). */
  readonly extended: boolean;
}

/** The keys of both directions, until their ChangeCipherSpec puts each to work. */
class PendingKeys {
  #read: RecordProtection | null;
  #write: RecordProtection | null;

  constructor(read: RecordProtection, write: RecordProtection) {
    this.#read = read;
    this.#write = write;
  }

  takeRead(): RecordProtection {
    const keys = this.#read;
    if (keys === null) throw TlsAlertError.local('internal-error', 'keys are put to work twice');
    this.#read = null;
    return keys;
  }

  takeWrite(): RecordProtection {
    const keys = this.#write;
    if (keys === null) throw TlsAlertError.local('internal-error', 'keys are put to work twice');
    this.#write = null;
    return keys;
  }

  destroy(): void {
    this.#read?.destroy();
    this.#write?.destroy();
    this.#read = null;
    this.#write = null;
  }
}

/** A handshake with its master secret: what is left are ChangeCipherSpec and Finished, both ways. */
export class Secured12 {
  readonly hello: Hello12;
  readonly #host: Host;
  readonly #master: MasterSecret12;
  readonly #pending: PendingKeys;

  /** Takes over `master`. */
  constructor(host: Host, hello: Hello12, master: MasterSecret12) {
    const { suite } = hello;
    this.hello = hello;
    this.#host = host;
    this.#master = host.track(master);
    if (host.keyLog !== null) master.log(host.keyLog);
    const { client, server } = master.keys(suite.aead, host.clientRandom, hello.serverRandom);
    const [read, write] = host.config.role === 'client' ? [server, client] : [client, server];
    this.#pending = host.track(new PendingKeys(protect(suite, read), protect(suite, write)));
  }

  /** The peer's ChangeCipherSpec: what follows is protected. */
  startReading(): void {
    this.#host.setReadProtection(this.#pending.takeRead());
  }

  /** ChangeCipherSpec and, as the first message under the new keys, Finished. */
  sendFinished(): void {
    const host = this.#host;
    const { transcript } = this.hello;
    const verifyData = this.#master.verifyData(host.config.role, transcript.peek());
    host.info.finished = verifyData;
    host.writer.appendChangeCipherSpec();
    host.setWriteProtection(this.#pending.takeWrite());
    host.scratch.reset();
    writeFinished(host.scratch, verifyData);
    host.send(host.scratch.view());
    transcript.update(host.scratch.view());
  }

  /** The peer's Finished, which ends its flight. `message` is the whole message. */
  checkFinished(message: Uint8Array): void {
    const host = this.#host;
    const { transcript } = this.hello;
    const received = message.subarray(4);
    if (received.length !== VERIFY_DATA_LENGTH) {
      throw TlsAlertError.local('decode-error', 'Finished of a wrong length');
    }
    const peer = host.config.role === 'client' ? 'server' : 'client';
    const expected = this.#master.verifyData(peer, transcript.peek());
    if (!equalSecret(expected, received)) throw TlsAlertError.local('bad-finished');
    host.requireRecordBoundary();
    host.info.peerFinished = expected;
    transcript.update(message);
  }

  /** A copy of the master secret, for the session; the caller wipes it. */
  masterKey(): Uint8Array {
    return this.#master.bytes();
  }

  /** The handshake is complete: the master secret stays where something may be exported from it. */
  end(): void {
    const host = this.#host;
    if (!this.hello.extended) {
      this.#master.destroy();
      host.exporter = refuseExport;
      return;
    }
    host.exporter = (label, context, length) =>
      this.#master.export(label, context, length, host.clientRandom, this.hello.serverRandom);
  }
}

function protect(suite: CipherSuite, { key, iv }: TrafficKeys12): RecordProtection {
  return new RecordProtection(ProtocolVersion.TLS1_2, suite, key, iv);
}

function refuseExport(): never {
  throw new UsageError(
    'ERR_TLS_EXPORTER_UNSAFE',
    'without the extended master secret nothing may be exported (RFC 7627, 5.4)',
  );
}

/** The master secret of a full handshake, with the premaster wiped. The transcript ends with ClientKeyExchange. */
export function deriveMaster12(host: Host, hello: Hello12, premaster: Uint8Array): MasterSecret12 {
  const { suite, transcript, serverRandom } = hello;
  const master = hello.extended
    ? MasterSecret12.extended(host.provider, suite.hash, premaster, transcript.peek())
    : MasterSecret12.fromPremaster(host.provider, suite.hash, premaster, host.clientRandom, serverRandom);
  premaster.fill(0);
  return master;
}

/** What a ServerKeyExchange's signature covers (RFC 8422, 5.4). */
export function keyExchangeContent(host: Host, serverRandom: Uint8Array, params: Uint8Array): Uint8Array {
  return concatBytes(host.clientRandom, serverRandom, params);
}

/** Which certificates a suite's name allows; EdDSA goes with the ECDSA suites (RFC 8422, 5.3). */
export function suiteFitsKey(suite: CipherSuite, type: KeyType): boolean {
  return suite.auth === (type === 'rsa' || type === 'rsa-pss' ? 'rsa' : 'ecdsa');
}

/** Groups of TLS 1.2 are elliptic curves alone: a KEM has no place in its messages. */
export function isCurve(group: number): boolean {
  return group !== NamedGroup.x25519mlkem768;
}

/**
 * The group that an ECDSA key lies in, null for other keys: supported_groups speaks of certificates too in TLS
 * 1.2 (RFC 8422, 5.3).
 */
export function groupOfKey(type: KeyType): number | null {
  switch (type) {
    case 'ec-p256':
      return NamedGroup.secp256r1;
    case 'ec-p384':
      return NamedGroup.secp384r1;
    case 'ec-p521':
      return NamedGroup.secp521r1;
    default:
      return null;
  }
}
