/** Extensions of a few bytes: cookie, early_data in tickets, record_size_limit, renegotiation_info, status. */
import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** cookie (RFC 8446, 4.2.2). */
export function readCookie(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  const cookie = reader.vector16(1);
  reader.finish();
  return cookie;
}

export function writeCookie(writer: Writer, cookie: Uint8Array): void {
  writer.u16(ExtensionType.cookie);
  const extension = writer.open16();
  writer.vector16(cookie);
  writer.close16(extension);
}

/** early_data in NewSessionTicket (RFC 8446, 4.2.10): max_early_data_size in bytes. */
export function readMaxEarlyData(body: Uint8Array): number {
  const reader = new Reader(body);
  const size = reader.u32();
  reader.finish();
  return size;
}

export function writeMaxEarlyData(writer: Writer, bytes: number): void {
  writer.u16(ExtensionType.early_data);
  writer.u16(4);
  writer.u32(bytes);
}

/** record_size_limit (RFC 8449, 4): at least 64; larger than the protocol allows is allowed to be said. */
export function readRecordSizeLimit(body: Uint8Array): number {
  const reader = new Reader(body);
  const limit = reader.u16();
  reader.finish();
  if (limit < 64) throw TlsAlertError.local('illegal-parameter', 'record_size_limit below 64');
  return limit;
}

export function writeRecordSizeLimit(writer: Writer, limit: number): void {
  writer.u16(ExtensionType.record_size_limit);
  writer.u16(2);
  writer.u16(limit);
}

/** renegotiation_info (RFC 5746, 3.2): the verify data of the handshake before; empty in a first one. */
export function readRenegotiationInfo(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  const data = reader.vector8();
  reader.finish();
  return data;
}

export function writeRenegotiationInfo(writer: Writer, data: Uint8Array): void {
  writer.u16(ExtensionType.renegotiation_info);
  const extension = writer.open16();
  writer.vector8(data);
  writer.close16(extension);
}

/** status_request in a ClientHello (RFC 6066, 8): true when it asks for OCSP. */
export function readStatusRequest(body: Uint8Array): boolean {
  const reader = new Reader(body);
  if (reader.u8() !== 1) return false;
  reader.vector16();
  reader.vector16();
  reader.finish();
  return true;
}

export function writeStatusRequest(writer: Writer): void {
  writer.u16(ExtensionType.status_request);
  writer.u16(5);
  writer.u8(1);
  writer.u16(0);
  writer.u16(0);
}

/** CertificateStatus: an OCSP response (RFC 6066, 8), in a message of TLS 1.2 or an extension of 1.3. */
export function readCertificateStatus(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  if (reader.u8() !== 1) throw TlsAlertError.local('decode-error', 'a certificate status that is not OCSP');
  const response = reader.vector24(1);
  reader.finish();
  return response;
}

export function writeCertificateStatus(writer: Writer, response: Uint8Array): void {
  writer.u8(1);
  writer.vector24(response);
}

/** A SignedCertificateTimestampList (RFC 6962, 3.3): checked for its shape, carried as it is. */
export function readSctList(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  const list = reader.sub16(1);
  reader.finish();
  while (list.remaining > 0) list.vector16(1);
  return body;
}
