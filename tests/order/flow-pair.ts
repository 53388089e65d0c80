/** Two engines, set up for a handshake of the table, under a provider that protects nothing. */
import { expect } from 'vitest';
import type { ClientConfig, Credential, ServerConfig } from '../../src/handshake/config.ts';
import type { OpenTicketAnswer } from '../../src/handshake/jobs.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { type Between, type End, Memory, Pair, USUAL } from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import type { Flow } from './table.ts';

const COMPRESSOR = {
  id: 1,
  compress: (bytes: Uint8Array): Uint8Array => bytes.slice(),
  decompress: (bytes: Uint8Array): Uint8Array => bytes.slice(),
};

function clientOptions(
  flow: Pick<Flow, 'version' | 'setup'>,
  session: SessionCore | null,
): Partial<ClientConfig> {
  const { setup, version } = flow;
  return {
    provider: openProvider(),
    minVersion: version,
    maxVersion: version,
    // Of TLS 1.2 a suite whose records have no explicit nonce.
    cipherSuites: [0x1301, 0xcca9],
    // The last for the certificate alone: TLS 1.2 wants its curve here (RFC 8422, 5.3).
    groups: [0x1d, 0x18, 0x17],
    keyShareCount: 1,
    requestOcsp: setup.stapled === true,
    earlyData: setup.earlyData === true || setup.earlyDataRefused === true,
    postHandshakeAuth: setup.lateCertificate !== undefined,
    allowPskKe: setup.pskKe === true,
    pskKeOnly: setup.pskKe === true,
    certificateCompressors: setup.compressed === true ? [COMPRESSOR] : [],
    session,
    ticketReuse: true,
  };
}

function serverOptions(flow: Pick<Flow, 'version' | 'setup'>): Partial<ServerConfig> {
  const { setup, version } = flow;
  return {
    provider: openProvider(),
    minVersion: version,
    maxVersion: version,
    cipherSuites: [0x1301, 0xcca9],
    groups: setup.helloRetry === true ? [0x18] : [0x1d],
    clientCertificate: setup.clientCertificate === undefined ? 'none' : 'request',
    tickets: version === 0x0304 || setup.tickets === true,
    sessionIds: true,
    // A server that refuses early data promises it all the same: its guard says no.
    maxEarlyData: setup.earlyData === true || setup.earlyDataRefused === true ? 1024 : 0,
    receiveMaxEarlyData: 1024,
    replayGuard: setup.earlyData === true || setup.earlyDataRefused === true,
    statefulTickets: setup.statefulTickets === true,
    allowPskKe: setup.pskKe === true,
    ...(setup.lateCertificate === undefined ? {} : { sessionIdContext: new Uint8Array([1]) }),
    certificateCompressors: setup.compressed === true ? [COMPRESSOR] : [],
  };
}

/** A server that asks for a certificate as soon as its handshake is over. */
function askLate(server: End, required: boolean): void {
  const work = server.work.bind(server);
  let asked = false;
  server.work = (): void => {
    work();
    // What was changed on its way may have ended it in the same breath.
    if (asked || !server.has('handshake') || server.error !== null) return;
    asked = true;
    expect(server.connection.requestCertificate(required)).toBe(true);
    work();
  };
}

export interface Setting extends Disposable {
  /** `between` stands in the way of what passes, but not of the handshake that made the session. */
  readonly pair: (between?: Between) => Pair;
}

/**
 * What is needed to run a flow as often as is wanted, each time from its beginning. No record holds more than
 * `maxSendFragment` bytes.
 */
export function prepare(
  flow: Pick<Flow, 'version' | 'setup'>,
  credential: Credential,
  maxSendFragment = 16_384,
): Setting {
  const { setup } = flow;
  const memory = new Memory();
  const stapled =
    setup.stapled === true ? { ...credential, ocspResponse: new Uint8Array([1, 2, 3]) } : credential;
  const make = (session: SessionCore | null, between: Between = {}): Pair => {
    const pair = new Pair(
      stapled,
      {
        between,
        client: { ...clientOptions(flow, session), maxSendFragment },
        server: { ...serverOptions(flow), maxSendFragment },
        clientAnswer: (job) =>
          job.kind === 'client-certificate' &&
          (setup.clientCertificate === 'sent' || setup.lateCertificate === 'sent')
            ? credential
            : USUAL,
        serverAnswer: (job, id, end) => {
          if (job.kind === 'replay' && setup.earlyDataRefused === true) return { accept: false };
          if (job.kind !== 'open-ticket' || setup.renewed !== true) return USUAL;
          const opened = memory.answer(job, id, end) as OpenTicketAnswer;
          return opened.opened ? { ...opened, renew: true } : opened;
        },
      },
      memory,
    );
    if (setup.lateCertificate !== undefined) askLate(pair.server, setup.lateCertificate === 'sent');
    return pair;
  };
  const firsts: Pair[] = [];
  const freshSession = (): SessionCore => {
    const first = make(null).run();
    firsts.push(first);
    const session = first.client.sessions.at(-1) ?? null;
    if (session === null) throw new Error('no session to resume');
    return session;
  };
  let session: SessionCore | null = null;
  return {
    pair: (between) => {
      // A TLS 1.2 session does not outlive a fatal alert (RFC 5246, 7.2.2): each run needs its own.
      // So does a stateful ticket, which is good once.
      const once = flow.version === 0x0303 || setup.statefulTickets === true;
      if (setup.resumed === true && (session === null || once)) session = freshSession();
      return make(session, between);
    },
    [Symbol.dispose]() {
      for (const first of firsts) first[Symbol.dispose]();
      memory[Symbol.dispose]();
    },
  };
}
