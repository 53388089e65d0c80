/** What every scenario of the matrix has: certificates, a folder, a version, and the peer. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerOptions } from '../../src/entry/index.ts';
import {
  type Chain,
  type ChainFiles,
  type Credential,
  makeCertificate,
  testChain,
  writeChain,
} from '../support/certs.ts';
import { findPeer, runPeer } from '../support/peer.ts';
import type { Peer, Psk } from './peers/contract.ts';
import type { PeerId, Version } from './table.ts';

export interface World {
  readonly id: PeerId;
  readonly peer: Peer;
  readonly version: Version;
  readonly material: Material;
}

/** Made once a test file. */
export interface Material extends Disposable {
  readonly folder: string;
  readonly chain: Chain;
  readonly files: ChainFiles;
  /** Of a CA that nobody trusts. */
  readonly stranger: Credential;
  /** A CA by the name of the stranger's, which did not sign it. */
  readonly namesake: Credential;
  readonly strangerFiles: ChainFiles;
  /** An OCSP response that says that the leaf is good. */
  status(): Promise<{ readonly path: string; readonly der: Uint8Array }>;
  newPath(name: string): string;
}

export async function makeMaterial(): Promise<Material> {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-matrix-'));
  const chain = await testChain();
  const stranger = await makeStranger();
  const namesake = await makeCertificate({ subject: 'CN=Unknown Root', pathLength: Infinity });
  const files = writeChain(chain);
  const strangerFiles = writeChain({
    ...chain,
    leaf: stranger,
    chainPem: stranger.certPem,
    keyPem: stranger.keyPem,
  });
  let status: Promise<{ path: string; der: Uint8Array }> | null = null;
  let paths = 0;
  return {
    folder,
    chain,
    files,
    stranger,
    namesake,
    strangerFiles,
    status: () => {
      status ??= makeStatus(chain, files, folder);
      return status;
    },
    newPath: (name) => join(folder, `${++paths}-${name}`),
    [Symbol.dispose]() {
      files[Symbol.dispose]();
      strangerFiles[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function makeStranger(): Promise<Credential> {
  const issuer = await makeCertificate({ subject: 'CN=Unknown Root', pathLength: Infinity });
  return makeCertificate({ subject: 'CN=stranger', issuer, purposes: ['client'] });
}

/** By `openssl ocsp`, as the intermediate: whoever staples a response does not make it. */
async function makeStatus(
  { leaf, intermediate }: Chain,
  files: ChainFiles,
  folder: string,
): Promise<{ path: string; der: Uint8Array }> {
  const openssl = findPeer('openssl');
  if (openssl === null) throw new Error('no openssl here to make an OCSP response with');
  const path = join(folder, 'status.der');
  const index = join(folder, 'index.txt');
  const key = join(folder, 'intermediate-key.pem');
  const request = join(folder, 'status-request.der');
  writeFileSync(key, intermediate.keyPem, { mode: 0o600 });
  const serial = leaf.certificate.serialNumber.toUpperCase();
  writeFileSync(index, `V\t491231235959Z\t\t${serial}\tunknown\t/CN=localhost\n`);
  const issuer = ['-issuer', files.intermediate];
  const made = await runPeer(openssl, [
    'ocsp',
    ...[...issuer, '-cert', files.leaf, '-no_nonce', '-reqout', request],
  ]);
  const answered = await runPeer(openssl, [
    ...['ocsp', '-index', index, '-CA', files.intermediate, '-rsigner', files.intermediate, '-rkey', key],
    ...['-reqin', request, '-respout', path, '-ndays', '1'],
  ]);
  if (made.code !== 0 || answered.code !== 0)
    throw new Error(`openssl ocsp: ${made.stderr}${answered.stderr}`);
  return { path, der: new Uint8Array(readFileSync(path)) };
}

export function versionOptions(version: Version): Pick<ServerOptions, 'minVersion' | 'maxVersion'> {
  const name = `TLSv${version}`;
  return { minVersion: name, maxVersion: name };
}

export const PSK: Psk = { identity: 'matrix', keyHex: '07'.repeat(48) };

/** Lines of a key log by label, in lower case but for it. */
export function keyLogLines(text: string): Map<string, Set<string>> {
  const lines = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const [label = '', random, secret] = line.trim().split(' ');
    if (random === undefined || secret === undefined) continue;
    const known = lines.get(label) ?? new Set();
    known.add(`${random} ${secret}`.toLowerCase());
    lines.set(label, known);
  }
  return lines;
}
