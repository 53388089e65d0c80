/**
 * What a context counts: OpenSSL's counters under OpenSSL's names (SSL_CTX_sess_number(3)), and beneath
 * them why. Plain numbers, so that counting costs an addition.
 */
import {
  type EarlyDataReason,
  earlyDataReasons,
  type ResumptionReason,
  resumptionReasons,
} from '../session/resumption-reason.ts';

export interface CacheStats {
  /** Sessions kept now. */
  number: number;
  /** Handshakes begun, and completed, as a client. */
  connect: number;
  connectGood: number;
  /** Always 0: there is no renegotiation. */
  connectRenegotiate: number;
  /** Handshakes begun, and completed, as a server. */
  accept: number;
  acceptGood: number;
  /** Always 0. */
  acceptRenegotiate: number;
  /** Sessions resumed. */
  hits: number;
  /** Sessions that the get callback found. */
  cbHits: number;
  /** Look-ups that the internal cache could not answer. */
  misses: number;
  /** Sessions offered or found that had expired. */
  timeouts: number;
  /** Sessions that went because the cache was full. */
  cacheFull: number;

  /** Sessions put in, those that took another's place among them. */
  added: number;
  /** Sessions that made way for another with their id. */
  replaced: number;
  /** Of `cacheFull`: those that had expired anyway. */
  evictedExpired: number;
  /** Of `cacheFull`: those that were used longest ago. */
  evictedLeastRecent: number;
  /** Sessions that were flushed. */
  flushed: number;
  /** Sessions that were removed by name: bad, used up, or by the application. */
  removed: number;
  /** Exceptions thrown by callbacks. */
  callbackErrors: number;
  /** Handshakes that were full ones, by reason. */
  readonly notResumed: Record<ResumptionReason, number>;
  earlyDataAccepted: number;
  readonly earlyDataRefused: Record<EarlyDataReason, number>;
}

export function newCacheStats(): CacheStats {
  return {
    number: 0,
    connect: 0,
    connectGood: 0,
    connectRenegotiate: 0,
    accept: 0,
    acceptGood: 0,
    acceptRenegotiate: 0,
    hits: 0,
    cbHits: 0,
    misses: 0,
    timeouts: 0,
    cacheFull: 0,
    added: 0,
    replaced: 0,
    evictedExpired: 0,
    evictedLeastRecent: 0,
    flushed: 0,
    removed: 0,
    callbackErrors: 0,
    notResumed: zeros(resumptionReasons),
    earlyDataAccepted: 0,
    earlyDataRefused: zeros(earlyDataReasons),
  };
}

function zeros<K extends string>(names: readonly K[]): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;
}
