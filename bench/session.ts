/** The session object beside libssl's, operation by operation. The C half is bench/c/session.c. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compare, type Plan, type Report, type Row, type Subject, takeTurns } from './harness.ts';
import { root } from './root.ts';

type Operation = 'new+free' | 'up_ref+free' | 'dup+free' | 'i2d-fresh' | 'i2d-given' | 'd2i+free';

/** What to reach: ours ÷ C's. The counts give some tens of milliseconds a sample. */
const operations: Record<Operation, { what: string; target: number; ours: number; theirs: number }> = {
  'new+free': { what: 'new+free', target: 0.5, ours: 400_000, theirs: 200_000 },
  'up_ref+free': { what: 'up_ref+free', target: 1.5, ours: 5_000_000, theirs: 5_000_000 },
  'dup+free': { what: 'dup+free', target: 0.5, ours: 400_000, theirs: 100_000 },
  'i2d-fresh': { what: 'encode (i2d), a fresh array', target: 1.0, ours: 20_000, theirs: 20_000 },
  'i2d-given': { what: 'encode (i2d), into a given one', target: 0.5, ours: 40_000, theirs: 20_000 },
  'd2i+free': { what: 'decode (d2i) + free', target: 0.05, ours: 20_000, theirs: 500 },
};

/** The C program, which answers one line with one line. */
class Libssl implements Disposable {
  readonly #child = spawn(compiled(), { stdio: ['pipe', 'pipe', 'inherit'] });
  readonly #answers: AsyncIterator<string> = createInterface({ input: this.#child.stdout })[
    Symbol.asyncIterator
  ]();

  async ask(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`);
    const answer = await this.#answers.next();
    if (answer.done) throw new Error(`bench/c/session.c ended at '${command}'`);
    return answer.value;
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }
}

function compiled(): string {
  const source = join(root, 'bench/c/session.c');
  const program = join(root, '.cache/bench/session-c');
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(join(root, '.cache/bench'), { recursive: true });
  try {
    execFileSync('gcc', ['-O2', '-o', program, source, '-lssl', '-lcrypto'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (cause) {
    throw new Error('could not compile bench/c/session.c: it needs gcc and libssl-dev', { cause });
  }
  return program;
}

export async function session(plan: Plan): Promise<Report> {
  using libssl = new Libssl();
  const version = await libssl.ask('version');
  const der = Uint8Array.from(Buffer.from(await libssl.ask('der'), 'hex'));
  const rows: Row[] = [];
  for (const name of Object.keys(operations) as Operation[]) {
    const { what, target, ours, theirs } = operations[name];
    plan.say(what);
    const shrink = plan.smoke ? 100 : 1;
    const count = Math.ceil(theirs / shrink);
    const c: Subject = async () => Number(await libssl.ask(`${name} ${count}`)) / count;
    void ours;
    const samples = await takeTurns(plan, { c });
    rows.push(compare(what, 'ns', null, 'libssl', samples.c, target));
  }
  return {
    title: 'session: the object beside libssl',
    rows,
    facts: { libssl: version, 'DER bytes': der.length },
  };
}
