/** The session object beside libssl's, operation by operation. The C half is bench/c/session.c. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  d2i_SSL_SESSION,
  i2d_SSL_SESSION,
  type SSL_SESSION,
  SSL_SESSION_dup,
  SSL_SESSION_free,
  SSL_SESSION_new,
  SSL_SESSION_up_ref,
} from '../src/entry/openssl.ts';
import { Session } from '../src/entry/session.ts';
import { compileC } from './compile.ts';
import { compare, type Plan, type Report, type Row, takeTurns, timed } from './harness.ts';

type Operation = 'new+free' | 'up_ref+free' | 'dup+free' | 'i2d-fresh' | 'i2d-given' | 'd2i+free';

/** What to reach: ours ÷ C's. The counts give some tens of milliseconds a sample. */
const operations: Record<
  Operation,
  { what: string; target: number; counts: [ours: number, theirs: number] }
> = {
  'new+free': { what: 'new+free', target: 0.5, counts: [400_000, 200_000] },
  'up_ref+free': { what: 'up_ref+free', target: 1.5, counts: [5_000_000, 5_000_000] },
  'dup+free': { what: 'dup+free', target: 0.5, counts: [400_000, 100_000] },
  'i2d-fresh': { what: 'encode (i2d), a fresh array', target: 1.0, counts: [20_000, 20_000] },
  'i2d-given': { what: 'encode (i2d), into a given one', target: 0.5, counts: [40_000, 20_000] },
  'd2i+free': { what: 'decode (d2i) + free', target: 0.05, counts: [20_000, 500] },
};

/** The C program, which answers one line with one line. */
class Libssl implements Disposable {
  readonly #child = spawn(compileC('session'), { stdio: ['pipe', 'pipe', 'inherit'] });
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

/** Our half: the same operations under the same names, each a loop over what C does in its own. */
function ourSubjects(held: SSL_SESSION, der: Uint8Array): Record<Operation, (count: number) => void> {
  const given = new Uint8Array(der.length);
  // No C name writes into an array that is there already.
  const handle = Session.fromDER(der);
  return {
    'new+free': (count) => {
      for (let i = 0; i < count; i += 1) SSL_SESSION_free(SSL_SESSION_new());
    },
    'up_ref+free': (count) => {
      for (let i = 0; i < count; i += 1) {
        SSL_SESSION_up_ref(held);
        SSL_SESSION_free(held);
      }
    },
    'dup+free': (count) => {
      for (let i = 0; i < count; i += 1) SSL_SESSION_free(SSL_SESSION_dup(held));
    },
    'i2d-fresh': (count) => {
      for (let i = 0; i < count; i += 1) must(i2d_SSL_SESSION(held)?.length === der.length);
    },
    'i2d-given': (count) => {
      for (let i = 0; i < count; i += 1) must(handle.encodeInto(given) === der.length);
    },
    'd2i+free': (count) => {
      for (let i = 0; i < count; i += 1) {
        const copy = d2i_SSL_SESSION(der);
        must(copy !== null);
        SSL_SESSION_free(copy);
      }
    },
  };
}

function must(condition: boolean): asserts condition {
  if (!condition) throw new Error('an operation did not do its work');
}

export async function session(plan: Plan): Promise<Report> {
  using libssl = new Libssl();
  const version = await libssl.ask('version');
  const der = Uint8Array.from(Buffer.from(await libssl.ask('der'), 'hex'));
  const held = d2i_SSL_SESSION(der);
  must(held !== null && Buffer.from(i2d_SSL_SESSION(held) ?? []).equals(der));
  const subjects = ourSubjects(held, der);
  const rows: Row[] = [];
  for (const name of Object.keys(operations) as Operation[]) {
    const { what, target, counts } = operations[name];
    plan.say(what);
    const [ours, theirs] = counts.map((count) => Math.ceil(count / (plan.smoke ? 100 : 1))) as [
      number,
      number,
    ];
    const samples = await takeTurns(plan, {
      ours: timed(ours, subjects[name]),
      libssl: async () => Number(await libssl.ask(`${name} ${theirs}`)) / theirs,
    });
    rows.push(compare(what, 'ns', samples.ours, 'libssl', samples.libssl, target));
  }
  return {
    title: 'session: the object beside libssl, CPU time an operation',
    rows,
    facts: { node: process.version, libssl: version, 'DER bytes': der.length },
  };
}
