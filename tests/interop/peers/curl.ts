/** `curl`, which asks for one page, or for the same one twice in one process. */
import { runPeer } from '../../support/peer.ts';
import type { Version } from '../table.ts';
import {
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  cannot,
  count,
  keyLogEnvironment,
  type Peer,
} from './contract.ts';

class CurlClient implements ClientPeer {
  readonly tellsEnd = true;
  readonly endsBy = 'close_notify';
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('curl', wish, ['exporter', 'psk', 'compression', 'updateKeys', 'early', 'endEarly']);
    const { identity, port, version, groups } = wish;
    const visits = wish.visits ?? 1;
    const url = `https://localhost:${port}/hello`;
    const { stdout, stderr, code } = await runPeer(
      this.#path,
      [
        ...['-sSv', '--cacert', wish.trust, '--resolve', `localhost:${port}:127.0.0.1`],
        ...(version === '1.3' ? ['--tlsv1.3'] : ['--tls-max', '1.2']),
        ...(groups === undefined ? [] : ['--curves', groups.join(':')]),
        ...(identity === undefined ? [] : ['--cert', identity.chain, '--key', identity.key]),
        ...(wish.alpn?.includes('h2') ? [] : ['--http1.1']),
        ...(wish.status ? ['--cert-status'] : []),
        ...['-H', 'Connection: close'],
        ...Array<string>(visits).fill(url),
      ],
      keyLogEnvironment(wish),
    );
    const texts = stderr.split(/^\* Hostname localhost was found in DNS cache$/m).slice(1);
    return texts.map((text) => {
      const [, protocol] = /SSL connection using TLSv(1\.[23]) \//.exec(text) ?? [];
      return {
        connected: code === 0 && protocol !== undefined,
        // That it offers a session it says; that the server takes it shows in the Certificate that does not come.
        reused:
          /SSL re-using session ID/.test(text) &&
          count(text, /\(IN\), TLS handshake, Certificate \(11\)/g) === 0,
        protocol: (protocol as Version | undefined) ?? null,
        heard: stdout,
        early: 'none',
        group: null,
        alpn: /ALPN: server accepted (\S+)/.exec(text)?.[1] ?? null,
        exported: null,
        stapled: /SSL certificate status: good/.test(text),
        keyUpdates: [
          count(text, /\(OUT\), TLS handshake, Key update \(24\)/g),
          count(text, /\(IN\), TLS handshake, Key update \(24\)/g),
        ],
        end: /\(IN\), TLS alert, close notify/.test(text) ? 'clean' : 'cut',
        output: stdout + stderr,
      } satisfies ClientReport;
    });
  }
}

export function curlPeer(path: string): Peer {
  return { client: new CurlClient(path), server: null };
}
