/** OpenSSL's own opinion of a session, from `oracle.c` beside this file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPeer } from '../support/peer.ts';

export interface Opinion {
  /** What i2d_SSL_SESSION gives for what d2i_SSL_SESSION read; null when it refuses. */
  readonly der: Uint8Array | null;
  /** What SSL_SESSION_print says, one character a byte. */
  readonly text: string;
  /** What SSL_SESSION_print_keylog says. */
  readonly keylog: string;
}

export interface Oracle extends Disposable {
  ask(sessions: readonly Uint8Array[]): Promise<Opinion[]>;
}

/** Compiles the oracle; `using` or `[Symbol.dispose]()` removes it. */
export function buildOracle(gcc: string): Oracle {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-oracle-'));
  const program = join(folder, 'oracle');
  execFileSync(gcc, ['-O1', '-o', program, join(import.meta.dirname, 'oracle.c'), '-lssl', '-lcrypto']);
  return {
    ask: (sessions) => ask(program, sessions),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function ask(program: string, sessions: readonly Uint8Array[]): Promise<Opinion[]> {
  const frames = sessions.flatMap((der) => {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(der.length);
    return [head, der];
  });
  const { code, stdoutBytes } = await runPeer(program, [], { input: Buffer.concat(frames) });
  if (code !== 0) throw new Error(`the oracle ended with ${code}`);
  let at = 0;
  const frame = (): Buffer => {
    const length = stdoutBytes.readUInt32BE(at);
    at += 4 + length;
    return stdoutBytes.subarray(at - length, at);
  };
  const opinions = sessions.map(() => {
    const der = frame();
    return {
      der: der.length === 0 ? null : new Uint8Array(der),
      text: frame().toString('latin1'),
      keylog: frame().toString('latin1'),
    };
  });
  if (at !== stdoutBytes.length) throw new Error('the oracle said more than it was asked');
  return opinions;
}
