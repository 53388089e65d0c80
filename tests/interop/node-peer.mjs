// Stock node:tls in a process of its own, under whatever Node runs this. One command a line of the standard
// input, one answer a line of the standard output, both JSON:
//   {"id":1,"do":"listen","options":{…},"more":{…}}              → {"id":1,"port":…}
//   {"id":2,"do":"visit","options":{…},"times":2,"more":{…}}     → {"id":2,"visits":[…]}
//   {"id":3,"do":"seen","port":…,"more":{"over":true}}          → {"id":3,"seen":[…]}, only what is over
// Files named in options (ca, cert, key) are read here. `more` is what options cannot say: psk, exporter,
// status, noTickets, keyLog, http; of a visit also line, secondLine, endEarly, stay. What fails is
// {"id":…,"error":"…"}.
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import tls from 'node:tls';

const FILES = ['ca', 'cert', 'key'];
const servers = new Map();

function read({ ticketKeysHex, ...options }, more) {
  for (const name of FILES) if (options[name]) options[name] = readFileSync(options[name]);
  if (ticketKeysHex) options.ticketKeys = Buffer.from(ticketKeysHex, 'hex');
  if (more.noTickets) options.secureOptions = constants.SSL_OP_NO_TICKET;
  return options;
}

function describe(socket, { exporter }) {
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.standardName,
    reused: socket.isSessionReused(),
    group: socket.getEphemeralKeyInfo?.()?.name ?? null,
    alpn: socket.alpnProtocol,
    certificate: Object.keys(socket.getPeerCertificate() ?? {}).length > 0,
    exported: exporter ? socket.exportKeyingMaterial(exporter.length, exporter.label).toString('hex') : null,
  };
}

async function listen(options, more) {
  const seen = [];
  const kept = new Map();
  const { psk, status, keyLog } = more;
  const pskOptions = psk
    ? {
        pskCallback: (_socket, identity) =>
          identity === psk.identity ? Buffer.from(psk.keyHex, 'hex') : null,
        ciphers: 'TLS_AES_128_GCM_SHA256',
      }
    : {};
  const server = tls.createServer(
    { ...read(options, more), ...pskOptions, allowHalfOpen: true },
    (socket) => {
      const entry = { ...describe(socket, more), text: '', ended: false, closed: false };
      seen.push(entry);
      socket.on('error', (error) => {
        entry.error = error.code ?? error.message;
      });
      socket.on('data', (chunk) => {
        entry.text += chunk;
        if (!more.http) socket.write(chunk);
      });
      socket.on('end', () => {
        entry.ended = true;
        // What a client that has ended its side may still hear.
        socket.end(more.http ? 'after the end\n' : '');
      });
      socket.on('close', () => {
        entry.closed = true;
      });
    },
  );
  server.on('tlsClientError', (error) => seen.push({ error: error.code ?? error.message, closed: true }));
  if (keyLog) server.on('keylog', (line) => appendFileSync(keyLog, line));
  if (status) {
    const answer = readFileSync(status);
    server.on('OCSPRequest', (_certificate, _issuer, done) => done(null, answer));
  }
  if (more.noTickets) {
    server.on('newSession', (id, data, done) => {
      kept.set(id.toString('hex'), data);
      done();
    });
    server.on('resumeSession', (id, done) => done(null, kept.get(id.toString('hex')) ?? null));
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  servers.set(port, seen);
  return { port };
}

/** Those that are over, or all. */
function take(seen, over) {
  const taken = seen.filter(({ closed }) => closed || !over);
  for (const one of taken) seen.splice(seen.indexOf(one), 1);
  return taken;
}

async function visit(options, times, more) {
  const visits = [];
  const { psk, keyLog, line = 'hello', secondLine, endEarly, stay } = more;
  const pskOptions = psk
    ? {
        pskCallback: () => ({ identity: psk.identity, psk: Buffer.from(psk.keyHex, 'hex') }),
        ciphers: 'TLS_AES_128_GCM_SHA256',
        checkServerIdentity: () => undefined,
      }
    : {};
  let session;
  for (let i = 0; i < times; i++) {
    const before = session;
    const socket = tls.connect({
      host: '127.0.0.1',
      servername: 'localhost',
      allowHalfOpen: true,
      ...read({ ...options }, more),
      ...pskOptions,
      ...(before ? { session: before } : {}),
    });
    if (keyLog) socket.on('keylog', (text) => appendFileSync(keyLog, text));
    let text = '';
    let seen = null;
    let tickets = 0;
    let stapled = null;
    let error = null;
    let askedAgain = false;
    let ended = false;
    const wanted = before || endEarly || stay || psk || more.noSession ? 0 : 1;
    const whole = () => line + (askedAgain ? secondLine : '');
    const finish = () => {
      if (text !== whole() || tickets < wanted) return;
      seen = { ...describe(socket, more), text };
      if (secondLine && !askedAgain) {
        askedAgain = true;
        socket.write(secondLine);
      } else if (!stay) socket.end();
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
    socket.on('OCSPResponse', (response) => {
      stapled = response ? response.toString('hex') : null;
    });
    socket.on('error', (failure) => {
      error = `${failure.code ?? ''} ${failure.message}`.trim();
    });
    socket.on('end', () => {
      ended = true;
      socket.end();
    });
    socket.once('secureConnect', () => {
      seen = { ...describe(socket, more), text };
      if (endEarly) socket.end(line);
      else socket.write(line);
    });
    await once(socket, 'close').catch(() => {});
    if (!socket.closed) await once(socket, 'close');
    if (seen === null) throw new Error(error ?? `closed before it was secure`);
    const heardAll = text === whole() && tickets >= wanted;
    if (!heardAll && !more.mayFail) {
      throw new Error(error ?? `closed after ${JSON.stringify(text)} and ${tickets} sessions`);
    }
    visits.push({ ...seen, text, stapled, error, ended });
  }
  return { visits };
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, do: what, options, times, port, more = {} } = JSON.parse(line);
  let answer;
  try {
    if (what === 'listen') answer = await listen(options, more);
    else if (what === 'visit') answer = await visit(options, times ?? 2, more);
    else answer = { seen: take(servers.get(port) ?? [], more.over === true) };
  } catch (error) {
    answer = { error: `${error.code ?? ''} ${error.message}`.trim() };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
});
