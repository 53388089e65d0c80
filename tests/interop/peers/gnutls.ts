/** `gnutls-cli` and `gnutls-serv`. Debug output at level 5 shows the messages, for what they do not say otherwise. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PeerServer, type RunningPeer, spawnPeer, startPeerServer } from '../../support/peer.ts';
import type { Version } from '../table.ts';
import {
  CannotError,
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  type CommonWish,
  cannot,
  count,
  keyLogEnvironment,
  type Peer,
  type ServerPeer,
  type ServerReport,
  type ServerWish,
  type ServingPeer,
  says,
} from './contract.ts';
import { ServingProcess } from './serving.ts';

const GROUPS: Readonly<Record<string, string>> = {
  X25519: 'GROUP-X25519',
  'P-256': 'GROUP-SECP256R1',
  'P-384': 'GROUP-SECP384R1',
};

function priority({ version, groups, psk }: CommonWish): string {
  const words = ['NORMAL', '-VERS-ALL', `+VERS-TLS${version}`];
  if (groups !== undefined) {
    words.push('-GROUP-ALL', ...groups.map((name) => `+${gnutlsGroup(name)}`));
  }
  // The hash of a key without more is SHA-256.
  if (psk !== undefined) words.push('-CIPHER-ALL', '+AES-128-GCM', '+DHE-PSK', '+ECDHE-PSK', '+PSK');
  return words.join(':');
}

function gnutlsGroup(name: string): string {
  const known = GROUPS[name];
  if (known === undefined) throw new CannotError('GnuTLS', `the group ${name}`);
  return known;
}

function commonArguments(wish: CommonWish): string[] {
  const { exporter } = wish;
  return [
    ...['-d', '5', '--priority', priority(wish), '--x509cafile', wish.trust],
    ...(wish.alpn ?? []).flatMap((name) => ['--alpn', name]),
    ...(exporter === undefined
      ? []
      : [`--keymatexport=${exporter.label}`, `--keymatexportsize=${exporter.length}`]),
  ];
}

function updatesIn(text: string): readonly [number, number] {
  return [count(text, /: sending key update \(/g), count(text, /: received TLS 1\.3 key update \(/g)];
}

/** Of `- Description: (TLS1.3-X.509)-…`, which is there when the handshake was completed. */
function protocolIn(text: string): Version | null {
  return (/^- Description: \(TLS(1\.[23])-/m.exec(text)?.[1] as Version | undefined) ?? null;
}

/** By a session, or by an external key, which is the same to TLS 1.3. */
function isResumed(text: string): boolean {
  return /^\*\*\* This is a resumed session$|^- PSK authentication\. Connected as 'matrix'$/m.test(text);
}

class GnutlsClient implements ClientPeer {
  readonly showsOnlyNamed = true;
  readonly tellsEnd = true;
  readonly endsBy = 'close_notify';
  readonly #path: string;
  readonly #folder: string;

  constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('gnutls-cli', wish, ['endEarly', 'compression']);
    const { identity, early, psk } = wish;
    const twice = wish.visits === 2;
    const earlyFile = join(this.#folder, 'early.txt');
    if (early !== undefined) writeFileSync(earlyFile, early);
    await using peer = spawnPeer(
      this.#path,
      [
        ...commonArguments(wish),
        ...(identity === undefined ? [] : ['--x509certfile', identity.chain, '--x509keyfile', identity.key]),
        ...(psk === undefined ? [] : ['--pskusername', psk.identity, '--pskkey', psk.keyHex]),
        ...(twice ? ['--resume', ...(wish.version === '1.3' ? ['--waitresumption'] : [])] : []),
        ...(early === undefined ? [] : [`--earlydata=${earlyFile}`]),
        // One share alone, so that a server can ask for another.
        ...(wish.groups === undefined ? [] : ['--single-key-share']),
        ...(wish.updateKeys ? ['--inline-commands'] : []),
        ...['--port', `${wish.port}`, '--verify-hostname', 'localhost', '--sni-hostname', 'localhost'],
        '127.0.0.1',
      ],
      keyLogEnvironment(wish),
    );
    const connected = await converse(peer, wish, twice);
    const [first = '', second] = peer.stdout.split(/^- Connecting again.*$/m);
    const texts = twice ? [first, second ?? ''] : [peer.stdout];
    return texts.map((text) => report(text, peer.stderr, connected, early !== undefined));
  }
}

function report(text: string, debug: string, connected: boolean, early: boolean): ClientReport {
  return {
    connected: connected && /Handshake was completed/.test(text),
    reused: isResumed(text),
    protocol: protocolIn(text),
    heard: text,
    // The server says yes by an empty extension; the one of 4 bytes is a ticket's.
    early: !early
      ? 'none'
      : /Parsing extension 'Early Data\/42' \(0 bytes\)/.test(debug)
        ? 'accepted'
        : 'rejected',
    group: /^- Description: \(TLS1\.[23]-X\.509\)-\(ECDHE-(\w+)\)/m.exec(text)?.[1] ?? null,
    alpn: /^- Application protocol: (\S+)$/m.exec(text)?.[1] ?? null,
    exported: /^- Key material: ([0-9a-f]+)$/m.exec(text)?.[1] ?? null,
    stapled: /^- Options:.*OCSP status request/m.test(text),
    keyUpdates: updatesIn(debug),
    end: /Peer has closed the GnuTLS connection/.test(text)
      ? 'clean'
      : /non-properly terminated/.test(text + debug)
        ? 'cut'
        : null,
    output: text + debug,
  };
}

async function converse(peer: RunningPeer, wish: ClientWish, twice: boolean): Promise<boolean> {
  if (
    !(await says(peer, twice ? /Connecting again[\s\S]*^- Simple Client Mode/m : /^- Simple Client Mode/m))
  ) {
    return false;
  }
  peer.stdin.write('hello\n');
  if (!(await says(peer, /^hello$/m))) return false;
  if (wish.updateKeys) {
    peer.stdin.write('^rekey^\n');
    if (!(await says(peer, /^- Rekey was completed/m))) return false;
  }
  if (wish.updateKeys || wish.secondLine) {
    peer.stdin.write('again\n');
    if (!(await says(peer, /^again$/m))) return false;
  }
  if (!wish.stay) peer.stdin.end();
  await peer.waitForExit();
  return true;
}

class GnutlsServer implements ServerPeer {
  readonly #path: string;
  readonly #folder: string;

  constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
  }

  async serve(wish: ServerWish): Promise<ServingPeer> {
    const { identity, psk, clientCertificate } = wish;
    const passwords = join(this.#folder, 'psk.txt');
    if (psk !== undefined) writeFileSync(passwords, `${psk.identity}:${psk.keyHex}\n`);
    cannot('gnutls-serv', wish, ['compression']);
    if (wish.noTickets && wish.version === '1.3') cannot('gnutls-serv', wish, ['noTickets']);
    const server = await startPeerServer({
      path: this.#path,
      ...(wish.port === undefined ? {} : { port: wish.port }),
      args: (port) => [
        ...commonArguments(wish),
        ...['--port', `${port}`, wish.http ? '--http' : '--echo'],
        ...['--x509certfile', identity.chain, '--x509keyfile', identity.key],
        ...(psk === undefined ? [] : ['--pskpasswd', passwords]),
        ...(wish.noTickets ? ['--noticket'] : []),
        ...(!wish.early ? [] : ['--earlydata', '--maxearlydata', '16384']),
        ...(clientCertificate === undefined ? ['--disable-client-cert'] : ['--verify-client-cert']),
        ...(clientCertificate === 'required' ? ['--require-client-cert'] : []),
        ...(wish.status === undefined ? [] : ['--ocsp-response', wish.status]),
      ],
      ready: /listening on IPv4 .*done/i,
      ...keyLogEnvironment(wish),
    });
    return new GnutlsServing(server, wish.http === true);
  }
}

class GnutlsServing extends ServingProcess implements ServingPeer {
  protected readonly program = 'gnutls-serv';
  // What it should skip after a HelloRetryRequest it takes for broken records, from openssl's client, too.
  readonly refusesEarlyBy = 'forgetting';
  readonly tellsEnd = true;
  readonly endsBy = 'close_notify';
  readonly oneLine = false;
  readonly refusesBy = 'alert';
  readonly early = { text: 'early bytes\n', answered: false };
  readonly line: string;
  readonly answer: RegExp;

  constructor(server: PeerServer, http: boolean) {
    super(server);
    this.line = http ? 'GET / HTTP/1.0\r\n\r\n' : 'hello\n';
    this.answer = http ? /<\/HTML>/i : /^hello$/m;
  }

  async report(): Promise<ServerReport> {
    // On stderr, where debug goes: the end of the connection, whichever way. What went wrong comes after `Error while`.
    await this.says('stderr', /Close notify - was received|Error in handshake|^Error: .*\n/m);
    const { stdout, stderr: debug } = this.take();
    const protocol = protocolIn(stdout);
    return {
      connected: protocol !== null,
      reused: protocol === null ? null : isResumed(stdout),
      protocol,
      early:
        /EXT\[\w+\]: early data accepted/.test(debug) && /END OF EARLY DATA \(5\) was received/.test(debug),
      clientCertificate: /^- Got a certificate list of/m.test(stdout),
      alpn: /^- Application protocol: (\S+)$/m.exec(stdout)?.[1] ?? null,
      exported: /^- Key material: ([0-9a-f]+)$/m.exec(stdout)?.[1] ?? null,
      keyUpdates: updatesIn(debug),
      end: /non-properly terminated|Error in the pull function/.test(stdout + debug)
        ? 'cut'
        : /Close notify - was received/.test(debug)
          ? 'clean'
          : null,
      output: stdout + debug,
    };
  }
}

export function gnutlsPeer(cli: string, serv: string, folder: string): Peer {
  return { client: new GnutlsClient(cli, folder), server: new GnutlsServer(serv, folder) };
}
