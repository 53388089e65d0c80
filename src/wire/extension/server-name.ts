import { latin1, utf8 } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ExtensionType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/**
 * server_name (RFC 6066, 3): one host_name. OpenSSL and BoringSSL both refuse a list with anything else
 * in it, and no other type was ever defined.
 */
export function readServerName(body: Uint8Array): string {
  const reader = new Reader(body);
  const list = reader.sub16(1);
  reader.finish();
  if (list.u8() !== 0) throw TlsAlertError.local('decode-error', 'a server name of an unknown type');
  const name = list.vector16(1);
  list.finish();
  if (name.length > 255 || name.includes(0)) throw TlsAlertError.local('unknown-name', 'not a host name');
  return latin1(name);
}

/** An IP address literal may not stand in server_name: the caller leaves the extension out. */
export function writeServerName(writer: Writer, name: string): void {
  const bytes = utf8(name);
  writer.u16(ExtensionType.server_name);
  const extension = writer.open16();
  const list = writer.open16();
  writer.u8(0);
  writer.vector16(bytes);
  writer.close16(list);
  writer.close16(extension);
}
