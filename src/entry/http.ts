/** `tlsession/http`: early data under HTTP (RFC 8470), for servers, intermediaries and clients. */
export {
  type AnswerWithStatus,
  type EarlyDataChoice,
  type EarlyDataGuardOptions,
  type EarlyDataRisk,
  earlyDataHeaders,
  earlyDataRisk,
  guardEarlyData,
  retryTooEarly,
  serveEarlyData,
  TOO_EARLY,
} from '../http/early-data.ts';
