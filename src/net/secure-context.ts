/**
 * What connections share: credentials that are parsed once, trust anchors, suites and groups, the key of
 * tickets and the cache of sessions. The SSL_CTX of this side of the house.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { CacheMode } from '../cache/modes.ts';
import { SessionContext, type SessionSource } from '../cache/session-context.ts';
import { ContextTickets } from '../connection/context-tickets.ts';
import {
  DEFAULT_MAX_KEYING_MATERIAL_AGE_SEC,
  DEFAULT_SESSION_TIMEOUT_SEC,
  DEFAULT_SIGNATURE_SCHEMES,
} from '../connection/defaults.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Credential } from '../handshake/config.ts';
import { certificateBytes, TrustAnchors } from '../pki/anchors.ts';
import { PathCache } from '../pki/path-cache.ts';
import type { TicketKeyring } from '../ticket/keyring.ts';
import type { SharedTicketSealer } from '../ticket/sealer.ts';
import { concatBytes, copyBytes, utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { cipherSuites, ProtocolVersion } from '../util/registries.ts';
import type { Timer, Timers } from '../util/timers.ts';
import { nodeDiagnostics } from './diagnostics.ts';
import {
  parseCiphers,
  parseGroups,
  parseMaxVersion,
  parseMinVersion,
  parseSignatureSchemes,
} from './options.ts';

/** PEM, or DER for certificates. */
export type CertificateInput = string | Uint8Array;
export type KeyInput =
  | string
  | Uint8Array
  | { readonly pem: string | Uint8Array; readonly passphrase?: string };

/** The options of tls.createSecureContext that are spoken here, by the same names. */
export interface SecureContextOptions {
  /** Certificate chains, leaf first, each in one text; one for each key. */
  readonly cert?: CertificateInput | readonly CertificateInput[] | undefined;
  readonly key?: KeyInput | readonly KeyInput[] | undefined;
  readonly passphrase?: string | undefined;
  /** Certificates to trust. Default: those that Node trusts. */
  readonly ca?: CertificateInput | readonly CertificateInput[] | undefined;
  /** An OpenSSL cipher list. */
  readonly ciphers?: string | undefined;
  readonly honorCipherOrder?: boolean | undefined;
  /** Groups with colons between, or `auto`. */
  readonly ecdhCurve?: string | undefined;
  readonly sigalgs?: string | undefined;
  readonly minVersion?: string | undefined;
  readonly maxVersion?: string | undefined;
  /** At most 32 bytes, as text. */
  readonly sessionIdContext?: string | undefined;
  /** Seconds that new sessions may be resumed. Default 7200. */
  readonly sessionTimeout?: number | undefined;
  /**
   * Seconds that one full handshake may be lived on over a chain of resumptions, counted from it. Default: 7 days,
   * or `sessionTimeout` if that is longer. Infinity: no bound.
   */
  readonly maxKeyingMaterialAge?: number | undefined;
  /** 48 bytes: name, HMAC key and AES key of 16 bytes each. Default: random. */
  readonly ticketKeys?: Uint8Array | undefined;
  /** Keys that rotate, and that other processes may share; instead of `ticketKeys`. */
  readonly ticketKeyring?: TicketKeyring | SharedTicketSealer | undefined;
  /** Sessions beyond this process, as in a store: asked after the cache of the context. */
  readonly sessionSource?: SessionSource | undefined;
  /** What processes share: stands for `ticketKeyring`, `sessionSource` and a server's `replayGuard`. */
  readonly fleet?: Fleet | undefined;
  /** Milliseconds that a handshake waits for a session kept elsewhere, and then is a full one. Default 1,000. */
  readonly sessionLookupTimeout?: number | undefined;
  /** Such look-ups that may wait at once. Default 1,024. */
  readonly maxPendingLookups?: number | undefined;
  /** Not spoken here: see docs/node-tls.md. */
  readonly pfx?: unknown;
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
  readonly #ca: readonly CertificateInput[] | null;
  readonly #lookups: Pick<SecureContextOptions, 'sessionLookupTimeout' | 'maxPendingLookups'>;
  #anchors: TrustAnchors | null = null;
  #sessions: SessionContext | null = null;
  #anchorDigest: Uint8Array | null = null;
  #credentialDigest: Uint8Array | null = null;
  /** @internal What client connections of this context share, by what of their options decides it. */
  readonly clientSetups: (object | undefined)[] = [];

  constructor(options: SecureContextOptions = {}) {
    if (options.pfx !== undefined) {
      throw new UsageError(
        'ERR_TLS_PFX',
        'pfx is not read here: convert it (`openssl pkcs12 -nodes`) to key and cert',
      );
    }
    const provider = options.provider ?? nodeProvider;
    this.provider = provider;
    this.clock = options.clock ?? systemClock;
    this.credentials = readCredentials(options, provider);
    this.#ca = options.ca === undefined ? null : toArray<CertificateInput>(options.ca).map(keep);
    const available = DEFAULT_SUITES.filter((id) => {
      const suite = cipherSuites.get(id);
      return suite !== undefined && provider.supportsAead(suite.aead);
    });
    let minVersion = parseMinVersion(options.minVersion ?? 'TLSv1.2');
    let maxVersion = parseMaxVersion(options.maxVersion ?? 'TLSv1.3');
    if (minVersion > maxVersion) {
      throw new UsageError('ERR_TLS_PROTOCOL_VERSION_CONFLICT', 'minVersion is above maxVersion');
    }
    if (options.ciphers === undefined) this.cipherSuites = available;
    else {
      const choice = parseCiphers(options.ciphers, available);
      this.cipherSuites = choice.ids;
      if (!choice.has13) maxVersion = Math.min(maxVersion, ProtocolVersion.TLS1_2);
      if (!choice.has12) minVersion = Math.max(minVersion, ProtocolVersion.TLS1_3);
    }
    this.minVersion = minVersion;
    this.maxVersion = maxVersion;
    this.preferServerCiphers = options.honorCipherOrder ?? true;
    this.groups =
      options.ecdhCurve === undefined ? provider.groups : parseGroups(options.ecdhCurve, provider.groups);
    this.signatureSchemes =
      options.sigalgs === undefined ? DEFAULT_SIGNATURE_SCHEMES : parseSignatureSchemes(options.sigalgs);
    this.sessionIdContext = utf8(options.sessionIdContext ?? '');
    if (this.sessionIdContext.length > 32) {
      throw new UsageError('ERR_TLS_SESSION_ID_CONTEXT', 'a session id context has at most 32 bytes');
    }
    const timeout = options.sessionTimeout ?? DEFAULT_SESSION_TIMEOUT_SEC;
    if (!Number.isInteger(timeout) || timeout < 0) {
      throw new UsageError('ERR_OUT_OF_RANGE', 'sessionTimeout is a whole number of seconds');
    }
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
      ticketKeys: options.ticketKeys,
      // Keys that are named go before those of the fleet.
      keyring:
        options.ticketKeyring ?? (options.ticketKeys === undefined ? options.fleet?.tickets : undefined),
      channel: nodeDiagnostics.ticketKey,
    });
  }

  static {
    inspectAs(SecureContext, (context) => `SecureContext { ${context.credentials.length} credentials }`);
  }

  /** Where node:tls keeps a native object. */
  get context(): this {
    return this;
  }

  /** What peers are verified by; read when the first one is. */
  get anchors(): TrustAnchors {
    this.#anchors ??= this.#ca === null ? defaultAnchors() : TrustAnchors.from(this.#ca);
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
        leaves.length === 0 ? new Uint8Array(0) : this.provider.digest('sha256', concatBytes(...leaves));
    }
    return this.#credentialDigest;
  }

  /** A digest of some words and digests, to bind sessions to. */
  digest(purpose: string, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.provider.digest('sha256', concatBytes(utf8(`tlsession ${purpose}\0`), ...parts));
  }
}

const DEFAULT_SUITES: readonly number[] = [
  0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f,
];

export function createSecureContext(options: SecureContextOptions = {}): SecureContext {
  return new SecureContext(options);
}

let sharedAnchors: TrustAnchors | null = null;

/** Node's root list, and NODE_EXTRA_CA_CERTS; read once a process. */
function defaultAnchors(): TrustAnchors {
  if (sharedAnchors === null) {
    const sources: CertificateInput[] = [...rootCertificates];
    const extra = process.env['NODE_EXTRA_CA_CERTS'];
    if (extra !== undefined && extra !== '') {
      try {
        sources.push(readFileSync(extra));
      } catch (error) {
        process.emitWarning(`ignoring extra certs from \`${extra}\`: ${(error as Error).message}`);
      }
    }
    sharedAnchors = TrustAnchors.from(sources);
  }
  return sharedAnchors;
}

function positive(value: number | undefined, name: string): number | undefined {
  if (value === undefined || value > 0) return value;
  throw new UsageError('ERR_OUT_OF_RANGE', `${name} is a positive number`);
}

function toArray<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

function keep<T>(value: T): T {
  return (value instanceof Uint8Array ? copyBytes(value) : value) as T;
}

function readCredentials(options: SecureContextOptions, provider: CryptoProvider): Credential[] {
  const { cert, key, passphrase } = options;
  if (key === undefined || cert === undefined) return [];
  const chains = toArray<CertificateInput>(cert).map((input) => certificateBytes(keep(input)).map(copyBytes));
  const keys = toArray<KeyInput>(key);
  // As with OpenSSL, a chain goes with the key that is its own, whatever the order.
  const credentials: Credential[] = [];
  for (const input of keys) {
    const { pem, phrase } = keyParts(input, passphrase);
    const privateKey = provider.importPrivateKey(pem, phrase);
    const nodeKey = createPrivateKey({
      key: typeof pem === 'string' ? pem : Buffer.from(pem),
      ...(phrase === undefined ? {} : { passphrase: phrase }),
    });
    const chain = chains.find((candidate) =>
      new X509Certificate(candidate[0] as Uint8Array).checkPrivateKey(nodeKey),
    );
    if (chain === undefined) {
      throw new UsageError(
        'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
        'no certificate has the public half of the private key',
      );
    }
    credentials.push({ chain, keyType: privateKey.type, keyBits: privateKey.bits, key: privateKey });
  }
  return credentials;
}

function keyParts(
  input: KeyInput,
  passphrase: string | undefined,
): { pem: string | Uint8Array; phrase: string | undefined } {
  if (typeof input === 'string' || input instanceof Uint8Array) return { pem: input, phrase: passphrase };
  return { pem: input.pem, phrase: input.passphrase ?? passphrase };
}
