import { RecordProtection } from '../../record/protection.ts';
import type { Exporter, MasterSecret, TrafficSecret } from '../../schedule/tls13.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, ProtocolVersion } from '../../util/registries.ts';
import { readKeyUpdate, writeKeyUpdate } from '../../wire/message/small.ts';
import type { Host } from '../host.ts';

/** Puts the keys of a traffic secret to work in one direction (RFC 8446, 7.3). The secret stays. */
export function installTrafficKeys(
  host: Host,
  direction: 'read' | 'write',
  suite: CipherSuite,
  secret: TrafficSecret,
): void {
  const { key, iv } = secret.keys(suite.aead);
  const protection = new RecordProtection(ProtocolVersion.TLS1_3, suite, key, iv);
  if (direction === 'read') host.setReadProtection(protection);
  else host.setWriteProtection(protection);
}

/**
 * Exported keying material on demand (RFC 8446, 7.5): its secret is derived when it is first asked for, and
 * at once only for a key log. `hash` is the transcript's up to the server's Finished.
 */
export function offerExporter(host: Host, master: MasterSecret, hash: Uint8Array): void {
  let exporter: Exporter | null = null;
  const derive = (): Exporter => {
    exporter ??= host.track(master.exporter(hash));
    return exporter;
  };
  if (host.keyLog !== null) derive();
  host.exporter = (label, context, length) => derive().export(label, context, length);
}

/** The traffic secrets of an established TLS 1.3 connection, and their updates (RFC 8446, 4.6.3 and 7.2). */
export class TrafficSecrets {
  readonly #host: Host;
  readonly #suite: CipherSuite;
  #read: TrafficSecret;
  #write: TrafficSecret;
  #updatesInRow = 0;
  /** The peer asked for new keys: the answer goes out in front of our next data, one for any number of asks. */
  #answerOwed = false;

  /** Takes over both secrets. */
  constructor(host: Host, suite: CipherSuite, read: TrafficSecret, write: TrafficSecret) {
    this.#host = host;
    this.#suite = suite;
    this.#read = read;
    this.#write = write;
    host.updateKey = (requestPeer): void => this.#send(requestPeer);
    host.beforeApplicationData = (): void => {
      if (this.#answerOwed) this.#send(false);
    };
  }

  /** Application data in between makes updates legitimate. */
  onApplicationData(): void {
    this.#updatesInRow = 0;
  }

  onKeyUpdate(body: Uint8Array): void {
    const requested = readKeyUpdate(body);
    if (++this.#updatesInRow > this.#host.limits.keyUpdates)
      throw TlsAlertError.local('too-many-key-updates');
    if (!this.#host.joiner.isEmpty) throw TlsAlertError.local('message-across-key-change');
    this.#read = this.#read.next();
    installTrafficKeys(this.#host, 'read', this.#suite, this.#read);
    // "An implementation which receives multiple KeyUpdates while it is silent" is to "respond with a single
    // update" (RFC 8446, 4.6.3), and a peer that only asks must not make this end's output grow.
    if (requested) this.#answerOwed = true;
  }

  #send(requestPeer: boolean): void {
    this.#answerOwed = false;
    const { scratch } = this.#host;
    scratch.reset();
    writeKeyUpdate(scratch, requestPeer);
    this.#host.send(scratch.view());
    this.#write = this.#write.next();
    installTrafficKeys(this.#host, 'write', this.#suite, this.#write);
  }

  /** verify_data of a Finished after the handshake (RFC 8446, 4.4.4). */
  writeVerifyData(transcriptHash: Uint8Array): Uint8Array {
    return this.#write.verifyData(transcriptHash);
  }

  /** The same of the peer's. */
  readVerifyData(transcriptHash: Uint8Array): Uint8Array {
    return this.#read.verifyData(transcriptHash);
  }

  destroy(): void {
    this.#read.destroy();
    this.#write.destroy();
  }
}
