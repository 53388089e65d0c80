// One node of a fleet of stock https servers whose sessions lie in Redis or Valkey. Start as many as you like:
//   PORT=8443 REDIS_URL=redis://127.0.0.1 FLEET_SECRET=… CERT=cert.pem KEY=key.pem node server.mjs
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createFleet } from 'tlsession';
import { STATEFUL_TICKETS, shareSessions } from 'tlsession/node-tls';
import { connectValkey } from 'tlsession/stores/valkey';

const { PORT = '8443', REDIS_URL = 'redis://127.0.0.1:6379', FLEET_SECRET, CERT, KEY } = process.env;
if (!FLEET_SECRET || !CERT || !KEY) {
  console.error('FLEET_SECRET (32 random bytes or more, the same in all nodes), CERT and KEY are needed');
  process.exit(2);
}

const store = await connectValkey({
  url: REDIS_URL,
  onError: (error) => console.error(`redis: ${error.message}`),
});
const fleet = createFleet({ store, secret: FLEET_SECRET });

const server = createServer(
  {
    cert: readFileSync(CERT),
    key: readFileSync(KEY),
    // The same in all nodes: OpenSSL refuses sessions of another context.
    sessionIdContext: 'my site',
    // Sessions in the store, and not in tickets.
    ...STATEFUL_TICKETS,
  },
  async (request, response) => {
    // A client that is back at once finds its session: it has been saved before the answer.
    await shared.settled();
    const how = request.socket.isSessionReused() ? 'resumed' : 'full handshake';
    response.setHeader('connection', 'close');
    response.end(`node ${PORT}: ${request.socket.getProtocol()}, ${how}\n`);
  },
);
const shared = shareSessions(server, { fleet });
server.listen(Number(PORT), () => console.log(`listening on ${server.address().port}`));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close();
    server.closeAllConnections();
    shared.stop();
    console.log(JSON.stringify(shared.stats));
    await fleet.close();
    await store.close();
  });
}
