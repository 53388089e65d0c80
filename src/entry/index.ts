/** `tlsession`: connections and servers in the shape of node:tls. */
export { CertificateRefusedError } from '../connection/certificate-check.ts';
export { type ConnectOptions, connect } from '../net/connect.ts';
export {
  type CertificateInput,
  createSecureContext,
  type KeyInput,
  SecureContext,
  type SecureContextOptions,
} from '../net/secure-context.ts';
export { createServer, Server, type ServerOptions } from '../net/server.ts';
export type { SessionInput } from '../net/session-input.ts';
export type { AlpnCallback, CheckServerIdentity, SniCallback } from '../net/setup.ts';
export { TLSSocket } from '../net/socket.ts';
export { Session } from '../session/session.ts';
export { TicketKeyring, type TicketKeyringOptions } from '../ticket/keyring.ts';
export { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
