/**
 * A stack in a process of its own, so that none runs in the heap and with the compiled code of another. The parent
 * sends orders, the child answers each with a figure.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { makeCertificate } from '../tests/support/certs.ts';

/** Set in the process of one stack: the benchmark and the stack's name, with a slash between. */
export const STACK_VARIABLE: string = 'TLSESSION_BENCH_STACK';

/** One implementation at work: what it answers each order with. */
export interface Stack<Order> {
  measure(order: Order): Promise<number>;
  close(): Promise<void>;
}

type Answer = { readonly figure: number } | { readonly error: string };

/** The process of one stack: answers each order with a figure, until its parent hangs up. */
export async function serveStack<Order>(stack: Stack<Order>): Promise<void> {
  process.on('message', (order: Order) => {
    stack.measure(order).then(
      (figure) => process.send?.({ figure } satisfies Answer),
      (error: unknown) => process.send?.({ error: String(error) } satisfies Answer),
    );
  });
  await new Promise<void>((done) => process.once('disconnect', done));
  await stack.close();
}

/** Its parent's side. */
export class StackProcess<Order> implements Disposable {
  readonly #child: ChildProcess;

  constructor(benchmark: string, stack: string) {
    this.#child = fork(process.argv[1] ?? '', [], {
      env: { ...process.env, [STACK_VARIABLE]: `${benchmark}/${stack}` },
    });
  }

  measure(order: Order): Promise<number> {
    return new Promise((done, fail) => {
      const onExit = (code: number | null): void => fail(new Error(`a stack's process ended (${code})`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer: Answer) => {
        this.#child.off('exit', onExit);
        if ('error' in answer) fail(new Error(answer.error));
        else done(answer.figure);
      });
      this.#child.send(order as object);
    });
  }

  [Symbol.dispose](): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A P-256 certificate for localhost under a P-256 root. */
export async function makeIdentity(): Promise<Identity> {
  const root = await makeCertificate({ subject: 'CN=Bench Root', pathLength: Infinity });
  const leaf = await makeCertificate({
    subject: 'CN=localhost',
    issuer: root,
    names: [{ type: 'dns', value: 'localhost' }],
    purposes: ['server'],
  });
  return { ca: root.certPem, cert: leaf.certPem, key: leaf.keyPem };
}
