/**
 * One ticket key in nginx, or in HAProxy, and here: a session made at either end is resumed at the other, in both
 * versions, by `openssl s_client` and by our client.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  haproxyTicketKeys,
  nginxSessionIdContext,
  nginxTicketKeys,
  type TicketKeyRecord,
} from '../../src/entry/index.ts';
import { Session } from '../../src/entry/session.ts';
import { type Chain, type ChainFiles, testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, runPeer } from '../support/peer.ts';
import { OurClient, type OurServer, type OurServerOptions, serve } from './our-end.ts';
import { startHaproxy, startNginx } from './web-servers.ts';

const REQUEST = 'GET /page HTTP/1.0\r\n\r\n';
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof VERSIONS)[number];

let folder = '';
let chain: Chain;
let files: ChainFiles;
let rsa: Chain;
let rsaFiles: ChainFiles;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tlsession-shared-'));
  chain = await testChain();
  files = writeChain(chain);
  rsa = await testChain('rsa2048');
  rsaFiles = writeChain(rsa);
});
afterAll(() => {
  files[Symbol.dispose]();
  rsaFiles[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function ticketFile(length: 48 | 80): { readonly path: string; readonly bytes: Buffer } {
  const bytes = randomBytes(length);
  const path = join(folder, `ticket-${length}-${bytes.toString('hex', 0, 4)}.key`);
  writeFileSync(path, bytes, { mode: 0o600 });
  return { path, bytes };
}

/** Our server, whose page is `page`. */
function site(ticketKeyring: readonly TicketKeyRecord[], more: OurServerOptions): Promise<OurServer> {
  return serve({ cert: chain.chainPem, key: chain.keyPem, ticketKeyring, ...more });
}

interface Visit {
  readonly reused: boolean;
  readonly page: string;
}

/** A client that makes a session somewhere, and offers it somewhere else. */
interface Client {
  first(port: number, version: Version): Promise<Visit>;
  second(port: number, version: Version): Promise<Visit>;
}

function opensslClient(openssl: string, identity: ChainFiles | null = null): Client {
  const path = join(folder, `session-${randomBytes(4).toString('hex')}.pem`);
  const visit = async (port: number, version: Version, kept: string): Promise<Visit> => {
    const { stdout } = await runPeer(
      openssl,
      [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', files.ca],
        ...[version === 'TLSv1.3' ? '-tls1_3' : '-tls1_2', '-ign_eof', kept, path],
        ...(identity === null
          ? []
          : ['-cert', identity.leaf, '-cert_chain', identity.intermediate, '-key', identity.key]),
      ],
      { input: REQUEST },
    );
    const [, how] = /^(New|Reused), TLSv1\.[23], Cipher is/m.exec(stdout) ?? [];
    return { reused: how === 'Reused', page: stdout };
  };
  return {
    first: (port, version) => visit(port, version, '-sess_out'),
    second: (port, version) => visit(port, version, '-sess_in'),
  };
}

function ourClient(): Client {
  let session: Uint8Array | undefined;
  const visit = async (port: number, version: Version): Promise<Visit> => {
    await using one = new OurClient({
      port,
      // OpenSSL's form of a session has no room for the intermediate.
      ca: [chain.root.certPem, chain.intermediate.certPem],
      minVersion: version,
      maxVersion: version,
      ...(session === undefined ? {} : { session }),
    });
    await one.secure();
    one.socket.write(REQUEST);
    await one.hears(/\n$/);
    if (session === undefined) {
      // Without what binds it to the port where it was made.
      using envelope = Session.fromEnvelope(await one.session());
      session = envelope.toDER();
    }
    await one.end();
    return { reused: one.socket.isSessionReused(), page: one.text };
  };
  return { first: visit, second: visit };
}

/** From `there` to here and back, with what each end says of it. */
async function crosses(
  there: { readonly port: number },
  here: OurServer,
  client: () => Client,
  says: { readonly full: string; readonly resumed: string },
): Promise<void> {
  for (const version of VERSIONS) {
    const outward = client();
    const made = await outward.first(there.port, version);
    expect(made).toMatchObject({ reused: false });
    expect(made.page).toContain(`${says.full} ${version}`);
    const resumed = await outward.second(here.port, version);
    expect(here.served.at(-1)?.socket.resumptionReason, version).toBe(null);
    expect(resumed.reused, version).toBe(true);
    expect(resumed.page).toContain('page');
    expect(here.served.at(-1)?.socket.getProtocol()).toBe(version);

    const back = client();
    expect((await back.first(here.port, version)).reused).toBe(false);
    const returned = await back.second(there.port, version);
    expect(returned.reused, `${version}, back`).toBe(true);
    expect(returned.page).toContain(`${says.resumed} ${version}`);
  }
}

const AT_NGINX = { full: 'reused=.', resumed: 'reused=r' };

describeWithPeers(['nginx', 'openssl'], 'nginx', ({ nginx, openssl }) => {
  describe.each([80, 48] as const)('a ticket key of %i bytes', (length) => {
    test.each([
      ['openssl s_client', () => opensslClient(openssl)],
      ['our client', ourClient],
    ] as const)('%s', async (_, client) => {
      const key = ticketFile(length);
      await using there = await startNginx(nginx, {
        folder,
        files,
        directives: [`ssl_session_ticket_key ${key.path};`],
      });
      await using here = await site(nginxTicketKeys([key.bytes]), {
        sessionIdContext: nginxSessionIdContext({ cert: chain.chainPem }),
      });
      await crosses(there, here, client, AT_NGINX);
    });
  });

  test('two files: the first seals, the second still opens, at both', async () => {
    const [old, young] = [ticketFile(80), ticketFile(48)];
    const sessionIdContext = nginxSessionIdContext({ cert: chain.chainPem });
    const directive = (key: { path: string }): string => `ssl_session_ticket_key ${key.path};`;
    const client = opensslClient(openssl);
    {
      await using before = await startNginx(nginx, { folder, files, directives: [directive(old)] });
      await client.first(before.port, 'TLSv1.2');
    }
    await using here = await site(nginxTicketKeys([young.bytes, old.bytes]), { sessionIdContext });
    expect((await client.second(here.port, 'TLSv1.2')).reused).toBe(true);
    await using there = await startNginx(nginx, {
      folder,
      files,
      directives: [directive(young), directive(old)],
    });
    await crosses(there, here, () => opensslClient(openssl), AT_NGINX);
  });

  test('a key is changed while the server runs: tickets of the one before still open', async () => {
    const [old, young] = [ticketFile(80), ticketFile(80)];
    const sessionIdContext = nginxSessionIdContext({ cert: chain.chainPem });
    const directives = [`ssl_session_ticket_key ${young.path};`];
    await using there = await startNginx(nginx, { folder, files, directives });
    await using here = await site(nginxTicketKeys([old.bytes]), { sessionIdContext });
    const [early, late] = [opensslClient(openssl), opensslClient(openssl)];
    await early.first(here.port, 'TLSv1.3');
    await late.first(there.port, 'TLSv1.3');
    expect((await late.second(here.port, 'TLSv1.3')).reused).toBe(false);
    here.context.tickets.ring.install(nginxTicketKeys([young.bytes]), Date.now());
    expect((await early.second(here.port, 'TLSv1.3')).reused).toBe(true);
    await crosses(there, here, () => opensslClient(openssl), AT_NGINX);
  });

  test('two certificates, and client certificates: all are in the context', async () => {
    const key = ticketFile(80);
    const cas = join(folder, 'cas.pem');
    writeFileSync(cas, chain.caPem + rsa.caPem + chain.intermediate.certPem);
    await using there = await startNginx(nginx, {
      folder,
      files,
      certificates: [rsaFiles, files],
      directives: [
        `ssl_session_ticket_key ${key.path};`,
        'ssl_verify_client on;',
        'ssl_verify_depth 3;',
        `ssl_client_certificate ${cas};`,
      ],
    });
    const ca = [chain.caPem, rsa.caPem, chain.intermediate.certPem];
    const sessionIdContext = nginxSessionIdContext({
      cert: [rsa.chainPem, chain.chainPem],
      clientCa: ca.join(''),
    });
    await using here = await site(nginxTicketKeys([key.bytes]), { sessionIdContext, requestCert: true, ca });
    await crosses(there, here, () => opensslClient(openssl, files), AT_NGINX);
    const peers = here.served.map(({ socket }) => socket.getPeerCertificate().subject?.CN);
    expect(new Set(peers)).toEqual(new Set(['localhost']));
    expect(here.served.every(({ socket }) => socket.authorized)).toBe(true);
  });

  test('another context, another key: a full handshake, with the reason', async () => {
    const [key, other] = [ticketFile(80), ticketFile(80)];
    const sessionIdContext = nginxSessionIdContext({ cert: chain.chainPem });
    await using there = await startNginx(nginx, {
      folder,
      files,
      directives: [`ssl_session_ticket_key ${key.path};`],
    });
    const cases = [
      ['other-context', key, nginxSessionIdContext({ cert: chain.chainPem, module: 'stream' })],
      ['other-context', key, nginxSessionIdContext({ cert: chain.chainPem, clientCa: chain.caPem })],
      ['other-context', key, nginxSessionIdContext({ cert: rsa.chainPem })],
      ['unknown-key', other, sessionIdContext],
    ] as const;
    for (const [reason, { bytes }, context] of cases) {
      await using here = await site(nginxTicketKeys([bytes]), { sessionIdContext: context });
      for (const version of VERSIONS) {
        const client = opensslClient(openssl);
        await client.first(there.port, version);
        const visit = await client.second(here.port, version);
        expect([visit.reused, here.served.at(-1)?.socket.resumptionReason]).toEqual([false, reason]);
        expect(visit.page).toContain('page');
      }
    }
  });
});

describeWithPeers(['haproxy', 'openssl'], 'HAProxy', ({ haproxy, openssl }) => {
  describe.each([80, 48] as const)('ticket keys of %i bytes', (length) => {
    test.each([
      ['openssl s_client', () => opensslClient(openssl)],
      ['our client', ourClient],
    ] as const)('%s', async (_, client) => {
      const pem = join(folder, 'haproxy.pem');
      writeFileSync(pem, chain.chainPem + chain.keyPem, { mode: 0o600 });
      const keys = join(folder, `haproxy-${length}.keys`);
      const text = Array.from({ length: 3 }, () => `${randomBytes(length).toString('base64')}\n`).join('');
      writeFileSync(keys, text, { mode: 0o600 });
      await using there = await startHaproxy(haproxy, { folder, pem, keys });
      await using here = await site(haproxyTicketKeys(text), { sessionIdContext: 'haproxy' });
      await crosses(there, here, client, { full: 'reused=0', resumed: 'reused=1' });
    });
  });
});
