/** What can be seen to be wrong with a configuration before a connection is made of it. */
import { TlsAlertError, UsageError } from '../util/errors.ts';
import { readSctList } from '../wire/extension/small.ts';
import type { ClientConfig, Credential, ServerConfig } from './config.ts';

/** @throws {UsageError} */
export function checkConfig(config: ClientConfig | ServerConfig): void {
  if (config.role === 'server') for (const credential of config.credentials) checkCredential(credential);
}

/** @throws {UsageError} */
export function checkCredential(credential: Credential): void {
  if (credential.chain.length === 0) {
    throw new UsageError('ERR_TLS_NO_CERTIFICATE', 'a credential needs a certificate');
  }
  if (credential.sctList === undefined) return;
  try {
    readSctList(credential.sctList);
  } catch (error) {
    if (!(error instanceof TlsAlertError)) throw error;
    throw new UsageError('ERR_TLS_SCT_LIST', 'not a SignedCertificateTimestampList', { cause: error });
  }
}
