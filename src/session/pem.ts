/** Sessions in PEM (RFC 7468), under the label that PEM_write_bio_SSL_SESSION(3) gives them. */
import { fromBase64, toBase64 } from '../util/base64.ts';
import { SessionFormatError } from './errors.ts';

export const SESSION_PEM_LABEL = 'SSL SESSION PARAMETERS';

const BEGIN = /^-----BEGIN SSL SESSION PARAMETERS-----[\t ]*\r?$/m;
const END = /^-----END SSL SESSION PARAMETERS-----[\t ]*\r?$/m;

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
 * too, as OpenSSL does. @throws {SessionFormatError} `ERR_SESSION_PEM`
 */
export function decodePem(text: string): Uint8Array {
  const begin = BEGIN.exec(text);
  if (begin === null) throw bad(`there is no block "${SESSION_PEM_LABEL}"`, text.length);
  const start = begin.index + begin[0].length;
  const end = END.exec(text.slice(start));
  if (end === null) throw bad('the PEM block does not end', text.length);
  const contents = text.slice(start, start + end.index);
  if (/^Proc-Type:.*ENCRYPTED/m.test(contents)) throw bad('encrypted PEM is not supported', start);
  const der = fromBase64(contents.replaceAll(/[\t\n\r ]/g, ''));
  if (der === null) throw bad('the PEM block is not base64', start);
  return der;
}

function bad(what: string, offset: number): SessionFormatError {
  return new SessionFormatError('ERR_SESSION_PEM', what, offset);
}
