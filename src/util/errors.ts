import { Alert, type AlertName, alertName } from './registries.ts';

const BRAND = Symbol.for('tlsession.error');

/**
 * The root of every error that this library throws or emits. `code` is stable and in capitals, as Node's
 * are; the message is for people and may change. No message, cause or property ever holds a secret byte.
 */
export class TlsessionError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return 'TlsessionError';
  }

  static {
    Object.defineProperty(TlsessionError.prototype, BRAND, { value: true });
  }

  /** True for an error of any copy of this library, also one that was loaded twice. */
  static is(value: unknown): value is TlsessionError {
    return typeof value === 'object' && value !== null && Reflect.get(value, BRAND) === true;
  }
}

/** The caller broke the contract of an API: a wrong option, a call in the wrong state. Nothing was sent. */
export class UsageError extends TlsessionError {
  override get name(): string {
    return 'UsageError';
  }
}

/** Input that is not what its format says it must be. `offset` is where reading stopped. */
export class DecodeError extends TlsessionError {
  readonly offset: number;

  constructor(code: string, message: string, offset: number) {
    super(code, message);
    this.offset = offset;
  }

  override get name(): string {
    return 'DecodeError';
  }
}

/**
 * Why a handshake or a connection failed: the closed list. Each reason fixes the alert that goes out and
 * the sentence that a person reads.
 */
const FAILURES = {
  // Framing and records.
  'record-too-long': ['record_overflow', 'a record is longer than the protocol allows'],
  'bad-record-type': ['unexpected_message', 'a record of a type that may not come now'],
  'bad-record-version': ['protocol_version', 'a record of a version that is not TLS'],
  'bad-record-mac': ['bad_record_mac', 'a record failed to authenticate'],
  'empty-record': ['unexpected_message', 'an empty record that is not allowed'],
  'too-many-tiny-records': ['unexpected_message', 'handshake messages in too many tiny records'],
  'too-many-empty-records': ['unexpected_message', 'too many empty records in a row'],
  'interleaved-record': ['unexpected_message', 'a handshake message was interrupted by another record type'],
  'message-across-key-change': ['unexpected_message', 'a handshake message crosses a change of keys'],
  'bad-change-cipher-spec': ['unexpected_message', 'a ChangeCipherSpec that is wrong or out of place'],
  'not-tls': ['protocol_version', 'the peer does not speak TLS'],
  'bad-alert': ['decode_error', 'a malformed alert'],
  'alert-level': ['illegal_parameter', 'an alert with an impossible level'],
  'too-many-warnings': ['unexpected_message', 'too many warning alerts'],
  // Messages.
  'unexpected-message': ['unexpected_message', 'a message that may not come now'],
  'decode-error': ['decode_error', 'a message that cannot be decoded'],
  'message-too-long': ['illegal_parameter', 'a handshake message longer than the limit'],
  'duplicate-extension': ['illegal_parameter', 'an extension that comes twice in one message'],
  'unsolicited-extension': ['unsupported_extension', 'an answer to an extension that was not sent'],
  'forbidden-extension': ['illegal_parameter', 'an extension in a message where it may not be'],
  'missing-extension': ['missing_extension', 'an extension that must be there is not'],
  'illegal-parameter': ['illegal_parameter', 'a value that the protocol forbids'],
  // Negotiation.
  'no-common-version': ['protocol_version', 'no protocol version in common'],
  'downgrade-detected': ['illegal_parameter', 'somebody lowered the protocol version on the way'],
  'inappropriate-fallback': ['inappropriate_fallback', 'a fallback that was not necessary'],
  'no-common-cipher': ['handshake_failure', 'no cipher suite in common'],
  'no-common-group': ['handshake_failure', 'no key exchange group in common'],
  'no-common-signature-scheme': ['handshake_failure', 'no signature scheme in common for this certificate'],
  'no-common-alpn': ['no_application_protocol', 'no application protocol in common'],
  'wrong-cipher': ['illegal_parameter', 'the peer chose a cipher suite that was not offered'],
  'wrong-group': ['illegal_parameter', 'the peer chose a group that was not offered'],
  'wrong-signature-scheme': ['illegal_parameter', 'the peer signed with a scheme that was not offered'],
  'wrong-alpn': ['illegal_parameter', 'the peer chose an application protocol that was not offered'],
  'wrong-psk': ['illegal_parameter', 'the peer chose a pre-shared key that was not offered'],
  'wrong-compression': ['illegal_parameter', 'compression is not null'],
  'second-hello-changed': ['illegal_parameter', 'the second ClientHello differs where it may not'],
  'useless-hello-retry': ['illegal_parameter', 'a HelloRetryRequest that changes nothing'],
  'second-hello-retry': ['unexpected_message', 'a second HelloRetryRequest'],
  'renegotiation-refused': ['no_renegotiation', 'renegotiation is not supported'],
  'renegotiation-info': ['handshake_failure', 'renegotiation_info is missing or wrong'],
  'unknown-name': ['unrecognized_name', 'the server does not serve that name'],
  'extended-master-secret': ['handshake_failure', 'extended master secret was dropped or required'],
  'extended-master-secret-changed': [
    'illegal_parameter',
    'the peer answered extended master secret otherwise than the session had it',
  ],
  // Keys, signatures, certificates.
  'bad-key-share': ['illegal_parameter', 'a key share that is not a point of its group'],
  'bad-signature': ['decrypt_error', 'a handshake signature does not verify'],
  'bad-finished': ['decrypt_error', 'the Finished message does not verify'],
  'bad-binder': ['decrypt_error', 'a pre-shared key binder does not verify'],
  'no-certificate': ['decode_error', 'the server sent no certificate'],
  'certificate-required': ['certificate_required', 'the client sent no certificate, and one is required'],
  'no-client-certificate': ['handshake_failure', 'the client sent no certificate, and one is required'],
  'bad-certificate': ['bad_certificate', 'the certificate cannot be used'],
  'unsupported-certificate': ['unsupported_certificate', 'the certificate is of a kind that cannot be used'],
  'certificate-expired': ['certificate_expired', 'a certificate is expired or not yet valid'],
  'certificate-revoked': ['certificate_revoked', 'a certificate is revoked'],
  'certificate-unknown': ['certificate_unknown', 'the certificate was refused'],
  'unknown-ca': ['unknown_ca', 'no path to a trusted certificate'],
  'bad-certificate-status': ['bad_certificate_status_response', 'the stapled status does not verify'],
  'certificate-decompression': ['bad_certificate', 'a compressed certificate cannot be expanded'],
  'wrong-certificate-type': ['unsupported_certificate', 'a certificate type that was not negotiated'],
  'wrong-key-usage': ['illegal_parameter', 'the certificate may not sign handshakes'],
  // Sessions.
  'session-changed': ['illegal_parameter', 'a resumed session differs from what was saved'],
  'session-context-missing': [
    'internal_error',
    'client certificates are asked for without a session id context',
  ],
  'unknown-psk-identity': ['unknown_psk_identity', 'no known pre-shared key'],
  'ticket-callback-abort': ['internal_error', 'a ticket callback ended the handshake'],
  // Early data.
  'early-data-too-long': ['unexpected_message', 'more early data than was allowed'],
  'early-data-unexpected': ['unsupported_extension', 'early data was accepted that was not sent'],
  // Floods and limits.
  'too-many-hello-requests': ['unexpected_message', 'too many HelloRequest messages'],
  'too-many-key-updates': ['unexpected_message', 'too many KeyUpdate messages'],
  'too-many-certificate-requests': ['unexpected_message', 'too many CertificateRequest messages'],
  'too-many-tickets': ['unexpected_message', 'too many NewSessionTicket messages'],
  'too-much-skipped': ['unexpected_message', 'too many bytes that cannot be decrypted'],
  'too-much-input': ['internal_error', 'too much input while the handshake waits'],
  'record-limit': ['internal_error', 'a key reached the number of records it may protect'],
  // Our side.
  'job-failed': ['internal_error', 'something that the handshake waited for failed'],
  'sign-failed': ['internal_error', 'the private key could not sign'],
  'internal-error': ['internal_error', 'an error of our own'],
  aborted: ['user_canceled', 'the handshake was given up'],
} as const;

export type FailureReason = keyof typeof FAILURES;

export const failureReasons: readonly FailureReason[] = Object.freeze(
  Object.keys(FAILURES) as FailureReason[],
);

/** The one alert that goes out for a reason. */
export function alertFor(reason: FailureReason): number {
  const name: AlertName = FAILURES[reason][0];
  return Alert[name];
}

/** The sentence for a reason. */
export function textFor(reason: FailureReason): string {
  return FAILURES[reason][1];
}

/** This end found a fault and ends the connection with `alert`. */
export class TlsAlertError extends TlsessionError {
  /** AlertDescription as a number (RFC 8446, 6). */
  readonly alert: number;
  /** Who sent the alert. */
  readonly origin: 'local' | 'peer';
  /** Set for `local`: the peer does not say why. */
  readonly reason: FailureReason | null;

  private constructor(
    origin: 'local' | 'peer',
    alert: number,
    reason: FailureReason | null,
    code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.alert = alert;
    this.origin = origin;
    this.reason = reason;
  }

  override get name(): string {
    return 'TlsAlertError';
  }

  /** `alert` replaces the reason's own, where an answer from outside chose another. */
  static local(
    reason: FailureReason,
    detail?: string,
    options?: ErrorOptions & { readonly alert?: number | undefined },
  ): TlsAlertError {
    const text = detail === undefined ? textFor(reason) : `${textFor(reason)}: ${detail}`;
    const alert = options?.alert ?? alertFor(reason);
    return new TlsAlertError('local', alert, reason, `ERR_TLS_${constantCase(reason)}`, text, options);
  }

  static peer(alert: number): TlsAlertError {
    const name = alertName(alert);
    return new TlsAlertError(
      'peer',
      alert,
      null,
      `ERR_TLS_PEER_${constantCase(name)}`,
      `the peer ended the connection with the alert ${name}`,
    );
  }
}

function constantCase(text: string): string {
  return text.replaceAll(/[ -]/g, '_').toUpperCase();
}
