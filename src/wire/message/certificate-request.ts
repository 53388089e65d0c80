import { TlsAlertError } from '../../util/errors.ts';
import { readU16List8, writeU16List, writeU16List8 } from '../extension/lists.ts';
import { Extensions, expectEmpty } from '../extensions.ts';
import { ExtensionType, HandshakeType } from '../numbers.ts';
import { Reader, readU16List, readU16s } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** CertificateRequest, of either version. */
export interface CertificateRequest {
  readonly context: Uint8Array;
  readonly signatureSchemes: readonly number[];
  /** DER DistinguishedNames; views. */
  readonly authorities: readonly Uint8Array[];
  readonly wantsOcsp: boolean;
  readonly wantsSct: boolean;
  /** CertificateCompressionAlgorithm ids. */
  readonly compression: readonly number[];
  /** ClientCertificateType of TLS 1.2; empty in 1.3. */
  readonly certificateTypes: Uint8Array;
}

/** TLS 1.3 (RFC 8446, 4.3.2). */
export function readCertificateRequest13(body: Uint8Array): CertificateRequest {
  const reader = new Reader(body);
  const context = reader.vector8();
  const extensions = Extensions.read(reader);
  reader.finish();
  const schemes = extensions.get(ExtensionType.signature_algorithms);
  if (schemes === undefined) {
    throw TlsAlertError.local('missing-extension', 'signature_algorithms in CertificateRequest');
  }
  const cas = extensions.get(ExtensionType.certificate_authorities);
  const compression = extensions.get(ExtensionType.compress_certificate);
  const ocsp = extensions.get(ExtensionType.status_request);
  if (ocsp !== undefined) expectEmpty(ocsp, ExtensionType.status_request);
  const sct = extensions.get(ExtensionType.signed_certificate_timestamp);
  if (sct !== undefined) expectEmpty(sct, ExtensionType.signed_certificate_timestamp);
  return {
    context,
    signatureSchemes: readU16List(schemes),
    authorities: cas === undefined ? [] : readAuthorities(new Reader(cas), 1),
    wantsOcsp: ocsp !== undefined,
    wantsSct: sct !== undefined,
    compression: compression === undefined ? [] : readU16List8(compression),
    certificateTypes: new Uint8Array(0),
  };
}

/** TLS 1.2 (RFC 5246, 7.4.4). */
export function readCertificateRequest12(body: Uint8Array): CertificateRequest {
  const reader = new Reader(body);
  const certificateTypes = reader.vector8(1);
  const signatureSchemes = readU16s(reader.sub16(2));
  const authorities = readAuthorities(reader, 0);
  return {
    context: new Uint8Array(0),
    signatureSchemes,
    authorities,
    wantsOcsp: false,
    wantsSct: false,
    compression: [],
    certificateTypes,
  };
}

function readAuthorities(reader: Reader, min: number): Uint8Array[] {
  const list = reader.sub16(min);
  reader.finish();
  const authorities: Uint8Array[] = [];
  while (list.remaining > 0) authorities.push(list.vector16(1));
  return authorities;
}

export function writeCertificateRequest13(
  writer: Writer,
  context: Uint8Array,
  signatureSchemes: readonly number[],
  authorities: readonly Uint8Array[],
  compression: readonly number[],
): void {
  writer.u8(HandshakeType.certificate_request);
  const message = writer.open24();
  writer.vector8(context);
  const extensions = writer.open16();
  writeU16List(writer, ExtensionType.signature_algorithms, signatureSchemes);
  if (compression.length > 0) writeU16List8(writer, ExtensionType.compress_certificate, compression);
  if (authorities.length > 0) {
    writer.u16(ExtensionType.certificate_authorities);
    const extension = writer.open16();
    const list = writer.open16();
    for (const name of authorities) writer.vector16(name);
    writer.close16(list);
    writer.close16(extension);
  }
  writer.close16(extensions);
  writer.close24(message);
}

export function writeCertificateRequest12(
  writer: Writer,
  signatureSchemes: readonly number[],
  authorities: readonly Uint8Array[],
): void {
  writer.u8(HandshakeType.certificate_request);
  const message = writer.open24();
  // ecdsa_sign (which in RFC 8422 covers EdDSA too) and rsa_sign.
  writer.u8(2);
  writer.u8(64);
  writer.u8(1);
  writer.u16(signatureSchemes.length * 2);
  for (const scheme of signatureSchemes) writer.u16(scheme);
  const list = writer.open16();
  for (const name of authorities) writer.vector16(name);
  writer.close16(list);
  writer.close24(message);
}
