/** Stock node:tls servers that resume each other's sessions: through a store, by shared ticket keys, or both. */
import { constants } from 'node:crypto';
import type * as tls from 'node:tls';
import type { Fleet } from '../fleet/fleet.ts';
import { UsageError } from '../util/errors.ts';
import { type SharedSessionStats, StoreSharing, type StoreSharingOptions } from './store-sharing.ts';
import { TicketKeySharing, type TicketKeySharingOptions } from './ticket-key-sharing.ts';

export type ShareSessionsOptions = Partial<StoreSharingOptions> &
  Partial<TicketKeySharingOptions> & {
    /** A store and a keyring in one: `createFleet`. */
    readonly fleet?: Fleet | undefined;
  };

/** What `shareSessions` has begun. */
export interface SharedSessions extends Disposable {
  /** Null without a source. */
  readonly stats: SharedSessionStats | null;
  /** Looks at the keyring now and not only once in `checkEveryMs`. */
  refresh(): void;
  /** Resolves when what is being written to the store now has been, or has failed. */
  settled(): Promise<void>;
  /** Ends the sharing; call it when the server is closed. */
  stop(): void;
}

/**
 * Makes a server of node:tls, node:https or node:http2 share its sessions. Call it before the server listens.
 *
 * - With a `source`: session ids of TLS 1.2 and stateful tickets of TLS 1.3. The server has to
 *   be made with `secureOptions: constants.SSL_OP_NO_TICKET` (`STATEFUL_TICKETS`).
 * - With a `keyring`: tickets that every server with the ring's keys opens.
 * - With both, without SSL_OP_NO_TICKET: tickets by the ring, and the source for clients that take none.
 * - With a `fleet`: its source for a server that was made with SSL_OP_NO_TICKET; else both. For the tickets, make
 *   the fleet with `keys: { format: 'openssl', opensslKeyBytes: 16 }`.
 *
 * Sessions of servers with another `sessionIdContext` are refused by OpenSSL: give them all the same one, since
 * node:tls makes it of the command line by default.
 *
 * @throws {UsageError} `ERR_NODE_TLS_SHARE` for options that cannot work together; `ERR_NODE_TLS_TICKET_KEYS`.
 */
export function shareSessions(server: tls.Server, options: ShareSessionsOptions): SharedSessions {
  const { fleet } = options;
  const { secureOptions = 0 } = server as { secureOptions?: number };
  const stateful = (secureOptions & constants.SSL_OP_NO_TICKET) !== 0;
  const source = options.source ?? fleet?.sessions;
  const keyring = options.keyring ?? (stateful ? undefined : fleet?.tickets);
  if (source === undefined && keyring === undefined) {
    throw new UsageError('ERR_NODE_TLS_SHARE', 'shareSessions needs a fleet, a source, or a keyring');
  }
  if (keyring === undefined && !stateful) {
    throw new UsageError(
      'ERR_NODE_TLS_SHARE',
      'the server makes tickets of its own, and hardly a session would come to the store: create it with ' +
        'secureOptions: constants.SSL_OP_NO_TICKET, or give a keyring too',
    );
  }
  if (keyring !== undefined && stateful) {
    throw new UsageError(
      'ERR_NODE_TLS_SHARE',
      'a keyring is of no use to a server that was made with SSL_OP_NO_TICKET',
    );
  }
  const keys = keyring === undefined ? null : new TicketKeySharing(server, { ...options, keyring });
  let sessions: StoreSharing | null = null;
  try {
    if (source !== undefined) sessions = new StoreSharing(server, { ...options, source });
  } catch (error) {
    keys?.stop();
    throw error;
  }
  const stop = (): void => {
    sessions?.stop();
    keys?.stop();
  };
  return {
    get stats() {
      return sessions === null ? null : sessions.stats;
    },
    refresh: () => keys?.refresh(),
    settled: () => sessions?.settled() ?? Promise.resolve(),
    stop,
    [Symbol.dispose]: stop,
  };
}
