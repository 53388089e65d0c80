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
  /** The flight that holds our last refusal. */
  #refusedAt = -1;

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

  /** One refusal answers any number of requests, and none leaves behind our close_notify. */
  #refuse(): void {
    const host = this.#host;
    if (host.writable !== 'data') return;
    if (this.#refusedAt === host.writer.flights && host.writer.pending > 0) return;
    host.sendAlert(AlertLevel.warning, Alert.no_renegotiation);
    this.#refusedAt = host.writer.flights;
  }
}
