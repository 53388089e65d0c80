/**
 * The ticket keys of servers beside this one, out of the files that they are configured with: which key seals and
 * which only open is each server's own rule, and so is the layout, which goes by the length.
 */
import { TicketError } from './errors.ts';
import { readTicketKey, readTicketKeyLines, type TicketKeyLayout } from './key-layouts.ts';
import type { OpensslTicketKey } from './key-material.ts';
import type { TicketKeyRecord, TicketKeyRole } from './keyring.ts';

/**
 * The keys of nginx's `ssl_session_ticket_key`, the contents of its files in the order of the directives: the
 * first seals, the others open. Each has 80 bytes or 48. For the option `ticketKeyring`, or `TicketKeyring.install`.
 * @throws {TicketError} `ERR_TICKET_KEY` for any other length, or no file.
 */
export function nginxTicketKeys(files: readonly Uint8Array[]): TicketKeyRecord[] {
  if (files.length === 0) throw new TicketError('ERR_TICKET_KEY', 'no ticket key file of nginx');
  return files.map((bytes, index) => ({
    role: index === 0 ? 'current' : 'previous',
    material: readTicketKey(bytes.length === 48 ? 'nginx48' : 'openssl80', bytes),
  }));
}

/**
 * The keys of HAProxy's `tls-ticket-keys`, the text of its file: the last but one seals, the last is the next to
 * do so, and all open. HAProxy wants three or more, all of 80 bytes or all of 48. For the option
 * `ticketKeyring`, or `TicketKeyring.install`.
 * @throws {TicketError} `ERR_TICKET_KEY` naming the line: not base64, another length; or fewer than two keys.
 */
export function haproxyTicketKeys(text: string): TicketKeyRecord[] {
  const first = text.split('\n', 64).find((line) => line.trim() !== '') ?? '';
  // 48 bytes are 64 characters of base64, 80 bytes 108.
  const layout: TicketKeyLayout = first.trim().length === 64 ? 'nginx48' : 'haproxy80';
  const keys = readTicketKeyLines(layout, text);
  const sealing = keys.length - 2;
  if (sealing < 0) throw new TicketError('ERR_TICKET_KEY', 'HAProxy seals with the last key but one');
  return keys.map((material: OpensslTicketKey, index) => ({ role: roleOfLine(index, sealing), material }));
}

/** HAProxy's order: what follows the line that seals will seal next. */
export function roleOfLine(index: number, sealing: number): TicketKeyRole {
  if (index === sealing) return 'current';
  return index < sealing ? 'previous' : 'next';
}
