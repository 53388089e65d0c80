/** `tlsession connect`: one TLS connection, what was agreed on, and whether a session was resumed or why not. */
import type { Socket } from 'node:net';
import type { Command } from 'commander';
import { type ConnectOptions, connect } from '../net/connect.ts';
import type { TLSSocket } from '../net/socket.ts';
import { MAX_INPUT_BYTES, readSession } from '../session/forms.ts';
import { resumptionReasonText } from '../session/resumption-reason.ts';
import { DecodeError } from '../util/errors.ts';
import { verifyResultText } from '../util/verify-result.ts';
import { CliError, type CliIo } from './io.ts';
import { bytesText, jsonText, optionsText, painter, printable } from './words.ts';

interface Options {
  readonly servername?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly alpn?: string;
  readonly sessIn?: string;
  readonly sessOut?: string;
  readonly tls1_2?: true;
  readonly tls1_3?: true;
  readonly ciphers?: string;
  readonly groups?: string;
  readonly insecure?: true;
  readonly send?: string;
  readonly wait: string;
  readonly json?: true;
}

/** The longest PEM file that is read. */
const MAX_PEM_BYTES = 0x40_0000;
const CONNECT_LIMIT_MS = 15_000;

export function registerConnect(program: Command, io: CliIo): void {
  program
    .command('connect')
    .summary('connect once: what was agreed on, resumed or why not')
    .description(
      'Connects with TLS 1.3 or 1.2, verifies the server, and says what was agreed on and whether a session was ' +
        'resumed, or why not. Sessions are saved and offered with --sess-out and --sess-in, in any form that ' +
        '`tlsession inspect` reads.',
    )
    .argument('<host:port>', 'where to; [address]:port for IPv6')
    .option('--servername <name>', 'the name to ask for and to check; default: the host')
    .option('--ca <file>', 'certificates to trust, in PEM; default: those that Node trusts')
    .option('--insecure', 'go on with a server that cannot be verified')
    .option('--cert <file>', 'a client certificate with its chain, in PEM')
    .option('--key <file>', 'its private key, in PEM')
    .option('--alpn <names>', 'application protocols to offer, with commas between')
    .option('--sess-in <file>', 'a session to resume')
    .option('--sess-out <file>', "the latest session that came, in tlsession's own form; for its owner alone")
    .option('--tls1_2', 'TLS 1.2 only')
    .option('--tls1_3', 'TLS 1.3 only')
    .option('--ciphers <list>', 'cipher suites, as in ciphers(1)')
    .option('--groups <list>', 'groups, with colons between')
    .option('--send <text>', 'text to send, with \\n and \\r as in C; what comes back is printed')
    .option('--wait <ms>', 'how long to wait for what comes after the handshake', '500')
    .option('--json', 'the same for programs')
    .action((target: string, options: Options) => run(target, options, io));
}

async function run(target: string, options: Options, io: CliIo): Promise<void> {
  const { host, port } = parseTarget(target);
  const waitMs = Number(options.wait);
  if (!(waitMs >= 0 && waitMs <= 3_600_000)) throw new CliError(2, '--wait is a number of milliseconds');
  if (options.tls1_2 && options.tls1_3) throw new CliError(2, '--tls1_2 and --tls1_3 exclude each other');
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw new CliError(2, '--cert and --key belong together');
  }
  const connectOptions = await readOptions(host, port, options, io);
  const visit = await new Promise<Visit>((done, fail) => {
    let socket: TLSSocket;
    try {
      socket = connect(connectOptions);
    } catch (error) {
      fail(new CliError(2, optionsText(error as Error)));
      return;
    }
    follow(socket, options, waitMs, done, fail);
  });
  if (options.sessOut !== undefined && visit.session !== null)
    await io.writeSecret(options.sessOut, visit.session);
  const facts = describe(target, visit, options);
  if (options.json) io.out(`${jsonText(facts)}\n`);
  else io.out(page(facts, visit, io.colors));
}

/** `host:port`, `[address]:port`. @throws {CliError} 2 */
export function parseTarget(target: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(target);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new CliError(2, `${JSON.stringify(target)} is not HOST:PORT`);
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

async function readOptions(host: string, port: number, options: Options, io: CliIo): Promise<ConnectOptions> {
  const pem = async (path: string | undefined): Promise<Uint8Array | undefined> =>
    path === undefined ? undefined : io.read(path, MAX_PEM_BYTES);
  let session: Uint8Array | null = null;
  if (options.sessIn !== undefined) {
    session = await io.read(options.sessIn, MAX_INPUT_BYTES);
    try {
      readSession(session, null, io.clock.wallMs(), 'connect').session.free('connect');
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw new CliError(3, `${options.sessIn}: ${error.message}`);
    }
  }
  const [ca, cert, key] = await Promise.all([pem(options.ca), pem(options.cert), pem(options.key)]);
  return {
    host,
    port,
    servername: options.servername,
    ca,
    cert,
    key,
    session,
    ALPNProtocols: options.alpn?.split(','),
    ciphers: options.ciphers,
    ecdhCurve: options.groups,
    rejectUnauthorized: options.insecure !== true,
    handshakeTimeout: CONNECT_LIMIT_MS,
    ...(options.tls1_2 ? { maxVersion: 'TLSv1.2' } : {}),
    ...(options.tls1_3 ? { minVersion: 'TLSv1.3' } : {}),
  };
}

interface Visit {
  readonly socket: TLSSocket;
  /** The latest, as an envelope. */
  readonly session: Buffer | null;
  readonly sessions: number;
  readonly received: Buffer;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

function follow(
  socket: TLSSocket,
  options: Options,
  waitMs: number,
  done: (visit: Visit) => void,
  fail: (error: Error) => void,
): void {
  const received: Buffer[] = [];
  let session: Buffer | null = null;
  let sessions = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;
  socket.on('session', (fresh: Buffer) => {
    session = fresh;
    sessions++;
  });
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('error', (error: Error) => {
    if (timer !== null) clearTimeout(timer);
    fail(new CliError(1, failureText(error)));
  });
  socket.once('secureConnect', () => {
    if (options.send !== undefined) socket.write(unescaped(options.send));
    timer = setTimeout(() => socket.end(), waitMs);
  });
  socket.once('close', () => {
    if (timer !== null) clearTimeout(timer);
    const raw = socket.transport as Socket;
    done({
      socket,
      session,
      sessions,
      received: Buffer.concat(received),
      bytesUp: raw.bytesWritten,
      bytesDown: raw.bytesRead,
    });
  });
}

function failureText(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error.message.includes(code) ? error.message : `${error.message} (${code})`;
}

function unescaped(text: string): string {
  return text.replaceAll(
    /\\([nrt\\])/g,
    (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter,
  );
}

function describe(
  target: string,
  { socket, sessions, received, bytesUp, bytesDown }: Visit,
  options: Options,
): Record<string, unknown> {
  const { info } = socket;
  const peer = socket.getPeerX509Certificate();
  const reason = socket.resumptionReason;
  return {
    target,
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.name ?? null,
    group: (socket.getEphemeralKeyInfo() as { name?: string } | null)?.name ?? null,
    alpn: socket.alpnProtocol || null,
    helloRetryRequest: info.helloRetryRequest,
    subject: peer?.subject ?? null,
    authorized: socket.authorized,
    verifyResult: info.verifyResult,
    verifyResultText: verifyResultText(info.verifyResult),
    resumed: info.resumed,
    resumptionReason: reason,
    resumptionReasonText: reason === null ? null : resumptionReasonText(reason),
    offeredSession: options.sessIn ?? null,
    sessions,
    savedSession: sessions > 0 ? (options.sessOut ?? null) : null,
    bytesUp,
    bytesDown,
    received: received.toString('latin1'),
  };
}

function page(facts: Record<string, unknown>, { received, sessions }: Visit, colors: boolean): string {
  const paint = painter(colors);
  const rows: [string, string][] = [
    ['Protocol', `${facts['protocol']}`],
    ['Cipher suite', `${facts['cipher']}`],
    [
      'Key exchange',
      `${facts['group'] ?? 'none'}${facts['helloRetryRequest'] ? ', after a HelloRetryRequest' : ''}`,
    ],
    ['ALPN', `${facts['alpn'] ?? 'none'}`],
    ['Server', `${facts['subject'] ?? 'no certificate'}`.replaceAll('\n', ', ')],
    [
      'Verified',
      facts['authorized'] ? paint('green', 'yes') : paint('red', `no: ${facts['verifyResultText']}`),
    ],
    [
      'Resumed',
      facts['resumed'] ? paint('green', 'yes') : `${paint('yellow', 'no')}: ${facts['resumptionReasonText']}`,
    ],
    [
      'Sessions',
      `${sessions} came${facts['savedSession'] ? `; the latest is in ${facts['savedSession']}` : ''}`,
    ],
    [
      'On the wire',
      `${bytesText(facts['bytesUp'] as number)} sent, ${bytesText(facts['bytesDown'] as number)} received`,
    ],
  ];
  let text = '';
  for (const [label, value] of rows) text += `${label.padEnd(16)}${colors ? value : printable(value)}\n`;
  if (received.length > 0) text += `\n${received.toString('latin1').split('\n').map(printable).join('\n')}\n`;
  return text;
}
