/** Takes apart what crosses the wire in the clear, and puts it together changed. */
import { concatBytes } from '../../src/util/bytes.ts';
import { Reader } from '../../src/wire/reader.ts';
import { Writer } from '../../src/wire/writer.ts';

export interface WireRecord {
  readonly type: number;
  readonly version: number;
  readonly payload: Uint8Array;
}

/** Whole records only. */
export function readRecords(bytes: Uint8Array): WireRecord[] {
  const reader = new Reader(bytes);
  const records: WireRecord[] = [];
  while (reader.remaining > 0) {
    const type = reader.u8();
    const version = reader.u16();
    records.push({ type, version, payload: reader.vector16().slice() });
  }
  return records;
}

export function record(type: number, payload: Uint8Array, version = 0x0303): Uint8Array {
  const writer = new Writer();
  writer.u8(type);
  writer.u16(version);
  writer.vector16(payload);
  return writer.copy();
}

/** A handshake message with its header. */
export function message(type: number, body: Uint8Array): Uint8Array {
  const writer = new Writer();
  writer.u8(type);
  writer.vector24(body);
  return writer.copy();
}

/** Whole handshake messages, header and all. */
export function readMessages(payload: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < payload.length; ) {
    const reader = new Reader(payload, at + 1);
    const end = at + 4 + reader.u24();
    messages.push(payload.slice(at, end));
    at = end;
  }
  return messages;
}

/** What becomes of a message: another one, several, or (an empty list) none. */
export type Edit = (body: Uint8Array, type: number) => Uint8Array | Uint8Array[];

/**
 * Changes the handshake messages of one direction, up to its ChangeCipherSpec. Give it every flight of that
 * direction in turn. `edit` gets the body without its header and gives a body, or whole messages as a list.
 */
export function editing(edit: Edit): (bytes: Uint8Array) => Uint8Array {
  let isProtected = false;
  return (bytes) => {
    const out: Uint8Array[] = [];
    for (const { type, version, payload } of readRecords(bytes)) {
      if (isProtected || type !== 22) {
        if (type === 20) isProtected = true;
        out.push(record(type, payload, version));
        continue;
      }
      const edited = readMessages(payload).flatMap((whole) => {
        const kind = whole[0] as number;
        const result = edit(whole.slice(4), kind);
        return result instanceof Uint8Array ? [message(kind, result)] : result;
      });
      if (edited.length > 0) out.push(record(22, concatBytes(...edited), version));
    }
    return concatBytes(...out);
  };
}

/** `edit` for messages of one type, all others as they are. */
export function only(wanted: number, edit: (body: Uint8Array) => Uint8Array | Uint8Array[]): Edit {
  return (body, type) => (type === wanted ? edit(body) : body);
}

export interface Extension {
  readonly type: number;
  readonly body: Uint8Array;
}

/** The extensions of a ClientHello or ServerHello, and what is in front of them. `body` has no header. */
export function helloExtensions(
  body: Uint8Array,
  kind: 'client' | 'server',
): { readonly head: Uint8Array; readonly extensions: Extension[] } {
  const reader = new Reader(body);
  reader.bytes(34);
  reader.vector8();
  if (kind === 'client') {
    reader.vector16();
    reader.vector8();
  } else reader.bytes(3);
  const head = body.subarray(0, reader.position);
  const extensions: Extension[] = [];
  if (reader.remaining > 0) {
    const list = reader.sub16();
    while (list.remaining > 0) extensions.push({ type: list.u16(), body: list.vector16().slice() });
  }
  return { head, extensions };
}

/** Changes the extensions of a ClientHello or ServerHello: `edit` gives those that are to be there. */
export function editExtensions(
  body: Uint8Array,
  kind: 'client' | 'server',
  edit: (extensions: Extension[]) => Extension[],
): Uint8Array {
  const { head, extensions } = helloExtensions(body, kind);
  const writer = new Writer();
  writer.bytes(head);
  const mark = writer.open16();
  for (const extension of edit(extensions)) {
    writer.u16(extension.type);
    writer.vector16(extension.body);
  }
  writer.close16(mark);
  return writer.copy();
}

export function without(type: number): (extensions: Extension[]) => Extension[] {
  return (extensions) => extensions.filter((extension) => extension.type !== type);
}

export function having(type: number, body: Uint8Array): (extensions: Extension[]) => Extension[] {
  return (extensions) => [...without(type)(extensions), { type, body }];
}

/** A copy with one byte changed. */
export function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] as number) ^ 1;
  return copy;
}
