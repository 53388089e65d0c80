/**
 * Distinguished names (RFC 5280, 4.1.2.4): comparison by the rules of section 7.1, and a text for people
 * (RFC 4514).
 */
import { latin1 } from '../util/bytes.ts';
import { DerReader, DerTag } from '../util/der.ts';
import { oidFromText, oidKey, oidText } from './oid.ts';
import { CertificateError } from './reason.ts';

/** One attribute of a relative distinguished name. */
export interface NameAttribute {
  /** The attribute type's contents octets as a key (see oid.ts). */
  readonly type: string;
  /** Identifier octet of the value. */
  readonly tag: number;
  readonly value: Uint8Array;
}

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [oidFromText('2.5.4.3'), 'CN'],
  [oidFromText('2.5.4.5'), 'serialNumber'],
  [oidFromText('2.5.4.6'), 'C'],
  [oidFromText('2.5.4.7'), 'L'],
  [oidFromText('2.5.4.8'), 'ST'],
  [oidFromText('2.5.4.9'), 'street'],
  [oidFromText('2.5.4.10'), 'O'],
  [oidFromText('2.5.4.11'), 'OU'],
  [oidFromText('2.5.4.97'), 'organizationIdentifier'],
  [oidFromText('0.9.2342.19200300.100.1.25'), 'DC'],
  [oidFromText('0.9.2342.19200300.100.1.1'), 'UID'],
  [oidFromText('1.2.840.113549.1.9.1'), 'emailAddress'],
]);

export const COMMON_NAME: string = oidFromText('2.5.4.3');
export const EMAIL_ADDRESS: string = oidFromText('1.2.840.113549.1.9.1');

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a string type, or null when it is no string or not well-formed. */
export function directoryText(tag: number, value: Uint8Array): string | null {
  switch (tag) {
    case DerTag.utf8String:
      try {
        return utf8Decoder.decode(value);
      } catch {
        return null;
      }
    case DerTag.printableString:
    case DerTag.ia5String:
    case DerTag.numericString:
    case DerTag.visibleString:
      return value.every((byte) => byte < 0x80) ? latin1(value) : null;
    case DerTag.teletexString:
      return latin1(value);
    case DerTag.bmpString: {
      if (value.length % 2 !== 0) return null;
      let text = '';
      for (let i = 0; i < value.length; i += 2) {
        text += String.fromCharCode(((value[i] as number) << 8) | (value[i + 1] as number));
      }
      return text;
    }
    case DerTag.universalString: {
      if (value.length % 4 !== 0) return null;
      let text = '';
      for (let i = 0; i < value.length; i += 4) {
        const point = new DataView(value.buffer, value.byteOffset + i, 4).getUint32(0);
        if (point > 0x10ffff) return null;
        text += String.fromCodePoint(point);
      }
      return text;
    }
    default:
      return null;
  }
}

/** Whether section 7.1's preparation leaves the bytes as they are, but for upper case. */
function isPlain(value: Uint8Array): boolean {
  let previous = 0x20;
  for (const byte of value) {
    if (byte < 0x20 || byte > 0x7e || (byte === 0x20 && previous === 0x20)) return false;
    previous = byte;
  }
  return value.length > 0 && previous !== 0x20;
}

/**
 * What two values must have in common to be the same (RFC 5280, 7.1; RFC 4518): case and runs of white
 * space do not count, nor does which of the string types holds the text. A value that is no text is
 * compared byte by byte, its type included.
 */
function canonicalValue(tag: number, value: Uint8Array): string {
  const single = tag === DerTag.utf8String || tag === DerTag.printableString || tag === DerTag.ia5String;
  if (single && isPlain(value)) return `s${latin1(value).toLowerCase()}`;
  const text = directoryText(tag, value);
  if (text === null) return `b${String.fromCharCode(tag)}${latin1(value)}`;
  return `s${text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()}`;
}

/** A distinguished name. Parsed when something of it is asked for. */
export class DistinguishedName {
  /** The encoded RDNSequence, a view. */
  readonly der: Uint8Array;
  #rdns: readonly (readonly NameAttribute[])[] | null = null;
  #rdnKeys: readonly string[] | null = null;
  #key: string | null = null;
  #ordered = true;

  constructor(der: Uint8Array) {
    this.der = der;
  }

  get isEmpty(): boolean {
    return this.der.length === 2;
  }

  /** @throws {CertificateError} `malformed-certificate`, `DecodeError` for broken DER. */
  get rdns(): readonly (readonly NameAttribute[])[] {
    if (this.#rdns !== null) return this.#rdns;
    const outer = new DerReader(this.der);
    const sequence = outer.readSequence();
    outer.end();
    const rdns: NameAttribute[][] = [];
    while (!sequence.done) {
      const set = sequence.readSet();
      const attributes: NameAttribute[] = [];
      let previous: Uint8Array | null = null;
      while (!set.done) {
        const start = set.at;
        const pair = set.readSequence();
        const type = oidKey(pair.readOid());
        const tag = pair.peekTag();
        if (tag === -1) throw new CertificateError('malformed-certificate', 'an attribute without a value');
        const value = pair.readContents(tag);
        pair.end();
        const element = set.bytes.subarray(start, set.at);
        if (previous !== null && !isBefore(previous, element)) this.#ordered = false;
        previous = element;
        attributes.push({ type, tag, value });
      }
      if (attributes.length === 0) throw new CertificateError('malformed-certificate', 'an empty name part');
      rdns.push(attributes);
    }
    this.#rdns = rdns;
    return rdns;
  }

  /** Whether multi-valued parts are sorted as DER wants them (X.690, 11.6). */
  get isOrdered(): boolean {
    return this.rdns.length >= 0 && this.#ordered;
  }

  /** One key for each part, equal for equal parts: names and their prefixes are compared by these. */
  get rdnKeys(): readonly string[] {
    this.#rdnKeys ??= this.rdns.map((rdn) => {
      if (rdn.length === 1) return attributeKey(rdn[0] as NameAttribute);
      return rdn.map(attributeKey).sort().join('+');
    });
    return this.#rdnKeys;
  }

  /** A key that is equal for equal names. */
  get key(): string {
    this.#key ??= this.rdnKeys.join(',');
    return this.#key;
  }

  equals(other: DistinguishedName): boolean {
    return this === other || this.key === other.key;
  }

  /** The attributes of a type, in the order of the name. */
  attributes(type: string): NameAttribute[] {
    return this.rdns.flatMap((rdn) => rdn.filter((attribute) => attribute.type === type));
  }

  /** RFC 4514, the most specific part first as `openssl -nameopt RFC2253` has it; control characters escaped. */
  toString(): string {
    try {
      return this.rdns
        .map((rdn) => rdn.map(attributeText).join('+'))
        .reverse()
        .join(',');
    } catch {
      return '(malformed name)';
    }
  }
}

/** The order of a SET OF (X.690, 11.6): the shorter is padded with zeros. Equal elements are in order. */
function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return true;
}

function attributeKey(attribute: NameAttribute): string {
  // The lengths in front keep a type or value that holds our separators from imitating two attributes.
  const value = canonicalValue(attribute.tag, attribute.value);
  return `${attribute.type.length}:${attribute.type}=${value.length}:${value}`;
}

function attributeText(attribute: NameAttribute): string {
  const type = SHORT_NAMES.get(attribute.type) ?? oidText(attribute.type);
  const text = directoryText(attribute.tag, attribute.value);
  if (text === null) {
    return `${type}=#${Array.from(attribute.value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  }
  const escaped = text
    .replaceAll(/["+,;<>\\]/g, '\\$&')
    .replaceAll(/^[ #]| $/g, '\\$&')
    // Bidirectional controls and the like could make one name look like another on a terminal.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
  return `${type}=${escaped}`;
}
