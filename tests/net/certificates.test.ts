/** What is refused of a server's certificate, over a whole connection: the code here, the alert there. */
import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { BasicConstraintsExtension, Extension, KeyUsageFlags, KeyUsagesExtension } from '@peculiar/x509';
import { describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/entry/index.ts';
import { Alert, type AlertName } from '../../src/util/registries.ts';
import { bundle } from '../support/bundle.ts';
import {
  type CertificateOptions,
  type Credential,
  makeCertificate,
  makeChain,
  testChain,
} from '../support/certs.ts';
import { listen, visit } from './pair.ts';

const DAY_MS = 86_400_000;
const NAMES = [{ type: 'dns', value: 'localhost' }] as const;
const past = { notBefore: new Date(Date.now() - 3 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) };
const future = { notBefore: new Date(Date.now() + DAY_MS), notAfter: new Date(Date.now() + 3 * DAY_MS) };

interface Case {
  readonly leaf?: Partial<CertificateOptions>;
  readonly intermediate?: Partial<CertificateOptions>;
  /** Another intermediate between the two. */
  readonly deeper?: Partial<CertificateOptions>;
  /** The leaf's signature is another certificate's. */
  readonly forged?: boolean;
  readonly leaveOutIntermediate?: boolean;
  readonly servername?: string;
  readonly code: string;
  readonly alert: AlertName;
}

const cases: Record<string, Case> = {
  'an expired leaf': { leaf: past, code: 'CERT_HAS_EXPIRED', alert: 'certificate_expired' },
  'a leaf that is not valid yet': { leaf: future, code: 'CERT_NOT_YET_VALID', alert: 'certificate_expired' },
  'an expired intermediate': { intermediate: past, code: 'CERT_HAS_EXPIRED', alert: 'certificate_expired' },
  'an intermediate that is no CA': {
    intermediate: { extensions: [new BasicConstraintsExtension(false, undefined, true)] },
    code: 'INVALID_PURPOSE',
    alert: 'unknown_ca',
  },
  'an intermediate that may not sign certificates': {
    intermediate: {
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      ],
    },
    code: 'UNSPECIFIED',
    alert: 'unknown_ca',
  },
  'a path that is longer than it may be': { deeper: {}, code: 'PATH_LENGTH_EXCEEDED', alert: 'unknown_ca' },
  'a leaf for clients alone': {
    leaf: { purposes: ['client'] },
    code: 'INVALID_PURPOSE',
    alert: 'unsupported_certificate',
  },
  'a critical extension that is not understood': {
    leaf: {
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new Extension('1.2.3.4.5', true, new Uint8Array([5, 0])),
      ],
    },
    code: 'UNSPECIFIED',
    alert: 'unsupported_certificate',
  },
  'another name': {
    servername: 'example.org',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    alert: 'bad_certificate',
  },
  'a signature that does not verify': {
    forged: true,
    code: 'CERT_SIGNATURE_FAILURE',
    alert: 'bad_certificate',
  },
  'a path that breaks off': {
    leaveOutIntermediate: true,
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    alert: 'unknown_ca',
  },
};

describe('a server is refused for', () => {
  const roots = makeCertificate({ subject: 'CN=Root of refusals', pathLength: Infinity });

  test.each(Object.entries(cases))('%s', async (_, refused) => {
    const root = await roots;
    const intermediate = await makeCertificate({
      subject: 'CN=Intermediate',
      issuer: root,
      pathLength: 0,
      ...refused.intermediate,
    });
    let issuer: Credential = intermediate;
    const chain: Credential[] = refused.leaveOutIntermediate ? [] : [intermediate];
    if (refused.deeper !== undefined) {
      issuer = await makeCertificate({
        subject: 'CN=Deeper',
        issuer: intermediate,
        pathLength: 0,
        ...refused.deeper,
      });
      chain.unshift(issuer);
    }
    if (refused.forged) {
      // The same name with another key.
      issuer = await makeCertificate({ subject: 'CN=Intermediate', issuer: root, pathLength: 0 });
    }
    const leaf = await makeCertificate({
      subject: 'CN=localhost',
      issuer,
      names: NAMES,
      purposes: ['server'],
      ...refused.leaf,
    });
    const cert = [leaf, ...chain].map(({ certPem }) => certPem).join('');
    await using site = await listen({ key: leaf.keyPem, cert });
    const options = {
      port: site.port,
      host: '127.0.0.1',
      servername: refused.servername ?? 'localhost',
      ca: root.certPem,
    };
    const [error] = (await once(connect(options), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe(refused.code);
    await expect.poll(() => site.failures).toMatchObject([{ origin: 'peer', alert: Alert[refused.alert] }]);

    // Whoever asks for it goes on, and is told.
    const { socket } = await visit({ ...options, rejectUnauthorized: false });
    expect([socket.authorized, socket.authorizationError]).toEqual([false, refused.code]);
  });

  test('nothing, when all of that is in order', async () => {
    const root = await roots;
    const intermediate = await makeCertificate({ subject: 'CN=Intermediate', issuer: root, pathLength: 0 });
    const leaf = await makeCertificate({
      subject: 'CN=localhost',
      issuer: intermediate,
      names: NAMES,
      purposes: ['server'],
    });
    await using site = await listen({ key: leaf.keyPem, cert: leaf.certPem + intermediate.certPem });
    const { socket } = await visit({
      port: site.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: root.certPem,
    });
    expect(socket.authorized).toBe(true);
    const detailed = socket.getPeerCertificate(true) as unknown as {
      issuerCertificate: { subject: { CN: string } };
    };
    expect(detailed.issuerCertificate.subject.CN).toBe('Intermediate');
    expect(socket.getPeerX509Certificate()?.checkHost('localhost')).toBe('localhost');
  });
});

test('without ca, Node’s own list decides, and NODE_EXTRA_CA_CERTS adds to it', async () => {
  const chain = await makeChain();
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-extra-'));
  try {
    const extra = join(folder, 'extra.pem');
    writeFileSync(extra, chain.caPem);
    await using site = await listen({ key: chain.keyPem, cert: chain.chainPem });
    const options = { port: site.port, host: '127.0.0.1', servername: 'localhost' };
    const [error] = (await once(connect(options), 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
    vi.stubEnv('NODE_EXTRA_CA_CERTS', extra);
    vi.resetModules();
    const fresh = await import('../../src/entry/index.ts');
    const socket = fresh.connect(options);
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    socket.destroy();
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});

describe('--use-openssl-ca: by OpenSSL’s own store', () => {
  const subjects = (list: readonly string[]): string[] =>
    list.map((pem) => new X509Certificate(pem).subject.replace('CN=', ''));

  test('SSL_CERT_FILE and the hashed names in SSL_CERT_DIR; the rest is passed over', async () => {
    const [inFile, inFirst, inSecond, unhashed] = await Promise.all(
      ['File', 'First', 'Second', 'Unhashed'].map((name) =>
        makeCertificate({ subject: `CN=${name}`, pathLength: Infinity }),
      ),
    );
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-store-'));
    const execArgv = process.execArgv;
    try {
      const [first, second] = ['first', 'second'].map((name) => {
        mkdirSync(join(folder, name));
        return join(folder, name);
      }) as [string, string];
      const file = join(folder, 'file.pem');
      writeFileSync(file, (inFile as Credential).certPem);
      writeFileSync(join(first, '0123abcd.0'), (inFirst as Credential).certPem);
      writeFileSync(join(first, '0123abcd.1'), 'no certificate');
      writeFileSync(join(first, '0123abcd.r0'), (unhashed as Credential).certPem);
      writeFileSync(join(first, 'all.pem'), (unhashed as Credential).certPem);
      writeFileSync(join(second, 'ffffffff.12'), (inSecond as Credential).certPem);
      vi.stubEnv('SSL_CERT_FILE', file);
      vi.stubEnv('SSL_CERT_DIR', [first, second, join(folder, 'missing')].join(delimiter));
      vi.stubEnv('NODE_EXTRA_CA_CERTS', '');
      vi.resetModules();
      const { getCACertificates } = await import('../../src/entry/index.ts');

      expect(getCACertificates().length).toBeGreaterThan(100);
      vi.stubEnv('NODE_OPTIONS', '--no-warnings "--use-openssl-ca"');
      expect(subjects(getCACertificates())).toEqual(['File', 'First', 'Second']);
      // The command line stands behind it.
      process.execArgv = ['--no-use-openssl-ca'];
      expect(getCACertificates().length).toBeGreaterThan(100);
      vi.stubEnv('NODE_OPTIONS', '');
      process.execArgv = ['--use_openssl_ca'];
      expect(subjects(getCACertificates())).toEqual(['File', 'First', 'Second']);
    } finally {
      process.execArgv = execArgv;
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });

  test('a whole process, beside node:tls: both take the server, and neither without the variable, by DER, or by a damaged file', async () => {
    const chain = await makeChain();
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-store-'));
    try {
      const file = join(folder, 'file.pem');
      writeFileSync(file, chain.caPem);
      const damaged = join(folder, 'damaged.pem');
      writeFileSync(damaged, chain.caPem + (await makeChain()).caPem.replace(/.{40}\n(-+END)/, '\n$1'));
      const der = join(folder, 'file.der');
      writeFileSync(der, chain.root.der);
      await using site = await listen({ key: chain.keyPem, cert: chain.chainPem });
      const program = await bundle('tests/support/visit-main.ts');
      const visitBy = async (stack: string, env: Record<string, string>): Promise<string> => {
        const args = ['--use-openssl-ca', program, stack, String(site.port)];
        const { stdout } = await promisify(execFile)(process.execPath, args, {
          env: { ...process.env, SSL_CERT_DIR: folder, ...env },
        });
        return stdout.trim();
      };
      for (const stack of ['tlsession', 'node:tls']) {
        expect(await visitBy(stack, { SSL_CERT_FILE: file })).toBe('authorized');
        for (const other of [join(folder, 'missing'), damaged, der]) {
          expect(await visitBy(stack, { SSL_CERT_FILE: other }), other).toBe(
            'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
          );
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('a client with several certificates shows one that the server can use', async () => {
  const [ec, rsa] = await Promise.all([makeChain({ kind: 'p256' }), makeChain({ kind: 'rsa2048' })]);
  const identity = { key: [ec.keyPem, rsa.keyPem], cert: [ec.chainPem, rsa.chainPem] };
  const shown = async (ca: string, sigalgs?: string): Promise<string | undefined> => {
    await using site = await listen({ requestCert: true, rejectUnauthorized: false, ca, sigalgs });
    const { caPem } = await testChain();
    await visit({ port: site.port, host: '127.0.0.1', servername: 'localhost', ca: caPem, ...identity });
    return site.sockets[0]?.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
  };
  expect(await shown(ec.caPem)).toBe('ec');
  expect(await shown(ec.caPem, 'rsa_pss_rsae_sha256')).toBe('rsa');
  expect(await shown(ec.caPem, 'ed25519')).toBeUndefined();
});
