import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** KeyShareEntry (RFC 8446, 4.2.8). */
export interface KeyShareEntry {
  readonly group: number;
  readonly keyExchange: Uint8Array;
}

/** A client's shares; may be none. A group that comes twice is refused (4.2.8). */
export function readClientKeyShares(body: Uint8Array): KeyShareEntry[] {
  const reader = new Reader(body);
  const list = reader.sub16();
  reader.finish();
  const shares: KeyShareEntry[] = [];
  // A set: the list may be thousands long, and comparing each with each is what a hostile client waits for.
  const groups = new Set<number>();
  while (list.remaining > 0) {
    const group = list.u16();
    const keyExchange = list.vector16(1);
    if (groups.has(group)) throw TlsAlertError.local('illegal-parameter', 'two key shares of one group');
    groups.add(group);
    shares.push({ group, keyExchange });
  }
  return shares;
}

export function readServerKeyShare(body: Uint8Array): KeyShareEntry {
  const reader = new Reader(body);
  const group = reader.u16();
  const keyExchange = reader.vector16(1);
  reader.finish();
  return { group, keyExchange };
}

/** In a HelloRetryRequest: the group that the server wants. */
export function readRetryGroup(body: Uint8Array): number {
  const reader = new Reader(body);
  const group = reader.u16();
  reader.finish();
  return group;
}

function writeEntry(writer: Writer, share: KeyShareEntry): void {
  writer.u16(share.group);
  writer.vector16(share.keyExchange);
}

export function writeClientKeyShares(writer: Writer, shares: readonly KeyShareEntry[]): void {
  writer.u16(ExtensionType.key_share);
  const extension = writer.open16();
  const list = writer.open16();
  for (const share of shares) writeEntry(writer, share);
  writer.close16(list);
  writer.close16(extension);
}

export function writeServerKeyShare(writer: Writer, share: KeyShareEntry): void {
  writer.u16(ExtensionType.key_share);
  const extension = writer.open16();
  writeEntry(writer, share);
  writer.close16(extension);
}

export function writeRetryGroup(writer: Writer, group: number): void {
  writer.u16(ExtensionType.key_share);
  writer.u16(2);
  writer.u16(group);
}
