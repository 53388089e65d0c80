/**
 * Application data on sessions (CRYPTO_get_ex_new_index(3)): an index once for the program, a value a
 * session, and callbacks when a session is made, duplicated and released.
 */
import { SESSION_LIMITS } from '../util/limits.ts';
import type { SessionCore } from './core.ts';

/**
 * Called when a session is made. What it returns, if not undefined, becomes the value; it may as well set
 * the value itself. One that throws makes the call fail that was to make the session.
 */
export type ExNewCallback = (session: SessionCore, index: number, argl: number, argp: unknown) => unknown;

/**
 * Called when a session is duplicated, if the source has any ex_data. `value` is the source's, null if it
 * was not set; what is returned goes to the duplicate, and undefined leaves it the source's value, as in C a
 * callback that does not write through its pointer. One that throws makes the duplication fail. Without a
 * callback the value is shared.
 */
export type ExDupCallback = (
  to: SessionCore,
  from: SessionCore,
  value: unknown,
  index: number,
  argl: number,
  argp: unknown,
) => unknown;

/** Called when the last reference goes, before anything is wiped: the session can still be read. */
export type ExFreeCallback = (
  session: SessionCore,
  value: unknown,
  index: number,
  argl: number,
  argp: unknown,
) => void;

interface ExClass {
  readonly argl: number;
  readonly argp: unknown;
  readonly onNew: ExNewCallback | null;
  readonly onDup: ExDupCallback | null;
  readonly onFree: ExFreeCallback | null;
}

/** Index 0 is the application data of SSL_SESSION_set_app_data and is always there. */
const classes: ExClass[] = [{ argl: 0, argp: null, onNew: null, onDup: null, onFree: null }];
const NOTHING: readonly unknown[] = Object.freeze([]);
let anyNew = false;
let anyFree = false;

/** A new index, or −1 when 1,024 are taken (SSL_SESSION_get_ex_new_index(3)). Never given back. */
export function newExIndex(
  argl: number,
  argp: unknown,
  onNew: ExNewCallback | null,
  onDup: ExDupCallback | null,
  onFree: ExFreeCallback | null,
): number {
  if (classes.length >= SESSION_LIMITS.exDataIndexes) return -1;
  classes.push({ argl, argp, onNew, onDup, onFree });
  anyNew ||= onNew !== null;
  anyFree ||= onFree !== null;
  return classes.length - 1;
}

export function isExIndex(index: number): boolean {
  return Number.isInteger(index) && index >= 0 && index < classes.length;
}

/** Whether letting a session go may call anybody. */
export function hasExFree(): boolean {
  return anyFree;
}

export function hasExNew(): boolean {
  return anyNew;
}

export function runExNew(session: SessionCore): void {
  for (let index = 0; index < classes.length; index++) {
    const { onNew, argl, argp } = classes[index] as ExClass;
    if (onNew === null) continue;
    const value = onNew(session, index, argl, argp);
    if (value !== undefined) session.setExData(index, value);
  }
}

/** CRYPTO_dup_ex_data(3): goes as far as the source has values, and replaces also what a new callback set. */
export function runExDup(to: SessionCore, from: SessionCore, values: readonly unknown[]): void {
  const count = Math.min(values.length, classes.length);
  for (let index = 0; index < count; index++) {
    const { onDup, argl, argp } = classes[index] as ExClass;
    const value = values[index] ?? null;
    const copy = onDup === null ? value : onDup(to, from, value, index, argl, argp);
    to.setExData(index, copy === undefined ? value : copy);
  }
}

/** Runs every free callback even when one throws; returns what was thrown. */
export function runExFree(session: SessionCore): readonly unknown[] {
  if (!anyFree) return NOTHING;
  const thrown: unknown[] = [];
  for (let index = 0; index < classes.length; index++) {
    const { onFree, argl, argp } = classes[index] as ExClass;
    if (onFree === null) continue;
    try {
      onFree(session, session.getExData(index), index, argl, argp);
    } catch (error) {
      thrown.push(error);
    }
  }
  return thrown;
}
