/** Sessions in PEM (RFC 7468), under the label that PEM_write_bio_SSL_SESSION(3) gives them. */
import { fromBase64, toBase64 } from '../util/base64.ts';
import { type SessionFormatCode, SessionFormatError } from './errors.ts';

export const SESSION_PEM_LABEL = 'SSL SESSION PARAMETERS';

const BEGIN = /^-----BEGIN SSL SESSION PARAMETERS-----[\t ]*\r?$/m;
const ANY_END = /^-----END (.*)-----[\t ]*\r?$/m;

/** The block, with a line feed at its end. */
export function encodePem(der: Uint8Array): string {
  const base64 = toBase64(der);
  let lines = '';
  for (let i = 0; i < base64.length; i += 64) lines += `${base64.slice(i, i + 64)}\n`;
  return `-----BEGIN ${SESSION_PEM_LABEL}-----\n${lines}-----END ${SESSION_PEM_LABEL}-----\n`;
}

/** Whether a text has the first line of a session. */
export function hasSessionPem(text: string): boolean {
  return BEGIN.test(text);
}

/**
 * The DER of the first session in a text; whatever stands before and after it is passed over, other blocks
 * too, as OpenSSL does. @throws {SessionFormatError} `ERR_SESSION_PEM_…`
 */
export function decodePem(text: string): Uint8Array {
  return decodePemAt(text, 0).der;
}

/**
 * As {@link decodePem}, from an offset. `end` is the offset of the line after the block; an error's `offset`
 * is where to read on, past the block that is broken.
 */
export function decodePemAt(
  text: string,
  offset: number,
): { readonly der: Uint8Array; readonly end: number } {
  const rest = text.slice(offset);
  const begin = BEGIN.exec(rest);
  if (begin === null) {
    throw bad('ERR_SESSION_PEM_MISSING', `there is no PEM block "${SESSION_PEM_LABEL}"`, text.length);
  }
  const start = begin.index + begin[0].length;
  const line = ANY_END.exec(rest.slice(start));
  if (line === null) throw bad('ERR_SESSION_PEM_END', 'the PEM block does not end', text.length);
  const after = start + line.index + line[0].length;
  const end = offset + (rest.charAt(after) === '\n' ? after + 1 : after);
  if (line[1] !== SESSION_PEM_LABEL)
    throw bad('ERR_SESSION_PEM_END', 'the PEM block does not end as it begins', end);
  const contents = rest.slice(start, start + line.index);
  if (/^Proc-Type:.*ENCRYPTED/m.test(contents)) {
    throw bad('ERR_SESSION_PEM_ENCRYPTED', 'encrypted PEM is not supported', end);
  }
  const der = fromBase64(contents.replaceAll(/[\t\n\r ]/g, ''));
  if (der === null) throw bad('ERR_SESSION_PEM_BASE64', 'the PEM block is not base64', end);
  return { der, end };
}

function bad(code: SessionFormatCode, what: string, offset: number): SessionFormatError {
  return new SessionFormatError(code, what, offset);
}
