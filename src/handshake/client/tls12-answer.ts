/** The client's flight of a full TLS 1.2 handshake: Certificate to Finished (RFC 5246, 7.4.6 to 7.4.9). */
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { writeCertificate12 } from '../../wire/message/certificate.ts';
import type { CertificateRequest } from '../../wire/message/certificate-request.ts';
import { writeCertificateVerify } from '../../wire/message/certificate-verify.ts';
import { writeClientKeyExchange } from '../../wire/message/key-exchange.ts';
import type { ClientConfig, Credential } from '../config.ts';
import type { Host } from '../host.ts';
import { chooseScheme } from '../shared/signatures.ts';
import { deriveMaster12, Secured12 } from '../shared/tls12.ts';
import type { State } from '../state.ts';
import type { ServerIdentity } from './encrypted-extensions.ts';
import type { ClientHello12 } from './tls12.ts';
import { expectServerFinish } from './tls12-finish.ts';
import type { ServerShare } from './tls12-flight.ts';

export function answerServer(
  host: Host<ClientConfig>,
  hello: ClientHello12,
  identity: ServerIdentity,
  share: ServerShare,
  request: CertificateRequest | null,
): State {
  const finish = (secured: Secured12): State => {
    secured.sendFinished();
    return expectServerFinish(host, hello, secured, { kind: 'full', identity });
  };
  if (request === null) {
    hello.transcript.forgetMessages();
    return finish(exchangeKeys(host, hello, share));
  }
  return host.wait<'client-certificate'>(
    {
      kind: 'client-certificate',
      signatureSchemes: request.signatureSchemes,
      authorities: request.authorities,
      certificateTypes: request.certificateTypes,
    },
    (credential) => {
      const scheme = credential === null ? null : schemeFor(credential, request);
      const { scratch } = host;
      scratch.reset();
      host.info.ownCertificate = credential?.chain[0] ?? null;
      writeCertificate12(scratch, credential?.chain ?? []);
      host.send(scratch.view());
      hello.transcript.update(scratch.view());
      if (credential === null || scheme === null) {
        hello.transcript.forgetMessages();
        return finish(exchangeKeys(host, hello, share));
      }
      const secured = exchangeKeys(host, hello, share);
      return signHandshake(host, hello, credential, scheme, () => finish(secured));
    },
  );
}

function schemeFor(credential: Credential, request: CertificateRequest): number {
  const scheme = chooseScheme(credential, request.signatureSchemes, ProtocolVersion.TLS1_2);
  if (scheme === null) throw TlsAlertError.local('no-common-signature-scheme');
  return scheme;
}

/** ClientKeyExchange, and the master secret that comes of it. */
function exchangeKeys(host: Host<ClientConfig>, hello: ClientHello12, share: ServerShare): Secured12 {
  const exchange = host.provider.respondKeyExchange(share.group, share.publicKey);
  if (exchange === null) throw TlsAlertError.local('bad-key-share');
  const { scratch } = host;
  scratch.reset();
  writeClientKeyExchange(scratch, exchange.publicKey);
  host.send(scratch.view());
  hello.transcript.update(scratch.view());
  return new Secured12(host, hello, deriveMaster12(host, hello, exchange.secret));
}

/** CertificateVerify signs the messages themselves, under a hash of its own (RFC 5246, 7.4.8). */
function signHandshake(
  host: Host<ClientConfig>,
  hello: ClientHello12,
  credential: Credential,
  scheme: number,
  next: () => State,
): State {
  const { transcript } = hello;
  const content = transcript.messages();
  transcript.forgetMessages();
  return host.wait<'sign'>(
    { kind: 'sign', credential, scheme, content },
    (signature) => {
      const { scratch } = host;
      host.info.signatureScheme = scheme;
      scratch.reset();
      writeCertificateVerify(scratch, scheme, signature);
      host.send(scratch.view());
      transcript.update(scratch.view());
      return next();
    },
    (error) => {
      throw TlsAlertError.local('sign-failed', undefined, { cause: error });
    },
  );
}
