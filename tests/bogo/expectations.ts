/** What the runner expects the shim to see of a connection. */
import type { Connection } from '../../src/connection/connection.ts';
import { equalBytes, latin1 } from '../../src/util/bytes.ts';
import { ProtocolVersion } from '../../src/util/registries.ts';
import { loadChain } from './credentials.ts';
import type { ShimConfig } from './flags.ts';

/** X509_V_ERR_APPLICATION_VERIFICATION. */
export const REFUSED_BY_APPLICATION = 50;

/**
 * The shim saw something else than it was told to expect. Ends it with a status that fails the test also
 * where a failure of the handshake would be right.
 */
export class Expectation extends Error {}

function expectThat(condition: boolean, text: () => string): void {
  if (!condition) throw new Expectation(text());
}

/** BoringSSL's names for why early data was or was not taken. */
const EARLY_DATA_REASONS: Readonly<Record<string, string>> = {
  'early-data-not-allowed': 'unsupported_for_session',
  'early-data-not-resumed': 'session_not_resumed',
  'early-data-hello-retry': 'hello_retry_request',
  'early-data-ticket-age': 'ticket_age_skew',
  'early-data-other-alpn': 'alpn_mismatch',
  'early-data-declined': 'peer_declined',
  'early-data-not-offered': 'peer_declined',
};

/** What is known when the handshake is complete. */
export function checkHandshake(connection: Connection, config: ShimConfig, isResumption: boolean): void {
  const { info } = connection;
  const equal = (what: string, actual: number, expected: number | null): void => {
    if (expected === null || expected === 0) return;
    expectThat(actual === expected, () => `${what} is ${actual}, not ${expected}`);
  };
  equal('the version', info.version, config['expect-version']);
  equal('the cipher suite', info.cipherSuite, config['expect-cipher']);
  equal('the cipher suite', info.cipherSuite, config['expect-cipher-aes']);
  equal('the group', info.group, config['expect-curve-id']);
  if (!info.resumed) {
    const scheme = config['expect-peer-signature-algorithm'];
    equal('the peer signature scheme', info.peerSignatureScheme, scheme);
  }

  const resumed = isResumption && !config['expect-session-miss'];
  expectThat(info.resumed === resumed, () => `resumed is ${info.resumed} (${info.resumptionReason})`);

  const alpn = config.server ? config['select-alpn'] : config['expect-alpn'];
  expectThat(latin1(info.alpn ?? new Uint8Array(0)) === (alpn ?? ''), () => 'the protocol is another');

  const name = config['expect-server-name'];
  if (name !== null) expectThat(info.serverName === name, () => `the server name is ${info.serverName}`);

  if (config['expect-extended-master-secret']) {
    expectThat(info.extendedMasterSecret, () => 'no extended master secret');
  }
  if (config['expect-secure-renegotiation']) {
    const secure = info.renegotiationInfo || info.version === ProtocolVersion.TLS1_3;
    expectThat(secure, () => 'no secure renegotiation');
  }
  if (config['expect-no-secure-renegotiation']) {
    expectThat(!info.renegotiationInfo, () => 'secure renegotiation');
  }
  if (config['expect-hrr']) expectThat(info.helloRetryRequest, () => 'no HelloRetryRequest');
  if (config['expect-no-hrr']) expectThat(!info.helloRetryRequest, () => 'a HelloRetryRequest');

  const skew = config['expect-ticket-age-skew'];
  if (isResumption && skew !== null) {
    const seconds = Math.round(info.ticketAgeSkewMs / 1000);
    expectThat(seconds === skew, () => `the ticket age skew is ${seconds} s`);
  }
  checkPeer(connection, config);
  checkEarlyData(connection, config, isResumption);
}

function checkPeer(connection: Connection, config: ShimConfig): void {
  const { info } = connection;
  if (!config.server || config['require-any-client-certificate']) {
    expectThat(info.peerChain.length > 0, () => 'no certificate of the peer');
  }
  const file = config['expect-peer-cert-file'];
  if (file !== null) {
    const chain = loadChain(file);
    const same =
      chain.length === info.peerChain.length &&
      chain.every((certificate, i) => equalBytes(certificate, info.peerChain[i] as Uint8Array));
    expectThat(same, () => `the peer's chain has ${info.peerChain.length} certificates and is another`);
  }
  if (config['expect-sha256-client-cert']) {
    // The handshake that asked for it has the certificate still; a session that comes back its fingerprint alone.
    const known = info.resumed
      ? info.peerFingerprint !== null && info.peerChain.length === 0
      : info.peerChain.length > 0;
    expectThat(known, () => `resumed ${info.resumed}, and ${info.peerChain.length} certificates of the peer`);
  }
  if (config['expect-verify-result']) {
    const refused = info.verifyResult === REFUSED_BY_APPLICATION;
    expectThat(refused === config['verify-fail'], () => `the verify result is ${info.verifyResult}`);
  }
  const same = (what: string, actual: Uint8Array | null, expected: Uint8Array | null): void => {
    if (expected === null) return;
    expectThat(actual !== null && equalBytes(actual, expected), () => `${what} is another`);
  };
  // BoringSSL keeps in a session what was stapled; OpenSSL's sessions have no place for it.
  if (!info.resumed) {
    same('the OCSP response', info.ocspResponse, config['expect-ocsp-response']);
    same('the SCT list', info.sctList, config['expect-signed-cert-timestamps']);
  }
  const schemes = config['expect-peer-verify-pref'];
  if (config.server && schemes.length > 0) {
    expectThat(schemes.join() === info.peerSignatureSchemes.join(), () => "the hello's signature schemes");
  }
}

function checkEarlyData(connection: Connection, config: ShimConfig, isResumption: boolean): void {
  const { info } = connection;
  if (config['expect-accept-early-data'] && isResumption) {
    expectThat(info.earlyDataAccepted, () => `early data was not accepted (${info.earlyDataReason})`);
  }
  if (config['expect-reject-early-data']) {
    expectThat(!info.earlyDataAccepted, () => 'early data was accepted');
  }
  const expected = config['expect-early-data-reason'];
  if (expected !== null) {
    const reason = earlyDataReason(connection, config);
    expectThat(reason === expected, () => `the early data reason is ${reason}, not ${expected}`);
  }
}

/** One word of BoringSSL's closed list. */
function earlyDataReason(connection: Connection, config: ShimConfig): string {
  const { info } = connection;
  if (info.earlyDataAccepted) return 'accept';
  if (!config['enable-early-data']) return 'disabled';
  if (info.version !== ProtocolVersion.TLS1_3) return 'protocol_version';
  if (info.resumptionReason === 'no-session-offered' || info.resumptionReason === 'no-session-saved') {
    return 'no_session_offered';
  }
  const reason = info.earlyDataReason;
  return reason === null ? 'unknown' : (EARLY_DATA_REASONS[reason] ?? reason);
}
