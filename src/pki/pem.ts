/** PEM (RFC 7468), read leniently around the blocks and strictly inside of them. */
import { UsageError } from '../util/errors.ts';

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUES = new Uint8Array(128).fill(0xff);
for (let i = 0; i < BASE64.length; i++) VALUES[BASE64.charCodeAt(i)] = i;

/** Base64 with padding and white space; null for anything else. */
function decodeBase64(text: string): Uint8Array | null {
  const clean = text.replaceAll(/[\t\n\r ]/g, '');
  if (clean.length % 4 !== 0) return null;
  const padding = clean.endsWith('==') ? 2 : clean.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((clean.length / 4) * 3 - padding);
  let at = 0;
  let bits = 0;
  let count = 0;
  for (let i = 0; i < clean.length - padding; i++) {
    const value = VALUES[clean.charCodeAt(i)] ?? 0xff;
    if (value === 0xff) return null;
    bits = ((bits << 6) | value) & 0xffffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes[at++] = (bits >> count) & 0xff;
  }
  // Bits that no byte took must be zero, or two texts would be the same bytes.
  return (bits & ((1 << count) - 1)) === 0 ? bytes : null;
}

/**
 * The contents of all PEM blocks with one of these labels, in order. Text outside of blocks and blocks of
 * other labels are passed over. @throws {UsageError} `ERR_TLS_BAD_PEM` when a block is broken.
 */
export function decodePem(text: string, ...labels: readonly string[]): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const begin = text.indexOf('-----BEGIN ', at);
    if (begin === -1) return blocks;
    const labelEnd = text.indexOf('-----', begin + 11);
    const label = labelEnd === -1 ? '' : text.slice(begin + 11, labelEnd);
    const end = labelEnd === -1 ? -1 : text.indexOf(`-----END ${label}-----`, labelEnd + 5);
    if (end === -1) throw new UsageError('ERR_TLS_BAD_PEM', 'a PEM block without its end');
    at = end + label.length + 14;
    if (!labels.includes(label)) continue;
    const bytes = decodeBase64(text.slice(labelEnd + 5, end));
    if (bytes === null) throw new UsageError('ERR_TLS_BAD_PEM', `a PEM block "${label}" that is not base64`);
    blocks.push(bytes);
  }
}
