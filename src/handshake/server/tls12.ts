import type { Transcript } from '../../schedule/transcript.ts';
import { TlsAlertError } from '../../util/errors.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { State } from '../state.ts';
import type { ClientRequest } from './client-hello.ts';
import type { ServerSettings } from './start.ts';

/** TLS 1.2 is not spoken yet: whoever asks for it is told so. */
export function negotiate12(
  _host: Host<ServerConfig>,
  _settings: ServerSettings,
  _request: ClientRequest,
  _transcript: Transcript,
): State {
  throw TlsAlertError.local('no-common-version', 'TLS 1.2');
}
