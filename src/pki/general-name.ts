/** GeneralName (RFC 5280, 4.2.1.6), as subject names, in constraints and in distribution points. */
import { latin1 } from '../util/bytes.ts';
import { contextConstructed, contextPrimitive, type DerReader } from '../util/der.ts';
import { ipAddressText } from './ip.ts';
import { DistinguishedName } from './name.ts';
import { oidKey, oidText } from './oid.ts';
import { CertificateError } from './reason.ts';

export type GeneralName =
  /** Text of an IA5String; one character a byte, and a byte above 0x7f makes the name match nothing. */
  | { readonly type: 'dns' | 'email' | 'uri'; readonly value: string }
  /** The bytes as they stand: 4 or 16 in a name, 8 or 32 in a constraint. */
  | { readonly type: 'ip'; readonly value: Uint8Array }
  | { readonly type: 'directory'; readonly value: DistinguishedName }
  /** `value` is the type identifier's key. */
  | { readonly type: 'other'; readonly value: string }
  /** The identifier's key. */
  | { readonly type: 'registered-id'; readonly value: string }
  | { readonly type: 'x400' | 'edi-party'; readonly value: null };

export type GeneralNameType = GeneralName['type'];

/** Reads one GeneralName. @throws {CertificateError} `malformed-extension`, `DecodeError` for broken DER. */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.peekTag();
  switch (tag) {
    case contextConstructed(0): {
      const other = reader.readConstructed(tag);
      const value = oidKey(other.readOid());
      const wrapped = other.readConstructed(contextConstructed(0));
      wrapped.skip();
      wrapped.end();
      other.end();
      return { type: 'other', value };
    }
    case contextPrimitive(1):
      return { type: 'email', value: latin1(reader.readContents(tag)) };
    case contextPrimitive(2):
      return { type: 'dns', value: latin1(reader.readContents(tag)) };
    case contextConstructed(3):
      reader.skip();
      return { type: 'x400', value: null };
    case contextConstructed(4): {
      // [4] is EXPLICIT, since Name is a CHOICE (X.680, 31.2.7).
      const explicit = reader.readConstructed(tag);
      const name = new DistinguishedName(explicit.readElement(0x30));
      explicit.end();
      return { type: 'directory', value: name };
    }
    case contextConstructed(5):
      reader.skip();
      return { type: 'edi-party', value: null };
    case contextPrimitive(6):
      return { type: 'uri', value: latin1(reader.readContents(tag)) };
    case contextPrimitive(7):
      return { type: 'ip', value: reader.readContents(tag) };
    case contextPrimitive(8):
      return { type: 'registered-id', value: oidKey(reader.readOid(tag)) };
    default:
      throw new CertificateError('malformed-extension', 'a name of an unknown type', reader.at);
  }
}

/** Reads the names that a reader holds, to its end. At least one must be there. */
export function readGeneralNames(reader: DerReader): GeneralName[] {
  const names: GeneralName[] = [];
  while (!reader.done) names.push(readGeneralName(reader));
  if (names.length === 0)
    throw new CertificateError('malformed-extension', 'an empty list of names', reader.at);
  return names;
}

/** As OpenSSL and Node print it: `DNS:example.com`, `IP Address:192.0.2.1`. Bytes that could mislead are escaped. */
export function generalNameText(name: GeneralName): string {
  switch (name.type) {
    case 'dns':
      return `DNS:${printable(name.value)}`;
    case 'email':
      return `email:${printable(name.value)}`;
    case 'uri':
      return `URI:${printable(name.value)}`;
    case 'ip':
      return `IP Address:${ipAddressText(name.value)}`;
    case 'directory':
      return `DirName:${name.value}`;
    case 'other':
      return `othername:${oidText(name.value)}`;
    case 'registered-id':
      return `Registered ID:${oidText(name.value)}`;
    default:
      return name.type;
  }
}

/** A comma in a name must not look like the start of the next one (CVE-2021-44532). */
function printable(text: string): string {
  return text.replaceAll(/[^!-+\-.-[\]-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
