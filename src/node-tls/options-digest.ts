/** Options of node:tls that decide whom a connection trusts, or who it is, as one digest. */
import { createHash } from 'node:crypto';
import { nodeProvider } from '../crypto/node/index.ts';
import { toHex, utf8 } from '../util/bytes.ts';

/** A part of the text that is hashed: no two lists of parts give the same. */
function part(value: unknown): Uint8Array {
  const bytes = value instanceof Uint8Array ? value : utf8(String(value));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setFloat64(0, bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Of options as node:tls takes them: one value, a list, or nothing. */
export function digest(purpose: string, values: readonly unknown[]): Uint8Array {
  const hash = createHash('sha256').update(part(purpose));
  for (const value of values) {
    const list = [value].flat(3);
    hash.update(part(list.length));
    for (const each of list) hash.update(part(describe(each)));
  }
  return new Uint8Array(hash.digest());
}

/** Key and certificate objects of `key`, `cert` and `pfx` that wrap their bytes. */
function describe(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value ?? '';
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const { pem, buf } = value as { pem?: unknown; buf?: unknown };
  return pem ?? buf ?? identityOf(value);
}

const identities = new WeakMap<object, string>();

/** For what has no contents to compare: the same object is the same in this process, and in no other. */
export function identityOf(object: object): string {
  let identity = identities.get(object);
  if (identity === undefined) {
    identity = toHex(nodeProvider.random(16));
    identities.set(object, identity);
  }
  return identity;
}
