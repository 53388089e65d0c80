/**
 * What a socket and a certificate say of themselves, member by member: each is asked at every moment of the same
 * connections over node:tls and over this library, and has a test of its own.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import ourTls from '../../../src/entry/index.ts';
import { type Chain, chainOf, type KeyKind, makeCertificate } from '../../support/certs.ts';
import { describe as describeError, heard, IMPLEMENTATIONS, NODE, type Tls, World } from './harness.ts';

/** Where a socket is asked. `other` is the other end's, where there is one by now. */
interface Asked {
  readonly socket: TLSSocket;
  readonly other: TLSSocket | null;
  /** The server's. */
  readonly port: number;
  readonly atServer: boolean;
  readonly tls: Tls;
}

type Ask = (asked: Asked) => unknown;

const hex = (bytes: Uint8Array | undefined | null): string | null =>
  bytes === undefined || bytes === null ? null : Buffer.from(bytes).toString('hex');

/** A certificate and those above it, up to one that is its own issuer. */
function pathOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const path: DetailedPeerCertificate[] = [];
  for (let at = leaf; at !== undefined && !path.includes(at); at = at.issuerCertificate) path.push(at);
  return path;
}

/**
 * How far both can be followed: at a server node:tls of Node 24 knows nothing above the client's certificate. That
 * this library does is a test of its own, below.
 */
function climb<T>(path: readonly T[], { atServer }: Asked): readonly T[] {
  return NODE === 24 && atServer ? path.slice(0, 1) : path;
}

function detailed(asked: Asked): readonly DetailedPeerCertificate[] {
  const leaf = asked.socket.getPeerCertificate(true);
  return climb(leaf?.subject === undefined ? [] : pathOf(leaf), asked);
}

/** A member of each certificate of the peer's path. */
const ofCertificates =
  (ask: (certificate: DetailedPeerCertificate, path: readonly DetailedPeerCertificate[]) => unknown): Ask =>
  (asked) => {
    const path = detailed(asked);
    return path.map((certificate) => ask(certificate, path));
  };

/** Values that no two connections share are held against the other end of the same connection. */
const SOCKET: Record<string, Ask> = {
  instanceof: ({ socket, tls }) => [Duplex, Socket, tls.TLSSocket].map((kind) => socket instanceof kind),
  authorized: ({ socket }) => socket.authorized,
  authorizationError: ({ socket }) => String(socket.authorizationError),
  alpnProtocol: ({ socket }) => socket.alpnProtocol,
  servername: ({ socket }) => (socket as TLSSocket & { servername?: unknown }).servername,
  encrypted: ({ socket }) => socket.encrypted,
  getCertificate: ({ socket }) => {
    const own = socket.getCertificate() as DetailedPeerCertificate | null;
    return own === null || own.subject === undefined ? own : [own.subject, own.fingerprint256, hex(own.raw)];
  },
  getCipher: ({ socket }) => socket.getCipher(),
  getEphemeralKeyInfo: ({ socket }) => socket.getEphemeralKeyInfo(),
  getFinished: ({ socket, other }) => [
    socket.getFinished()?.length,
    other === null ? null : hex(socket.getFinished()) === hex(other.getPeerFinished()),
  ],
  getPeerFinished: ({ socket, other }) => [
    socket.getPeerFinished()?.length,
    other === null ? null : hex(socket.getPeerFinished()) === hex(other.getFinished()),
  ],
  getPeerCertificate: (asked) => {
    const { raw, ...rest } = (asked.socket.getPeerCertificate() ?? {}) as DetailedPeerCertificate;
    return { ...rest, raw: hex(raw), pubkey: hex(rest.pubkey), path: detailed(asked).length || null };
  },
  getX509Certificate: ({ socket }) => socket.getX509Certificate()?.toString(),
  getProtocol: ({ socket }) => socket.getProtocol(),
  exportKeyingMaterial: ({ socket, other }) => {
    const label = 'EXPORTER-parity';
    const material = socket.exportKeyingMaterial(48, label, Buffer.from('context'));
    const theirs = other?.exportKeyingMaterial(48, label, Buffer.from('context'));
    const none = socket.exportKeyingMaterial(48, label, Buffer.alloc(0));
    return [
      material.length,
      theirs === undefined ? null : hex(material) === hex(theirs),
      hex(material) === hex(none),
    ];
  },
  getSharedSigalgs: ({ socket, atServer }) => atServer && socket.getSharedSigalgs().includes('ECDSA+SHA256'),
  isSessionReused: ({ socket }) => socket.isSessionReused(),
  address: ({ socket }) => {
    const { port, ...rest } = socket.address() as { port?: number };
    return [rest, port === socket.localPort];
  },
  pending: ({ socket }) => socket.pending,
  readyState: ({ socket }) => socket.readyState,
  connecting: ({ socket }) => socket.connecting,
  secureConnecting: ({ socket }) => (socket as TLSSocket & { secureConnecting?: unknown }).secureConnecting,
  destroyed: ({ socket }) => socket.destroyed,
  allowHalfOpen: ({ socket }) => socket.allowHalfOpen,
  bufferSize: ({ socket }) => socket.bufferSize,
  bytesRead: ({ socket }) => socket.bytesRead,
  bytesWritten: ({ socket }) => socket.bytesWritten,
  remoteAddress: ({ socket }) => socket.remoteAddress,
  remoteFamily: ({ socket }) => socket.remoteFamily,
  remotePort: ({ socket, other, port }) => [
    typeof socket.remotePort,
    socket.remotePort === port,
    other === null ? null : socket.remotePort === other.localPort,
  ],
  localAddress: ({ socket }) => socket.localAddress,
  localPort: ({ socket, other, port }) => [
    typeof socket.localPort,
    socket.localPort === port,
    other === null ? null : socket.localPort === other.remotePort,
  ],
  localFamily: ({ socket }) => socket.localFamily,
};

/**
 * Asked once and when everything else was: node:tls before Node 26 takes a certificate off its list with each of
 * these calls, for all that are asked later.
 */
const LAST: Record<string, Ask> = {
  getPeerX509Certificate: (asked) => {
    const certificate = asked.socket.getPeerX509Certificate();
    const path: string[] = [];
    for (let at = certificate; at !== undefined; at = at.issuerCertificate) path.push(at.toString());
    return climb(path, asked);
  },
};

const CERTIFICATE: Record<string, Ask> = {
  ca: ofCertificates(({ ca }) => ca),
  raw: ofCertificates(({ raw }) => hex(raw)),
  subject: ofCertificates(({ subject }) => subject),
  issuer: ofCertificates(({ issuer }) => issuer),
  valid_from: ofCertificates(({ valid_from }) => valid_from),
  valid_to: ofCertificates(({ valid_to }) => valid_to),
  serialNumber: ofCertificates(({ serialNumber }) => serialNumber),
  fingerprint: ofCertificates(({ fingerprint }) => fingerprint),
  fingerprint256: ofCertificates(({ fingerprint256 }) => fingerprint256),
  fingerprint512: ofCertificates(({ fingerprint512 }) => fingerprint512),
  ext_key_usage: ofCertificates(({ ext_key_usage }) => ext_key_usage),
  subjectaltname: ofCertificates(({ subjectaltname }) => subjectaltname),
  infoAccess: ofCertificates(({ infoAccess }) => ({ ...infoAccess })),
  bits: ofCertificates(({ bits }) => bits),
  exponent: ofCertificates(({ exponent }) => exponent),
  modulus: ofCertificates(({ modulus }) => modulus),
  pubkey: ofCertificates(({ pubkey }) => hex(pubkey)),
  asn1Curve: ofCertificates(({ asn1Curve }) => asn1Curve),
  nistCurve: ofCertificates(({ nistCurve }) => nistCurve),
  issuerCertificate: ofCertificates(({ issuerCertificate }, path) => path.indexOf(issuerCertificate)),
};

const SHAPES: Record<string, Ask> = {
  Certificate: ofCertificates(({ subject, issuer }) => [Object.entries(subject), Object.entries(issuer)]),
  CipherNameAndProtocol: ({ socket }) => Object.entries(socket.getCipher() ?? {}).sort(),
  EphemeralKeyInfo: ({ socket }) => Object.entries(socket.getEphemeralKeyInfo() ?? {}).sort(),
};

const ALL = { ...SOCKET, ...CERTIFICATE, ...SHAPES };

const BEGUN = 'client, begun';
/** What compares with the other end has nothing to compare with any more. */
const AFTER = ['client, after', 'server, after'];
const COMPARING = ['getFinished', 'getPeerFinished', 'exportKeyingMaterial', 'remotePort', 'localPort'];

/** Whether node:tls survives being asked: Node 24.21 and 26.10 end the process with a segmentation fault. */
const asking = "require('node:tls').connect({ port: 1 }).on('error', () => {}).getEphemeralKeyInfo()";
const CRASH = 'the process is gone';
const CRASHES =
  spawnSync(process.execPath, ['-e', asking]).status === 0 ? [] : ['getEphemeralKeyInfo', 'EphemeralKeyInfo'];

/** Where the two differ on purpose: of a member, by moment, what each says. */
const DIFFERENT: Record<string, Record<string, { readonly node: unknown; readonly ours: unknown }>> = {
  // Whatever was asked for.
  getProtocol: { [BEGUN]: { node: 'TLSv1.3', ours: null } },
  exportKeyingMaterial: Object.fromEntries(
    AFTER.map((moment) => [
      moment,
      {
        node: ['TypeError', undefined],
        ours: ['Error', 'ERR_TLS_DESTROYED', 'the connection was destroyed'],
      },
    ]),
  ),
  getSharedSigalgs: { 'server, after': { node: ['TypeError', undefined], ours: true } },
  ...(CRASHES.length > 0 && {
    getEphemeralKeyInfo: { [BEGUN]: { node: CRASH, ours: {} } },
    EphemeralKeyInfo: { [BEGUN]: { node: CRASH, ours: [] } },
  }),
};

/** What each member said, by moment. */
type Said = Record<string, Record<string, unknown>>;

/** Version, the certificates' keys, and whether the client shows one. */
const CONNECTIONS = [
  ['TLSv1.3', 'p256', true],
  ['TLSv1.3', 'rsa2048', true],
  ['TLSv1.3', 'p256', false],
  ['TLSv1.2', 'p384', true],
  ['TLSv1.2', 'rsa2048', true],
  ['TLSv1.2', 'p256', false],
] as const;

/** A leaf whose certificate has all that there are members for. */
async function richChain(kind: KeyKind): Promise<Chain> {
  const ca = { kind: kind === 'rsa2048' ? kind : 'p256', pathLength: Infinity } as const;
  const name = 'O=tlsession,OU=Tests,L=Bern,ST=BE,C=CH';
  const root = await makeCertificate({ ...ca, subject: `CN=Root,${name}` });
  const intermediate = await makeCertificate({ ...ca, subject: `CN=Intermediate,${name}`, issuer: root });
  const leaf = await makeCertificate({
    subject: `CN=localhost,${name}`,
    kind,
    issuer: intermediate,
    purposes: ['server', 'client'],
    names: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'email', value: 'a@example.org' },
      { type: 'url', value: 'https://example.org/a' },
    ],
    access: { ocsp: 'http://ocsp.example.org/', caIssuers: 'http://ca.example.org/ca.der' },
  });
  return chainOf(root, intermediate, leaf);
}

/** Asks everything, at every moment of a connection. */
async function listen(world: World, version: 'TLSv1.2' | 'TLSv1.3', mutual: boolean): Promise<Said> {
  const said: Said = {};
  const ask = (moment: string, to: Pick<Asked, 'socket' | 'other' | 'port'>, members = ALL): void => {
    const asked: Asked = { ...to, atServer: moment.startsWith('server'), tls: world.tls };
    for (const [name, probe] of Object.entries(members)) {
      said[name] ??= {};
      try {
        const crashes = !world.isOurs && moment === BEGUN && CRASHES.includes(name);
        said[name][moment] = crashes ? CRASH : probe(asked);
      } catch (error) {
        said[name][moment] = describeError(error as Error);
      }
    }
  };
  const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
  const common = { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'], ca };
  const { server, port } = await world.listen({ ...common, requestCert: mutual });
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = world.connect(port, { ...common, ...(mutual ? { key, cert } : {}) });
  ask(BEGUN, { socket: client, other: null, port });
  await Promise.all([heard(client, 'secureConnect'), accepted]);
  const [other] = await accepted;
  ask('client, secure', { socket: client, other, port });
  ask('server, secure', { socket: other, other: client, port });
  client.write('ping');
  await heard(client, 'data');
  // What was written is counted until the stream has been told that it left.
  await new Promise((done) => setImmediate(done));
  ask('client, answered', { socket: client, other, port });
  ask('server, answered', { socket: other, other: client, port });
  ask('client, last', { socket: client, other, port }, LAST);
  ask('server, last', { socket: other, other: client, port }, LAST);
  client.end();
  await Promise.all([heard(client, 'close'), heard(other, 'close')]);
  ask('client, after', { socket: client, other: null, port });
  ask('server, after', { socket: other, other: null, port });
  return said;
}

/** What a member said of its own end. */
function own(name: string, value: unknown): unknown {
  return COMPARING.includes(name) && Array.isArray(value) ? value[0] : value;
}

const heardOf = new Map<string, readonly [node: Said, ours: Said]>();

beforeAll(async () => {
  for (const [version, kind, mutual] of CONNECTIONS) {
    const chain = await richChain(kind);
    const both: Said[] = [];
    for (const [, tls] of IMPLEMENTATIONS) {
      const world = new World(tls, chain);
      try {
        both.push(await listen(world, version, mutual));
      } finally {
        await world.end();
      }
    }
    heardOf.set(`${version}, ${kind}${mutual ? ', both' : ''}`, both as [Said, Said]);
  }
});

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (Array.isArray(value)) return value.every(isNothing);
  return typeof value === 'object' && Object.values(value).every(isNothing);
}

const SECTIONS = { TLSSocket: { ...SOCKET, ...LAST }, certificates: CERTIFICATE, shapes: SHAPES };

for (const [section, members] of Object.entries(SECTIONS)) {
  describe(section, () => {
    test.each(Object.keys(members))('%s', (name) => {
      let told = 0;
      for (const [connection, [node, ours]] of heardOf) {
        const moments = Object.keys(ours[name] as object);
        expect(Object.keys(node[name] as object)).toEqual(moments);
        for (const moment of moments) {
          const value = ours[name]?.[moment];
          const nodeValue = node[name]?.[moment];
          const where = `${connection}: ${moment}`;
          const different = DIFFERENT[name]?.[moment];
          if (!isNothing(value)) told++;
          if (different !== undefined) {
            expect([nodeValue, value], where).toEqual([different.node, different.ours]);
          } else if (AFTER.includes(moment) && isNothing(nodeValue) && !isDeepStrictEqual(value, nodeValue)) {
            // What was agreed on stays known here after the end, where node:tls forgets it.
            const [end = ''] = moment.split(',');
            const before = moments.filter((each) => each.startsWith(end) && !AFTER.includes(each));
            const said = before.map((each) => own(name, ours[name]?.[each]));
            expect(said, where).toContainEqual(own(name, value));
          } else expect(value, where).toEqual(nodeValue);
        }
      }
      // A member that says nothing anywhere shows nothing.
      expect(told).toBeGreaterThan(0);
    });
  });
}

/** What node:tls cannot be compared with, since some version of it does less. */
test('the peer’s path and what was agreed on: as often as they are asked, at both ends, and after the end', async () => {
  const world = new World(ourTls, await richChain('p256'));
  try {
    const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
    const { server, port } = await world.listen({ requestCert: true, ca });
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    const client = world.connect(port, { key, cert });
    await heard(client, 'secureConnect');
    const ends = [client, (await accepted)[0]];
    const tell = (): unknown[] =>
      ends.map((socket) => {
        const path: string[] = [];
        for (let at = socket.getPeerX509Certificate(); at !== undefined; at = at.issuerCertificate) {
          path.push(at.subject);
        }
        return [
          path,
          pathOf(socket.getPeerCertificate(true)).map(({ subject }) => subject.CN),
          hex(socket.getFinished()),
          hex(socket.getPeerFinished()),
          socket.getProtocol(),
        ];
      });
    const first = tell() as [string[], ...unknown[]][];
    for (const [path, names] of first) {
      expect(path).toHaveLength(2);
      expect(names).toEqual(['localhost', 'Intermediate', 'Root']);
    }
    expect(tell()).toEqual(first);
    client.end();
    await Promise.all(ends.map((socket) => heard(socket, 'close')));
    expect(tell()).toEqual(first);
  } finally {
    await world.end();
  }
});
