/** TLS 1.2 at the server: does the hello resume a session, and if not, with what can it be answered? */
import { MasterSecret12 } from '../../schedule/tls12.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import { Field } from '../../session/body.ts';
import { EMPTY } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, cipherSuites, NamedGroup, ProtocolVersion } from '../../util/registries.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import type { Credential, ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { newSessionId } from '../shared/sessions.ts';
import { chooseScheme } from '../shared/signatures.ts';
import { groupOfKey, isCurve, Secured12, suiteFitsKey } from '../shared/tls12.ts';
import type { State } from '../state.ts';
import { type ClientRequest, chooseSuite } from './client-hello.ts';
import type { ServerSettings } from './start.ts';
import { answerResumption } from './tls12-finish.ts';
import { type Chosen12, sendFlight12 } from './tls12-flight.ts';
import { sendServerHello12 } from './tls12-hello.ts';
import { findSession12, type Resumption12 } from './tls12-resume.ts';

/** What the whole handshake is about. */
export interface Asked12 {
  readonly settings: ServerSettings;
  readonly request: ClientRequest;
  readonly transcript: Transcript;
}

export function negotiate12(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  request: ClientRequest,
  transcript: Transcript,
): State {
  const { config, info } = host;
  host.requireRecordBoundary();
  if (!request.extendedMasterSecret && config.requireExtendedMasterSecret) {
    throw TlsAlertError.local('extended-master-secret');
  }
  info.extendedMasterSecret = request.extendedMasterSecret;
  info.renegotiationInfo = request.secureRenegotiation;
  info.earlyDataOffered = request.hello.extensions.has(ExtensionType.early_data);
  info.earlyDataReason = info.earlyDataOffered ? 'early-data-other-version' : 'early-data-not-offered';
  const asked: Asked12 = { settings, request, transcript };
  return findSession12(host, asked, (resumption) =>
    resumption === null ? startFull(host, asked) : startResumption(host, asked, resumption),
  );
}

function startResumption(host: Host<ServerConfig>, asked: Asked12, resumption: Resumption12): State {
  const { info, provider } = host;
  const { session, suite, renew } = resumption;
  const body = session.body('connection');
  // From here on it is the connection's session, and falls with it (RFC 5246, 7.2.2).
  host.passOn(session);
  host.adoptSession(session);
  info.resumed = true;
  info.resumptionReason = null;
  info.resumedBy = resumption.byId ? 'session-id' : 'ticket';
  info.cipherSuite = suite.id;
  info.group = body.kexGroup;
  asked.transcript.choose(suite.hash);
  const hello = sendServerHello12(host, asked, {
    suite,
    sessionId: asked.request.hello.sessionId,
    resumed: true,
    willSendTicket: renew,
    staple: false,
    sctList: null,
  });
  const master = MasterSecret12.resume(provider, suite.hash, body.view(Field.masterKey));
  return answerResumption(host, new Secured12(host, hello, master), session, renew);
}

function startFull(host: Host<ServerConfig>, asked: Asked12): State {
  const { config } = host;
  const { request, settings, transcript } = asked;
  const group = chooseGroup12(config, request);
  if (group === undefined) throw TlsAlertError.local('no-common-group');
  const choice = chooseSuiteAndCredential(config, asked);
  host.info.cipherSuite = choice.suite.id;
  host.info.group = group;
  const asksClient = settings.clientCertificate !== 'none';
  // A client certificate's signature is over the messages themselves (RFC 5246, 7.4.8).
  transcript.choose(choice.suite.hash, asksClient);
  const willSendTicket = settings.tickets && request.ticket !== null && !host.sendNoTicket;
  const { credential } = choice;
  const ocspResponse = request.wantsOcsp ? (credential.ocspResponse ?? null) : null;
  // A session has one name: with a ticket there is no id (RFC 5077, 3.4).
  const sessionId = config.sessionIds && !willSendTicket ? newSessionId(host) : EMPTY;
  const hello = sendServerHello12(host, asked, {
    suite: choice.suite,
    sessionId,
    resumed: false,
    willSendTicket,
    staple: ocspResponse !== null,
    sctList: request.wantsSct ? (credential.sctList ?? null) : null,
  });
  const chosen: Chosen12 = {
    ...choice,
    asked,
    hello,
    group,
    ocspResponse,
    sessionId,
    willSendTicket,
    asksClient,
  };
  return sendFlight12(host, chosen);
}

/** A client that lists no groups takes any (RFC 8422, 4): then the one that everybody has. */
function chooseGroup12(config: ServerConfig, request: ClientRequest): number | undefined {
  const curves = config.groups.filter(isCurve);
  if (request.groups !== null) return curves.find((id) => request.groups?.includes(id));
  return curves.includes(NamedGroup.secp256r1) ? NamedGroup.secp256r1 : curves[0];
}

interface Choice {
  readonly suite: CipherSuite;
  readonly credential: Credential;
  readonly scheme: number;
}

/** A suite is possible where a certificate goes with it that the client can verify. */
function chooseSuiteAndCredential(config: ServerConfig, { request, settings }: Asked12): Choice {
  const found = new Map<CipherSuite['auth'], Choice | null>();
  const choose = (suite: CipherSuite): Choice | null => {
    const known = found.get(suite.auth);
    if (known !== undefined) return known;
    const choice = credentialFor(settings.credentials, request, suite);
    found.set(suite.auth, choice);
    return choice;
  };
  const id = chooseSuite(config, request, (candidate) => {
    const suite = cipherSuites.get(candidate);
    return suite !== undefined && choose(suite) !== null;
  });
  const suite = id === null ? undefined : cipherSuites.get(id);
  const choice = suite === undefined ? null : choose(suite);
  if (suite !== undefined && choice !== null) return { ...choice, suite };
  const anySuite = chooseSuite(config, request, () => true) !== null;
  throw TlsAlertError.local(anySuite ? 'no-common-signature-scheme' : 'no-common-cipher');
}

function credentialFor(
  credentials: readonly Credential[],
  request: ClientRequest,
  suite: CipherSuite,
): Choice | null {
  for (const credential of credentials) {
    if (!suiteFitsKey(suite, credential.keyType)) continue;
    const group = groupOfKey(credential.keyType);
    if (group !== null && request.groups?.includes(group) === false) continue;
    // Without the extension a client takes SHA-1 (RFC 5246, 7.4.1.4.1), which nobody here signs with.
    const scheme = chooseScheme(credential, request.signatureSchemes ?? [], ProtocolVersion.TLS1_2);
    if (scheme !== null) return { suite, credential, scheme };
  }
  return null;
}
