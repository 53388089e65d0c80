import type { ResumptionReason } from '../session/resumption-reason.ts';
import { TlsessionError } from '../util/errors.ts';

export type CacheErrorCode =
  /** A callback of the cache changed the cache, whose callback changed it again, and so on without an end. */
  | 'ERR_CACHE_REENTRY'
  /** A store was used after it was closed. */
  | 'ERR_STORE_CLOSED'
  /** A key or a value that a store does not take. */
  | 'ERR_STORE_VALUE'
  /** A store did not answer in time. */
  | 'ERR_STORE_SLOW'
  /** Too many calls are waiting for a store. */
  | 'ERR_STORE_BUSY'
  /** A store failed lately, and is left alone for a while. */
  | 'ERR_STORE_DOWN'
  /** A store could not do it: it is full, gone, or answers what it must not. The cause says more. */
  | 'ERR_STORE_FAILED'
  /** A fleet's secret that is too short, or one of two with the same name. */
  | 'ERR_FLEET_SECRET';

export class CacheError extends TlsessionError {
  declare readonly code: CacheErrorCode;

  constructor(code: CacheErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }

  override get name(): string {
    return 'CacheError';
  }
}

/** What a store's error is as the reason of a miss. */
export function missReason(error: unknown): ResumptionReason {
  switch (TlsessionError.is(error) ? error.code : '') {
    case 'ERR_STORE_SLOW':
      return 'store-slow';
    case 'ERR_STORE_BUSY':
      return 'store-busy';
    case 'ERR_STORE_DOWN':
      return 'store-down';
    default:
      return 'store-failed';
  }
}

/** Throws what was collected while a change went on to its end: one error itself, several together. */
export function throwCollected(errors: readonly unknown[], what: string): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, what);
}
