/**
 * Other programs to test against. A peer that is missing is said aloud, with the reason, and skipped; where
 * TLSESSION_REQUIRE_PEERS=1, as in CI, it is a failure. What is started here listens on loopback alone and is
 * stopped by its own process id.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Writable } from 'node:stream';
import { describe, test } from 'vitest';
import { skipped } from './skip.ts';
import { until } from './until.ts';

/** The Debian package that brings each program. */
const packages = {
  openssl: 'openssl',
  gcc: 'gcc (with libssl-dev)',
  'gnutls-cli': 'gnutls-bin',
  'gnutls-serv': 'gnutls-bin',
  curl: 'curl',
  nginx: 'nginx',
  haproxy: 'haproxy',
  'bssl-tool': 'android-boringssl',
  'redis-server': 'redis-server',
  postgres: 'postgresql',
  initdb: 'postgresql',
  chromium: 'chromium',
  certutil: 'libnss3-tools',
} as const;
export type PeerName = keyof typeof packages;

/** True where a missing peer is a failure and not a skip. */
export const requirePeers: boolean = process.env['TLSESSION_REQUIRE_PEERS'] === '1';

/** Debian keeps servers in sbin, which an ordinary user's PATH leaves out, and PostgreSQL in a folder a version. */
function elsewhere(): string[] {
  const postgresql = '/usr/lib/postgresql';
  const versions = existsSync(postgresql) ? readdirSync(postgresql) : [];
  return ['/usr/sbin', '/usr/local/sbin', ...versions.map((version) => join(postgresql, version, 'bin'))];
}

/** The program's path, or null when it is not on this machine. */
export function findPeer(name: PeerName): string | null {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...elsewhere()]) {
    if (!folder) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/**
 * `describe` for tests that need these programs; `body` gets their paths. Why it is skipped stands in the
 * title, and counts-reporter.ts says it at the end of the run.
 */
export function describeWithPeers<const Names extends readonly PeerName[]>(
  names: Names,
  title: string,
  body: (paths: { readonly [Name in Names[number]]: string }) => void,
): void {
  const found = names.map((name) => [name, findPeer(name)] as const);
  const missing = found.filter(([, path]) => path === null).map(([name]) => `${name} (${packages[name]})`);
  if (missing.length === 0) {
    describe(title, () => body(Object.fromEntries(found) as { [Name in Names[number]]: string }));
    return;
  }
  const reason = `not on this machine: ${missing.join(', ')}`;
  refuse(title, reason);
}

/** Skips with the reason in the title, or fails where peers are required. */
export function refuse(title: string, reason: string): void {
  if (requirePeers) {
    test(title, () => {
      throw new Error(`TLSESSION_REQUIRE_PEERS=1, but ${reason}`);
    });
  } else {
    skipped(title, reason);
  }
}

const given = new Set<number>();

/** A port on loopback that was free a moment ago, and that this process was not given before. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface PeerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program at work. */
export class RunningPeer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #watchers = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  readonly #stdoutChunks: Buffer[] = [];
  readonly exited: Promise<PeerExit>;
  #exit: PeerExit | undefined;
  #startError: Error | undefined;

  constructor(path: string, args: readonly string[], options: SpawnPeerOptions = {}) {
    this.#name = path.slice(path.lastIndexOf('/') + 1);
    this.#child = spawn(path, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    // A peer that ends early takes its input with it; its exit says more than EPIPE does.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#stdoutChunks.push(chunk);
      this.#stdout += chunk.toString('latin1');
      this.#changed();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString('latin1');
      this.#changed();
    });
    this.exited = new Promise((done) => {
      this.#child.once('error', (error) => {
        this.#startError = error;
        this.#exit ??= { code: null, signal: null };
        done(this.#exit);
      });
      // `close` comes after the last output, `exit` may come before it.
      this.#child.once('close', (code, signal) => {
        this.#exit ??= { code, signal };
        done(this.#exit);
      });
    });
    void this.exited.then(() => {
      running.delete(this.#child);
      this.#changed();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it said so far, one character a byte. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get stdoutBytes(): Buffer {
    return Buffer.concat(this.#stdoutChunks);
  }

  get stdin(): Writable {
    if (!this.#child.stdin) throw new Error(`${this.#name} has no stdin`);
    return this.#child.stdin;
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #describe(problem: string): Error {
    return new Error(
      `${this.#name}: ${problem}\n--- stdout\n${this.#stdout.slice(-4000)}\n--- stderr\n${this.#stderr.slice(-4000)}`,
    );
  }

  /** Resolves as soon as its output, stdout or stderr, matches; rejects when it ends or `limitMs` pass before. */
  waitFor(pattern: RegExp, limitMs = 15_000): Promise<RegExpExecArray> {
    return this.#wait(pattern, limitMs, () => pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr));
  }

  /** The same for what one of the two says from a place on. */
  waitFrom(stream: 'stdout' | 'stderr', from: number, pattern: RegExp): Promise<RegExpExecArray> {
    return this.#wait(pattern, 15_000, () => pattern.exec(this[stream].slice(from)));
  }

  #wait(pattern: RegExp, limitMs: number, find: () => RegExpExecArray | null): Promise<RegExpExecArray> {
    return new Promise((done, fail) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const look = (): void => {
        const match = find();
        if (match) {
          finish();
          done(match);
        } else if (this.#exit) {
          finish();
          const how = this.#startError?.message ?? `ended (${this.#exit.code ?? this.#exit.signal})`;
          fail(this.#describe(`${how} before it said ${pattern}`));
        }
      };
      const timer = setTimeout(() => {
        finish();
        fail(this.#describe(`did not say ${pattern} in ${limitMs} ms`));
      }, limitMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Waits for it to end by itself. */
  async waitForExit(limitMs = 15_000): Promise<PeerExit> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(this.#describe(`still runs after ${limitMs} ms`)), limitMs);
    });
    try {
      const exit = await Promise.race([this.exited, late]);
      if (this.#startError) throw this.#startError;
      return exit;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it: politely, then not. Resolves when it is gone; does nothing when it is. */
  async stop(): Promise<PeerExit> {
    if (this.#exit) return this.#exit;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export interface SpawnPeerOptions {
  readonly cwd?: string;
  /** For those that will not run as root. */
  readonly uid?: number;
  readonly gid?: number;
  readonly env?: NodeJS.ProcessEnv;
}

export function spawnPeer(path: string, args: readonly string[], options?: SpawnPeerOptions): RunningPeer {
  return new RunningPeer(path, args, options);
}

export interface RunPeerOptions extends SpawnPeerOptions {
  /** Written to its stdin, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly limitMs?: number;
}

export interface PeerResult extends PeerExit {
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

/** Runs a program to its end. A non-zero exit is the caller's to judge; a hang is an error. */
export async function runPeer(
  path: string,
  args: readonly string[],
  options: RunPeerOptions = {},
): Promise<PeerResult> {
  await using peer = new RunningPeer(path, args, options);
  peer.stdin.end(options.input ?? '');
  const exit = await peer.waitForExit(options.limitMs ?? 20_000);
  return { ...exit, stdout: peer.stdout, stdoutBytes: peer.stdoutBytes, stderr: peer.stderr };
}

export interface PeerServerOptions extends SpawnPeerOptions {
  readonly path: string;
  readonly args: (port: number) => readonly string[];
  /** Absent: any that is free. */
  readonly port?: number;
  /**
   * What it says when it listens. Without it the port is tried until it answers, which costs the server one
   * connection: do not leave it out for one that counts them.
   */
  readonly ready?: RegExp;
  readonly host?: string;
  readonly limitMs?: number;
}

export interface PeerServer extends AsyncDisposable {
  readonly port: number;
  readonly peer: RunningPeer;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

/** Starts a server on a free port of loopback and resolves when it listens. */
export async function startPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const host = options.host ?? '127.0.0.1';
  const limitMs = options.limitMs ?? 15_000;
  // Between finding a port and using it another process may take it.
  for (let attempt = 0; ; attempt += 1) {
    const port = options.port ?? (await freePort(host));
    const peer = new RunningPeer(options.path, options.args(port), options);
    try {
      if (options.ready) await peer.waitFor(options.ready, limitMs);
      else await untilItAnswers(peer, host, port, limitMs);
      return { port, peer, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() };
    } catch (error) {
      await peer.stop();
      if (attempt === 2 || !/in use|EADDRINUSE|bind/i.test(peer.stdout + peer.stderr)) throw error;
    }
  }
}

async function untilItAnswers(peer: RunningPeer, host: string, port: number, limitMs: number): Promise<void> {
  let gone = false;
  void peer.exited.then(() => {
    gone = true;
  });
  const silence = (): string =>
    `an answer on port ${port}\n--- stdout\n${peer.stdout}\n--- stderr\n${peer.stderr}`;
  await until(
    async () => {
      if (await answers(host, port)) return true;
      if (gone) throw new Error(`it ended before ${silence()}`);
      return false;
    },
    silence,
    limitMs,
  );
}

/**
 * `openssl s_server` on a free port, with stdin held open, as it needs for early data. Not with `-quiet`, which
 * keeps it from saying that it listens.
 */
export function startOpensslServer(openssl: string, args: readonly string[]): Promise<PeerServer> {
  return startPeerServer({
    path: openssl,
    args: (port) => ['s_server', '-accept', `127.0.0.1:${port}`, ...args],
    ready: /^ACCEPT/m,
  });
}
