/** The C halves of benchmarks, compiled when they are newer than their programs. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './root.ts';

/** Where `bench/c/NAME.c`, linked with libssl, lies as a program. */
export function compileC(name: string): string {
  const source = join(root, `bench/c/${name}.c`);
  const program = join(root, `.cache/bench/${name}-c`);
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return program;
  mkdirSync(join(root, '.cache/bench'), { recursive: true });
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, source, '-lssl', '-lcrypto'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (cause) {
    throw new Error(`could not compile bench/c/${name}.c: it needs gcc and libssl-dev`, { cause });
  }
  return program;
}
