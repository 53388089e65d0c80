/** What goes into a validation and what comes out. */
import type { FailureReason } from '../util/errors.ts';
import type { AlgorithmPolicy } from './algorithm.ts';
import type { TrustAnchor, TrustAnchors } from './anchors.ts';
import type { Budget } from './budget.ts';
import type { Certificate } from './certificate.ts';
import type { RevocationLists } from './crl.ts';
import type { KeyUsageName } from './extensions.ts';
import type { PathCache } from './path-cache.ts';
import type { PolicyOptions } from './policies.ts';
import type { PathReason } from './reason.ts';
import type { Profile, Relaxation } from './relaxations.ts';
import type { Purpose } from './rules.ts';
import type { PathProvider } from './signatures.ts';

export interface PathOptions {
  readonly provider: PathProvider;
  /**
   * Certificates in DER, the leaf first; the rest in any order, and not all of them need to be of use.
   * Borrowed: they must not change while the result is in use.
   */
  readonly chain: readonly Uint8Array[];
  readonly anchors: TrustAnchors;
  /** The role of the leaf's holder. */
  readonly purpose: Purpose;
  /** DNS name or IP address that the leaf must be for; undefined for none. */
  readonly name?: string | undefined;
  /** The moment to judge, milliseconds since 1970. Fractions of seconds are cut off, as certificates have none. */
  readonly atMs: number;
  /** Default `compatible`. */
  readonly profile?: Profile | undefined;
  /** Most intermediates between leaf and anchor, self-issued ones not counted. Default 10. */
  readonly maxDepth?: number | undefined;
  readonly budget?: Partial<Budget> | undefined;
  /** Bits that the leaf's key usage must have, when it has the extension. Default `digitalSignature`, TLS's own. */
  readonly keyUsage?: readonly KeyUsageName[] | undefined;
  readonly policies?: PolicyOptions | undefined;
  /** Allowed keys and signatures. Default: `defaultAlgorithms`. */
  readonly algorithms?: Partial<AlgorithmPolicy> | undefined;
  /** See `ServerNameOptions`. Default false. */
  readonly commonNameFallback?: boolean | undefined;
  /**
   * Whether an anchor's certificate must itself be valid at that moment. Default: only under `rfc5280`.
   */
  readonly checkAnchorDates?: boolean | undefined;
  /** Revocation lists; one that is about a certificate of the path and cannot be believed refuses the path. */
  readonly crls?: RevocationLists | undefined;
  /** For which certificates a list must be given. Default `none`: those that are given count. */
  readonly requireCrl?: 'none' | 'leaf' | 'chain' | undefined;
  /**
   * The stapled OCSP answer about the leaf: its bytes; null when one was asked for and none came, so that
   * must-staple (RFC 7633) can be held up; undefined when none was asked for.
   */
  readonly ocsp?: Uint8Array | null | undefined;
  /** Remembers verified paths over many validations. The chain is copied when it is given. */
  readonly cache?: PathCache | undefined;
  /** Whether a refusal lists the paths tried. Default false. */
  readonly traceAttempts?: boolean | undefined;
}

export interface PathSuccess {
  readonly ok: true;
  readonly leaf: Certificate;
  /** Leaf first, up to the certificate that the anchor issued; the leaf alone when it is itself the anchor. */
  readonly path: readonly Certificate[];
  readonly anchor: TrustAnchor;
  /** What matched `name`, as `DNS:example.com`; null without `name`. */
  readonly matchedName: string | null;
  /** The time within which this very path stays valid, milliseconds since 1970, both ends included. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

/** A path that was tried and refused. */
export interface PathAttempt {
  readonly path: readonly Certificate[];
  readonly anchor: TrustAnchor | null;
  readonly reason: PathReason;
  readonly depth: number;
  readonly message: string;
}

export interface PathFailure {
  readonly ok: false;
  readonly reason: PathReason;
  /** The tolerance of the other profile that would have let it pass, for `profile-violation`. */
  readonly relaxation: Relaxation | null;
  /** The certificate's place: 0 is the leaf, the anchor stands at the end. */
  readonly depth: number;
  /** For people, without a final period. */
  readonly message: string;
  /** The engine's failure; it decides the alert. */
  readonly alert: FailureReason;
  /** What node:tls has in `authorizationError` for this. */
  readonly nodeCode: string;
  /** The paths tried, when asked for; at most {@link MAX_ATTEMPTS}. */
  readonly attempts: readonly PathAttempt[];
}

export type PathResult = PathSuccess | PathFailure;

export const DEFAULT_MAX_DEPTH = 10;
/** Most attempts that a refusal lists. */
export const MAX_ATTEMPTS = 32;
