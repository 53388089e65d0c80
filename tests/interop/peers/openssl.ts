/** `openssl s_client` and `openssl s_server`. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PeerServer, type RunningPeer, spawnPeer, startOpensslServer } from '../../support/peer.ts';
import {
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  type CommonWish,
  cannot,
  count,
  type Peer,
  type ServerPeer,
  type ServerReport,
  type ServerWish,
  type ServingPeer,
  says,
} from './contract.ts';
import { ServingProcess } from './serving.ts';

function commonArguments(wish: CommonWish): string[] {
  const { version, groups, alpn, exporter, psk, keyLog } = wish;
  return [
    version === '1.3' ? '-tls1_3' : '-tls1_2',
    ...(groups === undefined ? [] : ['-groups', groups.join(':')]),
    ...(alpn === undefined ? [] : ['-alpn', alpn.join(',')]),
    ...(exporter === undefined
      ? []
      : ['-keymatexport', exporter.label, '-keymatexportlen', `${exporter.length}`]),
    // With a suite of the key's hash, which is SHA-256 for a key without more.
    ...(psk === undefined
      ? []
      : ['-psk', psk.keyHex, '-psk_identity', psk.identity, '-ciphersuites', 'TLS_AES_128_GCM_SHA256']),
    ...(keyLog === undefined ? [] : ['-keylogfile', keyLog]),
  ];
}

function protocolIn(text: string): '1.2' | '1.3' | null {
  const found = /^\s+Protocol +: TLSv(1\.[23])$/m.exec(text) ?? /^(?:New|Reused), TLSv(1\.[23]),/m.exec(text);
  return (found?.[1] as '1.2' | '1.3' | undefined) ?? null;
}

function updatesIn(text: string): readonly [number, number] {
  return [count(text, />>> TLS 1\.3, .*KeyUpdate/g), count(text, /<<< TLS 1\.3, .*KeyUpdate/g)];
}

function exportedIn(text: string): string | null {
  return /Keying material: ([0-9A-F]+)/.exec(text)?.[1]?.toLowerCase() ?? null;
}

class OpensslClient implements ClientPeer {
  readonly tellsEnd = true;
  readonly endsBy = 'close_notify';
  readonly #path: string;
  readonly #folder: string;
  #files = 0;

  /** `folder` is where sessions are kept from one visit to the next. */
  constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('s_client', wish, ['compression', 'endEarly']);
    const session = join(this.#folder, `session-${++this.#files}.pem`);
    const reports: ClientReport[] = [];
    const visits = wish.visits ?? 1;
    for (let i = 0; i < visits; i++) {
      const kept = i === 0 ? ['-sess_out', session] : ['-sess_in', session];
      reports.push(await this.#visitOnce(wish, visits === 1 ? [] : kept, i === visits - 1));
    }
    rmSync(session, { force: true });
    return reports;
  }

  async #visitOnce(wish: ClientWish, kept: readonly string[], last: boolean): Promise<ClientReport> {
    const { identity, early, port, trust } = wish;
    const earlyFile = join(this.#folder, 'early.txt');
    if (early !== undefined) writeFileSync(earlyFile, early);
    await using peer = spawnPeer(this.#path, [
      's_client',
      ...['-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', trust],
      '-verify_return_error',
      ...commonArguments(wish),
      ...kept,
      ...(identity === undefined
        ? []
        : ['-cert', identity.leaf, '-cert_chain', identity.intermediate, '-key', identity.key]),
      ...(early === undefined || !last ? [] : ['-early_data', earlyFile]),
      ...(wish.status === true ? ['-status'] : []),
      ...(wish.updateKeys || wish.secondLine ? ['-msg'] : []),
    ]);
    const connected = await converse(peer, wish);
    const { stdout, stderr } = peer;
    const output = stdout + stderr;
    const status = /^Early data was (accepted|rejected|not sent)$/m.exec(stdout)?.[1];
    return {
      connected,
      reused: /^Reused, /m.test(stdout),
      protocol: protocolIn(stdout),
      heard: stdout,
      early: status === 'accepted' || status === 'rejected' ? status : 'none',
      group: /^Server Temp Key: (.*)$/m.exec(stdout)?.[1] ?? null,
      alpn: /^ALPN protocol: (\S+)$/m.exec(stdout)?.[1] ?? null,
      exported: exportedIn(stdout),
      stapled: /OCSP Response Status: successful/.test(stdout),
      keyUpdates: updatesIn(stdout),
      end: /closed$/m.test(stdout) ? 'clean' : /unexpected eof/.test(stderr) ? 'cut' : null,
      output,
    };
  }
}

/** Has its lines echoed, and ends. False when it ended by itself before. */
async function converse(peer: RunningPeer, wish: ClientWish): Promise<boolean> {
  // What the server sends goes out past the buffer of what it says itself: not always at a line's begin.
  if (!(await says(peer, /^(New|Reused), TLSv1\.[23], Cipher is/m))) return false;
  peer.stdin.write('hello\n');
  if (!(await says(peer, /hello\n/))) return false;
  // A command is a line of its own in one read.
  if (wish.updateKeys) {
    peer.stdin.write('K\n');
    if (!(await says(peer, />>> TLS 1\.3, .*KeyUpdate/))) return false;
  }
  if (wish.updateKeys || wish.secondLine) {
    peer.stdin.write('again\n');
    if (!(await says(peer, /again\n/))) return false;
  }
  if (!wish.stay) peer.stdin.write('Q\n');
  await peer.waitForExit();
  return true;
}

class OpensslServer implements ServerPeer {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async serve(wish: ServerWish): Promise<ServingPeer> {
    cannot('s_server', wish, ['compression']);
    const { identity, clientCertificate, http } = wish;
    const server = await startOpensslServer(this.#path, [
      ...['-cert', identity.leaf, '-cert_chain', identity.intermediate, '-key', identity.key],
      ...['-CAfile', wish.trust, '-verify_return_error', '-context', 'matrix'],
      ...commonArguments(wish),
      ...(wish.noTickets ? ['-no_ticket'] : []),
      ...(!wish.early ? [] : ['-early_data', '-max_early_data', '16384']),
      ...(clientCertificate === undefined
        ? []
        : [clientCertificate === 'required' ? '-Verify' : '-verify', '3']),
      ...(wish.status === undefined ? [] : ['-status_file', wish.status]),
      ...(http ? ['-www'] : ['-msg']),
    ]);
    return new OpensslServing(server, http === true);
  }
}

class OpensslServing extends ServingProcess implements ServingPeer {
  protected readonly program = 's_server';
  readonly refusesEarlyBy = 'retry';
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
    this.answer = http ? /<\/HTML>/i : /^answer$/m;
  }

  override async respond(): Promise<void> {
    await this.says('stdout', /hello\n/);
    this.peer.stdin.write('answer\n');
  }

  async report(): Promise<ServerReport> {
    // The rest stays in its buffer until it has more to say.
    const [over] = await this.says('stdout', /shutting down SSL$|^ERROR$/m);
    if (over === 'ERROR') await this.says('stderr', /:error:/);
    const { stdout, stderr } = this.take();
    const connected = /^CIPHER is /m.test(stdout);
    const subject = /^subject=(.*)$/m.exec(stdout);
    return {
      connected,
      reused: connected ? /^Reused session-id$/m.test(stdout) : null,
      protocol: (/^(?:<<<|>>>) TLS (1\.[23]), .*Finished/m.exec(stdout)?.[1] as '1.2' | '1.3') ?? null,
      early: /^Early data received:$/m.test(stdout),
      clientCertificate: subject !== null,
      alpn: /^ALPN protocols selected: (\S+)$/m.exec(stdout)?.[1] ?? null,
      exported: exportedIn(stdout),
      keyUpdates: updatesIn(stdout),
      end: /unexpected eof/.test(stderr) ? 'cut' : /<<< .*close_notify/.test(stdout) ? 'clean' : null,
      output: stdout + stderr,
    };
  }

  override async updateKeys(): Promise<void> {
    this.peer.stdin.write('K\n');
    await this.says('stdout', />>> TLS 1\.3, .*KeyUpdate/);
  }
}

export function opensslPeer(path: string, folder: string): Peer {
  return { client: new OpensslClient(path, folder), server: new OpensslServer(path) };
}
