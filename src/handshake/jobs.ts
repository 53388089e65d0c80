/**
 * What a handshake may have to wait for. A job leaves the engine as an event and comes back by its id, now
 * or late, as an answer or a failure. The engine never runs one itself.
 */

import type { SessionCore } from '../session/core.ts';
import type { EarlyDataReason, ResumptionReason } from '../session/resumption-reason.ts';
import type { FailureReason } from '../util/errors.ts';
import type { Credential, ExternalPsk } from './config.ts';

/** Is this certificate good? For either role, and for a resumed session that is checked again. */
export interface VerifyCertificateJob {
  readonly kind: 'verify-certificate';
  /** Whose certificate it is. */
  readonly peer: 'server' | 'client';
  /** DER, leaf first. The bytes belong to the job. */
  readonly chain: readonly Uint8Array[];
  /** The name to check, for a server's certificate. */
  readonly serverName: string | null;
  /** Whether the peer was asked for a stapled status: one that demands it must then come (RFC 7633). */
  readonly ocspRequested: boolean;
  readonly ocspResponse: Uint8Array | null;
  readonly sctList: Uint8Array | null;
  /** True when a session is about to be, or was, resumed. */
  readonly resumption: boolean;
}

export type VerifyCertificateAnswer =
  | {
      readonly ok: true;
      /** X509_V_* code to remember in the session: 0, or the fault that was let through. */
      readonly verifyResult: number;
    }
  | {
      readonly ok: false;
      readonly reason: FailureReason;
      readonly verifyResult: number;
      readonly detail?: string;
      /** AlertDescription to send instead of the reason's. */
      readonly alert?: number;
      readonly cause?: unknown;
    };

/** Sign `content` with the credential's key. */
export interface SignJob {
  readonly kind: 'sign';
  readonly credential: Credential;
  /** SignatureScheme. */
  readonly scheme: number;
  readonly content: Uint8Array;
}

/** A server read a ClientHello: what to answer with? Asked only when configured. */
export interface SelectJob {
  readonly kind: 'select';
  readonly serverName: string | null;
  readonly alpn: readonly Uint8Array[];
  readonly signatureSchemes: readonly number[];
  readonly cipherSuites: readonly number[];
  readonly groups: readonly number[];
  readonly versions: readonly number[];
  /** Whether the client takes a stapled OCSP response. */
  readonly wantsOcsp: boolean;
  /** The version that will be spoken. */
  readonly version: number;
  /** The whole message, header and all. */
  readonly clientHello: Uint8Array;
}

export interface SelectAnswer {
  readonly credentials?: readonly Credential[];
  /** A protocol from the hello's; null: do not answer the extension; 'refuse': no_application_protocol. */
  readonly alpn?: Uint8Array | null | 'refuse';
  readonly sessionIdContext?: Uint8Array;
  readonly clientCertificate?: 'none' | 'request' | 'require';
  readonly clientCertificateAuthorities?: readonly Uint8Array[];
  readonly trust?: Uint8Array;
  readonly clientAuth?: Uint8Array;
  readonly tickets?: boolean;
}

/** A server asks for a certificate of the client's. */
export interface ClientCertificateJob {
  readonly kind: 'client-certificate';
  readonly signatureSchemes: readonly number[];
  readonly authorities: readonly Uint8Array[];
  /** ClientCertificateType of TLS 1.2. */
  readonly certificateTypes: Uint8Array;
}

/** Null: go on without one. */
export type ClientCertificateAnswer = Credential | null;

/** Find a session by its id: TLS 1.2 ids and stateful TLS 1.3 tickets. */
export interface FindSessionJob {
  readonly kind: 'find-session';
  readonly version: number;
  readonly id: Uint8Array;
}

/** A session that was found carries one library reference, which the connection takes over. */
export type FindSessionAnswer =
  | { readonly found: true; readonly session: SessionCore }
  | { readonly found: false; readonly reason: ResumptionReason };

/** Open a stateless ticket. */
export interface OpenTicketJob {
  readonly kind: 'open-ticket';
  readonly version: number;
  readonly ticket: Uint8Array;
  /** TLS 1.2: the hello's session id, which OpenSSL gives to the session that it opens. Empty in TLS 1.3. */
  readonly sessionId: Uint8Array;
}

export type OpenTicketAnswer =
  | {
      readonly opened: true;
      /** With one library reference, which the connection takes over. */
      readonly session: SessionCore;
      /** TLS 1.2: whether a new ticket should be sent. In TLS 1.3 one is, so that none serves twice. */
      readonly renew: boolean;
      /** TLS 1.3: a ticket callback's USE without RENEW: no new ticket after all. */
      readonly sendNone?: boolean;
    }
  | {
      readonly opened: false;
      readonly reason: ResumptionReason;
      /** A ticket callback's IGNORE: no new ticket is sent either. */
      readonly sendNone?: boolean;
    };

/**
 * A stateful ticket is good once: take the session out of its store. Asked only after the binder proved that
 * the client has the key. False: somebody was faster, and the handshake becomes a full one.
 */
export interface ConsumeSessionJob {
  readonly kind: 'consume-session';
  readonly session: SessionCore;
}

/**
 * Make a stateless ticket of a session. Null: send none. In TLS 1.2 the ticket is part of the handshake, which
 * waits for it; in TLS 1.3 it holds up nothing.
 */
export interface SealTicketJob {
  readonly kind: 'seal-ticket';
  /** Borrowed until the job is answered. */
  readonly session: SessionCore;
  readonly lifetimeSec: number;
}

/**
 * Put a session under its id, before the client may come back with it: a stateful ticket waits for this, and
 * so does the Finished message of TLS 1.2.
 */
export interface StoreSessionJob {
  readonly kind: 'store-session';
  /** Borrowed until the job is answered. */
  readonly session: SessionCore;
}

/** May this early data be taken, for the first and only time? */
export interface ReplayJob {
  readonly kind: 'replay';
  /** The binder that authenticates this ClientHello: the same for every copy of it, and for no other. */
  readonly binder: Uint8Array;
  /** Null for an external key. */
  readonly session: SessionCore | null;
  /** The session was taken out of its store for this hello alone: a stateful ticket. */
  readonly consumed: boolean;
  /** When by its own age the client sent it, in milliseconds since 1970 on this clock. */
  readonly sentAtMs: number;
}
export interface ReplayAnswer {
  readonly accept: boolean;
  /** Why not; `early-data-replayed` when it is left out. */
  readonly reason?: EarlyDataReason;
}

/** An external key: which to offer (client), or which an identity names (server). */
export interface OfferPskJob {
  readonly kind: 'offer-psk';
  /** The hash the second hello is bound to after a HelloRetryRequest, else null. */
  readonly hash: 'sha256' | 'sha384' | null;
}
export interface FindPskJob {
  readonly kind: 'find-psk';
  readonly identity: Uint8Array;
}

/** What kind of answer each job takes. */
export interface JobAnswers {
  'verify-certificate': VerifyCertificateAnswer;
  sign: Uint8Array;
  select: SelectAnswer;
  'client-certificate': ClientCertificateAnswer;
  'find-session': FindSessionAnswer;
  'open-ticket': OpenTicketAnswer;
  'seal-ticket': Uint8Array | null;
  'store-session': undefined;
  'consume-session': boolean;
  replay: ReplayAnswer;
  'offer-psk': ExternalPsk | null;
  'find-psk': SessionCore | null;
}

export type Job =
  | VerifyCertificateJob
  | SignJob
  | SelectJob
  | ClientCertificateJob
  | FindSessionJob
  | OpenTicketJob
  | SealTicketJob
  | StoreSessionJob
  | ConsumeSessionJob
  | ReplayJob
  | OfferPskJob
  | FindPskJob;

export type JobKind = Job['kind'];
export type JobOf<K extends JobKind> = Extract<Job, { kind: K }>;
export type JobAnswer = JobAnswers[JobKind];
