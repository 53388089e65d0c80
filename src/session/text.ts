/**
 * A session in words, as SSL_SESSION_print(3) and `openssl sess_id -text` of OpenSSL 3.0 give them, to the
 * byte. **It shows the secret.** Texts here have one character a byte, since names in a session may be any
 * bytes.
 */
import { opensslCipherName } from '../util/cipher-names.ts';
import { ProtocolVersion, versionName } from '../util/registries.ts';
import { verifyResultText } from '../util/verify-result.ts';
import { Field, type FieldIndex, FLAG_EXTENDED_MASTER_SECRET, type SessionBody } from './body.ts';
import type { SessionCore } from './core.ts';
import { exactInteger } from './der.ts';

export interface PrintedSession {
  readonly text: string;
  /** False where OpenSSL gives up in the middle and returns 0: at a name or a ticket that is there but empty. */
  readonly complete: boolean;
}

const NAMES: readonly (readonly [string, FieldIndex])[] = [
  ['PSK identity', Field.pskIdentity],
  ['PSK identity hint', Field.pskHint],
  ['SRP username', Field.srpUsername],
];

/** @throws {SessionError} `ERR_SESSION_ENDED` */
export function printSession(session: SessionCore, call = 'SSL_SESSION_print'): PrintedSession {
  const body = session.body(call);
  const isTls13 = body.version === ProtocolVersion.TLS1_3;
  let text = 'SSL-Session:\n';
  text += `    Protocol  : ${versionName(body.version)}\n`;
  text += `    Cipher    : ${cipherText(body.cipher)}\n`;
  text += `    Session-ID: ${upperHex(body, Field.id)}`;
  text += `\n    Session-ID-ctx: ${upperHex(body, Field.sidCtx)}`;
  text += `\n    ${isTls13 ? 'Resumption PSK' : 'Master-Key'}: ${upperHex(body, Field.masterKey)}`;
  for (const [label, field] of NAMES) {
    const name = cString(body, field);
    text += `\n    ${label}: ${name}`;
    if (name === '') return { text, complete: false };
  }
  const hint = exactInteger(session, 'lifetimeHint');
  // C prints an unsigned number as a signed one.
  if (hint !== 0n) text += `\n    TLS session ticket lifetime hint: ${BigInt.asIntN(64, hint)} (seconds)`;
  if (body.has(Field.ticket)) {
    text += '\n    TLS session ticket:\n';
    const ticket = body.view(Field.ticket);
    if (ticket.length === 0) return { text, complete: false };
    text += hexDump(ticket);
  }
  if (body.compression !== 0) text += `\n    Compression: ${body.compression}`;
  const time = exactInteger(session, 'time');
  if (time !== 0n) text += `\n    Start Time: ${time}`;
  const timeout = exactInteger(session, 'timeout');
  if (timeout !== 0n) text += `\n    Timeout   : ${timeout} (sec)`;
  text += '\n';
  text += `    Verify return code: ${body.verifyResult} (${verifyResultText(body.verifyResult)})\n`;
  const extended = (body.flags & FLAG_EXTENDED_MASTER_SECRET) !== 0;
  text += `    Extended master secret: ${extended ? 'yes' : 'no'}\n`;
  if (isTls13) text += `    Max Early Data: ${body.maxEarlyData}\n`;
  return { text, complete: true };
}

/**
 * The line that SSL_SESSION_print_keylog(3) and `sess_id -outform NSS` write, or null when the session has
 * no id or no secret. **It shows the secret.** @throws {SessionError} `ERR_SESSION_ENDED`
 */
export function printKeyLog(session: SessionCore, call = 'SSL_SESSION_print_keylog'): string | null {
  const body = session.body(call);
  if (body.length(Field.id) === 0 || body.length(Field.masterKey) === 0) return null;
  return `RSA Session-ID:${upperHex(body, Field.id)} Master-Key:${upperHex(body, Field.masterKey)}\n`;
}

function cipherText(cipher: number): string {
  return opensslCipherName(cipher) ?? cipher.toString(16).toUpperCase().padStart(4, '0');
}

const HEX = '0123456789ABCDEF';

function upperHex(body: SessionBody, field: FieldIndex): string {
  let text = '';
  for (const byte of body.view(field)) text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  return text;
}

/** As C shows it: up to a zero byte, and `None` when it is not there. */
function cString(body: SessionBody, field: FieldIndex): string {
  if (!body.has(field)) return 'None';
  let text = '';
  for (const byte of body.view(field)) {
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** BIO_dump_indent(3) with an indent of 4: 16 bytes a line. */
function hexDump(bytes: Uint8Array): string {
  let text = '';
  for (let row = 0; row < bytes.length; row += 16) {
    let digits = '';
    let characters = '';
    for (let i = 0; i < 16; i++) {
      const byte = bytes[row + i];
      if (byte === undefined) {
        digits += '   ';
        continue;
      }
      digits += byte.toString(16).padStart(2, '0') + (i === 7 ? '-' : ' ');
      characters += byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '.';
    }
    text += `    ${row.toString(16).padStart(4, '0')} - ${digits}  ${characters}\n`;
  }
  return text;
}
