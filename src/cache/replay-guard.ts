/**
 * What stands between a server and replayed early data (RFC 8446, 8). A server takes early data only when
 * it was given a guard, and asks the guard only after the binder was verified, so that nobody without the
 * key can fill it or use up another's session.
 */
import type { SessionCore } from '../session/core.ts';
import type { EarlyDataReason } from '../session/resumption-reason.ts';
import type { Timers } from '../util/timers.ts';
import { type Awaitable, isPromiseLike, settleWithin } from './awaitable.ts';
import type { SessionContext } from './session-context.ts';

/** A hello that wants to be resumed from, or to bring early data. */
export interface ReplayAttempt {
  /**
   * What no two honest hellos share and no replay can change: the binder of the key that was chosen
   * (RFC 8446, 8.2 warns of values that an attacker can vary, as a hash over all binders would be).
   */
  readonly binder: Uint8Array;
  /** The session that is to be resumed; null for an external key. */
  readonly session: SessionCore | null;
  /** Whether the session was taken out of the cache and its source for this very hello: a stateful ticket. */
  readonly consumed: boolean;
}

export type ReplayVerdict =
  | 'admitted'
  | Extract<
      EarlyDataReason,
      | 'early-data-replayed'
      | 'early-data-guard-starting'
      | 'early-data-guard-full'
      | 'early-data-guard-slow'
      | 'early-data-guard-failed'
      | 'early-data-refused-by-callback'
      | 'early-data-disabled'
    >;

export interface ReplayGuard {
  /**
   * `early-data`: asked for hellos with early data alone; one that is not admitted is still resumed.
   * `resumption`: asked for every hello that resumes; one that is not admitted gets a full handshake.
   */
  readonly scope: 'early-data' | 'resumption';
  /**
   * How long, in milliseconds, this guard remembers for certain. The server must not find one hello fresh
   * (RFC 8446, 8.3) at two moments that lie further apart.
   */
  readonly windowMs: number;
  /** Admits a hello at most once. A rejection is a refusal. */
  admit(attempt: ReplayAttempt): Awaitable<ReplayVerdict>;
}

/**
 * Single use through the cache, as OpenSSL's anti-replay does it: a stateful session is taken out as it is
 * resumed, so that a second hello finds nothing. It guards whatever is in the cache and the source behind
 * it, for as long as it is there; external keys it cannot guard, and does not admit.
 */
export function singleUseGuard(context: SessionContext): ReplayGuard {
  return Object.freeze({
    scope: 'resumption',
    windowMs: Number.POSITIVE_INFINITY,
    admit: ({ session, consumed: isConsumed }: ReplayAttempt): Awaitable<ReplayVerdict> => {
      if (session === null || context.wasGiven(session)) return 'early-data-guard-failed';
      // Nobody else has it, or ever will.
      if (isConsumed) return 'admitted';
      const consumed = context.consume(session);
      if (typeof consumed === 'boolean') return consumed ? 'admitted' : 'early-data-replayed';
      return consumed.then((was): ReplayVerdict => (was ? 'admitted' : 'early-data-replayed'));
    },
  } as const);
}

/** Milliseconds that a handshake waits for a replay guard. */
export const DEFAULT_GUARD_LIMIT_MS = 1000;

/** A guard whose answer is waited for no longer than `limitMs`: early data is refused then, the handshake goes on. */
export function limitedGuard(
  guard: ReplayGuard,
  timers: Timers,
  limitMs: number = DEFAULT_GUARD_LIMIT_MS,
): ReplayGuard {
  return Object.freeze({
    scope: guard.scope,
    windowMs: guard.windowMs,
    admit: (attempt: ReplayAttempt): Awaitable<ReplayVerdict> => {
      const answer = guard.admit(attempt);
      if (!isPromiseLike(answer)) return answer;
      return settleWithin(answer, timers, limitMs, () => {}).then((settled): ReplayVerdict => {
        if (settled.kind === 'answer') return settled.value;
        return settled.kind === 'slow' ? 'early-data-guard-slow' : 'early-data-guard-failed';
      });
    },
  });
}
