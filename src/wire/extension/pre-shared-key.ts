import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** PskIdentity (RFC 8446, 4.2.11). */
export interface PskIdentity {
  readonly identity: Uint8Array;
  /** 32 bits, unsigned: age in milliseconds plus age_add. 0 for an external key. */
  readonly obfuscatedAge: number;
}

export interface OfferedPsks {
  readonly identities: readonly PskIdentity[];
  readonly binders: readonly Uint8Array[];
  /** Length in bytes of the binders with their two-byte length: what a truncated hello leaves out. */
  readonly bindersLength: number;
}

export function readOfferedPsks(body: Uint8Array): OfferedPsks {
  const reader = new Reader(body);
  const list = reader.sub16(7);
  const identities: PskIdentity[] = [];
  while (list.remaining > 0) {
    identities.push({ identity: list.vector16(1), obfuscatedAge: list.u32() });
  }
  const bindersLength = reader.remaining;
  const binderList = reader.sub16(1);
  reader.finish();
  const binders: Uint8Array[] = [];
  // A binder of a length that no hash has does not validate; that is for whoever knows the hash to say.
  while (binderList.remaining > 0) binders.push(binderList.vector8());
  if (binders.length !== identities.length) {
    throw TlsAlertError.local('illegal-parameter', 'as many binders as identities are needed');
  }
  return { identities, binders, bindersLength };
}

/**
 * Writes the extension with zeros where the binders go, and returns the length of that last part: the
 * binders are computed over everything before it (RFC 8446, 4.2.11.2).
 */
export function writeOfferedPsks(
  writer: Writer,
  identities: readonly PskIdentity[],
  binderLengths: readonly number[],
): number {
  writer.u16(ExtensionType.pre_shared_key);
  const extension = writer.open16();
  const list = writer.open16();
  for (const { identity, obfuscatedAge } of identities) {
    writer.vector16(identity);
    writer.u32(obfuscatedAge);
  }
  writer.close16(list);
  const start = writer.length;
  const binders = writer.open16();
  for (const length of binderLengths) {
    writer.u8(length);
    const at = writer.reserve(length);
    writer.buffer.fill(0, at, at + length);
  }
  writer.close16(binders);
  writer.close16(extension);
  return writer.length - start;
}

export function readSelectedPsk(body: Uint8Array): number {
  const reader = new Reader(body);
  const index = reader.u16();
  reader.finish();
  return index;
}

export function writeSelectedPsk(writer: Writer, index: number): void {
  writer.u16(ExtensionType.pre_shared_key);
  writer.u16(2);
  writer.u16(index);
}
