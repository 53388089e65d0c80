/** ServerKeyExchange and ClientKeyExchange of ECDHE (RFC 8422, 5.4 and 5.7). */
import { TlsAlertError } from '../../util/errors.ts';
import { HandshakeType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

export interface ServerKeyExchange {
  readonly group: number;
  readonly publicKey: Uint8Array;
  /** The ServerECDHParams as sent: what the signature covers behind the two randoms. */
  readonly params: Uint8Array;
  readonly scheme: number;
  readonly signature: Uint8Array;
}

const NAMED_CURVE = 3;

export function readServerKeyExchange(body: Uint8Array): ServerKeyExchange {
  const reader = new Reader(body);
  if (reader.u8() !== NAMED_CURVE) throw TlsAlertError.local('illegal-parameter', 'not a named curve');
  const group = reader.u16();
  const publicKey = reader.vector8(1);
  const params = body.subarray(0, reader.position);
  const scheme = reader.u16();
  const signature = reader.vector16();
  reader.finish();
  return { group, publicKey, params, scheme, signature };
}

/** Only the parameters: signed, then sent in front of the signature. */
export function writeServerEcdhParams(writer: Writer, group: number, publicKey: Uint8Array): void {
  writer.u8(NAMED_CURVE);
  writer.u16(group);
  writer.vector8(publicKey);
}

export function writeServerKeyExchange(
  writer: Writer,
  params: Uint8Array,
  scheme: number,
  signature: Uint8Array,
): void {
  writer.u8(HandshakeType.server_key_exchange);
  const message = writer.open24();
  writer.bytes(params);
  writer.u16(scheme);
  writer.vector16(signature);
  writer.close24(message);
}

export function readClientKeyExchange(body: Uint8Array): Uint8Array {
  const reader = new Reader(body);
  const publicKey = reader.vector8(1);
  reader.finish();
  return publicKey;
}

export function writeClientKeyExchange(writer: Writer, publicKey: Uint8Array): void {
  writer.u8(HandshakeType.client_key_exchange);
  const message = writer.open24();
  writer.vector8(publicKey);
  writer.close24(message);
}
