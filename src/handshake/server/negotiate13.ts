/** TLS 1.3 at the server: suite, group and HelloRetryRequest (RFC 8446, 4.1). */
import type { Transcript } from '../../schedule/transcript.ts';
import { equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import type { OfferedPsks } from '../../wire/extension/pre-shared-key.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { State, unexpected } from '../state.ts';
import { type ClientRequest, chooseSuite, readRequest } from './client-hello.ts';
import { sendServerFlight } from './flight.ts';
import { choosePsk, fitExternalPsk, skippedBytes } from './psk.ts';
import type { ServerSettings } from './start.ts';
import {
  openRetryState,
  StatelessRetrySent,
  sealRetryState,
  transcriptAfterRetry,
  writeRetry,
} from './stateless.ts';

/** What a HelloRetryRequest asked for, to hold the second hello against. */
interface Retry {
  readonly suite: CipherSuite;
  readonly group: number;
  readonly first: ClientRequest;
}

/** What is agreed before the key exchange. */
export interface Agreed13 {
  readonly settings: ServerSettings;
  readonly request: ClientRequest;
  readonly transcript: Transcript;
  /** May still change for one whose hash fits a pre-shared key, until a HelloRetryRequest fixes it. */
  suite: CipherSuite;
  readonly retried: boolean;
}

export function negotiate13(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  request: ClientRequest,
  transcript: Transcript,
  retry: Retry | null,
): State {
  const { config, info } = host;
  host.reader.ignoreChangeCipherSpec = true;
  info.extendedMasterSecret = true;
  info.earlyDataOffered ||= request.earlyData;
  if (request.hello.legacyVersion < ProtocolVersion.TLS1_2) {
    throw TlsAlertError.local('no-common-version', 'legacy_version is below TLS 1.2');
  }
  // What the HelloRetryRequest fixed stays fixed: a pre-shared key may have decided it.
  const id = chooseSuite(config, request, (each) => retry === null || each === retry.suite.id);
  const suite = id === null ? undefined : cipherSuites.get(id);
  if (suite === undefined) {
    if (retry === null) throw TlsAlertError.local('no-common-cipher');
    throw TlsAlertError.local('second-hello-changed', 'cipher suites');
  }
  info.cipherSuite = suite.id;
  if (config.cookies !== null) return negotiateStateless(host, settings, request, transcript, suite);
  const agreed: Agreed13 = { settings, request, transcript, suite, retried: retry !== null };

  const pskOnly = request.psks !== null && request.pskModes?.plain === true && config.allowPskKe;
  if (!pskOnly) requireKeyExchange(request);
  const group = chooseGroup(config, request);
  if (group === null) {
    if (pskOnly) return finish(host, agreed, null);
    throw TlsAlertError.local('no-common-group');
  }
  const share = request.keyShares?.find((entry) => entry.group === group);
  if (share === undefined) {
    if (retry !== null)
      throw TlsAlertError.local('second-hello-changed', 'the share that was asked for is not there');
    return fitExternalPsk(host, agreed, () => sendRetry(host, agreed, group));
  }
  return finish(host, agreed, share.group);
}

/** Every client gets a HelloRetryRequest; one that comes back with its cookie is taken. */
function negotiateStateless(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  request: ClientRequest,
  transcript: Transcript,
  suite: CipherSuite,
): State {
  const { config, info, scratch } = host;
  requireKeyExchange(request);
  const group = chooseGroup(config, request);
  if (group === null) throw TlsAlertError.local('no-common-group');
  const hasShare = request.keyShares?.some((entry) => entry.group === group) === true;
  const state = openRetryState(host, request);
  info.helloRetryRequest = true;
  if (state !== null) {
    if (request.earlyData) throw TlsAlertError.local('second-hello-changed', 'early_data');
    const keeps = state.suiteId === suite.id && hasShare && (state.group === 0 || state.group === group);
    if (!keeps) throw TlsAlertError.local('second-hello-changed');
    info.cookieVerified = true;
    const after = transcriptAfterRetry(host, request, suite, state);
    return finish(host, { settings, request, transcript: after, suite, retried: true }, group);
  }
  transcript.choose(suite.hash);
  const asked = hasShare ? 0 : group;
  const cookie = sealRetryState(host, { suiteId: suite.id, group: asked, helloHash: transcript.peek() });
  scratch.reset();
  writeRetry(scratch, request, suite, asked, cookie);
  host.send(scratch.view());
  return new StatelessRetrySent();
}

/** Without a PSK these three are mandatory (RFC 8446, 9.2). */
function requireKeyExchange(request: ClientRequest): void {
  if (request.groups === null && request.keyShares !== null) {
    throw TlsAlertError.local('missing-extension', 'supported_groups');
  }
  if (request.keyShares === null) throw TlsAlertError.local('missing-extension', 'key_share');
}

function finish(host: Host<ServerConfig>, agreed: Agreed13, group: number | null): State {
  return choosePsk(host, agreed, group !== null, (psk) => sendServerFlight(host, agreed, group, psk));
}

/** The first of ours that comes with a share; else the first of ours that the client knows. */
function chooseGroup(config: ServerConfig, request: ClientRequest): number | null {
  const known = new Set(request.groups);
  const common = config.groups.filter((group) => known.has(group));
  for (const { group } of request.keyShares ?? []) {
    if (!known.has(group))
      throw TlsAlertError.local('illegal-parameter', 'a share of a group that is not listed');
  }
  return (
    common.find((group) => request.keyShares?.some((share) => share.group === group)) ?? common[0] ?? null
  );
}

function sendRetry(host: Host<ServerConfig>, agreed: Agreed13, group: number): State {
  const { transcript, suite, request } = agreed;
  const { scratch } = host;
  host.info.helloRetryRequest = true;
  transcript.choose(suite.hash);
  transcript.replaceByMessageHash();
  scratch.reset();
  writeRetry(scratch, request, suite, group, null);
  host.send(scratch.view());
  transcript.update(scratch.view());
  if (host.config.compatibilityMode) host.writer.appendChangeCipherSpec();
  if (request.earlyData) host.reader.skipEarlyData(skippedBytes(host), true);
  return new ExpectSecondHello(host, agreed, { suite, group, first: request });
}

class ExpectSecondHello extends State {
  readonly name = 'expectSecondClientHello';
  readonly #host: Host<ServerConfig>;
  readonly #agreed: Agreed13;
  readonly #retry: Retry;

  constructor(host: Host<ServerConfig>, agreed: Agreed13, retry: Retry) {
    super();
    this.#host = host;
    this.#agreed = agreed;
    this.#retry = retry;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.client_hello) throw unexpected(type, this.name);
    const host = this.#host;
    const { first, group } = this.#retry;
    host.reader.secondHelloArrived();
    const request = readRequest(message, host.config);
    if (request.version !== ProtocolVersion.TLS1_3) {
      throw TlsAlertError.local('second-hello-changed', 'version');
    }
    if (request.earlyData) throw TlsAlertError.local('second-hello-changed', 'early_data');
    if (request.psks === null && first.psks !== null && this.#couldBind(first.psks)) {
      throw TlsAlertError.local('second-hello-changed', 'pre_shared_key');
    }
    if (
      !equalBytes(request.hello.random, first.hello.random) ||
      !equalBytes(request.hello.sessionId, first.hello.sessionId) ||
      request.serverName !== first.serverName
    ) {
      throw TlsAlertError.local('second-hello-changed');
    }
    const shares = request.keyShares ?? [];
    if (shares.length !== 1 || shares[0]?.group !== group) {
      throw TlsAlertError.local('second-hello-changed', 'key_share');
    }
    // The binders are over the transcript before this hello, so it goes in after they are checked.
    return negotiate13(host, this.#agreed.settings, request, this.#agreed.transcript, this.#retry);
  }

  /** Only keys of another hash than the suite's may be taken back (RFC 8446, 4.1.2). */
  #couldBind(psks: OfferedPsks): boolean {
    const length = this.#retry.suite.hash === 'sha256' ? 32 : 48;
    return psks.binders.some((binder) => binder.length === length);
  }
}
