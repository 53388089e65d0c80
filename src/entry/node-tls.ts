/** `tlsession/node-tls`: shared and lasting sessions for stock node:tls, node:https, node:http2 and undici. */
export type { ResumptionReport } from '../node-tls/client-sessions.ts';
export {
  type ClusterKeyring,
  type ClusterKeyringOptions,
  clusterKeyring,
} from '../node-tls/cluster-keyring.ts';
export { nodeWrapsSessions, sessionForNode, sessionFromNode } from '../node-tls/node-session.ts';
export {
  type Http2Connect,
  type Http2ConnectOptions,
  http2Connect,
  SessionAgent,
  type SessionAgentOptions,
  type SessionKeeping,
  sessionAgent,
  type UndiciConnect,
  type UndiciConnectOptions,
  type UndiciTarget,
  undiciConnect,
} from '../node-tls/session-agent.ts';
export { type SharedSessions, type ShareSessionsOptions, shareSessions } from '../node-tls/share-sessions.ts';
export { type SharedSessionStats, STATEFUL_TICKETS } from '../node-tls/store-sharing.ts';
