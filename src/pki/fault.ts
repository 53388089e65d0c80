import type { PathReason } from './reason.ts';
import type { Profile, Relaxation } from './relaxations.ts';

/** Why something was refused, before it is known where in a path it stands. */
export interface Fault {
  readonly reason: PathReason;
  /** For people: what exactly is wrong. */
  readonly message: string;
  /** For `profile-violation`: which tolerance the other profile would have shown. */
  readonly relaxation: Relaxation | null;
}

export function fault(reason: PathReason, message: string): Fault {
  return { reason, message, relaxation: null };
}

/** A fault under `rfc5280`, nothing under `compatible`. */
export function lapse(profile: Profile, relaxation: Relaxation, message: string): Fault | null {
  return profile === 'rfc5280' ? { reason: 'profile-violation', message, relaxation } : null;
}
