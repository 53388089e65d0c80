import { HandshakeType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** CertificateVerify (RFC 8446, 4.4.3; the same bytes in RFC 5246, 7.4.8). */
export interface CertificateVerify {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function readCertificateVerify(body: Uint8Array): CertificateVerify {
  const reader = new Reader(body);
  const scheme = reader.u16();
  const signature = reader.vector16();
  reader.finish();
  return { scheme, signature };
}

export function writeCertificateVerify(writer: Writer, scheme: number, signature: Uint8Array): void {
  writer.u8(HandshakeType.certificate_verify);
  const message = writer.open24();
  writer.u16(scheme);
  writer.vector16(signature);
  writer.close24(message);
}
