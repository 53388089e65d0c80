// The site at Node. Its folder (the first argument) holds site.pem, site.key and ticket.key, those of nginx.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, nginxSessionIdContext, nginxTicketKeys } from 'tlsession';

const folder = process.argv[2] ?? '.';
const port = Number(process.env.NODE_PORT ?? 9443);
const read = (name) => readFileSync(join(folder, name));
const cert = read('site.pem');

const server = createServer(
  {
    cert,
    key: read('site.key'),
    // As in nginx.conf: the first seals, all open.
    ticketKeyring: nginxTicketKeys([read('ticket.key')]),
    // nginx resumes only what was made under its own context, and so do we.
    sessionIdContext: nginxSessionIdContext({ cert }),
  },
  (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.end(`HTTP/1.0 200 OK\r\n\r\nNode ${socket.isSessionReused() ? 'r' : '.'}\n`);
    });
  },
);

// What to do when the key has changed: tickets of the old one open as long as it is in the list.
process.on('SIGHUP', () => {
  server.context.tickets.ring.install(nginxTicketKeys([read('ticket.key')]), Date.now());
});
process.on('SIGTERM', () => process.exit());

server.listen(port, '127.0.0.1', () => console.log(`Node listens on ${port}`));
