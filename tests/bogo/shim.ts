import { liveSessionCount, type SessionCore } from '../../src/session/core.ts';
import { Exchange, type ExchangeResult, type Shared } from './exchange.ts';
import { Expectation } from './expectations.ts';
import type { ShimConfigs } from './flags.ts';
import { dial } from './sockets.ts';
import { makeKeyring, SessionShelf, SteppedClock, WHEN_VALID_MS } from './tickets.ts';

/** What a test's run may print, and the signal that nobody waits for it any more. */
export interface ShimIo {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly gone: AbortSignal;
}

/** The statuses that the runner knows, but for 89. */
export const Status = {
  success: 0,
  /** The handshake or the connection failed: right, where the test is of a failure. */
  failure: 1,
  /** Never right. */
  broken: 90,
} as const;

/** Runs one test. Every session that it made has to be gone at its end, whatever the end was. */
export async function runShim(configs: ShimConfigs, io: ShimIo): Promise<number> {
  const before = liveSessionCount();
  const status = await runConnections(configs, io);
  const left = liveSessionCount() - before;
  if (left === 0) return status;
  io.stderr(`${left} sessions are left over\n`);
  return Status.broken;
}

/** `-resume-count` connections after the first, one after another. */
async function runConnections(configs: ShimConfigs, io: ShimIo): Promise<number> {
  const { initial, resume, retry } = configs;
  // A fingerprint stands for a certificate as long as that is valid: then, in these tests.
  const fingerprints = [initial, resume].some((config) => config['retain-only-sha256-client-cert']);
  const clock = new SteppedClock(fingerprints ? WHEN_VALID_MS : undefined);
  const shared: Shared = {
    clock,
    tickets: makeKeyring(initial['ticket-key'], clock.wallMs()),
    sessions: new SessionShelf(),
  };
  let session: SessionCore | null = null;
  try {
    for (let i = 0; i <= (initial['resume-count'] ?? 0); i++) {
      const config = i === 0 ? initial : resume;
      if (i > 0 && !config.server && session === null) {
        io.stderr('no session to offer\n');
        return Status.failure;
      }
      const socket = await dial(config.port as number, io.gone);
      if (config['shim-id'] !== null) {
        const id = new DataView(new ArrayBuffer(8));
        id.setBigUint64(0, BigInt(config['shim-id']), true);
        socket.write(new Uint8Array(id.buffer));
      }
      const offered: SessionCore | null = session;
      session = null;
      try {
        const result: ExchangeResult = await new Exchange(
          socket,
          config,
          retry,
          i > 0,
          offered,
          shared,
        ).run();
        session = result.session;
        if (result.failure !== null) {
          io.stderr(`connection ${i + 1}: ${result.failure}\n`);
          return Status.failure;
        }
      } finally {
        offered?.release('bogo');
        await socket.close();
      }
      shared.clock.advance(config['resumption-delay'] ?? 0);
    }
    return Status.success;
  } catch (error) {
    if (!(error instanceof Expectation)) throw error;
    io.stderr(`${error.message}\n`);
    return Status.broken;
  } finally {
    session?.release('bogo');
    shared.sessions.clear();
    shared.tickets.destroy();
  }
}
