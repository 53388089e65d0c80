import { MAX_PLAINTEXT } from '../../record/protection.ts';
import { Alert } from '../../util/registries.ts';
import { AlertLevel, HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { type Reads, State, unexpected } from '../state.ts';
import type { HelloRequests } from './tls12-state.ts';

/** A TLS 1.2 client after its handshake: there is no other one (RFC 5246, 7.2.2: no_renegotiation). */
export class EstablishedClient12 extends State {
  readonly name = 'established';
  readonly #host: Host<ClientConfig>;
  readonly #helloRequests: HelloRequests;

  constructor(host: Host<ClientConfig>, helloRequests: HelloRequests) {
    super();
    this.#host = host;
    this.#helloRequests = helloRequests;
    host.applicationDataHook = (): void => helloRequests.onApplicationData();
  }

  override get reads(): Reads {
    return 'data';
  }

  override get handshaking(): boolean {
    return false;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.hello_request) throw unexpected(type, this.name);
    this.#helloRequests.take(message);
    this.#refuse();
    return this;
  }

  /** A request may be ignored, too: by an end that sends no more, or whose peer reads no more. */
  #refuse(): void {
    const host = this.#host;
    if (host.writable !== 'data' || host.writer.pending > MAX_PLAINTEXT) return;
    host.sendAlert(AlertLevel.warning, Alert.no_renegotiation);
  }
}
