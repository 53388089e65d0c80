/**
 * A failure of the protocol as node:tls tells of it: OpenSSL's reason, and a code made of it. Where OpenSSL
 * has several words for one of ours, it is the one that its own ends say most.
 */
import { type FailureReason, TlsAlertError, TlsessionError } from '../util/errors.ts';
import { alertName } from '../util/registries.ts';

/** SSL_R_* in OpenSSL 3.0, by AlertDescription. Later versions write `ssl/tls` for `sslv3`. */
const ALERTS: ReadonlyMap<number, string> = new Map([
  [10, 'sslv3 alert unexpected message'],
  [20, 'sslv3 alert bad record mac'],
  [21, 'tlsv1 alert decryption failed'],
  [22, 'tlsv1 alert record overflow'],
  [30, 'sslv3 alert decompression failure'],
  [40, 'sslv3 alert handshake failure'],
  [41, 'sslv3 alert no certificate'],
  [42, 'sslv3 alert bad certificate'],
  [43, 'sslv3 alert unsupported certificate'],
  [44, 'sslv3 alert certificate revoked'],
  [45, 'sslv3 alert certificate expired'],
  [46, 'sslv3 alert certificate unknown'],
  [47, 'sslv3 alert illegal parameter'],
  [48, 'tlsv1 alert unknown ca'],
  [49, 'tlsv1 alert access denied'],
  [50, 'tlsv1 alert decode error'],
  [51, 'tlsv1 alert decrypt error'],
  [60, 'tlsv1 alert export restriction'],
  [70, 'tlsv1 alert protocol version'],
  [71, 'tlsv1 alert insufficient security'],
  [80, 'tlsv1 alert internal error'],
  [86, 'tlsv1 alert inappropriate fallback'],
  [90, 'tlsv1 alert user cancelled'],
  [100, 'tlsv1 alert no renegotiation'],
  [109, 'tlsv13 alert missing extension'],
  [110, 'tlsv1 unsupported extension'],
  [111, 'tlsv1 certificate unobtainable'],
  [112, 'tlsv1 unrecognized name'],
  [113, 'tlsv1 bad certificate status response'],
  [114, 'tlsv1 bad certificate hash value'],
  [115, 'tlsv1 alert unknown psk identity'],
  [116, 'tlsv13 alert certificate required'],
  [120, 'tlsv1 alert no application protocol'],
]);

/** SSL_R_* for what this end found. */
const REASONS: Readonly<Record<FailureReason, string>> = {
  'record-too-long': 'packet length too long',
  'bad-record-type': 'unexpected message',
  'bad-record-version': 'wrong version number',
  'bad-record-mac': 'decryption failed or bad record mac',
  'empty-record': 'unexpected message',
  'too-many-empty-records': 'record too small',
  'too-many-tiny-records': 'record too small',
  'interleaved-record': 'unexpected record',
  'message-across-key-change': 'not on record boundary',
  'bad-change-cipher-spec': 'bad change cipher spec',
  'not-tls': 'wrong version number',
  'bad-alert': 'bad record type',
  'alert-level': 'unknown alert type',
  'too-many-warnings': 'too many warn alerts',
  'unexpected-message': 'unexpected message',
  'decode-error': 'length mismatch',
  'message-too-long': 'excessive message size',
  'duplicate-extension': 'bad extension',
  'unsolicited-extension': 'unsolicited extension',
  'forbidden-extension': 'bad extension',
  'missing-extension': 'missing fatal',
  'illegal-parameter': 'bad value',
  'no-common-version': 'unsupported protocol',
  'downgrade-detected': 'inappropriate fallback',
  'inappropriate-fallback': 'inappropriate fallback',
  'no-common-cipher': 'no shared cipher',
  'no-common-group': 'no suitable key share',
  'no-common-signature-scheme': 'no suitable signature algorithm',
  'no-common-alpn': 'no application protocol',
  'wrong-cipher': 'wrong cipher returned',
  'wrong-group': 'bad key share',
  'wrong-signature-scheme': 'wrong signature type',
  'wrong-alpn': 'bad extension',
  'wrong-psk': 'bad psk identity',
  'wrong-compression': 'unsupported compression algorithm',
  'second-hello-changed': 'bad extension',
  'useless-hello-retry': 'unexpected message',
  'second-hello-retry': 'unexpected message',
  'renegotiation-refused': 'no renegotiation',
  'renegotiation-info': 'unsafe legacy renegotiation disabled',
  'unknown-name': 'callback failed',
  'extended-master-secret': 'inconsistent extms',
  'extended-master-secret-changed': 'inconsistent extms',
  'bad-key-share': 'bad key share',
  'bad-signature': 'bad signature',
  'bad-finished': 'digest check failed',
  'bad-binder': 'binder does not verify',
  'no-certificate': 'no certificates returned',
  'certificate-required': 'peer did not return a certificate',
  'no-client-certificate': 'peer did not return a certificate',
  'bad-certificate': 'certificate verify failed',
  'unsupported-certificate': 'certificate verify failed',
  'certificate-expired': 'certificate verify failed',
  'certificate-revoked': 'certificate verify failed',
  'certificate-unknown': 'certificate verify failed',
  'unknown-ca': 'certificate verify failed',
  'bad-certificate-status': 'invalid status response',
  'certificate-decompression': 'bad decompression',
  'wrong-certificate-type': 'unknown certificate type',
  'wrong-key-usage': 'signature for non signing certificate',
  'session-changed': 'old session cipher not returned',
  'session-context-missing': 'session id context uninitialized',
  'unknown-psk-identity': 'psk identity not found',
  'ticket-callback-abort': 'callback failed',
  'early-data-too-long': 'too much early data',
  'early-data-unexpected': 'unexpected end of early data',
  'too-many-hello-requests': 'no renegotiation',
  'too-many-key-updates': 'too many key updates',
  'too-many-certificate-requests': 'unexpected message',
  'too-many-tickets': 'unexpected message',
  'too-much-input': 'internal error',
  'too-much-skipped': 'too much early data',
  'record-limit': 'internal error',
  'job-failed': 'callback failed',
  'sign-failed': 'callback failed',
  'internal-error': 'internal error',
  aborted: 'application data after close notify',
};

/**
 * A handshake or a connection failed. `code` and `reason` are what node:tls would say; `cause` is the engine's
 * own error, with its reason from the closed list.
 */
export class SslError extends TlsessionError {
  readonly library: 'SSL routines' = 'SSL routines';
  /** OpenSSL's words: `no shared cipher`. */
  readonly reason: string;
  /** AlertDescription as a number (RFC 8446, 6). */
  readonly alert: number;
  /** Who sent the alert. */
  readonly origin: 'local' | 'peer';
  /** Set for `local`: this library's own reason, from a closed list. The peer does not say why. */
  readonly failure: FailureReason | null;

  constructor(error: TlsAlertError, reason: string) {
    const alert =
      error.origin === 'peer' ? ` (SSL alert number ${error.alert})` : ` (sends ${alertName(error.alert)})`;
    super(
      `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`,
      `SSL routines: ${reason}: ${error.message}${alert}`,
      {
        cause: error,
      },
    );
    this.reason = reason;
    this.alert = error.alert;
    this.origin = error.origin;
    this.failure = error.reason;
  }

  override get name(): string {
    return 'Error';
  }
}

/** An error of the engine as a socket gives it; others pass. `firstBytes`: what a server read first. */
export function asSslError(error: Error, firstBytes: string): Error {
  if (!(error instanceof TlsAlertError)) return error;
  if (error.reason === null) {
    return new SslError(error, ALERTS.get(error.alert) ?? `tlsv1 alert ${error.alert}`);
  }
  if (error.reason === 'not-tls') {
    if (/^(GET|POST|HEAD|PUT) ?/.test(firstBytes)) return new SslError(error, 'http request');
    if (/^CONNE/.test(firstBytes)) return new SslError(error, 'https proxy request');
  }
  return new SslError(error, REASONS[error.reason]);
}
