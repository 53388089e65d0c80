/**
 * An X.509 certificate (RFC 5280, 4.1), read lazily and without copies: `parseCertificate` checks the frame,
 * and each part is decoded when it is first asked for.
 *
 *     Certificate  ::=  SEQUENCE  {
 *         tbsCertificate       SEQUENCE {
 *             version         [0]  EXPLICIT INTEGER DEFAULT v1(0),
 *             serialNumber         INTEGER,
 *             signature            AlgorithmIdentifier,
 *             issuer               Name,
 *             validity             SEQUENCE { notBefore Time, notAfter Time },
 *             subject              Name,
 *             subjectPublicKeyInfo SubjectPublicKeyInfo,
 *             issuerUniqueID  [1]  IMPLICIT BIT STRING OPTIONAL,
 *             subjectUniqueID [2]  IMPLICIT BIT STRING OPTIONAL,
 *             extensions      [3]  EXPLICIT SEQUENCE OF Extension OPTIONAL },
 *         signatureAlgorithm   AlgorithmIdentifier,
 *         signatureValue       BIT STRING  }
 */
import { contextConstructed, contextPrimitive, DerReader, DerTag } from '../util/der.ts';
import { DecodeError } from '../util/errors.ts';
import { type CertificateKey, readKey } from './algorithm.ts';
import {
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  decodeAltNames,
  decodeAuthorityKeyIdentifier,
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  decodeNameConstraints,
  decodeSubjectKeyIdentifier,
  type NameConstraints,
} from './extensions.ts';
import type { GeneralName } from './general-name.ts';
import { DistinguishedName } from './name.ts';
import { ExtensionOid, oidKey, oidText } from './oid.ts';
import { CertificateError } from './reason.ts';
import { type Asn1Time, readTime } from './time.ts';

export interface Extension {
  /** The identifier's key (see oid.ts). */
  readonly oid: string;
  readonly critical: boolean;
  /** Contents of `extnValue`, a view. */
  readonly value: Uint8Array;
}

export interface Extensions {
  readonly byOid: ReadonlyMap<string, Extension>;
  /** `critical FALSE` was written out somewhere, which DER forbids. */
  readonly explicitDefault: boolean;
}

/**
 * Most extensions that one certificate or list entry may have. Real ones have about ten; RFC 5280 sets no
 * limit.
 */
const MAX_EXTENSIONS = 64;

/** Reads a SEQUENCE OF Extension (4.1.2.9), here and in revocation lists and OCSP answers. */
export function readExtensions(list: DerReader): Extensions {
  const byOid = new Map<string, Extension>();
  let explicitDefault = false;
  if (list.done) throw new CertificateError('malformed-certificate', 'an empty list of extensions', list.at);
  while (!list.done) {
    const at = list.at;
    const extension = list.readSequence();
    const oid = oidKey(extension.readOid());
    let critical = false;
    if (extension.peekTag() === DerTag.boolean) {
      critical = extension.readBoolean();
      if (!critical) explicitDefault = true;
    }
    const value = extension.readOctetString();
    extension.end();
    if (byOid.has(oid)) {
      throw new CertificateError('duplicate-extension', `the extension ${oidText(oid)} comes twice`, at);
    }
    if (byOid.size === MAX_EXTENSIONS) {
      throw new CertificateError('malformed-certificate', `more than ${MAX_EXTENSIONS} extensions`, at);
    }
    byOid.set(oid, { oid, critical, value });
  }
  return { byOid, explicitDefault };
}

const NO_EXTENSIONS: Extensions = Object.freeze({
  byOid: new Map<string, Extension>(),
  explicitDefault: false,
});

/** Marks a value that was not asked for yet; null means that it is not there. */
const UNREAD: unique symbol = Symbol('unread');
type Lazy<T> = T | typeof UNREAD;

/**
 * A certificate. Its getters may throw {@link DecodeError} (usually its kind `CertificateError`) when the part that
 * they decode is malformed; a second call throws again.
 */
export class Certificate {
  /** The whole certificate. All byte arrays here are views of it: it must not change while this object lives. */
  readonly der: Uint8Array;
  /** The signed part, tag and length included. */
  readonly tbs: Uint8Array;
  /** The AlgorithmIdentifier beside the signature, encoded. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** `version v1` was written out, which DER forbids. */
  readonly explicitVersion: boolean;
  /** Contents of the INTEGER: two's complement, big-endian. */
  readonly serialNumber: Uint8Array;
  /** The AlgorithmIdentifier in the signed part, encoded. */
  readonly innerSignatureAlgorithm: Uint8Array;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** The SubjectPublicKeyInfo, encoded. */
  readonly spki: Uint8Array;
  readonly hasUniqueIds: boolean;
  readonly #validity: Uint8Array;
  readonly #extensionList: Uint8Array | null;
  #dates: { notBefore: Asn1Time; notAfter: Asn1Time } | null = null;
  #extensions: Extensions | null = null;
  #basicConstraints: Lazy<BasicConstraints | null> = UNREAD;
  #keyUsage: Lazy<number | null> = UNREAD;
  #extendedKeyUsage: Lazy<readonly string[] | null> = UNREAD;
  #subjectKeyIdentifier: Lazy<Uint8Array | null> = UNREAD;
  #authorityKeyIdentifier: Lazy<AuthorityKeyIdentifier | null> = UNREAD;
  #subjectAltNames: Lazy<readonly GeneralName[] | null> = UNREAD;
  #nameConstraints: Lazy<NameConstraints | null> = UNREAD;
  #key: CertificateKey | string | null = null;
  #selfIssued: boolean | null = null;

  /** Use {@link parseCertificate}. */
  constructor(der: Uint8Array) {
    const outer = new DerReader(der);
    const certificate = outer.readSequence();
    outer.end();
    this.der = der;
    const start = certificate.at;
    const tbs = certificate.readSequence();
    this.tbs = der.subarray(start, certificate.at);
    this.signatureAlgorithm = certificate.readElement(DerTag.sequence);
    this.signature = certificate.readBitString();
    certificate.end();

    const version = tbs.readOptional(contextConstructed(0));
    if (version === null) {
      this.version = 1;
    } else {
      const number = version.readInteger(0, 2);
      version.end();
      this.version = (number + 1) as 1 | 2 | 3;
    }
    this.explicitVersion = version !== null && this.version === 1;
    this.serialNumber = tbs.readIntegerBytes();
    this.innerSignatureAlgorithm = tbs.readElement(DerTag.sequence);
    this.issuer = new DistinguishedName(tbs.readElement(DerTag.sequence));
    this.#validity = tbs.readElement(DerTag.sequence);
    this.subject = new DistinguishedName(tbs.readElement(DerTag.sequence));
    this.spki = tbs.readElement(DerTag.sequence);
    let uniqueIds = false;
    for (const tag of [contextPrimitive(1), contextPrimitive(2)]) {
      if (tbs.peekTag() !== tag) continue;
      tbs.readContents(tag);
      uniqueIds = true;
    }
    this.hasUniqueIds = uniqueIds;
    if (uniqueIds && this.version === 1) {
      throw new CertificateError(
        'malformed-certificate',
        'unique identifiers in a version 1 certificate',
        tbs.at,
      );
    }
    const at = tbs.at;
    const explicit = tbs.readOptional(contextConstructed(3));
    if (explicit === null) {
      this.#extensionList = null;
    } else {
      if (this.version !== 3) {
        throw new CertificateError(
          'malformed-certificate',
          `extensions in a version ${this.version} certificate`,
          at,
        );
      }
      this.#extensionList = explicit.readElement(DerTag.sequence);
      explicit.end();
    }
    tbs.end();
  }

  get #validityDates(): { notBefore: Asn1Time; notAfter: Asn1Time } {
    if (this.#dates === null) {
      const validity = new DerReader(this.#validity).readSequence();
      const notBefore = readTime(validity);
      const notAfter = readTime(validity);
      validity.end();
      this.#dates = { notBefore, notAfter };
    }
    return this.#dates;
  }

  /** First second of validity, in milliseconds since 1970. */
  get notBeforeMs(): number {
    return this.#validityDates.notBefore.ms;
  }

  /** Last second of validity, in milliseconds since 1970. */
  get notAfterMs(): number {
    return this.#validityDates.notAfter.ms;
  }

  /** Whether both dates are in the form that RFC 5280 prescribes for their year. */
  get hasCanonicalDates(): boolean {
    return this.#validityDates.notBefore.canonical && this.#validityDates.notAfter.canonical;
  }

  /** The kind of key, or why it is of none that is known. */
  get key(): CertificateKey | string {
    this.#key ??= readKey(this.spki);
    return this.#key;
  }

  /** The frame of all extensions; their values are not decoded. */
  get extensions(): Extensions {
    this.#extensions ??=
      this.#extensionList === null
        ? NO_EXTENSIONS
        : readExtensions(new DerReader(this.#extensionList).readSequence());
    return this.#extensions;
  }

  extension(oid: string): Extension | undefined {
    return this.extensions.byOid.get(oid);
  }

  /** Issuer and subject are the same (RFC 5280, 3.2); the signature says nothing to that. */
  get isSelfIssued(): boolean {
    this.#selfIssued ??= this.issuer.equals(this.subject);
    return this.#selfIssued;
  }

  get basicConstraints(): BasicConstraints | null {
    if (this.#basicConstraints === UNREAD) {
      this.#basicConstraints = this.#decode(ExtensionOid.basicConstraints, decodeBasicConstraints);
    }
    return this.#basicConstraints;
  }

  /** `basicConstraints` is there and says so. */
  get isCa(): boolean {
    return this.basicConstraints?.ca === true;
  }

  /** Bits of `KeyUsage`; null without the extension. */
  get keyUsage(): number | null {
    if (this.#keyUsage === UNREAD) this.#keyUsage = this.#decode(ExtensionOid.keyUsage, decodeKeyUsage);
    return this.#keyUsage;
  }

  /** Keys of purposes. */
  get extendedKeyUsage(): readonly string[] | null {
    if (this.#extendedKeyUsage === UNREAD) {
      this.#extendedKeyUsage = this.#decode(ExtensionOid.extendedKeyUsage, decodeExtendedKeyUsage);
    }
    return this.#extendedKeyUsage;
  }

  get subjectKeyIdentifier(): Uint8Array | null {
    if (this.#subjectKeyIdentifier === UNREAD) {
      this.#subjectKeyIdentifier = this.#decode(
        ExtensionOid.subjectKeyIdentifier,
        decodeSubjectKeyIdentifier,
      );
    }
    return this.#subjectKeyIdentifier;
  }

  get authorityKeyIdentifier(): AuthorityKeyIdentifier | null {
    if (this.#authorityKeyIdentifier === UNREAD) {
      this.#authorityKeyIdentifier = this.#decode(
        ExtensionOid.authorityKeyIdentifier,
        decodeAuthorityKeyIdentifier,
      );
    }
    return this.#authorityKeyIdentifier;
  }

  get subjectAltNames(): readonly GeneralName[] | null {
    if (this.#subjectAltNames === UNREAD) {
      this.#subjectAltNames = this.#decode(ExtensionOid.subjectAltName, decodeAltNames);
    }
    return this.#subjectAltNames;
  }

  get nameConstraints(): NameConstraints | null {
    if (this.#nameConstraints === UNREAD) {
      this.#nameConstraints = this.#decode(ExtensionOid.nameConstraints, decodeNameConstraints);
    }
    return this.#nameConstraints;
  }

  #decode<T>(oid: string, decode: (value: Uint8Array) => T): T | null {
    const extension = this.extensions.byOid.get(oid);
    return extension === undefined ? null : decodeValue(extension, decode);
  }
}

/** Decodes an extension's value; whatever is wrong inside becomes `malformed-extension`, with its name. */
export function decodeValue<T>(extension: Extension, decode: (value: Uint8Array) => T): T {
  try {
    return decode(extension.value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new CertificateError(
      'malformed-extension',
      `the extension ${oidText(extension.oid)}: ${error.message}`,
      error.offset,
    );
  }
}

/**
 * Reads a certificate's frame. The bytes are borrowed for the life of the result. Throws
 * {@link CertificateError} or {@link DecodeError}.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  return new Certificate(der);
}
