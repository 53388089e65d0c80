import { readMaxEarlyData, writeMaxEarlyData } from '../extension/small.ts';
import { Extensions } from '../extensions.ts';
import { ExtensionType, HandshakeType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** NewSessionTicket of TLS 1.3 (RFC 8446, 4.6.1). */
export interface NewSessionTicket13 {
  readonly lifetimeSec: number;
  readonly ageAdd: number;
  readonly nonce: Uint8Array;
  readonly ticket: Uint8Array;
  /** Bytes of early data that may be sent with it; null when none may. */
  readonly maxEarlyData: number | null;
}

export function readNewSessionTicket13(body: Uint8Array): NewSessionTicket13 {
  const reader = new Reader(body);
  const lifetimeSec = reader.u32();
  const ageAdd = reader.u32();
  const nonce = reader.vector8();
  const ticket = reader.vector16(1);
  const extensions = Extensions.read(reader);
  reader.finish();
  const early = extensions.get(ExtensionType.early_data);
  const maxEarlyData = early === undefined ? null : readMaxEarlyData(early);
  return { lifetimeSec, ageAdd, nonce, ticket, maxEarlyData };
}

/** `grease` adds an empty extension of that reserved type (RFC 8701, 4.1), 0 for none. */
export function writeNewSessionTicket13(writer: Writer, message: NewSessionTicket13, grease: number): void {
  writer.u8(HandshakeType.new_session_ticket);
  const mark = writer.open24();
  writer.u32(message.lifetimeSec);
  writer.u32(message.ageAdd);
  writer.vector8(message.nonce);
  writer.vector16(message.ticket);
  const extensions = writer.open16();
  if (message.maxEarlyData !== null) writeMaxEarlyData(writer, message.maxEarlyData);
  if (grease !== 0) {
    writer.u16(grease);
    writer.u16(0);
  }
  writer.close16(extensions);
  writer.close24(mark);
}

/** NewSessionTicket of TLS 1.2 (RFC 5077, 3.3). An empty ticket: the server changed its mind. */
export interface NewSessionTicket12 {
  readonly lifetimeSec: number;
  readonly ticket: Uint8Array;
}

export function readNewSessionTicket12(body: Uint8Array): NewSessionTicket12 {
  const reader = new Reader(body);
  const lifetimeSec = reader.u32();
  const ticket = reader.vector16();
  reader.finish();
  return { lifetimeSec, ticket };
}

export function writeNewSessionTicket12(writer: Writer, message: NewSessionTicket12): void {
  writer.u8(HandshakeType.new_session_ticket);
  const mark = writer.open24();
  writer.u32(message.lifetimeSec);
  writer.vector16(message.ticket);
  writer.close24(mark);
}
