import { TlsAlertError } from '../../util/errors.ts';
import type { CipherSuite } from '../../util/registries.ts';
import type { ServerHello } from '../../wire/message/server-hello.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { State } from '../state.ts';
import type { Offer } from './start.ts';

/** TLS 1.2 is not spoken yet: whoever chooses it is told so. */
export function continueTls12(
  _host: Host<ClientConfig>,
  _offer: Offer,
  _hello: ServerHello,
  _suite: CipherSuite,
  _message: Uint8Array,
): State {
  throw TlsAlertError.local('no-common-version', 'TLS 1.2');
}
