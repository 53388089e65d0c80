import { RecordProtection } from '../../record/protection.ts';
import type { Exporter, MasterSecret, ResumptionSecret, TrafficSecret } from '../../schedule/tls13.ts';
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
 * What is still made of a TLS 1.3 handshake when it is over: exported keying material (RFC 8446, 7.5) and the keys
 * of tickets (4.6.1). Each secret is derived when it is first asked for, but before the first KeyUpdate at the
 * latest: the first traffic keys follow from the master secret, which must not be there when those are gone.
 */
export class LateSecrets {
  readonly #host: Host;
  readonly #master: MasterSecret;
  readonly #serverFinished: Uint8Array;
  #exporter: Exporter | null = null;
  #resumption: ResumptionSecret | null = null;

  /** Takes over `master`. `serverFinished` is the transcript's hash up to that message. */
  constructor(host: Host, master: MasterSecret, serverFinished: Uint8Array) {
    this.#host = host;
    this.#master = host.track(master);
    this.#serverFinished = serverFinished;
    // A key log is told of all secrets as they come to be.
    if (host.keyLog !== null) this.#deriveExporter();
    host.exporter = (label, context, length) => this.#deriveExporter().export(label, context, length);
  }

  #deriveExporter(): Exporter {
    this.#exporter ??= this.#host.track(this.#master.exporter(this.#serverFinished));
    return this.#exporter;
  }

  /** `clientFinished` is the transcript's hash up to that message. */
  resumption(clientFinished: Uint8Array): ResumptionSecret {
    this.#resumption ??= this.#host.track(this.#master.resumption(clientFinished));
    return this.#resumption;
  }

  /** The first traffic keys go, and what they were made of goes with them. */
  forgetMaster(clientFinished: Uint8Array): void {
    if (this.#exporter === null) this.#deriveExporter();
    if (this.#resumption === null) this.resumption(clientFinished);
    this.#master.destroy();
  }
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
  /** Called once, before the first update. */
  #beforeFirst: (() => void) | null;

  /** Takes over both secrets. */
  constructor(
    host: Host,
    suite: CipherSuite,
    read: TrafficSecret,
    write: TrafficSecret,
    beforeFirstUpdate: () => void,
  ) {
    this.#host = host;
    this.#beforeFirst = beforeFirstUpdate;
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
    this.#host.requireRecordBoundary();
    this.#prepareUpdate();
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
    this.#prepareUpdate();
    this.#write = this.#write.next();
    installTrafficKeys(this.#host, 'write', this.#suite, this.#write);
  }

  #prepareUpdate(): void {
    this.#beforeFirst?.();
    this.#beforeFirst = null;
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
