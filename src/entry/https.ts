/** `tlsession/https`: node:https with this library's TLS beneath. */

import { Agent, createServer, get, globalAgent, request, Server } from '../net/https.ts';

export {
  Agent,
  type AgentOptions,
  createServer,
  get,
  globalAgent,
  type RequestOptions,
  request,
  Server,
  type ServerOptions,
} from '../net/https.ts';

const https: {
  Agent: typeof Agent;
  Server: typeof Server;
  createServer: typeof createServer;
  get: typeof get;
  globalAgent: Agent;
  request: typeof request;
} = { Agent, Server, createServer, get, globalAgent, request };
export default https;
