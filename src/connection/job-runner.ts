/**
 * Runs the engine's jobs against what a context has: trust anchors, keys, tickets, a cache, callbacks. What
 * can be answered at once is, in the very call; only an answer that has to be waited for makes a promise.
 */
import { type Awaitable, isPromiseLike } from '../cache/awaitable.ts';
import type { ReplayGuard } from '../cache/replay-guard.ts';
import type { SessionContext } from '../cache/session-context.ts';
import type { Credential, ExternalPsk } from '../handshake/config.ts';
import type {
  ClientCertificateJob,
  FindPskJob,
  FindSessionAnswer,
  FindSessionJob,
  Job,
  JobAnswer,
  OfferPskJob,
  OpenTicketAnswer,
  OpenTicketJob,
  ReplayAnswer,
  ReplayJob,
  SealTicketJob,
  SelectAnswer,
  SelectJob,
  SignJob,
  VerifyCertificateAnswer,
  VerifyCertificateJob,
} from '../handshake/jobs.ts';
import type { SessionCore } from '../session/core.ts';
import { UsageError } from '../util/errors.ts';
import type { Connection } from './connection.ts';

/** Makes tickets of sessions and sessions of tickets. */
export interface SessionTickets {
  /** The ticket of a session, or null for none. The session is borrowed until the answer is there. */
  seal(session: SessionCore, lifetimeSec: number): Awaitable<Uint8Array | null>;
  /**
   * A session in the answer has one library reference, which passes to the receiver. `sessionId` is the TLS 1.2
   * hello's.
   */
  open(ticket: Uint8Array, version: number, sessionId: Uint8Array): Awaitable<OpenTicketAnswer>;
}

/** Whoever a connection belongs to: told when a job that had to wait is answered. */
export interface JobOwner {
  /** There may be events and output now. */
  jobSettled(): void;
}

/**
 * What a context has to answer jobs with. What is null is not there; a job for it gets the answer that means
 * none, and only a certificate that nobody can check is a failure. `owner` says whose connection it is.
 */
export interface JobServices {
  readonly verify:
    | ((job: VerifyCertificateJob, owner: JobOwner) => Awaitable<VerifyCertificateAnswer>)
    | null;
  /** Instead of the credential's own key. */
  readonly sign: ((job: SignJob, owner: JobOwner) => Awaitable<Uint8Array>) | null;
  readonly tickets: SessionTickets | null;
  readonly sessions: SessionContext | null;
  /** Where a session is put beside the cache: its peer learns of it when the answer is there. */
  readonly stored: ((session: SessionCore) => Awaitable<undefined>) | null;
  readonly replayGuard: ReplayGuard | null;
  readonly select: ((job: SelectJob, owner: JobOwner) => Awaitable<SelectAnswer>) | null;
  readonly clientCertificate:
    | ((job: ClientCertificateJob, owner: JobOwner) => Awaitable<Credential | null>)
    | null;
  readonly offerPsk: ((job: OfferPskJob, owner: JobOwner) => Awaitable<ExternalPsk | null>) | null;
  /** A session in the answer has one library reference, which passes to the receiver. */
  readonly findPsk: ((job: FindPskJob, owner: JobOwner) => Awaitable<SessionCore | null>) | null;
  /** Server: whether client certificates are asked for, as the cache wants to know. */
  readonly verifiesPeer: boolean;
}

export const NO_SERVICES: JobServices = Object.freeze({
  verify: null,
  sign: null,
  tickets: null,
  sessions: null,
  stored: null,
  replayGuard: null,
  select: null,
  clientCertificate: null,
  offerPsk: null,
  findPsk: null,
  verifiesPeer: false,
});

export class JobRunner {
  readonly #services: JobServices;

  constructor(services: JobServices) {
    this.#services = services;
  }

  /**
   * Answers a job: now, and then the connection has gone on when this returns true; or later, and then
   * `owner.jobSettled` is called once. Never throws for what a service does: that is the job's failure.
   */
  run(connection: Connection, id: number, job: Job, owner: JobOwner): boolean {
    let answer: Awaitable<JobAnswer>;
    try {
      answer = this.#answer(connection, job, owner);
    } catch (error) {
      connection.failJob(id, error);
      return true;
    }
    if (isPromiseLike(answer)) {
      wait(connection, id, job, answer, owner);
      return false;
    }
    give(connection, id, job, answer);
    return true;
  }

  #answer(connection: Connection, job: Job, owner: JobOwner): Awaitable<JobAnswer> {
    const services = this.#services;
    switch (job.kind) {
      case 'verify-certificate':
        if (services.verify === null) {
          throw new UsageError('ERR_TLS_NO_VERIFIER', 'nobody is there to check a certificate');
        }
        return services.verify(job, owner);
      case 'sign':
        return services.sign === null ? sign(job) : services.sign(job, owner);
      case 'select':
        return services.select === null ? {} : services.select(job, owner);
      case 'client-certificate':
        return services.clientCertificate === null ? null : services.clientCertificate(job, owner);
      case 'open-ticket':
        return this.#openTicket(job);
      case 'seal-ticket':
        return this.#sealTicket(connection, job, owner);
      case 'find-session':
        return this.#findSession(job, owner);
      case 'store-session':
        this.#established(connection, job.session, true, owner);
        return services.stored === null ? undefined : services.stored(job.session);
      case 'consume-session':
        return services.sessions === null ? false : services.sessions.consume(job.session);
      case 'replay':
        return this.#replay(job);
      case 'offer-psk':
        return services.offerPsk === null ? null : services.offerPsk(job, owner);
      case 'find-psk':
        return services.findPsk === null ? null : services.findPsk(job, owner);
    }
  }

  #openTicket(job: OpenTicketJob): Awaitable<OpenTicketAnswer> {
    const { tickets } = this.#services;
    if (tickets === null) return { opened: false, reason: 'resumption-disabled' };
    return tickets.open(job.ticket, job.version, job.sessionId);
  }

  #sealTicket(connection: Connection, job: SealTicketJob, owner: JobOwner): Awaitable<Uint8Array | null> {
    const { tickets } = this.#services;
    if (tickets === null) return null;
    const ticket = tickets.seal(job.session, job.lifetimeSec);
    if (isPromiseLike(ticket)) {
      // The connection may be gone before the sealer has read it all.
      const { session } = job;
      session.retain('ticket sealing');
      return ticket.then(
        (sealed) => {
          if (sealed !== null) this.#established(connection, session, false, owner);
          session.release('ticket sealing');
          return sealed;
        },
        (error: unknown) => {
          session.release('ticket sealing');
          throw error;
        },
      );
    }
    if (ticket !== null) this.#established(connection, job.session, false, owner);
    return ticket;
  }

  #established(connection: Connection, session: SessionCore, stateful: boolean, owner: JobOwner): void {
    this.#services.sessions?.established(session, {
      role: 'server',
      resumed: connection.info.resumed,
      verifiesPeer: this.#services.verifiesPeer,
      singleUse: stateful,
      noTickets: stateful,
      connection: owner,
    });
  }

  #findSession(job: FindSessionJob, owner: JobOwner): Awaitable<FindSessionAnswer> {
    const { sessions } = this.#services;
    if (sessions === null) return { found: false, reason: 'resumption-disabled' };
    const result = sessions.lookup(job.version, job.id, owner);
    return isPromiseLike(result) ? result.then(foundAnswer) : foundAnswer(result);
  }

  #replay(job: ReplayJob): Awaitable<ReplayAnswer> {
    const guard = this.#services.replayGuard;
    if (guard === null) return { accept: false, reason: 'early-data-disabled' };
    const verdict = guard.admit({ binder: job.binder, session: job.session, consumed: job.consumed });
    return isPromiseLike(verdict) ? verdict.then(replayAnswer) : replayAnswer(verdict);
  }
}

type Verdict = Awaited<ReturnType<ReplayGuard['admit']>>;
function replayAnswer(verdict: Verdict): ReplayAnswer {
  return verdict === 'admitted' ? { accept: true } : { accept: false, reason: verdict };
}

type Looked = Awaited<ReturnType<SessionContext['lookup']>>;
function foundAnswer({ session, reason }: Looked): FindSessionAnswer {
  return session === null ? { found: false, reason: reason ?? 'not-found' } : { found: true, session };
}

function sign(job: SignJob): Uint8Array {
  const { key } = job.credential;
  if (key === undefined) {
    throw new UsageError('ERR_TLS_NO_KEY', 'the credential has no key, and nobody signs for it');
  }
  return key.sign(job.scheme, job.content);
}

/** Apart from `run`, so that what answers at once makes no closure. */
function wait(
  connection: Connection,
  id: number,
  job: Job,
  answer: PromiseLike<JobAnswer>,
  owner: JobOwner,
): void {
  answer.then(
    (value) => {
      if (give(connection, id, job, value)) owner.jobSettled();
    },
    (error: unknown) => {
      if (connection.failJob(id, error)) owner.jobSettled();
    },
  );
}

/** Hands the answer over. A session in an answer that nobody takes any more is given back. */
function give(connection: Connection, id: number, job: Job, answer: JobAnswer): boolean {
  if (connection.finishJob(id, answer)) return true;
  const session = sessionIn(job, answer);
  session?.release('job');
  return false;
}

function sessionIn(job: Job, answer: JobAnswer): SessionCore | null {
  switch (job.kind) {
    case 'find-session': {
      const found = answer as FindSessionAnswer;
      return found.found ? found.session : null;
    }
    case 'open-ticket': {
      const opened = answer as OpenTicketAnswer;
      return opened.opened ? opened.session : null;
    }
    case 'find-psk':
      return answer as SessionCore | null;
    default:
      return null;
  }
}
