/**
 * Certificate revocation lists (RFC 5280, 5), read without copies. The entries are indexed by serial number
 * when the list is first asked about one.
 *
 *     CertificateList  ::=  SEQUENCE  {
 *         tbsCertList          SEQUENCE {
 *             version             INTEGER OPTIONAL,              -- v2(1) if present
 *             signature           AlgorithmIdentifier,
 *             issuer              Name,
 *             thisUpdate          Time,
 *             nextUpdate          Time OPTIONAL,
 *             revokedCertificates SEQUENCE OF SEQUENCE {
 *                 userCertificate    INTEGER,
 *                 revocationDate     Time,
 *                 crlEntryExtensions Extensions OPTIONAL } OPTIONAL,
 *             crlExtensions   [0] EXPLICIT Extensions OPTIONAL },
 *         signatureAlgorithm   AlgorithmIdentifier,
 *         signatureValue       BIT STRING  }
 */
import { copyBytes, equalBytes, latin1 } from '../util/bytes.ts';
import { contextConstructed, contextPrimitive, DerReader, DerTag } from '../util/der.ts';
import { DecodeError, UsageError } from '../util/errors.ts';
import { decodeValue, type Extension, readExtensions } from './certificate.ts';
import { decodeAuthorityKeyIdentifier, readDistributionPointName } from './extensions.ts';
import type { GeneralName } from './general-name.ts';
import { DistinguishedName } from './name.ts';
import { ExtensionOid, oidText } from './oid.ts';
import { decodePem } from './pem.ts';
import { CertificateError } from './reason.ts';
import { type Asn1Time, readTime } from './time.ts';

const EXT = ExtensionOid;

/** List extensions that may be critical. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXT.issuingDistributionPoint,
  EXT.deltaCrlIndicator,
  EXT.authorityKeyIdentifier,
]);
/** Entry extensions that may be critical; `certificateIssuer` only makes sense in indirect lists, which are refused. */
const ENTRY_UNDERSTOOD: ReadonlySet<string> = new Set([EXT.crlReason, EXT.invalidityDate]);

/** What a list is about (5.2.5). */
export interface IssuingDistributionPoint {
  readonly fullName: readonly GeneralName[] | null;
  readonly relativeName: boolean;
  readonly onlyUserCerts: boolean;
  readonly onlyCaCerts: boolean;
  readonly onlyAttributeCerts: boolean;
  readonly onlySomeReasons: boolean;
  readonly indirect: boolean;
}

export interface RevokedEntry {
  readonly revokedAtMs: number;
  /** CRLReason, 0 (unspecified) without one. */
  readonly reason: number;
}

function malformed(message: string, at: number): never {
  throw new CertificateError('crl-malformed', message, at);
}

function decodeIssuingDistributionPoint(bytes: Uint8Array): IssuingDistributionPoint {
  const outer = new DerReader(bytes);
  const reader = outer.readSequence();
  outer.end();
  const name = reader.readOptional(contextConstructed(0));
  const { fullName, relativeName } =
    name === null ? { fullName: null, relativeName: false } : readDistributionPointName(name);
  const flag = (number: number): boolean =>
    reader.peekTag() === contextPrimitive(number) && reader.readBoolean(contextPrimitive(number));
  const onlyUserCerts = flag(1);
  const onlyCaCerts = flag(2);
  const onlySomeReasons = reader.peekTag() === contextPrimitive(3);
  if (onlySomeReasons) reader.readNamedBits(contextPrimitive(3));
  const indirect = flag(4);
  const onlyAttributeCerts = flag(5);
  reader.end();
  return {
    fullName,
    relativeName,
    onlyUserCerts,
    onlyCaCerts,
    onlyAttributeCerts,
    onlySomeReasons,
    indirect,
  };
}

/** A list. The constructor reads the frame; `find` and `contentFault` read the entries. */
export class RevocationList {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: Uint8Array;
  readonly innerSignatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  readonly version: 1 | 2;
  readonly issuer: DistinguishedName;
  readonly thisUpdate: Asn1Time;
  readonly nextUpdate: Asn1Time | null;
  readonly extensions: ReadonlyMap<string, Extension>;
  /** Null when the list has no such extension. */
  readonly scope: IssuingDistributionPoint | null;
  /** CRLNumber, one character a byte, or null. */
  readonly number: string | null;
  /** BaseCRLNumber of a delta list, or null for a complete one. */
  readonly deltaBase: string | null;
  readonly authorityKeyIdentifier: Uint8Array | null;
  readonly #entries: Uint8Array | null;
  #index: Map<string, RevokedEntry> | null = null;
  #fault: string | null = null;
  #signer: Uint8Array | null = null;

  /** Borrows the bytes. Throws {@link DecodeError}, usually `CertificateError`. */
  constructor(der: Uint8Array) {
    const outer = new DerReader(der);
    const list = outer.readSequence();
    outer.end();
    this.der = der;
    this.tbs = list.readElement(DerTag.sequence);
    this.signatureAlgorithm = list.readElement(DerTag.sequence);
    this.signature = list.readBitString();
    list.end();
    const tbs = new DerReader(this.tbs).readSequence();
    this.version = tbs.peekTag() === DerTag.integer ? ((tbs.readInteger(1, 1) + 1) as 2) : 1;
    this.innerSignatureAlgorithm = tbs.readElement(DerTag.sequence);
    this.issuer = new DistinguishedName(tbs.readElement(DerTag.sequence));
    void this.issuer.key;
    this.thisUpdate = readTime(tbs);
    const next = tbs.peekTag();
    this.nextUpdate = next === DerTag.utcTime || next === DerTag.generalizedTime ? readTime(tbs) : null;
    this.#entries = tbs.peekTag() === DerTag.sequence ? tbs.readElement(DerTag.sequence) : null;
    const explicit = tbs.readOptional(contextConstructed(0));
    tbs.end();
    if (explicit === null) {
      this.extensions = new Map();
    } else {
      if (this.version === 1) malformed('extensions in a version 1 list', explicit.at);
      this.extensions = readExtensions(explicit.readSequence()).byOid;
      explicit.end();
    }
    const integer = (bytes: Uint8Array): string => {
      const reader = new DerReader(bytes);
      const contents = reader.readIntegerBytes();
      reader.end();
      if (((contents[0] as number) & 0x80) !== 0) malformed('a negative list number', 0);
      return latin1(contents);
    };
    this.number = this.#decode(EXT.crlNumber, integer);
    this.deltaBase = this.#decode(EXT.deltaCrlIndicator, integer);
    this.scope = this.#decode(EXT.issuingDistributionPoint, decodeIssuingDistributionPoint);
    this.authorityKeyIdentifier =
      this.#decode(EXT.authorityKeyIdentifier, decodeAuthorityKeyIdentifier)?.keyIdentifier ?? null;
  }

  #decode<T>(oid: string, decode: (bytes: Uint8Array) => T): T | null {
    const extension = this.extensions.get(oid);
    return extension === undefined ? null : decodeValue(extension, decode);
  }

  /**
   * Why the list cannot be used, or null. A critical extension that is not understood spoils it, also one of
   * a single entry (5.2, 5.3).
   */
  contentFault(): string | null {
    for (const { oid, critical } of this.extensions.values()) {
      if (critical && !UNDERSTOOD.has(oid)) return `its critical extension ${oidText(oid)} is not understood`;
    }
    this.#read();
    return this.#fault;
  }

  /** Whether that key was found to have signed the list: long lists are not hashed again for every handshake. */
  isSignedBy(spki: Uint8Array): boolean {
    return this.#signer !== null && equalBytes(this.#signer, spki);
  }

  rememberSigner(spki: Uint8Array): void {
    this.#signer = copyBytes(spki);
  }

  /** The entry for a serial number (contents of the INTEGER), or null. */
  find(serialNumber: Uint8Array): RevokedEntry | null {
    return this.#read().get(latin1(serialNumber)) ?? null;
  }

  #read(): Map<string, RevokedEntry> {
    if (this.#index !== null) return this.#index;
    const index = new Map<string, RevokedEntry>();
    this.#index = index;
    if (this.#entries === null) return index;
    try {
      const entries = new DerReader(this.#entries).readSequence();
      while (!entries.done) {
        const entry = entries.readSequence();
        const serial = entry.readIntegerBytes();
        const revokedAtMs = readTime(entry).ms;
        let reason = 0;
        if (!entry.done) {
          if (this.version === 1) malformed('entry extensions in a version 1 list', entry.at);
          const extensions = readExtensions(entry.readSequence()).byOid;
          entry.end();
          for (const extension of extensions.values()) {
            if (extension.critical && !ENTRY_UNDERSTOOD.has(extension.oid)) {
              malformed(`the critical entry extension ${oidText(extension.oid)} is not understood`, entry.at);
            }
          }
          const code = extensions.get(EXT.crlReason);
          if (code !== undefined) {
            reason = decodeValue(code, (bytes) => {
              const reader = new DerReader(bytes);
              const value = reader.readInteger(0, 10, DerTag.enumerated);
              reader.end();
              return value;
            });
          }
        }
        index.set(latin1(serial), { revokedAtMs, reason });
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fault = error.message;
    }
    return index;
  }
}

/** Whether the number `a` is at least `b`, both as contents of a non-negative INTEGER. */
export function numberAtLeast(a: string, b: string): boolean {
  return a.length === b.length ? a >= b : a.length > b.length;
}

let nextId = 1;

/** Lists that the caller gives, prepared once and used over many handshakes. */
export class RevocationLists {
  /** Different for every set made in this process. */
  readonly id: number = nextId++;
  readonly #byIssuer = new Map<string, RevocationList[]>();

  private constructor(lists: readonly RevocationList[]) {
    for (const list of lists) {
      const same = this.#byIssuer.get(list.issuer.key);
      if (same === undefined) this.#byIssuer.set(list.issuer.key, [list]);
      else same.push(list);
    }
  }

  /**
   * Reads lists: PEM text or DER bytes, which are copied. @throws {UsageError} `ERR_TLS_BAD_CRL` for what
   * cannot be read, with its place in the argument.
   */
  static from(sources: string | Uint8Array | readonly (string | Uint8Array)[]): RevocationLists {
    const list = typeof sources === 'string' || sources instanceof Uint8Array ? [sources] : sources;
    return new RevocationLists(
      list.flatMap((source, index) => {
        try {
          return crlBytes(source).map((der) => new RevocationList(copyBytes(der)));
        } catch (error) {
          if (!(error instanceof DecodeError) && !(error instanceof UsageError)) throw error;
          throw new UsageError(
            'ERR_TLS_BAD_CRL',
            `revocation list ${index} cannot be read: ${error.message}`,
            {
              cause: error,
            },
          );
        }
      }),
    );
  }

  byIssuer(issuer: DistinguishedName): readonly RevocationList[] {
    return this.#byIssuer.get(issuer.key) ?? [];
  }
}

function crlBytes(source: string | Uint8Array): Uint8Array[] {
  if (typeof source !== 'string' && source[0] === DerTag.sequence) return [source];
  const text = typeof source === 'string' ? source : new TextDecoder('latin1').decode(source);
  const blocks = decodePem(text, 'X509 CRL', 'CRL');
  if (blocks.length === 0) throw new UsageError('ERR_TLS_BAD_PEM', 'no revocation list in the text');
  return blocks;
}
