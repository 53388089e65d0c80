/** What every state of a TLS 1.2 client has to reckon with: HelloRequest, at any time (RFC 5246, 7.4.1.1). */
import { TlsAlertError } from '../../util/errors.ts';
import { expectEmptyMessage } from '../../wire/message/small.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { State } from '../state.ts';

/** Counts HelloRequests, so that a server that sends nothing else does not go on for ever. */
export class HelloRequests {
  readonly #host: Host;
  #inRow = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  take(message: Uint8Array): void {
    expectEmptyMessage(HandshakeType.hello_request, message.subarray(4));
    if (++this.#inRow > this.#host.limits.helloRequests) {
      throw TlsAlertError.local('too-many-hello-requests');
    }
  }

  onApplicationData(): void {
    this.#inRow = 0;
  }
}

/** A state of the handshake: a HelloRequest is ignored, and no part of the transcript. */
export abstract class ClientState12 extends State {
  protected readonly host: Host<ClientConfig>;
  readonly #helloRequests: HelloRequests;

  constructor(host: Host<ClientConfig>, helloRequests: HelloRequests) {
    super();
    this.host = host;
    this.#helloRequests = helloRequests;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.hello_request) return this.onHandshakeMessage(type, message);
    this.#helloRequests.take(message);
    return this;
  }

  protected abstract onHandshakeMessage(type: number, message: Uint8Array): State;
}
