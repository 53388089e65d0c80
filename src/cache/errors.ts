import { TlsessionError } from '../util/errors.ts';

export type CacheErrorCode =
  /** A callback of the cache changed the cache, whose callback changed it again, and so on without an end. */
  | 'ERR_CACHE_REENTRY'
  /** A store was used after it was closed. */
  | 'ERR_STORE_CLOSED'
  /** A key or a value that a store does not take. */
  | 'ERR_STORE_VALUE';

export class CacheError extends TlsessionError {
  declare readonly code: CacheErrorCode;

  constructor(code: CacheErrorCode, message: string) {
    super(code, message);
  }

  override get name(): string {
    return 'CacheError';
  }
}

/** Throws what was collected while a change went on to its end: one error itself, several together. */
export function throwCollected(errors: readonly unknown[], what: string): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, what);
}
