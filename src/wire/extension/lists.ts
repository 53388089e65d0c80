/**
 * The extensions whose body is one list of numbers: supported_groups (RFC 8446, 4.2.7),
 * signature_algorithms and signature_algorithms_cert (4.2.3), psk_key_exchange_modes (4.2.9),
 * supported_versions (4.2.1), ec_point_formats (RFC 8422, 5.1.2), compress_certificate (RFC 8879, 3).
 */
import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader, readU16s } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** A list of uint16 behind a two-byte length. */
export function writeU16List(writer: Writer, type: number, values: readonly number[]): void {
  writer.u16(type);
  writer.u16(values.length * 2 + 2);
  writer.u16(values.length * 2);
  for (const value of values) writer.u16(value);
}

/** A list of uint8 behind a one-byte length. */
export function writeU8List(writer: Writer, type: number, values: readonly number[]): void {
  writer.u16(type);
  writer.u16(values.length + 1);
  writer.u8(values.length);
  for (const value of values) writer.u8(value);
}

export function readU8List(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  const list = reader.vector8(1);
  reader.finish();
  return list;
}

/** supported_versions or compress_certificate as a client sends them: uint16 behind a one-byte length. */
export function readU16List8(body: Uint8Array): number[] {
  const reader = new Reader(body);
  const list = reader.vector8(2);
  reader.finish();
  return readU16s(new Reader(list));
}

export function writeU16List8(writer: Writer, type: number, values: readonly number[]): void {
  writer.u16(type);
  writer.u16(values.length * 2 + 1);
  writer.u8(values.length * 2);
  for (const value of values) writer.u16(value);
}

/** supported_versions in ServerHello: the one that was chosen. */
export function readSelectedVersion(body: Uint8Array): number {
  if (body.length !== 2) throw TlsAlertError.local('decode-error', 'supported_versions is not one version');
  return ((body[0] as number) << 8) | (body[1] as number);
}

export function writeSelectedVersion(writer: Writer, version: number): void {
  writer.u16(ExtensionType.supported_versions);
  writer.u16(2);
  writer.u16(version);
}

/** The uncompressed point format must be among those a peer lists (RFC 8422, 5.1.2). */
export function checkPointFormats(body: Uint8Array): void {
  if (!readU8List(body).includes(0)) {
    throw TlsAlertError.local('illegal-parameter', 'no uncompressed point format');
  }
}
