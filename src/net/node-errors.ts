/**
 * What node:tls throws for a call that is wrong, with its classes, codes and words: whoever tells errors
 * apart by `code`, or by TypeError and RangeError, goes on doing so.
 */
import { inspect } from 'node:util';

const BRAND = Symbol.for('tlsession.error');

/** A TypeError with a code; TlsessionError.is() is true for it. */
export class CodedTypeError extends TypeError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  static {
    Object.defineProperty(CodedTypeError.prototype, BRAND, { value: true });
  }
}

/** A RangeError with a code; TlsessionError.is() is true for it. */
export class CodedRangeError extends RangeError {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  static {
    Object.defineProperty(CodedRangeError.prototype, BRAND, { value: true });
  }
}

/** An option is a property, the rest are arguments. */
function kindOf(name: string): string {
  return name.includes('.') ? 'property' : 'argument';
}

/** What came instead. No more of a value than its type, unless it is a name or a number. */
function received(value: unknown): string {
  if (value === null || value === undefined) return `Received ${value}`;
  if (typeof value === 'function') return `Received function ${value.name}`;
  if (typeof value === 'object') {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== ''
      ? `Received an instance of ${name}`
      : `Received ${inspect(value, { depth: -1 })}`;
  }
  if (typeof value === 'string') {
    const shown = value.length > 28 ? `${value.slice(0, 25)}...` : value;
    return `Received type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`;
  }
  return `Received type ${typeof value} (${inspect(value, { colors: false })})`;
}

/** ERR_INVALID_ARG_TYPE. `expected` is the end of a sentence: `of type string`. */
export function invalidArgType(name: string, expected: string, value: unknown): CodedTypeError {
  return new CodedTypeError(
    'ERR_INVALID_ARG_TYPE',
    `The "${name}" ${kindOf(name)} must be ${expected}. ${received(value)}`,
  );
}

/** ERR_INVALID_ARG_VALUE. */
export function invalidArgValue(name: string, value: unknown, problem = 'is invalid'): CodedTypeError {
  const text = inspect(value);
  const shown = text.length > 128 ? `${text.slice(0, 128)}...` : text;
  return new CodedTypeError(
    'ERR_INVALID_ARG_VALUE',
    `The ${kindOf(name)} '${name}' ${problem}. Received ${shown}`,
  );
}

/** ERR_OUT_OF_RANGE. `range` is the end of a sentence: `>= 0 && <= 2147483647`. */
export function outOfRange(name: string, range: string, value: unknown): CodedRangeError {
  const isLong = Number.isInteger(value) && Math.abs(value as number) > 2 ** 32;
  const shown = isLong ? String(value).replace(/\B(?=(\d{3})+$)/g, '_') : inspect(value);
  return new CodedRangeError(
    'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`,
  );
}

export function requireString(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
}

export function requireFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
}

export function requireObject(value: unknown, name: string): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
}

export function requireBoolean(value: unknown, name: string): void {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value);
}

export function requireBytes(value: unknown, name = 'buffer'): void {
  if (!ArrayBuffer.isView(value)) {
    throw invalidArgType(name, 'an instance of Buffer, TypedArray, or DataView', value);
  }
}

/** A key or certificate: text or bytes. */
export function requireTextOrBytes(value: unknown, name: string): void {
  if (typeof value !== 'string' && !ArrayBuffer.isView(value)) {
    throw invalidArgType(name, 'of type string or an instance of Buffer, TypedArray, or DataView', value);
  }
}

/** A whole number within bounds. */
export function requireInteger(value: unknown, name: string, min: number, max: number): void {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
}

export function requireNumber(value: unknown, name: string, min?: number): void {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (Number.isNaN(value) || (min !== undefined && value < min)) {
    throw outOfRange(name, min === undefined ? 'a number' : `>= ${min}`, value);
  }
}
