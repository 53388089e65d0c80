// Stock node:tls in a process of its own, under whatever Node runs this. One command a line of the standard
// input, one answer a line of the standard output, both JSON:
//   {"id":1,"do":"listen","options":{…}}              → {"id":1,"port":…}
//   {"id":2,"do":"visit","options":{…},"times":2}     → {"id":2,"visits":[{protocol,cipher,reused,group,text}]}
//   {"id":3,"do":"seen","port":…}                     → {"id":3,"seen":[{protocol,cipher,reused}]}
// Files named in options (ca, cert, key) are read here. What fails is {"id":…,"error":"…"}.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import tls from 'node:tls';

const FILES = ['ca', 'cert', 'key'];
const servers = new Map();

function read({ ticketKeysHex, ...options }) {
  for (const name of FILES) if (options[name]) options[name] = readFileSync(options[name]);
  if (ticketKeysHex) options.ticketKeys = Buffer.from(ticketKeysHex, 'hex');
  return options;
}

function describe(socket) {
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.standardName,
    reused: socket.isSessionReused(),
    group: socket.getEphemeralKeyInfo?.()?.name ?? null,
    alpn: socket.alpnProtocol,
  };
}

async function listen(options) {
  const seen = [];
  const server = tls.createServer(read(options), (socket) => {
    seen.push(describe(socket));
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.on('tlsClientError', (error) => seen.push({ error: error.code ?? error.message }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  servers.set(port, seen);
  return { port };
}

async function visit(options, times) {
  const visits = [];
  let session;
  for (let i = 0; i < times; i++) {
    const before = session;
    const socket = tls.connect({
      host: '127.0.0.1',
      servername: 'localhost',
      ...read(options),
      ...(before ? { session: before } : {}),
    });
    let text = '';
    let seen = null;
    let tickets = 0;
    const wanted = before ? 0 : 1;
    const finish = () => {
      if (text !== 'hello' || tickets < wanted) return;
      seen = { ...describe(socket), text };
      socket.end();
    };
    socket.on('session', (fresh) => {
      session = fresh;
      tickets++;
      finish();
    });
    socket.on('data', (chunk) => {
      text += chunk;
      finish();
    });
    socket.once('secureConnect', () => socket.write('hello'));
    // An error rejects this.
    await once(socket, 'close');
    if (seen === null) throw new Error(`closed after ${JSON.stringify(text)} and ${tickets} sessions`);
    visits.push(seen);
  }
  return { visits };
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, do: what, options, times, port } = JSON.parse(line);
  let answer;
  try {
    if (what === 'listen') answer = await listen(options);
    else if (what === 'visit') answer = await visit(options, times ?? 2);
    else answer = { seen: servers.get(port)?.splice(0) ?? [] };
  } catch (error) {
    answer = { error: `${error.code ?? ''} ${error.message}`.trim() };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
});
