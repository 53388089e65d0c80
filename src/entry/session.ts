/** `tlsession/session`: the session object and its forms alone, without any `node:` import. */
export { PeerCertificate, type SessionBindings } from '../session/body.ts';
export type { EncodeOptions } from '../session/der.ts';
export type { SessionDescription } from '../session/describe.ts';
export {
  SessionError,
  type SessionErrorCode,
  type SessionFormatCode,
  SessionFormatError,
} from '../session/errors.ts';
export { detectForm, type SessionForm } from '../session/forms.ts';
export { type NodeForm, unwrapNodeForm, wrapNodeForm } from '../session/node-form.ts';
export {
  type NotResumableReason,
  notResumableReasons,
  notResumableText,
  type Resumability,
} from '../session/resumability.ts';
export { type DescribeSessionOptions, Session, type SessionOptions } from '../session/session.ts';
export {
  isReferenceTracing,
  type Leak,
  leakReport,
  type ReferenceEvent,
  type ReferenceOwner,
  setReferenceTracing,
  type TracedReference,
} from '../session/tracing.ts';
export { type Clock, systemClock } from '../util/clock.ts';
export { DecodeError, TlsessionError, UsageError } from '../util/errors.ts';
