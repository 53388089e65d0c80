import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE } from '../../tests/session/arbitrary.ts';
import { Field, makeBody, PeerCertificate } from '../session/body.ts';
import { SessionCore } from '../session/core.ts';
import { encodeSession } from '../session/der.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import { wrapNodeForm } from '../session/node-form.ts';
import { encodePem } from '../session/pem.ts';
import { printSession } from '../session/text.ts';
import { fromHex, toHex, utf8 } from '../util/bytes.ts';
import { CliError, type CliIo, type ExitCode } from './io.ts';
import { run } from './program.ts';

/** 2027-01-15 08:00:00 UTC; the certificate of the tests is valid from 2026-11-23 to 2046. */
const NOW = 1_800_000_000_000;
const SECRET = 'sEcReT-kEy-MaTeRiAl!';
const TICKET = 'sEcReT-tIcKeT-bYtEs!';

interface Result {
  readonly code: ExitCode;
  readonly out: string;
  readonly outBytes: Uint8Array;
  readonly err: string;
  readonly written: ReadonlyMap<string, Uint8Array>;
}

async function tlsession(
  args: readonly string[],
  files: Record<string, Uint8Array> = {},
  at = NOW,
  colors = false,
): Promise<Result> {
  const chunks: Uint8Array[] = [];
  let err = '';
  const written = new Map<string, Uint8Array>();
  const io: CliIo = {
    clock: { wallMs: () => at, monotonicMs: () => 0 },
    colors,
    out: (data) => void chunks.push(typeof data === 'string' ? utf8(data) : data),
    err: (text) => {
      err += text;
    },
    read: async (path, limit) => {
      const bytes = files[path];
      if (bytes === undefined) throw new CliError(3, `${path}: there is no such file`);
      return bytes.slice(0, limit + 1);
    },
    writeSecret: async (path, bytes) => void written.set(path, bytes),
  };
  const code = await run(args, io);
  const outBytes = new Uint8Array(Buffer.concat(chunks));
  return { code, out: Buffer.from(outBytes).toString(), outBytes, err, written };
}

/** The bytes of a session in the form that `encode` gives it. */
function file(
  encode: (session: SessionCore) => Uint8Array,
  change: (session: SessionCore) => void = () => {},
): Uint8Array {
  const body = makeBody(
    [utf8(SECRET), fromHex('aabbcc'), fromHex('11'), utf8('example.org'), utf8('h2'), utf8(TICKET)],
    {
      version: 0x0304,
      cipher: 0x1301,
      kexGroup: 0x1d,
      verifyResult: 0,
      ticketLifetimeHint: 7200,
      maxEarlyData: 16_384,
      maxFragmentLength: 0,
    },
  );
  body.peer = new PeerCertificate(CERTIFICATE);
  const session = SessionCore.fromBody(body, NOW - 60_000, 7200, 'test');
  change(session);
  const bytes = encode(session);
  session.free();
  return bytes;
}

const der = (change?: (session: SessionCore) => void): Uint8Array => file(encodeSession, change);
const rows = (out: string): Record<string, string> => {
  const found: Record<string, string> = {};
  let label = '';
  for (const line of out.split('\n').slice(3)) {
    if (line.trim() === '') continue;
    const first = line.slice(0, 16).trim();
    if (first !== '') label = first;
    found[label] = found[label] === undefined ? line.slice(16) : `${found[label]} | ${line.slice(16)}`;
  }
  return found;
};

describe('tlsession inspect', () => {
  it('shows a page that says everything a person asks first', async () => {
    const { code, out, err } = await tlsession(['inspect', 's.der'], { 's.der': der() });
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n').slice(0, 3)).toEqual([
      'TLSv1.3 session with example.org',
      `s.der: DER, ${der().length} bytes`,
      '',
    ]);
    expect(rows(out)).toEqual({
      Resumable: 'yes, for another 1 h 59 min (until 2027-01-15 09:59:00 UTC)',
      Use: 'once: a TLS 1.3 client offers a session in one connection only',
      'Early data': 'up to 16,384 bytes',
      Made: '2027-01-15 07:59:00 UTC, 1 min ago',
      'Cipher suite': 'TLS_AES_128_GCM_SHA256',
      'Key exchange': 'X25519',
      'Host name': 'example.org',
      ALPN: 'h2',
      Peer: 'CN=peer.example | DNS:peer.example | issued by CN=peer.example | valid until 2046-11-18 08:52:17 UTC (19 years 312 days) | verified',
      'Session id': 'aabbcc',
      'Id context': '11',
      Secret: '20 bytes, not shown',
      Ticket: '20 bytes, given for 2 h',
      'Bound to': 'nothing: more DER cannot say; to resume, verify the peer again',
    });
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('reads every form by itself, and the standard input', async () => {
    const bindings = {
      host: 'b.example',
      port: 8443,
      trust: fromHex('0102'),
      clientAuth: fromHex(''),
      authenticatedAtMs: NOW - 3_600_000,
    };
    const envelope = file(encodeEnvelope, (session) => session.setBindings(bindings, 'test'));
    const files = {
      pem: utf8(`text before\n${encodePem(der())}text after\n`),
      der: der(),
      node: wrapNodeForm(der(), 'n.example'),
      env: envelope,
      '-': der(),
    };
    const pages: Record<string, string> = {};
    for (const name of Object.keys(files)) {
      const { code, out } = await tlsession(['inspect', name], files);
      expect(code, name).toBe(0);
      expect(rows(out)['Session id'], name).toBe('aabbcc');
      pages[name] = out;
    }
    expect(pages['-']).toContain('standard input: DER');
    expect(pages['node']).toContain('the form of newer Node versions');
    expect(rows(pages['node'] as string)['Bound to']).toMatch(/^n\.example alone: more/);
    expect(pages['env']).toContain('TLSv1.3 session with b.example');
    expect(rows(pages['env'] as string)['Bound to']).toBe(
      'b.example, port 8443 | trust 0102 | no client certificate | peer authenticated 2027-01-15 07:00:00 UTC, 1 h ago',
    );
    for (const [name, form] of [
      ['pem', 'pem'],
      ['der', 'DER'],
      ['node', 'Node'],
      ['env', 'envelope'],
    ] as const) {
      expect((await tlsession(['inspect', name, '--inform', form], files)).out).toBe(pages[name]);
    }
  });

  it.each([
    [
      'expired',
      NOW + 7_200_000,
      () => {},
      'no: its timeout is over; the lifetime that the server gave its | ticket is over | over since 2027-01-15 09:59:00 UTC, 1 min ago',
    ],
    [
      'without an id and a ticket',
      NOW,
      (s: SessionCore) => {
        s.setField(Field.id, null, 't');
        s.setField(Field.ticket, null, 't');
      },
      'no: it has neither a session id nor a ticket to be known by',
    ],
    [
      'of an old version',
      NOW,
      (s: SessionCore) => void Object.assign(s.ownBody('t'), { version: 0x0302, cipher: 0x002f }),
      'no: its protocol version is not TLS 1.2 or 1.3; its cipher suite | is not supported',
    ],
    [
      'whose certificate is over',
      NOW + 20 * 366 * 86_400_000,
      (s: SessionCore) => s.setTimeMs(NOW + 20 * 366 * 86_400_000, 't'),
      "no: its peer's certificate is not valid now",
    ],
  ])('says why a session cannot be resumed: %s', async (_, at, change, text) => {
    const { out } = await tlsession(['inspect', 'f'], { f: der(change) }, at);
    expect(rows(out)['Resumable']).toBe(text);
  });

  it('says what is odd about a session', async () => {
    const { out } = await tlsession(['inspect', 'f'], {
      f: der((session) => {
        session.setTimeMs(NOW + 5000, 't');
        session.setField(Field.hostname, null, 't');
        session.setField(Field.pskIdentity, utf8('me\x1b[31m'), 't');
        session.setField(Field.ticketAppdata, fromHex('00'), 't');
        session.setPeer(null, null, 't');
        Object.assign(session.ownBody('t'), {
          version: 0x0303,
          cipher: 0xc02b,
          kexGroup: 0,
          verifyResult: 18,
          maxEarlyData: 0,
          maxFragmentLength: 1,
          compression: 1,
          ticketLifetimeHint: 0,
        });
      }),
    });
    expect(rows(out)).toMatchObject({
      Use: 'any number of times while it lasts',
      'Early data': 'none',
      Made: '2027-01-15 08:00:05 UTC, 5 s from now: a clock is wrong',
      'Host name': 'none',
      'Master secret': expect.stringContaining('not extended'),
      'Max fragment': '512 bytes',
      Compression: 'method 1',
      'PSK identity': 'me\\x1b[31m',
      Peer: 'sent no certificate',
      Ticket: '20 bytes, no lifetime given',
      'Ticket appdata': '1 byte',
    });
    expect(out).not.toContain('\x1b');
    expect(out.split('\n')[0]).toBe('TLSv1.2 session');
    const unread = await tlsession(['inspect', 'f'], {
      f: der((session) => {
        session.setPeer(new PeerCertificate(fromHex('3008300030000302 0000'.replace(' ', ''))), null, 't');
        session.ownBody('t').verifyResult = 18;
      }),
    });
    expect(rows(unread.out)['Peer']).toBe(
      'a certificate that cannot be read, 10 bytes | not verified: self-signed certificate (18)',
    );
  });

  it('has colours in a terminal that shows them', async () => {
    const { out } = await tlsession(['inspect', 'f'], { f: der() }, NOW, true);
    expect(out).toContain('\x1b[32myes, for another');
    expect(stripVTControlCharacters(out)).toBe((await tlsession(['inspect', 'f'], { f: der() })).out);
  });

  it('--text prints what openssl prints', async () => {
    const psk = (session: SessionCore): void => session.setField(Field.pskIdentity, fromHex('ff61'), 't');
    const { code, outBytes } = await tlsession(['inspect', 'f', '--text'], { f: der(psk) });
    const expected = file((session) => Buffer.from(printSession(session).text, 'latin1'), psk);
    expect(code).toBe(0);
    expect(toHex(outBytes)).toBe(toHex(expected));
  });

  it('--json has the facts, and secrets only when asked for', async () => {
    const plain = await tlsession(['inspect', 'f', '--json'], { f: der() });
    expect(JSON.parse(plain.out)).toMatchObject({
      file: 'f',
      form: 'DER',
      bytes: der().length,
      protocol: 'TLSv1.3',
      resumable: true,
      notResumableReasons: [],
      resumableUntilMs: NOW + 7_140_000,
      peerCertificate: { subject: 'CN=peer.example', names: ['DNS:peer.example'] },
    });
    const secrets = await tlsession(['inspect', 'f', '--json', '--secrets'], { f: der() });
    expect(JSON.parse(secrets.out).secrets.masterKey).toBe(toHex(utf8(SECRET)));
    const page = await tlsession(['inspect', 'f'], { f: der() });
    for (const out of [plain.out, page.out]) {
      for (const secret of [SECRET, TICKET]) {
        for (const form of [
          secret,
          toHex(utf8(secret)),
          Buffer.from(secret).toString('base64').slice(0, 20),
        ]) {
          expect(out.toLowerCase()).not.toContain(form.toLowerCase());
        }
      }
    }
    const late = await tlsession(['inspect', 'f', '--json'], { f: der() }, NOW + 20 * 366 * 86_400_000);
    expect(JSON.parse(late.out)).toMatchObject({
      resumable: false,
      notResumableReasons: ['expired', 'ticket-expired', 'peer-certificate-invalid'],
    });
  });

  it('--cert gives the certificate in PEM, or says that there is none', async () => {
    const { out } = await tlsession(['inspect', 'f', '--cert'], { f: der() });
    const base64 = out.replace(/-----(BEGIN|END) CERTIFICATE-----\n/g, '').replaceAll('\n', '');
    expect(new Uint8Array(Buffer.from(base64, 'base64'))).toEqual(CERTIFICATE);
    for (const line of out.trim().split('\n')) expect(line.length).toBeLessThanOrEqual(64);
    const none = await tlsession(['inspect', 'f', '--cert'], {
      f: der((session) => session.setPeer(null, null, 't')),
    });
    expect([none.code, none.out, none.err]).toEqual([0, '', 'the session has no certificate\n']);
  });

  it('--outform writes every form, to the output or a file', async () => {
    const files = { f: der(), n: wrapNodeForm(der(), 'n.example') };
    const forms: Record<string, Uint8Array> = {
      DER: der(),
      PEM: utf8(encodePem(der())),
      NSS: utf8(`RSA Session-ID:AABBCC Master-Key:${toHex(utf8(SECRET)).toUpperCase()}\n`),
      node: wrapNodeForm(der(), 'example.org'),
      envelope: file(encodeEnvelope),
    };
    for (const [form, bytes] of Object.entries(forms)) {
      const direct = await tlsession(['inspect', 'f', '--outform', form.toLowerCase()], files);
      expect([direct.code, toHex(direct.outBytes)], form).toEqual([0, toHex(bytes)]);
      const filed = await tlsession(['inspect', 'f', '--outform', form, '--out', 'to'], files);
      expect([filed.code, filed.out, filed.err], form).toEqual([0, '', '']);
      expect(toHex(filed.written.get('to') ?? new Uint8Array(0)), form).toBe(toHex(bytes));
    }
    const json = await tlsession(['inspect', 'f', '--outform', 'JSON'], files);
    expect(json.out).toBe((await tlsession(['inspect', 'f', '--json'], files)).out);
    for (const [args, host] of [
      [['n'], 'n.example'],
      [['f', '--host', 'other'], 'other'],
      [['n', '--host', 'other'], 'other'],
    ] as const) {
      const { outBytes } = await tlsession(['inspect', ...args, '--outform', 'node'], files);
      expect(toHex(outBytes)).toBe(toHex(wrapNodeForm(der(), host)));
    }
  });

  it.each([
    [[]],
    [['f', 'g']],
    [['f', '--inform', 'XML']],
    [['f', '--outform', 'XML']],
    [['f', '--out', 'x']],
    [['f', '--host', 'x']],
    [['f', '--secrets']],
    [['f', '--no-such-option']],
    [['n', '--outform', 'node']],
  ])('ends with 2 when it is called wrongly: %j', async (args) => {
    const nameless = der((session) => session.setField(Field.hostname, null, 't'));
    const { code, out, err, written } = await tlsession(['inspect', ...args], { f: der(), n: nameless });
    expect([code, out, written.size]).toEqual([2, '', 0]);
    expect(err).toMatch(/^tlsession: /);
  });

  it.each([
    ['no file', 'missing', 'there is no such file'],
    ['nothing', 'empty', 'not a session in DER'],
    ['something else', 'other', 'not a session in DER'],
    ['a broken session', 'cut', 'byte'],
    ['broken PEM', 'pem', 'base64'],
    ['far too much', 'huge', 'too long'],
  ])('ends with 3 and one line when there is %s', async (_, name, text) => {
    const files = {
      empty: new Uint8Array(0),
      other: utf8('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      cut: der().subarray(0, 50),
      pem: utf8(encodePem(der()).replace('\nM', '\n!')),
      huge: new Uint8Array(9_000_000).fill(0x30),
    };
    const { code, out, err } = await tlsession(['inspect', name], files);
    expect([code, out]).toEqual([3, '']);
    expect(err).toMatch(new RegExp(`^tlsession: ${name}: [^\\n]*${text}[^\\n]*\\n$`));
  });

  it('has no line for NSS without an id', async () => {
    const { code, err } = await tlsession(['inspect', 'f', '--outform', 'NSS'], {
      f: der((session) => session.setField(Field.id, null, 't')),
    });
    expect([code, err]).toEqual([3, 'tlsession: f: without an id there is no line for NSS\n']);
  });

  it('has help, and usage for no command at all', async () => {
    const help = await tlsession(['inspect', '--help']);
    expect([help.code, help.err]).toEqual([0, '']);
    for (const option of ['--inform', '--outform', '--out', '--text', '--json', '--cert'])
      expect(help.out).toContain(option);
    expect((await tlsession(['--help'])).code).toBe(0);
    expect((await tlsession([])).code).toBe(2);
    expect((await tlsession(['nonsense'])).code).toBe(2);
  });
});
