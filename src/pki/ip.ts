/** IP addresses as text and as the bytes that certificates hold (RFC 5280, 4.2.1.6; RFC 4291, 2.2; RFC 5952). */

function parseIpv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes: number[] = [];
  for (const part of parts) {
    // No leading zeros: some resolvers take those as octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return null;
    const value = Number(part);
    if (value > 255) return null;
    bytes.push(value);
  }
  return bytes;
}

function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const tail = index === groups.length - 1 ? parseIpv4(group) : null;
      if (tail === null) return null;
      bytes.push(...tail);
      continue;
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const value = Number.parseInt(group, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/**
 * The 4 or 16 bytes of an address written in decimal dots or in RFC 4291's forms, with or without brackets
 * around an IPv6 address; null for any other text. Zone identifiers are not part of an address.
 */
export function parseIpAddress(text: string): Uint8Array | null {
  if (text.length > 47) return null;
  if (!text.includes(':')) {
    const bytes = parseIpv4(text);
    return bytes === null ? null : Uint8Array.from(bytes);
  }
  const inner = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const halves = inner.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] as string);
  if (head === null) return null;
  if (halves.length === 1) return head.length === 16 ? Uint8Array.from(head) : null;
  const tail = parseGroups(halves[1] as string);
  // A dotted IPv4 part may only stand at the very end.
  if (tail === null || (halves[0] as string).includes('.')) return null;
  const zeros = 16 - head.length - tail.length;
  if (zeros < 2) return null;
  return Uint8Array.from([...head, ...new Array<number>(zeros).fill(0), ...tail]);
}

/** The text of 4 or 16 bytes, IPv6 as RFC 5952 wants it; hexadecimal for any other length. */
export function ipAddressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return `#${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  );
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > bestLength) {
      bestStart = start;
      bestLength = length;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart === -1) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}
