// Visits one node after the other with the session of the visit before:
//   CA=ca.pem node client.mjs 8443 8444 8443
import { readFileSync } from 'node:fs';
import { get } from 'node:https';

const ca = readFileSync(process.env.CA ?? 'ca.pem');
let session;

for (const port of process.argv.slice(2)) {
  await new Promise((done, fail) => {
    const request = get(
      { host: '127.0.0.1', servername: 'localhost', port, ca, session, agent: false },
      (response) => {
        response.pipe(process.stdout, { end: false });
        response.on('end', done);
      },
    );
    request.on('socket', (socket) => {
      socket.on('session', (fresh) => {
        session = fresh;
      });
    });
    request.on('error', fail);
  });
}
