/**
 * What connections share: credentials that are parsed once, trust anchors, suites and groups, the key of
 * tickets and the cache of sessions. The SSL_CTX of this side of the house.
 */
import { CacheMode } from '../cache/modes.ts';
import type { SessionSource } from '../cache/outside-lookup.ts';
import { SessionContext } from '../cache/session-context.ts';
import { ContextTickets } from '../connection/context-tickets.ts';
import {
  DEFAULT_MAX_KEYING_MATERIAL_AGE_SEC,
  DEFAULT_SESSION_TIMEOUT_SEC,
  DEFAULT_SIGNATURE_SCHEMES,
} from '../connection/defaults.ts';
import type { TicketPeer } from '../connection/ticket-form.ts';
import type { CertificateCompressor } from '../crypto/certificate-compressor.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { ClientConfig, Credential } from '../handshake/config.ts';
import { TrustAnchors } from '../pki/anchors.ts';
import { RevocationLists } from '../pki/crl.ts';
import { PathCache } from '../pki/path-cache.ts';
import type { TicketKeyRecord, TicketKeyring } from '../ticket/keyring.ts';
import type { SharedTicketSealer } from '../ticket/sealer.ts';
import { concatBytes, copyBytes, EMPTY, utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { Timer, Timers } from '../util/timers.ts';
import { defaultAnchors, defaultAnchorsWith } from './ca-certificates.ts';
import {
  type CertificateCompressionAlgorithm,
  readCertificateCompression,
} from './certificate-compression.ts';
import {
  checkSecureContextOptions,
  readSecureOptions,
  readVersions,
  type SecureSettings,
} from './context-options.ts';
import {
  type CertificateInput,
  type CredentialOptions,
  listOf,
  readCredentials,
  textOrBytes,
} from './credentials.ts';
import { DEFAULT_CIPHERS, DEFAULT_ECDH_CURVE } from './defaults.ts';
import { nodeDiagnostics } from './diagnostics.ts';
import { parseCiphers, parseGroups, parseSignatureSchemes, spokenSuites } from './options.ts';

/** The options of tls.createSecureContext that are spoken here, by the same names. */
export interface SecureContextOptions extends CredentialOptions {
  /** Certificates to trust, roots or not. Default: those that Node trusts. */
  readonly ca?: CertificateInput | readonly CertificateInput[] | null | undefined;
  /** Revocation lists, PEM or DER: every certificate of a path but the root must then be on none, and have one. */
  readonly crl?: CertificateInput | readonly CertificateInput[] | null | undefined;
  /** An OpenSSL cipher list. */
  readonly ciphers?: string | undefined;
  readonly honorCipherOrder?: boolean | undefined;
  /** Groups with colons between, or `auto`. */
  readonly ecdhCurve?: string | undefined;
  readonly sigalgs?: string | undefined;
  readonly minVersion?: string | undefined;
  readonly maxVersion?: string | undefined;
  /** At most 32 bytes, as text or as they are. Those of nginx: `nginxSessionIdContext`; HAProxy's: `haproxy`. */
  readonly sessionIdContext?: string | Uint8Array | undefined;
  /** Seconds that new sessions may be resumed. Default 7200. */
  readonly sessionTimeout?: number | undefined;
  /**
   * Seconds that one full handshake may be lived on over a chain of resumptions, counted from it. Default: 7 days,
   * or `sessionTimeout` if that is longer. Infinity: no bound.
   */
  readonly maxKeyingMaterialAge?: number | undefined;
  /** 48 bytes: name, HMAC key and AES key of 16 bytes each. Default: random. */
  readonly ticketKeys?: NodeJS.ArrayBufferView | undefined;
  /**
   * Keys that rotate, and that other processes may share; instead of `ticketKeys`. Or those of another server's
   * files: `nginxTicketKeys`, `haproxyTicketKeys`.
   */
  readonly ticketKeyring?: TicketKeyring | SharedTicketSealer | readonly TicketKeyRecord[] | undefined;
  /** Sessions beyond this process, as in a store: asked after the cache of the context. */
  readonly sessionSource?: SessionSource | undefined;
  /** What processes share: stands for `ticketKeyring`, `sessionSource` and a server's `replayGuard`. */
  readonly fleet?: Fleet | undefined;
  /**
   * What of a client's certificate goes into tickets that nobody else reads: `chain` all that it sent, `leaf` (the
   * default) its own, `fingerprint` only its SHA-256 and dates. See docs/tickets.md.
   */
  readonly ticketPeer?: TicketPeer | undefined;
  /** Milliseconds that a handshake waits for a session kept elsewhere, and then is a full one. Default 1,000. */
  readonly sessionLookupTimeout?: number | undefined;
  /** Such look-ups that may wait at once. Default 1,024. */
  readonly maxPendingLookups?: number | undefined;
  /** Compress certificates, RFC 8879: algorithms in order of preference. Default: none. */
  readonly certificateCompression?: readonly CertificateCompressionAlgorithm[] | undefined;
  /** OpenSSL's SSL_OP_* bits: those of versions, tickets, cipher order, psk_ke and the extended master secret count. */
  readonly secureOptions?: number | undefined;
  /** `TLS_method`, `TLSv1_2_method` and their kin; not beside `minVersion` or `maxVersion`. */
  readonly secureProtocol?: string | undefined;
  // What cannot have a meaning here: docs/node-tls.md says why of each.
  readonly allowPartialTrustChain?: boolean | undefined;
  readonly dhparam?: string | NodeJS.ArrayBufferView | undefined;
  readonly clientCertEngine?: string | undefined;
  readonly privateKeyEngine?: string | undefined;
  readonly privateKeyIdentifier?: string | undefined;
  /** Cryptography other than node:crypto. */
  readonly provider?: CryptoProvider | undefined;
  readonly clock?: Clock | undefined;
}

/** Node's timers, which do not keep the process up by themselves. */
export const nodeTimers: Timers = Object.freeze({
  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
});

/** A context of this library or, as far as types go, of node:tls, which is refused. */
export interface SecureContextLike {
  readonly context: unknown;
}

export class SecureContext implements SecureContextLike {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly credentials: readonly Credential[];
  readonly cipherSuites: readonly number[];
  readonly preferServerCiphers: boolean;
  readonly groups: readonly number[];
  readonly signatureSchemes: readonly number[];
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly sessionIdContext: Uint8Array;
  readonly sessionTimeoutSec: number;
  readonly maxKeyingMaterialAgeSec: number;
  /** Verified paths, remembered for all connections of this context. */
  readonly paths: PathCache = new PathCache();
  readonly tickets: ContextTickets;
  readonly fleet: Fleet | null;
  readonly #source: SessionSource | null;
  /** Lists that every certificate of a path is looked up in; null: none is. */
  readonly crls: RevocationLists | null;
  readonly certificateCompressors: readonly CertificateCompressor[];
  readonly settings: SecureSettings;
  readonly #ca: readonly (string | Uint8Array)[] | null;
  readonly #alsoTrusted: readonly Uint8Array[];
  readonly #lookups: Pick<SecureContextOptions, 'sessionLookupTimeout' | 'maxPendingLookups'>;
  #anchors: TrustAnchors | null = null;
  #sessions: SessionContext | null = null;
  #anchorDigest: Uint8Array | null = null;
  #credentialDigest: Uint8Array | null = null;
  /** @internal What client connections of this context share, by what of their options decides it. */
  readonly clientSetups: (object | undefined)[] = [];

  /** @throws errors with the codes of node:tls for options that it refuses, and as readCredentials() says. */
  constructor(options: SecureContextOptions = {}) {
    checkSecureContextOptions(options);
    const provider = options.provider ?? nodeProvider;
    this.provider = provider;
    this.clock = options.clock ?? systemClock;
    const { credentials, alsoTrusted } = readCredentials(options, provider);
    this.credentials = credentials;
    this.#alsoTrusted = alsoTrusted;
    // An empty text is none, as in node:tls; an empty list trusts nobody.
    this.#ca = options.ca
      ? listOf<CertificateInput>(options.ca).map((input) => textOrBytes(input, 'options.ca'))
      : null;
    this.crls = options.crl ? readCrls(options.crl) : null;
    this.certificateCompressors = readCertificateCompression(options.certificateCompression);
    const available = spokenSuites(provider);
    const settings = readSecureOptions(options.secureOptions);
    let { minVersion, maxVersion } = readVersions(options, settings);
    const choice = parseCiphers(options.ciphers || DEFAULT_CIPHERS, available);
    this.cipherSuites = choice.ids;
    if (!choice.has13) maxVersion = Math.min(maxVersion, ProtocolVersion.TLS1_2);
    if (!choice.has12) minVersion = Math.max(minVersion, ProtocolVersion.TLS1_3);
    if (minVersion > maxVersion) {
      throw new UsageError('ERR_SSL_NO_PROTOCOLS_AVAILABLE', 'the options leave no protocol version');
    }
    this.minVersion = minVersion;
    this.maxVersion = maxVersion;
    this.settings = settings;
    this.preferServerCiphers = (options.honorCipherOrder ?? true) || settings.serverOrder;
    const curves = options.ecdhCurve ?? DEFAULT_ECDH_CURVE;
    this.groups = curves === 'auto' ? provider.groups : parseGroups(curves, provider.groups);
    this.signatureSchemes =
      options.sigalgs === undefined || options.sigalgs === null
        ? DEFAULT_SIGNATURE_SCHEMES
        : parseSignatureSchemes(options.sigalgs);
    const sessionIdContext = options.sessionIdContext ?? '';
    this.sessionIdContext =
      typeof sessionIdContext === 'string' ? utf8(sessionIdContext) : copyBytes(sessionIdContext);
    if (this.sessionIdContext.length > 32) {
      throw new UsageError('ERR_TLS_SESSION_ID_CONTEXT', 'a session id context has at most 32 bytes');
    }
    const timeout = options.sessionTimeout ?? DEFAULT_SESSION_TIMEOUT_SEC;
    this.sessionTimeoutSec = timeout === 0 ? DEFAULT_SESSION_TIMEOUT_SEC : timeout;
    const maxAge =
      options.maxKeyingMaterialAge ?? Math.max(DEFAULT_MAX_KEYING_MATERIAL_AGE_SEC, this.sessionTimeoutSec);
    if (!(maxAge > 0)) {
      throw new UsageError('ERR_OUT_OF_RANGE', 'maxKeyingMaterialAge is a positive number of seconds');
    }
    this.maxKeyingMaterialAgeSec = maxAge;
    this.fleet = options.fleet ?? null;
    this.#source = options.sessionSource ?? options.fleet?.sessions ?? null;
    this.#lookups = {
      sessionLookupTimeout: positive(options.sessionLookupTimeout, 'sessionLookupTimeout'),
      maxPendingLookups: positive(options.maxPendingLookups, 'maxPendingLookups'),
    };
    this.tickets = new ContextTickets({
      provider,
      clock: this.clock,
      sessionTimeoutSec: this.sessionTimeoutSec,
      ticketKeys: options.ticketKeys == null ? undefined : bytesOf(options.ticketKeys),
      // Keys that are named go before those of the fleet.
      keyring: options.ticketKeyring ?? (options.ticketKeys == null ? options.fleet?.tickets : undefined),
      channel: nodeDiagnostics.ticketKey,
      peer: options.ticketPeer,
    });
  }

  static {
    inspectAs(SecureContext, (context) => `SecureContext { ${context.credentials.length} credentials }`);
  }

  /** Where node:tls keeps a native object. */
  get context(): this {
    return this;
  }

  /** What of a connection's configuration the options decide one by one. */
  get engineSettings(): Pick<
    ClientConfig,
    | 'sessionTimeoutSec'
    | 'maxKeyingMaterialAgeSec'
    | 'allowPskKe'
    | 'extendedMasterSecret'
    | 'certificateCompressors'
    | 'tickets'
  > {
    const { tickets, allowPskKe, extendedMasterSecret } = this.settings;
    const { sessionTimeoutSec, maxKeyingMaterialAgeSec, certificateCompressors } = this;
    return {
      sessionTimeoutSec,
      maxKeyingMaterialAgeSec,
      allowPskKe,
      extendedMasterSecret,
      certificateCompressors,
      tickets,
    };
  }

  /** What peers are verified by; read when the first one is. */
  get anchors(): TrustAnchors {
    if (this.#anchors === null) {
      const more = this.#alsoTrusted.map((certificate) => ({ certificate }));
      if (this.#ca === null) this.#anchors = more.length === 0 ? defaultAnchors() : defaultAnchorsWith(more);
      else this.#anchors = TrustAnchors.from([...this.#ca, ...more]);
    }
    return this.#anchors;
  }

  /** The names of `ca`, for clients to choose a certificate by; none for Node's whole list. */
  get authorities(): readonly Uint8Array[] {
    if (this.#ca === null) return [];
    return [...this.anchors].map(({ subject }) => subject.der);
  }

  /** The context's cache, made when first asked for. */
  get sessions(): SessionContext {
    this.#sessions ??= new SessionContext({
      seed: this.provider.random(16),
      clock: this.clock,
      timers: nodeTimers,
      timeoutSec: this.sessionTimeoutSec,
      mode: CacheMode.SERVER,
      ...(this.#source === null ? {} : { source: this.#source }),
      channel: nodeDiagnostics.cache,
      lookupLimitMs: this.#lookups.sessionLookupTimeout,
      maxPendingLookups: this.#lookups.maxPendingLookups,
      // A listener of newSession or resumeSession that fails costs a resumption, not the process.
      reportError: (error) => process.emitWarning(error instanceof Error ? error : String(error)),
    });
    return this.#sessions;
  }

  /**
   * The end of the context, as SSL_CTX_free(3) at its last reference: the cache lets its sessions go, and the
   * keys of tickets are wiped, unless the keyring was given. What uses the context must be over.
   */
  destroy(): void {
    this.#sessions?.clear();
    this.tickets.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** SHA-256 over the anchors, in any order: the same in every process that trusts the same. */
  get anchorDigest(): Uint8Array {
    if (this.#anchorDigest === null) {
      const parts = [...this.anchors].map(({ certificate, spki, subject }) =>
        this.provider.digest('sha256', certificate?.der ?? concatBytes(utf8(subject.key), spki)),
      );
      parts.sort(Buffer.compare);
      this.#anchorDigest = this.provider.digest('sha256', concatBytes(...parts));
    }
    return this.#anchorDigest;
  }

  /** SHA-256 over the certificates that this end shows; empty for none. */
  get credentialDigest(): Uint8Array {
    if (this.#credentialDigest === null) {
      const leaves = this.credentials.map(({ chain }) =>
        this.provider.digest('sha256', chain[0] as Uint8Array),
      );
      leaves.sort(Buffer.compare);
      this.#credentialDigest =
        leaves.length === 0 ? EMPTY : this.provider.digest('sha256', concatBytes(...leaves));
    }
    return this.#credentialDigest;
  }

  /** A digest of some words and digests, to bind sessions to. */
  digest(purpose: string, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.provider.digest('sha256', concatBytes(utf8(`tlsession ${purpose}\0`), ...parts));
  }
}

export function createSecureContext(options: SecureContextOptions = {}): SecureContext {
  return new SecureContext(options);
}

function bytesOf(view: NodeJS.ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function positive(value: number | undefined, name: string): number | undefined {
  if (value === undefined || value > 0) return value;
  throw new UsageError('ERR_OUT_OF_RANGE', `${name} is a positive number`);
}

function readCrls(input: CertificateInput | readonly CertificateInput[]): RevocationLists {
  return RevocationLists.from(
    listOf<CertificateInput>(input).map((list) => textOrBytes(list, 'options.crl')),
  );
}
