/**
 * What is shown against which other implementation, as data: a cell is a peer in a role, a version and a
 * scenario. Each cell is tested (matrix-PEER.test.ts makes a test of each) or excused here, with the reason why
 * the peer cannot do it. docs/interoperability.md is made from this table.
 */

export type Version = '1.2' | '1.3';
/** What the peer is; we are the other one. */
export type Role = 'client' | 'server';

export const VERSIONS: readonly Version[] = ['1.2', '1.3'];
export const ROLES: readonly Role[] = ['client', 'server'];

export interface PeerRow {
  readonly title: string;
  /** The program in each role; null where it has none. */
  readonly client: string | null;
  readonly server: string | null;
}

export type PeerId = 'openssl' | 'gnutls' | 'boringssl' | 'curl' | 'node20' | 'node24' | 'node26';

export const PEERS: Readonly<Record<PeerId, PeerRow>> = {
  openssl: { title: 'OpenSSL 3.0', client: '`s_client`', server: '`s_server`' },
  gnutls: { title: 'GnuTLS 3.7', client: '`gnutls-cli`', server: '`gnutls-serv`' },
  boringssl: { title: 'BoringSSL (2022)', client: '`bssl-tool client`', server: '`bssl-tool server`' },
  curl: { title: 'curl 7.88', client: '`curl`', server: null },
  node20: { title: 'Node 20', client: '`tls.connect`', server: '`tls.createServer`' },
  node24: { title: 'Node 24', client: '`tls.connect`', server: '`tls.createServer`' },
  node26: { title: 'Node 26', client: '`tls.connect`', server: '`tls.createServer`' },
};
export const PEER_IDS: readonly PeerId[] = Object.keys(PEERS) as PeerId[];

export interface ScenarioRow {
  readonly title: string;
  readonly versions: readonly Version[];
}

const BOTH = VERSIONS;
const ONLY_13: readonly Version[] = ['1.3'];

export type ScenarioId =
  | 'full'
  | 'ticket'
  | 'cache'
  | 'hello-retry'
  | 'early-data'
  | 'early-data-refused'
  | 'certificate-required'
  | 'certificate-resumed'
  | 'certificate-optional'
  | 'certificate-absent'
  | 'certificate-wrong'
  | 'key-update-theirs'
  | 'key-update-ours'
  | 'external-psk'
  | 'ml-kem'
  | 'alpn'
  | 'exporter'
  | 'status'
  | 'compression'
  | 'key-log'
  | 'close-notify'
  | 'half-close';

export const SCENARIOS: Readonly<Record<ScenarioId, ScenarioRow>> = {
  full: { title: 'full handshake', versions: BOTH },
  ticket: { title: 'resumed by ticket', versions: BOTH },
  cache: {
    title: "resumed from the server's cache: by session id, in 1.3 by a ticket that is only a name",
    versions: BOTH,
  },
  'hello-retry': { title: 'HelloRetryRequest, full and resumed', versions: ONLY_13 },
  'early-data': { title: 'early data accepted', versions: ONLY_13 },
  'early-data-refused': { title: 'early data refused, and the connection goes on', versions: ONLY_13 },
  'certificate-required': { title: 'client certificate required and given', versions: BOTH },
  'certificate-resumed': { title: '… and the session with it resumed', versions: BOTH },
  'certificate-optional': { title: 'client certificate asked for, none given: goes on', versions: BOTH },
  'certificate-absent': { title: 'client certificate required, none given: refused', versions: BOTH },
  'certificate-wrong': { title: 'client certificate of an unknown CA: refused', versions: BOTH },
  'key-update-theirs': { title: 'KeyUpdate by the peer, which asks for ours', versions: ONLY_13 },
  'key-update-ours': { title: 'KeyUpdate by us, which asks for theirs', versions: ONLY_13 },
  'external-psk': { title: 'external pre-shared key', versions: ONLY_13 },
  'ml-kem': { title: 'X25519MLKEM768', versions: ONLY_13 },
  alpn: { title: 'ALPN', versions: BOTH },
  exporter: { title: 'exported keying material', versions: BOTH },
  status: { title: 'stapled OCSP response', versions: BOTH },
  compression: { title: 'compressed certificate', versions: ONLY_13 },
  'key-log': { title: 'key log: the same secrets at both ends', versions: BOTH },
  'close-notify': { title: "close_notify: each end's end, told from a cut", versions: BOTH },
  'half-close': { title: 'the client ends and still reads', versions: BOTH },
};
export const SCENARIO_IDS: readonly ScenarioId[] = Object.keys(SCENARIOS) as ScenarioId[];

export interface Excuse {
  readonly peers: readonly PeerId[];
  readonly role: Role;
  readonly scenarios: readonly ScenarioId[];
  /** Absent: in both. */
  readonly version?: Version;
  readonly why: string;
}

const NODES = ['node20', 'node24', 'node26'] as const;

const OLD_OPENSSL = ['openssl', 'curl', 'node20'] as const;

export const EXCUSES: readonly Excuse[] = [
  // What a library lacks.
  ...both(['openssl'], ['compression'], 'Certificate compression came with OpenSSL 3.2'),
  { peers: ['curl'], role: 'client', scenarios: ['compression'], why: 'Not in OpenSSL 3.0, beneath it' },
  ...both(['gnutls'], ['compression'], 'Debian builds GnuTLS 3.7 without any algorithm for it'),
  ...both(['boringssl'], ['compression'], '`bssl-tool` registers no algorithm for it'),
  ...both(NODES, ['compression'], '`node:tls` has no option for it'),
  ...both(['gnutls', 'boringssl', ...OLD_OPENSSL], ['ml-kem'], 'Older than ML-KEM'),
  ...both(NODES, ['early-data', 'early-data-refused'], '`node:tls` has no early data'),
  {
    peers: ['curl'],
    role: 'client',
    scenarios: ['early-data', 'early-data-refused'],
    why: 'Early data came with curl 8.11',
  },
  ...both(['boringssl', ...NODES], ['key-update-theirs'], 'No way to have it update its keys'),
  {
    peers: ['curl'],
    role: 'client',
    scenarios: ['key-update-theirs'],
    why: 'No way to have it update its keys',
  },
  ...both(['boringssl'], ['external-psk', 'exporter'], '`bssl-tool` has no option for it'),
  { peers: ['curl'], role: 'client', scenarios: ['external-psk', 'exporter'], why: 'No option for it' },

  // Clients.
  {
    peers: ['curl'],
    role: 'client',
    version: '1.2',
    scenarios: ['ticket'],
    why: '`curl` turns tickets off in TLS 1.2; it resumes by session id',
  },
  {
    peers: ['boringssl'],
    role: 'client',
    scenarios: ['early-data-refused'],
    why: '`bssl-tool client` gives up when its early data is refused (EARLY_DATA_REJECTED), whoever the server is',
  },
  {
    peers: ['openssl', 'gnutls'],
    role: 'client',
    scenarios: ['half-close'],
    why: 'It reads no more once it has ended',
  },
  { peers: ['curl'], role: 'client', scenarios: ['half-close'], why: 'It ends only when it has read all' },

  // Servers.
  {
    peers: ['gnutls'],
    role: 'server',
    scenarios: ['key-update-theirs'],
    why: '`gnutls-serv` has no command for it',
  },
  {
    peers: ['gnutls'],
    role: 'server',
    version: '1.3',
    scenarios: ['cache'],
    why: 'Without tickets `gnutls-serv` resumes nothing in TLS 1.3',
  },
  {
    peers: NODES,
    role: 'server',
    version: '1.3',
    scenarios: ['cache'],
    why: '`resumeSession` is never emitted in TLS 1.3',
  },
  { peers: ['boringssl'], role: 'server', scenarios: ['cache'], why: 'No option to turn tickets off' },
  {
    peers: ['boringssl'],
    role: 'server',
    scenarios: ['certificate-optional', 'certificate-wrong'],
    why: '`-require-any-client-cert` insists on a certificate, and takes any',
  },
  { peers: ['boringssl'], role: 'server', scenarios: ['alpn'], why: 'No option for it' },
];

function both(peers: readonly PeerId[], scenarios: readonly ScenarioId[], why: string): Excuse[] {
  return [
    { peers, role: 'client', scenarios, why },
    { peers: peers.filter((peer) => PEERS[peer].server !== null), role: 'server', scenarios, why },
  ];
}

export interface Cell {
  readonly peer: PeerId;
  readonly role: Role;
  readonly version: Version;
  readonly scenario: ScenarioId;
}

function excuses(excuse: Excuse, cell: Cell): boolean {
  return (
    excuse.peers.includes(cell.peer) &&
    excuse.role === cell.role &&
    excuse.scenarios.includes(cell.scenario) &&
    (excuse.version ?? cell.version) === cell.version
  );
}

export function excusesOf(cell: Cell): readonly Excuse[] {
  return EXCUSES.filter((excuse) => excuses(excuse, cell));
}

/** Every cell that there is, tested or excused. */
export function allCells(): Cell[] {
  return PEER_IDS.flatMap((peer) =>
    ROLES.filter((role) => PEERS[peer][role] !== null).flatMap((role) =>
      SCENARIO_IDS.flatMap((scenario) =>
        SCENARIOS[scenario].versions.map((version) => ({ peer, role, version, scenario })),
      ),
    ),
  );
}

/** How many cells, tested and excused. */
export function countCells(): { tested: number; excused: number } {
  const cells = allCells();
  const excused = cells.filter((cell) => excusesOf(cell).length > 0).length;
  return { tested: cells.length - excused, excused };
}

/** docs/interoperability.md. */
export function renderTable(): string {
  const notes: string[] = [];
  const noteOf = (why: string): number => {
    if (!notes.includes(why)) notes.push(why);
    return notes.indexOf(why) + 1;
  };
  const mark = (cells: readonly Cell[]): string => {
    if (cells.length === 0) return '';
    const marks = cells.map((cell) => {
      const [excuse] = excusesOf(cell);
      return excuse === undefined ? 'yes' : `– (${noteOf(excuse.why)})`;
    });
    const [first = ''] = marks;
    return marks.every((one) => one === first)
      ? first
      : cells.map(({ version }, index) => `${version}: ${marks[index]}`).join(', ');
  };
  const tables = ROLES.map((role) => {
    const peers = PEER_IDS.filter((peer) => PEERS[peer][role] !== null);
    const lines = [
      `## The other program is the ${role}`,
      '',
      `| | versions | ${peers.map((peer) => PEERS[peer].title).join(' | ')} |`,
      `|---|---|${peers.map(() => '---|').join('')}`,
      `| | | ${peers.map((peer) => PEERS[peer][role]).join(' | ')} |`,
    ];
    for (const scenario of SCENARIO_IDS) {
      const { title, versions } = SCENARIOS[scenario];
      const cells = peers.map((peer) =>
        mark(
          allCells().filter((cell) => cell.peer === peer && cell.role === role && cell.scenario === scenario),
        ),
      );
      lines.push(`| ${title} | ${versions.join(', ')} | ${cells.join(' | ')} |`);
    }
    return lines.join('\n');
  });
  const { tested, excused } = countCells();
  return `${INTRODUCTION}
${tested} cells are tested, ${excused} are what the other program cannot do: the number says why.

${tables.join('\n\n')}

## Why not

${notes.map((why, index) => `${index + 1}. ${why}.`).join('\n')}
`;
}

const INTRODUCTION = `# With other implementations

Made from \`tests/interop/table.ts\`; a test holds the two together, and each \`yes\` is a test
(\`tests/interop/matrix-*.test.ts\`) against the real program, which asserts what both ends say: ours through its
API, the other through its own output. To make this page again: \`npm test -- tests/interop/table.test.ts -u\`.

Beside the table:

- every cipher suite with every group and kind of key, in both roles: OpenSSL, GnuTLS, \`node:tls\`
  (\`tests/interop/openssl.test.ts\`, \`tls12-openssl.test.ts\`, \`gnutls.test.ts\`, \`node-tls.test.ts\`);
- sessions that one side saves and the other resumes, \`-psk_session\` and single use of early data: OpenSSL
  (\`tests/interop/openssl.test.ts\`);
- one ticket key in several servers: nginx 1.22, HAProxy 2.6 (\`tests/interop/shared-tickets.test.ts\`), \`node:tls\`;
- Chromium: pages over HTTP/1.1 and HTTP/2, resumed, compressed certificates, X25519MLKEM768
  (\`tests/frameworks/chromium.test.ts\`).
`;
