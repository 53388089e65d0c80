import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** application_layer_protocol_negotiation in a ClientHello (RFC 7301): one name or more, none empty. */
export function readAlpnOffer(body: Uint8Array): Uint8Array[] {
  const reader = new Reader(body);
  const list = reader.sub16(2);
  reader.finish();
  const protocols: Uint8Array[] = [];
  while (list.remaining > 0) protocols.push(list.vector8(1));
  return protocols;
}

/** The server's answer: exactly one name. */
export function readAlpnAnswer(body: Uint8Array): Uint8Array {
  const protocols = readAlpnOffer(body);
  if (protocols.length !== 1) throw TlsAlertError.local('decode-error', 'ALPN answer is not one protocol');
  return protocols[0] as Uint8Array;
}

export function writeAlpn(writer: Writer, protocols: readonly Uint8Array[]): void {
  writer.u16(ExtensionType.application_layer_protocol_negotiation);
  const extension = writer.open16();
  const list = writer.open16();
  for (const protocol of protocols) writer.vector8(protocol);
  writer.close16(list);
  writer.close16(extension);
}
