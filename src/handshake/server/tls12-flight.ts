/** The server's flight of a full TLS 1.2 handshake: Certificate to ServerHelloDone (RFC 5246, 7.4.2 to 7.4.5). */
import type { KeyExchange } from '../../crypto/provider.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { writeCertificateStatus } from '../../wire/extension/small.ts';
import { writeCertificate12 } from '../../wire/message/certificate.ts';
import { writeCertificateRequest12 } from '../../wire/message/certificate-request.ts';
import { writeServerEcdhParams, writeServerKeyExchange } from '../../wire/message/key-exchange.ts';
import { writeEmptyMessage } from '../../wire/message/small.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { Credential, ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { type Hello12, keyExchangeContent } from '../shared/tls12.ts';
import type { State } from '../state.ts';
import type { Asked12 } from './tls12.ts';
import { expectClientFlight12 } from './tls12-client-flight.ts';

/** What the server chose for a full handshake. */
export interface Chosen12 {
  readonly asked: Asked12;
  readonly hello: Hello12;
  readonly credential: Credential;
  readonly scheme: number;
  readonly group: number;
  /** To staple; null for none. */
  readonly ocspResponse: Uint8Array | null;
  /** The new session's id; empty for none. */
  readonly sessionId: Uint8Array;
  readonly willSendTicket: boolean;
  readonly asksClient: boolean;
}

/** Behind the ServerHello. */
export function sendFlight12(host: Host<ServerConfig>, chosen: Chosen12): State {
  const { credential, scheme, hello, ocspResponse } = chosen;
  const { scratch } = host;
  const send = (): void => {
    host.send(scratch.view());
    hello.transcript.update(scratch.view());
  };
  host.info.ownCertificate = credential.chain[0] ?? null;
  scratch.reset();
  writeCertificate12(scratch, credential.chain);
  send();
  if (ocspResponse !== null) {
    scratch.reset();
    scratch.u8(HandshakeType.certificate_status);
    const status = scratch.open24();
    writeCertificateStatus(scratch, ocspResponse);
    scratch.close24(status);
    send();
  }
  const exchange: KeyExchange = host.track(host.provider.generateKeyExchange(chosen.group));
  scratch.reset();
  writeServerEcdhParams(scratch, chosen.group, exchange.publicKey);
  const params = scratch.copy();
  const content = keyExchangeContent(host, hello.serverRandom, params);
  return host.wait<'sign'>(
    { kind: 'sign', credential, scheme, content },
    (signature) => {
      host.info.signatureScheme = scheme;
      scratch.reset();
      writeServerKeyExchange(scratch, params, scheme, signature);
      if (chosen.asksClient) {
        const authorities = chosen.asked.settings.clientCertificateAuthorities;
        writeCertificateRequest12(scratch, host.config.signatureSchemes, authorities);
      }
      writeEmptyMessage(scratch, HandshakeType.server_hello_done);
      send();
      return expectClientFlight12(host, chosen, exchange);
    },
    (error) => {
      throw TlsAlertError.local('sign-failed', undefined, { cause: error });
    },
  );
}
