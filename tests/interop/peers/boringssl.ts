/** `bssl-tool client` and `bssl-tool server`. */
import { type PeerServer, type RunningPeer, spawnPeer, startPeerServer } from '../../support/peer.ts';
import type { Version } from '../table.ts';
import {
  CannotError,
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  type CommonWish,
  cannot,
  keyLogEnvironment,
  type Peer,
  type ServerPeer,
  type ServerReport,
  type ServerWish,
  type ServingPeer,
  says,
} from './contract.ts';
import { ServingProcess } from './serving.ts';

function commonArguments({ version, groups }: CommonWish): string[] {
  const name = `tls${version}`;
  return [
    ...['-min-version', name, '-max-version', name],
    ...(groups === undefined ? [] : ['-curves', groups.join(':')]),
  ];
}

function said(text: string, name: string): string | null {
  return new RegExp(`^  ${name}: (.*)$`, 'm').exec(text)?.[1] || null;
}

function protocolIn(text: string): Version | null {
  return (/^TLSv(1\.[23])$/.exec(said(text, 'Version') ?? '')?.[1] as Version | undefined) ?? null;
}

class BoringClient implements ClientPeer {
  readonly tellsEnd = false;
  readonly endsBy = 'transport';
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('bssl-tool client', wish, ['exporter', 'psk', 'compression', 'updateKeys']);
    const { identity, early } = wish;
    const twice = wish.visits === 2;
    await using peer = spawnPeer(
      this.#path,
      [
        'client',
        ...['-connect', `127.0.0.1:${wish.port}`, '-server-name', 'localhost', '-root-certs', wish.trust],
        ...commonArguments(wish),
        ...(identity === undefined ? [] : ['-cert', identity.chain, '-key', identity.key]),
        ...(wish.alpn === undefined ? [] : ['-alpn-protos', wish.alpn.join(',')]),
        ...(twice ? ['-test-resumption'] : []),
        ...(early === undefined ? [] : ['-early-data', early]),
        ...(wish.status ? ['-ocsp-stapling'] : []),
        '-debug',
      ],
      keyLogEnvironment(wish),
    );
    const connected = await converse(peer, wish, twice);
    const { stdout, stderr } = peer;
    const texts = stderr.split(/^Connecting to /m).slice(1);
    return texts.slice(0, twice ? 2 : 1).map((text, index) => ({
      connected,
      reused: said(text, 'Resumed session') === 'yes',
      protocol: protocolIn(text),
      heard: index === texts.length - 1 ? stdout : '',
      early:
        said(text, 'Early data') === 'yes'
          ? 'accepted'
          : early !== undefined && index > 0
            ? 'rejected'
            : 'none',
      group: said(text, 'ECDHE curve'),
      alpn: said(text, 'ALPN protocol'),
      exported: null,
      stapled: said(text, 'OCSP staple') === 'yes',
      keyUpdates: null,
      end: null,
      output: stdout + stderr,
    }));
  }
}

async function converse(peer: RunningPeer, wish: ClientWish, twice: boolean): Promise<boolean> {
  // It says that it is connected when early data may go, and would send this early, too.
  const once = 'Cert issuer';
  const done = 'Handshake done';
  if (!(await says(peer, new RegExp(twice ? `${once}[^]*${once}` : once)))) return false;
  if (!(await says(peer, new RegExp(twice ? `${done}[^]*${done}` : done)))) return false;
  peer.stdin.write('hello\n');
  if (!wish.endEarly && !(await says(peer, /^hello$/m))) return false;
  if (wish.secondLine) {
    peer.stdin.write('again\n');
    if (!(await says(peer, /^again$/m))) return false;
  }
  if (!wish.stay) peer.stdin.end();
  await peer.waitForExit();
  return /^hello$/m.test(peer.stdout);
}

class BoringServer implements ServerPeer {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async serve(wish: ServerWish): Promise<ServingPeer> {
    cannot('bssl-tool server', wish, ['alpn', 'exporter', 'psk', 'compression', 'noTickets']);
    if (wish.clientCertificate === 'optional')
      throw new CannotError('bssl-tool server', 'optional certificates');
    const { identity } = wish;
    const server = await startPeerServer({
      path: this.#path,
      args: (port) => [
        ...['server', '-accept', `${port}`, '-loop', '-www', '-key', identity.key, '-cert', identity.chain],
        ...commonArguments(wish),
        ...(!wish.early ? [] : ['-early-data']),
        ...(wish.clientCertificate === undefined ? [] : ['-require-any-client-cert']),
        ...(wish.status === undefined ? [] : ['-ocsp-response', wish.status]),
        '-debug',
      ],
      ...keyLogEnvironment(wish),
    });
    return new BoringServing(server);
  }
}

class BoringServing extends ServingProcess implements ServingPeer {
  protected readonly program = 'bssl-tool server';
  readonly refusesEarlyBy = 'retry';
  readonly tellsEnd = false;
  readonly endsBy = 'transport';
  readonly oneLine = true;
  readonly refusesBy = 'alert';
  readonly early = { text: 'GET / HTTP/1.0\r\n\r\n', answered: true };
  readonly line = 'GET / HTTP/1.0\r\n\r\n';
  readonly answer: RegExp = /Encrypted ClientHello: no/;

  constructor(server: PeerServer) {
    super(server);
    // What it said of the connection that found out whether it listens.
    this.take();
  }

  async report(): Promise<ServerReport> {
    await this.says('stderr', /Encrypted ClientHello: no|Error while|error:/);
    const { stderr: text } = this.take();
    const protocol = protocolIn(text);
    return {
      connected: protocol !== null,
      reused: protocol === null ? null : said(text, 'Resumed session') === 'yes',
      protocol,
      early: said(text, 'Early data') === 'yes',
      clientCertificate: said(text, 'Cert subject') !== null,
      alpn: said(text, 'ALPN protocol'),
      exported: null,
      keyUpdates: null,
      end: null,
      output: text,
    };
  }
}

export function boringPeer(path: string): Peer {
  return { client: new BoringClient(path), server: new BoringServer(path) };
}
