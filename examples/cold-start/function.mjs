// A function that starts cold, calls an API, and ends. Its sessions lie in a file (LMDB), sealed, so that the next
// start resumes: one round trip less, and no certificate to verify.
//   SESSIONS=/tmp/sessions SESSIONS_SECRET=… CA=ca.pem node function.mjs https://localhost:8443/
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { createFleet } from 'tlsession';
import { sessionAgent } from 'tlsession/node-tls';
import { LmdbStore } from 'tlsession/stores/lmdb';

const { SESSIONS = '/tmp/tlsession-function', SESSIONS_SECRET, CA } = process.env;
const [url = 'https://localhost:8443/'] = process.argv.slice(2);
if (!SESSIONS_SECRET) {
  console.error(
    'SESSIONS_SECRET (32 random bytes or more, from where the function has its secrets) is needed',
  );
  process.exit(2);
}

const store = await LmdbStore.open({ path: SESSIONS, durable: true });
const fleet = createFleet({ store, secret: SESSIONS_SECRET });
const agent = sessionAgent({
  ...(CA ? { ca: readFileSync(CA) } : {}),
  sessions: fleet.clientSessions(),
  onResumption: ({ host, resumed, reason }) =>
    console.log(`${host}: ${resumed ? 'resumed' : `full handshake, ${reason}`}`),
});

await new Promise((done, fail) => {
  get(url, { agent }, (response) => {
    response.resume();
    response.on('end', done);
  }).on('error', fail);
});

// What came last may still be on its way to the file.
await agent.settled();
agent.destroy();
await fleet.close();
await store.close();
