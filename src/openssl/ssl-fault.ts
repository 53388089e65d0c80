/** What this end finds wrong under OpenSSL's own numbers: it ends a handshake and says so on the error queue. */
import { TlsAlertError } from '../util/errors.ts';
import { ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, raise } from './err.ts';
import { SSL_R_UNEXPECTED_EOF_WHILE_READING } from './ssl-reason-codes.ts';
import { reasonNumber, SSL_AD_REASON_OFFSET } from './ssl-reasons.ts';

/** Thrown from what a handshake asks; the handshake fails with `reason` on the queue. */
export class SslFault extends Error {
  readonly reason: number;

  constructor(reason: number, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Causes that are looked at: an error of a program's callback may be its own. */
const MAX_CAUSES = 16;

/** Puts on the queue why a connection failed. */
export function raiseFailure(error: Error): void {
  let cause: unknown = error;
  for (let i = 0; i < MAX_CAUSES && cause instanceof Error; i++, cause = cause.cause) {
    if (cause instanceof SslFault) {
      raise(ERR_LIB_SSL, cause.reason, cause.message);
      return;
    }
  }
  if (error instanceof TlsAlertError) {
    const isPeers = error.origin === 'peer';
    raise(
      ERR_LIB_SSL,
      isPeers ? SSL_AD_REASON_OFFSET + error.alert : reasonNumber(error.reason),
      error.message,
    );
  } else if (Reflect.get(error, 'code') === 'ECONNRESET') {
    raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING, error.message);
  } else raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, error.message);
}
