/** The traces of RFC 8448, as make-rfc8448.mjs took them from its text. */
import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/util/bytes.ts';

export interface TraceStep {
  readonly role: 'client' | 'server';
  /** The RFC's heading, without the parenthesis of what is the same elsewhere. */
  readonly step: string;
  /** Hexadecimal by the RFC's name of the value. */
  readonly values: Readonly<Record<string, string>>;
}

export interface Trace {
  readonly section: number;
  readonly name: string;
  readonly steps: readonly TraceStep[];
}

export const traces: readonly Trace[] = JSON.parse(
  readFileSync(new URL('./rfc8448.json', import.meta.url), 'utf8'),
);

/** The value `name` of the `nth` step of `role` whose heading has `step` in it. @throws if there is none. */
export function traceValue(
  trace: Trace,
  role: 'client' | 'server',
  step: string,
  name: string,
  nth: number = 0,
): Uint8Array {
  const found = trace.steps.filter((each) => each.role === role && each.step.includes(step))[nth];
  const hex = found?.values[name];
  if (hex === undefined) throw new Error(`RFC 8448, section ${trace.section}: no ${name} in "${step}"`);
  return fromHex(hex);
}
