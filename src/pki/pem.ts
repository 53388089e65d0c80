/** PEM (RFC 7468), read leniently around the blocks and strictly inside of them. */
import { fromBase64 } from '../util/base64.ts';
import { UsageError } from '../util/errors.ts';

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
    const bytes = fromBase64(text.slice(labelEnd + 5, end).replaceAll(/[\t\n\r ]/g, ''));
    if (bytes === null) throw new UsageError('ERR_TLS_BAD_PEM', `a PEM block "${label}" that is not base64`);
    blocks.push(bytes);
  }
}
