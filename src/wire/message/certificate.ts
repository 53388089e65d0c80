import { TlsAlertError } from '../../util/errors.ts';
import { readCertificateStatus, readSctList, writeCertificateStatus } from '../extension/small.ts';
import { Extensions, writeExtension } from '../extensions.ts';
import { ExtensionType, HandshakeType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** A Certificate message, of either version. */
export interface CertificateMessage {
  /** Echoed from a request after the handshake; empty otherwise. */
  readonly context: Uint8Array;
  /** DER, leaf first; views. */
  readonly chain: readonly Uint8Array[];
  /** What the leaf's entry carried (RFC 8446, 4.4.2.1), or null. */
  readonly ocspResponse: Uint8Array | null;
  readonly sctList: Uint8Array | null;
}

/**
 * TLS 1.3 (RFC 8446, 4.4.2). `offered` are the extension types that our hello or request had, `most` is the number of
 * certificates that are taken.
 */
export function readCertificate13(
  body: Uint8Array,
  offered: readonly number[],
  most: number,
): CertificateMessage {
  const reader = new Reader(body);
  const context = reader.vector8();
  const list = reader.sub24();
  reader.finish();
  const chain: Uint8Array[] = [];
  let ocspResponse: Uint8Array | null = null;
  let sctList: Uint8Array | null = null;
  while (list.remaining > 0) {
    if (chain.length === most) throw tooMany(most);
    const leaf = chain.length === 0;
    chain.push(list.vector24(1));
    const extensions = Extensions.read(list);
    extensions.checkAnswers('Certificate', CERTIFICATE_EXTENSIONS, offered);
    const status = extensions.get(ExtensionType.status_request);
    const sct = extensions.get(ExtensionType.signed_certificate_timestamp);
    if (status !== undefined) {
      const response = readCertificateStatus(status);
      if (leaf) ocspResponse = response;
    }
    if (sct !== undefined) {
      const checked = readSctList(sct);
      if (leaf) sctList = checked;
    }
  }
  return { context, chain, ocspResponse, sctList };
}

const CERTIFICATE_EXTENSIONS: readonly number[] = [
  ExtensionType.status_request,
  ExtensionType.signed_certificate_timestamp,
];

/** TLS 1.2 (RFC 5246, 7.4.2). */
export function readCertificate12(body: Uint8Array, most: number): CertificateMessage {
  const reader = new Reader(body);
  const list = reader.sub24();
  reader.finish();
  const chain: Uint8Array[] = [];
  while (list.remaining > 0) {
    if (chain.length === most) throw tooMany(most);
    chain.push(list.vector24(1));
  }
  return { context: new Uint8Array(0), chain, ocspResponse: null, sctList: null };
}

function tooMany(most: number): TlsAlertError {
  return TlsAlertError.local('bad-certificate', `a chain of more than ${most} certificates`);
}

export function writeCertificate13(
  writer: Writer,
  context: Uint8Array,
  chain: readonly Uint8Array[],
  ocspResponse: Uint8Array | null,
  sctList: Uint8Array | null,
): void {
  writer.u8(HandshakeType.certificate);
  const message = writer.open24();
  writeCertificate13Body(writer, context, chain, ocspResponse, sctList);
  writer.close24(message);
}

/** Without the header: what compression works on (RFC 8879, 4). */
export function writeCertificate13Body(
  writer: Writer,
  context: Uint8Array,
  chain: readonly Uint8Array[],
  ocspResponse: Uint8Array | null,
  sctList: Uint8Array | null,
): void {
  writer.vector8(context);
  const list = writer.open24();
  for (let i = 0; i < chain.length; i++) {
    writer.vector24(chain[i] as Uint8Array);
    const extensions = writer.open16();
    if (i === 0 && ocspResponse !== null) {
      writeExtension(writer, ExtensionType.status_request, (w) => writeCertificateStatus(w, ocspResponse));
    }
    if (i === 0 && sctList !== null) {
      writeExtension(writer, ExtensionType.signed_certificate_timestamp, (w) => w.bytes(sctList));
    }
    writer.close16(extensions);
  }
  writer.close24(list);
}

export function writeCertificate12(writer: Writer, chain: readonly Uint8Array[]): void {
  writer.u8(HandshakeType.certificate);
  const message = writer.open24();
  const list = writer.open24();
  for (const certificate of chain) writer.vector24(certificate);
  writer.close24(list);
  writer.close24(message);
}

/** CompressedCertificate (RFC 8879, 4). */
export interface CompressedCertificate {
  readonly algorithm: number;
  readonly uncompressedLength: number;
  readonly compressed: Uint8Array;
}

export function readCompressedCertificate(body: Uint8Array): CompressedCertificate {
  const reader = new Reader(body);
  const algorithm = reader.u16();
  const uncompressedLength = reader.u24();
  const compressed = reader.vector24(1);
  reader.finish();
  return { algorithm, uncompressedLength, compressed };
}

export function writeCompressedCertificate(writer: Writer, message: CompressedCertificate): void {
  writer.u8(HandshakeType.compressed_certificate);
  const mark = writer.open24();
  writer.u16(message.algorithm);
  writer.u24(message.uncompressedLength);
  writer.vector24(message.compressed);
  writer.close24(mark);
}
