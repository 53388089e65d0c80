/** How the command line says times, lengths and names to people. */

const YEAR_SEC = 365 * 86_400;
const UNITS: readonly (readonly [string, string, number])[] = [
  ['year', 'years', YEAR_SEC],
  ['day', 'days', 86_400],
  ['h', 'h', 3600],
  ['min', 'min', 60],
  ['s', 's', 1],
];

/** `1 h 43 min`: the two largest units of a time in milliseconds, rounded down; `less than 1 s`. */
export function durationText(ms: number): string {
  if (!(ms < 1e6 * YEAR_SEC * 1000)) return 'more than a million years';
  let rest = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [one, many, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${count === 1 ? one : many}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? 'less than 1 s' : parts.join(' ');
}

/** `2026-11-23 09:13:08 UTC`; the number for what no calendar has. */
export function dateText(ms: number): string {
  if (!(Math.abs(ms) <= 8.64e15)) return `${ms} ms since 1970`;
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/** `1,116 bytes`, `1 byte`. */
export function bytesText(count: number): string {
  return `${numberText(count)} ${count === 1 ? 'byte' : 'bytes'}`;
}

export function numberText(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Escapes what a terminal would act on or show misleadingly: names come from whoever made the session. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** JSON that is safe to show: C1 controls and the like are escaped as JSON allows. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
};

/** Paints, or leaves the text alone where there are no colours. */
export function painter(colors: boolean): (style: Style, text: string) => string {
  if (!colors) return (_, text) => text;
  return (style, text) => {
    const [on, off] = CODES[style];
    return `\x1b[${on}m${text}\x1b[${off}m`;
  };
}

/** Why a connection or a server cannot be made with these options. OpenSSL says it in numbers for a key or a certificate. */
export function optionsText(error: Error & { readonly code?: string }): string {
  return error.code?.startsWith('ERR_OSSL_')
    ? `the certificate or the private key cannot be read (${error.message})`
    : error.message;
}
