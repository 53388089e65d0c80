/**
 * The command line that BoringSSL's runner gives its shim: which flags are spoken here, what each carries,
 * and why the rest is answered with "not implemented" (exit status 89).
 */

type Kind =
  /** Present or not. */
  | 'switch'
  | 'number'
  /** May come several times. */
  | 'numbers'
  /** One character a byte. */
  | 'text'
  /** Base64 on the command line. */
  | 'bytes';

const KNOWN = {
  // How the shim runs.
  port: 'number',
  server: 'switch',
  ipv6: 'switch',
  'shim-id': 'number',
  'resume-count': 'number',
  'is-handshaker-supported': 'switch',
  async: 'switch',
  'implicit-handshake': 'switch',
  'handshake-twice': 'switch',
  'no-op-extra-handshake': 'switch',
  'handshake-never-done': 'switch',
  'resumption-delay': 'number',
  // What is negotiated.
  'min-version': 'number',
  'max-version': 'number',
  'no-tls1': 'switch',
  'no-tls11': 'switch',
  'no-tls12': 'switch',
  'no-tls13': 'switch',
  'fallback-scsv': 'switch',
  cipher: 'text',
  curves: 'numbers',
  'signing-prefs': 'numbers',
  'verify-prefs': 'numbers',
  'server-preference': 'switch',
  'host-name': 'text',
  'advertise-alpn': 'text',
  'select-alpn': 'text',
  'decline-alpn': 'switch',
  'reject-alpn': 'switch',
  'select-empty-alpn': 'switch',
  'allow-unknown-alpn-protos': 'switch',
  'max-send-fragment': 'number',
  'max-cert-list': 'number',
  'enable-grease': 'switch',
  'permute-extensions': 'switch',
  'install-cert-compression-algs': 'switch',
  'install-one-cert-compression-alg': 'number',
  // Certificates.
  'cert-file': 'text',
  'key-file': 'text',
  'require-any-client-certificate': 'switch',
  'verify-peer': 'switch',
  'verify-fail': 'switch',
  'use-custom-verify-callback': 'switch',
  'reverify-on-resume': 'switch',
  'use-old-client-cert-callback': 'switch',
  'use-early-callback': 'switch',
  'fail-early-callback': 'switch',
  'install-ddos-callback': 'switch',
  'fail-ddos-callback': 'switch',
  'fail-cert-callback': 'switch',
  'use-client-ca-list': 'text',
  'enforce-rsa-key-usage': 'switch',
  'enable-ocsp-stapling': 'switch',
  'ocsp-response': 'bytes',
  'use-ocsp-callback': 'switch',
  'set-ocsp-in-callback': 'switch',
  'decline-ocsp-callback': 'switch',
  'fail-ocsp-callback': 'switch',
  'enable-signed-cert-timestamps': 'switch',
  'signed-cert-timestamps': 'bytes',
  // Sessions.
  'no-ticket': 'switch',
  'ticket-key': 'bytes',
  'use-ticket-callback': 'switch',
  'renew-ticket': 'switch',
  'retain-only-sha256-client-cert': 'switch',
  'enable-early-data': 'switch',
  'early-write-after-message': 'number',
  // What the shim does with the connection.
  'shim-writes-first': 'switch',
  'shim-shuts-down': 'switch',
  'check-close-notify': 'switch',
  'send-alert': 'switch',
  'read-size': 'number',
  'peek-then-read': 'switch',
  'partial-write': 'switch',
  'write-different-record-sizes': 'switch',
  'read-with-unfinished-write': 'switch',
  'key-update': 'switch',
  'export-keying-material': 'number',
  'export-label': 'text',
  'export-context': 'text',
  'use-export-context': 'switch',
  'use-exporter-between-reads': 'switch',
  'tls-unique': 'switch',
  'export-traffic-secrets': 'switch',
  // What must come of it.
  'expect-version': 'number',
  'expect-cipher': 'number',
  'expect-cipher-aes': 'number',
  'expect-cipher-no-aes': 'number',
  'expect-curve-id': 'number',
  'expect-peer-signature-algorithm': 'number',
  'expect-peer-verify-pref': 'numbers',
  'expect-certificate-types': 'bytes',
  'expect-client-ca-list': 'text',
  'expect-peer-cert-file': 'text',
  'expect-verify-result': 'switch',
  'expect-sha256-client-cert': 'switch',
  'expect-ocsp-response': 'bytes',
  'expect-signed-cert-timestamps': 'bytes',
  'expect-server-name': 'text',
  'expect-alpn': 'text',
  'expect-advertised-alpn': 'text',
  'expect-extended-master-secret': 'switch',
  'expect-secure-renegotiation': 'switch',
  'expect-no-secure-renegotiation': 'switch',
  'expect-session-miss': 'switch',
  'expect-session-id': 'switch',
  'expect-no-session-id': 'switch',
  'expect-no-session': 'switch',
  'expect-ticket-renewal': 'switch',
  'expect-ticket-supports-early-data': 'switch',
  'expect-ticket-age-skew': 'number',
  'expect-accept-early-data': 'switch',
  'expect-reject-early-data': 'switch',
  'expect-no-offer-early-data': 'switch',
  'expect-early-data-reason': 'text',
  'expect-hrr': 'switch',
  'expect-no-hrr': 'switch',
  // Nothing to do for them here: there is no handshaker process whose answer could differ, and
  // Encrypted ClientHello never gives another name.
  'allow-hint-mismatch': 'switch',
  'expect-no-ech-name-override': 'switch',
  // A HelloRequest never changes anything here: it is refused by a warning, and the connection goes on.
  'renegotiate-ignore': 'switch',
} as const;

type KnownFlag = keyof typeof KNOWN;

type Value<K extends Kind> = K extends 'switch'
  ? boolean
  : K extends 'number'
    ? number | null
    : K extends 'numbers'
      ? readonly number[]
      : K extends 'text'
        ? string | null
        : Uint8Array | null;

/** What one connection of the shim is told. A flag that was not given is false, null or empty. */
export type ShimConfig = { readonly [F in KnownFlag]: Value<(typeof KNOWN)[F]> };

const NOT_A_GOAL = {
  renegotiation: 'renegotiation is not a goal',
  cbc: 'CBC is not a goal',
  dtls: 'DTLS is not a goal',
  quic: 'QUIC is not a goal',
  ech: 'Encrypted ClientHello is not a goal',
  channelId: "Channel ID is Google's own extension",
  npn: 'NPN is a withdrawn extension, superseded by ALPN',
  alps: "ALPS is Google's own extension",
  falseStart: 'False Start (RFC 7918) is not a goal',
  psk: 'the PSK cipher suites of TLS 1.2 (RFC 4279) are not a goal',
  delegated: 'delegated credentials (RFC 9345) are not a goal',
  boring: "BoringSSL's API",
} as const;

const { renegotiation, cbc, dtls, quic, ech, channelId, npn, alps, falseStart, psk, delegated, boring } =
  NOT_A_GOAL;

/** Flags that are answered with 89, and why. */
export const unimplementedFlags: Readonly<Record<string, string>> = {
  dtls,
  mtu: dtls,
  'initial-timeout-duration-ms': dtls,
  'srtp-profiles': dtls,
  quic,
  'quic-transport-params': quic,
  'expect-quic-transport-params': quic,
  'quic-use-legacy-codepoint': quic,
  'quic-early-data-context': quic,
  'enable-ech-grease': ech,
  'ech-server-config': ech,
  'ech-server-key': ech,
  'ech-is-retry-config': ech,
  'ech-config-list': ech,
  'expect-ech-accept': ech,
  'expect-ech-name-override': ech,
  'expect-ech-retry-configs': ech,
  'expect-no-ech-retry-configs': ech,
  'enable-channel-id': channelId,
  'send-channel-id': channelId,
  'expect-channel-id': channelId,
  'verify-peer-if-no-obc': channelId,
  'advertise-npn': npn,
  'select-next-proto': npn,
  'expect-next-proto': npn,
  'application-settings': alps,
  'expect-peer-application-settings': alps,
  'defer-alps': alps,
  'false-start': falseStart,
  'allow-false-start-without-alpn': falseStart,
  psk,
  'psk-identity': psk,
  'cbc-record-splitting': cbc,
  'renegotiate-once': renegotiation,
  'renegotiate-freely': renegotiation,
  'renegotiate-explicit': renegotiation,
  'forbid-renegotiation-after-handshake': renegotiation,
  'expect-total-renegotiations': renegotiation,
  'delegated-credential': delegated,
  'expect-delegated-credential-used': delegated,
  'jdk11-workaround': boring,
  'expect-msg-callback': boring,
  'expect-late-alpn': boring,
  handoff: boring,
  'handshake-hints': boring,
  'handshaker-resume': boring,
  'handshaker-path': boring,
  'write-settings': boring,
  'wait-for-debugger': boring,
};

/** The shim is asked for something that this library does not do. Ends it with status 89. */
export class Unimplemented extends Error {
  /** The flag, with its value where only that value is not done. */
  readonly flag: string;
  readonly reason: string;

  constructor(flag: string, reason: string) {
    super(`${flag}: ${reason}`);
    this.flag = flag;
    this.reason = reason;
  }
}

/** The three sets of flags of one shim process. */
export interface ShimConfigs {
  readonly initial: ShimConfig;
  readonly resume: ShimConfig;
  /** For the second half of a connection whose early data was rejected. */
  readonly retry: ShimConfig;
}

type Draft = Record<string, unknown>;

function emptyDraft(): Draft {
  const draft: Draft = {};
  for (const [flag, kind] of Object.entries(KNOWN)) {
    draft[flag] = kind === 'switch' ? false : kind === 'numbers' ? [] : null;
  }
  return draft;
}

function isKnown(flag: string): flag is KnownFlag {
  return Object.hasOwn(KNOWN, flag);
}

function parseNumber(flag: string, text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Unimplemented(`-${flag}`, `not a number: ${text}`);
  return Number(text);
}

function setFlag(draft: Draft, flag: KnownFlag, text: string | null): void {
  const kind: Kind = KNOWN[flag];
  if (text === null) draft[flag] = true;
  else if (kind === 'number') draft[flag] = parseNumber(flag, text);
  else if (kind === 'numbers') draft[flag] = [...(draft[flag] as number[]), parseNumber(flag, text)];
  else if (kind === 'bytes') draft[flag] = new Uint8Array(Buffer.from(text, 'base64'));
  else draft[flag] = text;
}

function removePrefix(name: string, prefix: string): string | null {
  return name.startsWith(`${prefix}-`) ? name.slice(prefix.length) : null;
}

/**
 * Reads a command line. `-on-initial-`, `-on-resume-` and `-on-retry-` before a flag's name give it to that
 * connection alone; `-on-shim-` is for us, `-on-handshaker-` for a second process that we do not have.
 * @throws {Unimplemented} at the first flag, or value, that is not done here.
 */
export function parseFlags(argv: readonly string[]): ShimConfigs {
  const initial = emptyDraft();
  const resume = emptyDraft();
  const retry = emptyDraft();
  for (let i = 0; i < argv.length; i++) {
    let name = argv[i] as string;
    const forHandshaker = removePrefix(name, '-on-handshaker');
    name = forHandshaker ?? removePrefix(name, '-on-shim') ?? name;
    let targets = [initial, resume, retry];
    for (const [prefix, draft] of [
      ['-on-initial', initial],
      ['-on-resume', resume],
      ['-on-retry', retry],
    ] as const) {
      const rest = removePrefix(name, prefix);
      if (rest === null) continue;
      name = rest;
      targets = [draft];
      break;
    }
    const flag = name.slice(1);
    const reason = unimplementedFlags[flag];
    if (reason !== undefined) throw new Unimplemented(name, reason);
    if (!isKnown(flag)) throw new Unimplemented(name, 'an unknown flag');
    let text: string | null = null;
    if (KNOWN[flag] !== 'switch') {
      i++;
      text = argv[i] ?? null;
      if (text === null) throw new Unimplemented(name, 'its value is missing');
    }
    if (forHandshaker !== null) continue;
    for (const draft of targets) setFlag(draft, flag, text);
  }
  return { initial: initial as ShimConfig, resume: resume as ShimConfig, retry: retry as ShimConfig };
}
