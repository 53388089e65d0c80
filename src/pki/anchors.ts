/**
 * Trust anchors, prepared once and used over many handshakes. An anchor is a name, a key and constraints
 * (RFC 5280, 6.1.1 (d); RFC 5914; RFC 5937); a certificate is only one way to write one down.
 */
import type { CryptoProvider, PublicKey } from '../crypto/provider.ts';
import { copyBytes, equalBytes, utf8 } from '../util/bytes.ts';
import { DecodeError, UsageError } from '../util/errors.ts';
import { type CertificateKey, readKey } from './algorithm.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { decodeNameConstraints, type NameConstraints } from './extensions.ts';
import type { Fault } from './fault.ts';
import { DistinguishedName } from './name.ts';
import { decodePem } from './pem.ts';

/** What the caller adds to an anchor; each can only narrow what the anchor is trusted for. */
export interface AnchorConstraints {
  /** Most CA certificates below the anchor, self-issued ones not counted. */
  readonly maxPathLength?: number;
  /** Roles that a leaf below this anchor may have. Default: both. */
  readonly purposes?: readonly ('server' | 'client')[];
  /** Contents of a nameConstraints extension, in DER. */
  readonly nameConstraints?: Uint8Array;
}

/** An anchor as the caller gives it. `certificate` is DER. */
export type TrustAnchorInput =
  | { readonly certificate: Uint8Array; readonly constraints?: AnchorConstraints }
  | {
      /** RDNSequence, in DER. */
      readonly subject: Uint8Array;
      /** SubjectPublicKeyInfo, in DER. */
      readonly spki: Uint8Array;
      readonly constraints?: AnchorConstraints;
    };

/** PEM text (any number of certificates), PEM or DER bytes, or an anchor with constraints. */
export type AnchorSource = string | Uint8Array | TrustAnchorInput;

export class TrustAnchor {
  readonly subject: DistinguishedName;
  /** SubjectPublicKeyInfo, in DER. */
  readonly spki: Uint8Array;
  /** The certificate that the anchor was given as, if it was. */
  readonly certificate: Certificate | null;
  readonly maxPathLength: number | null;
  readonly purposes: readonly ('server' | 'client')[] | null;
  /** Of the caller's; those in the certificate stay there. */
  readonly nameConstraints: NameConstraints | null;
  #key: CertificateKey | string | null = null;
  #judged: { purpose: string; profile: string; algorithms: object; problem: Fault | null } | null = null;
  #publicKey: { provider: Pick<CryptoProvider, 'importPublicKey'>; key: PublicKey | null } | null = null;

  constructor(input: TrustAnchorInput) {
    if ('certificate' in input) {
      this.certificate = parseCertificate(copyBytes(input.certificate));
      this.subject = this.certificate.subject;
      this.spki = this.certificate.spki;
    } else {
      this.certificate = null;
      this.subject = new DistinguishedName(copyBytes(input.subject));
      this.spki = copyBytes(input.spki);
    }
    // Reads the name, so that a malformed one is found now.
    void this.subject.key;
    const { maxPathLength, purposes, nameConstraints } = input.constraints ?? {};
    this.maxPathLength = maxPathLength ?? null;
    this.purposes = purposes ?? null;
    this.nameConstraints =
      nameConstraints === undefined ? null : decodeNameConstraints(copyBytes(nameConstraints));
  }

  /** The kind of key, or why it is not allowed. */
  get key(): CertificateKey | string {
    this.#key ??= readKey(this.spki);
    return this.#key;
  }

  /**
   * What `judge` says of the anchor by itself, remembered for the last context: its answer may depend on
   * nothing else of it than the purpose, the profile and the algorithms.
   */
  judged(
    context: { readonly purpose: string; readonly profile: string; readonly algorithms: object },
    judge: () => Fault | null,
  ): Fault | null {
    const last = this.#judged;
    if (
      last === null ||
      last.purpose !== context.purpose ||
      last.profile !== context.profile ||
      last.algorithms !== context.algorithms
    ) {
      const { purpose, profile, algorithms } = context;
      this.#judged = { purpose, profile, algorithms, problem: judge() };
    }
    return this.#judged?.problem ?? null;
  }

  /** The key as the provider has it, imported once; null when the provider cannot use it. */
  publicKey(provider: Pick<CryptoProvider, 'importPublicKey'>): PublicKey | null {
    if (this.#publicKey?.provider !== provider) {
      this.#publicKey = { provider, key: provider.importPublicKey(this.spki) };
    }
    return this.#publicKey.key;
  }
}

let nextId = 1;

/** An immutable set of anchors, indexed by name. */
export class TrustAnchors {
  /** Different for every set made in this process: what was verified against one says nothing of another. */
  readonly id: number = nextId++;
  readonly #bySubject = new Map<string, TrustAnchor[]>();
  #size = 0;

  private constructor(anchors: Iterable<TrustAnchor>) {
    for (const anchor of anchors) {
      const list = this.#bySubject.get(anchor.subject.key);
      if (list === undefined) this.#bySubject.set(anchor.subject.key, [anchor]);
      else list.push(anchor);
      this.#size++;
    }
  }

  /**
   * Reads anchors. The bytes are copied. Equal certificates without constraints of the caller's count once.
   * @throws {UsageError} `ERR_TLS_BAD_ANCHOR` for what cannot be read, with its place in the list.
   */
  static from(sources: AnchorSource | readonly AnchorSource[]): TrustAnchors {
    const list: readonly AnchorSource[] = isList(sources) ? sources : [sources];
    const anchors: TrustAnchor[] = [];
    const plain = new Map<string, Uint8Array[]>();
    for (const [index, source] of list.entries()) {
      try {
        for (const input of expand(source)) {
          const anchor = new TrustAnchor(input);
          if ('certificate' in input && input.constraints === undefined) {
            const same = plain.get(anchor.subject.key) ?? [];
            if (same.some((der) => equalBytes(der, input.certificate))) continue;
            same.push(input.certificate);
            plain.set(anchor.subject.key, same);
          }
          anchors.push(anchor);
        }
      } catch (error) {
        if (!(error instanceof DecodeError) && !(error instanceof UsageError)) throw error;
        throw new UsageError('ERR_TLS_BAD_ANCHOR', `trust anchor ${index} cannot be read: ${error.message}`, {
          cause: error,
        });
      }
    }
    return new TrustAnchors(anchors);
  }

  get size(): number {
    return this.#size;
  }

  /** The anchors of that name. */
  bySubject(subject: DistinguishedName): readonly TrustAnchor[] {
    return this.#bySubject.get(subject.key) ?? [];
  }

  /** The anchor that was given as exactly this certificate, or null. */
  find(certificate: Certificate): TrustAnchor | null {
    for (const anchor of this.bySubject(certificate.subject)) {
      if (anchor.certificate !== null && equalBytes(anchor.certificate.der, certificate.der)) return anchor;
    }
    return null;
  }

  *[Symbol.iterator](): Generator<TrustAnchor, void> {
    for (const list of this.#bySubject.values()) yield* list;
  }
}

function isList(sources: AnchorSource | readonly AnchorSource[]): sources is readonly AnchorSource[] {
  return Array.isArray(sources);
}

const PEM_BEGIN = utf8('-----BEGIN ');

/** Certificates in DER from PEM text, PEM bytes or DER bytes. @throws {UsageError} for PEM without any. */
export function certificateBytes(source: string | Uint8Array): Uint8Array[] {
  let text = source;
  if (typeof text !== 'string') {
    // DER begins with 0x30; PEM may have text in front, which has no 0x30 0x8x (no ASCII) at its start.
    if (text[0] === 0x30 && (text[1] as number) >= 0x80) return [text];
    if (indexOf(text, PEM_BEGIN) === -1) return [text];
    text = new TextDecoder('latin1').decode(text);
  }
  const blocks = decodePem(text, 'CERTIFICATE', 'X509 CERTIFICATE');
  if (blocks.length === 0) throw new UsageError('ERR_TLS_BAD_PEM', 'no certificate in the text');
  return blocks;
}

function indexOf(bytes: Uint8Array, what: Uint8Array): number {
  for (let i = 0; i + what.length <= bytes.length; i++) {
    if (equalBytes(bytes.subarray(i, i + what.length), what)) return i;
  }
  return -1;
}

function expand(source: AnchorSource): TrustAnchorInput[] {
  if (typeof source === 'string' || source instanceof Uint8Array) {
    return certificateBytes(source).map((certificate) => ({ certificate }));
  }
  return [source];
}
