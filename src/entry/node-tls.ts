/** `tlsession/node-tls`: shared and lasting sessions for stock node:tls, node:https, node:http2 and undici. */
export { type SharedSessions, type ShareSessionsOptions, shareSessions } from '../node-tls/share-sessions.ts';
export { type SharedSessionStats, STATEFUL_TICKETS } from '../node-tls/store-sharing.ts';
