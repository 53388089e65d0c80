/** Byte helpers that every layer may use. None of them keeps a reference to what it is given. */

/** The one zero-length array, shared: it has no bytes that anyone could change. */
export const EMPTY: Uint8Array = new Uint8Array(0);

/** A copy in memory of its own (never a slice of a shared pool, so that it can be wiped alone). */
export function copyBytes(source: Uint8Array): Uint8Array {
  const copy = new Uint8Array(source.length);
  copy.set(source);
  return copy;
}

/**
 * The same bytes as a plain Uint8Array, without a copy. Node's Buffer is one by type, and yet its `slice`
 * gives a view where every other array's gives a copy: what comes from outside passes through here first.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether two arrays hold the same bytes. Leaves at the first difference: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Whether two arrays hold the same bytes, in a time that depends on their length alone. For secrets:
 * MACs, binders, Finished. The lengths themselves are public.
 */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const HEX = '0123456789abcdef';

/** Lower-case hexadecimal. Only ever called on public values: secrets are printed as lengths. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  return text;
}

/** Reads hexadecimal of either case. @throws {RangeError} if the text is not whole pairs of digits. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || /[^0-9a-fA-F]/.test(text)) throw new RangeError('not hexadecimal');
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** One character a byte (ISO 8859-1), for protocol names that are bytes by definition and ASCII by habit. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
