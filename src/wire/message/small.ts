/** Messages of a few bytes: Finished, KeyUpdate, and those that are empty. */
import { TlsAlertError } from '../../util/errors.ts';
import { HandshakeType, messageName } from '../numbers.ts';
import type { Writer } from '../writer.ts';

export function writeFinished(writer: Writer, verifyData: Uint8Array): void {
  writer.u8(HandshakeType.finished);
  writer.u24(verifyData.length);
  writer.bytes(verifyData);
}

/** KeyUpdate (RFC 8446, 4.6.3): whether the peer asks for one in return. */
export function readKeyUpdate(body: Uint8Array): boolean {
  if (body.length !== 1) throw TlsAlertError.local('decode-error', 'a KeyUpdate that is not one byte');
  const request = body[0] as number;
  if (request > 1) throw TlsAlertError.local('illegal-parameter', 'a KeyUpdate that is neither 0 nor 1');
  return request === 1;
}

export function writeKeyUpdate(writer: Writer, requestUpdate: boolean): void {
  writer.u8(HandshakeType.key_update);
  writer.u24(1);
  writer.u8(requestUpdate ? 1 : 0);
}

export function writeEmptyMessage(writer: Writer, type: number): void {
  writer.u8(type);
  writer.u24(0);
}

export function expectEmptyMessage(type: number, body: Uint8Array): void {
  if (body.length !== 0) throw TlsAlertError.local('decode-error', `${messageName(type)} is not empty`);
}
