/** `tlsession serve`: an echo server that says of each connection whether it was resumed, and why not. */
import type { AddressInfo } from 'node:net';
import type { Command } from 'commander';
import { createServer, type ServerOptions } from '../net/server.ts';
import type { TLSSocket } from '../net/socket.ts';
import { resumptionReasonText } from '../session/resumption-reason.ts';
import { utf8 } from '../util/bytes.ts';
import { CliError, type CliIo } from './io.ts';
import { makeThrowaway } from './throwaway.ts';
import { optionsText, printable } from './words.ts';

interface Options {
  readonly host: string;
  readonly port: string;
  readonly cert?: string;
  readonly key?: string;
  readonly caOut?: string;
  readonly alpn?: string;
  readonly tls1_2?: true;
  readonly tls1_3?: true;
  readonly ciphers?: string;
  readonly groups?: string;
  readonly tickets: boolean;
  readonly timeout?: string;
  readonly count?: string;
  readonly json?: true;
}

const MAX_PEM_BYTES = 0x40_0000;

export function registerServe(program: Command, io: CliIo): void {
  program
    .command('serve')
    .summary('an echo server that says who resumed, and why not')
    .description(
      'Listens with TLS 1.3 and 1.2, echoes, and prints a line a connection: what was agreed on, and whether a ' +
        'session was resumed or why not. Without --cert and --key it makes a throw-away certificate for localhost.',
    )
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', '0 for any that is free', '0')
    .option('--cert <file>', 'the certificate with its chain, in PEM')
    .option('--key <file>', 'its private key, in PEM')
    .option('--ca-out <file>', 'write the root of the throw-away certificate there, for clients to trust')
    .option('--alpn <names>', 'application protocols, with commas between')
    .option('--tls1_2', 'TLS 1.2 only')
    .option('--tls1_3', 'TLS 1.3 only')
    .option('--ciphers <list>', 'cipher suites, as in ciphers(1)')
    .option('--groups <list>', 'groups, with colons between')
    .option('--no-tickets', 'keep sessions in the cache: a ticket is only a name, good once in TLS 1.3')
    .option('--timeout <s>', 'how long sessions may be resumed')
    .option('--count <n>', 'end after so many connections')
    .option('--json', 'lines for programs')
    .action((options: Options) => serve(options, io));
}

function number(text: string | undefined, name: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new CliError(2, `${name} is a whole number from ${least} to ${most}`);
  }
  return value;
}

async function serve(options: Options, io: CliIo): Promise<void> {
  const port = number(options.port, '--port', 0, 65_535) as number;
  const count = number(options.count, '--count', 1, 1e9) ?? Number.POSITIVE_INFINITY;
  const serverOptions = await readOptions(options, io);
  await new Promise<void>((done, fail) => {
    let left = count;
    const over = (): void => {
      if (--left > 0) return;
      server.close(() => {
        server.context.destroy();
        done();
      });
    };
    const say = (line: Record<string, unknown>, text: string): void =>
      io.out(options.json ? `${JSON.stringify(line)}\n` : `${printable(text)}\n`);
    let server: ReturnType<typeof createServer>;
    try {
      server = createServer(serverOptions, (socket) => {
        socket.on('error', (error: Error) =>
          say({ event: 'error', message: error.message }, `error: ${error.message}`),
        );
        socket.once('close', over);
        socket.pipe(socket);
        const facts = describe(socket);
        say(facts, sentence(facts));
      });
    } catch (error) {
      fail(new CliError(2, optionsText(error as Error)));
      return;
    }
    server.on('tlsClientError', (error: Error) => {
      say({ event: 'refused', message: error.message }, `refused: ${error.message}`);
      over();
    });
    server.once('error', (error) => fail(new CliError(1, error.message)));
    server.listen(port, options.host, () => {
      const { address, port: bound } = server.address() as AddressInfo;
      const where = address.includes(':') ? `[${address}]:${bound}` : `${address}:${bound}`;
      say({ event: 'listening', address, port: bound }, `listening on ${where}`);
    });
  });
}

async function readOptions(options: Options, io: CliIo): Promise<ServerOptions> {
  if ((options.cert === undefined) !== (options.key === undefined)) {
    throw new CliError(2, '--cert and --key belong together');
  }
  if (options.tls1_2 && options.tls1_3) throw new CliError(2, '--tls1_2 and --tls1_3 exclude each other');
  if (options.caOut !== undefined && options.cert !== undefined) {
    throw new CliError(2, '--ca-out is for the throw-away certificate: leave out --cert');
  }
  let cert: string | Uint8Array;
  let key: string | Uint8Array;
  if (options.cert !== undefined && options.key !== undefined) {
    cert = await io.read(options.cert, MAX_PEM_BYTES);
    key = await io.read(options.key, MAX_PEM_BYTES);
  } else {
    const throwaway = makeThrowaway(io.clock.wallMs());
    ({ cert, key } = throwaway);
    if (options.caOut !== undefined) await io.writeSecret(options.caOut, utf8(throwaway.ca));
  }
  return {
    cert,
    key,
    ALPNProtocols: options.alpn?.split(','),
    ciphers: options.ciphers,
    ecdhCurve: options.groups,
    statefulTickets: !options.tickets,
    sessionTimeout: number(options.timeout, '--timeout', 1, 0x7fff_ffff),
    ...(options.tls1_2 ? { maxVersion: 'TLSv1.2' } : {}),
    ...(options.tls1_3 ? { minVersion: 'TLSv1.3' } : {}),
  };
}

function describe(socket: TLSSocket): Record<string, unknown> {
  const reason = socket.resumptionReason;
  return {
    event: 'connection',
    remote: socket.remoteAddress ?? null,
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.name ?? null,
    servername: socket.servername || null,
    alpn: socket.alpnProtocol || null,
    resumed: socket.isSessionReused(),
    resumptionReason: reason,
    resumptionReasonText: reason === null ? null : resumptionReasonText(reason),
  };
}

function sentence(facts: Record<string, unknown>): string {
  const { remote, protocol, cipher, servername, alpn, resumed, resumptionReasonText: why } = facts;
  const what = [protocol, cipher, servername, alpn].filter((part) => part !== null).join(' ');
  return `${remote}: ${what}: ${resumed ? 'resumed' : `not resumed: ${why}`}`;
}
