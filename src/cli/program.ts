/** The command line: every command registers itself here. */
import { Command, CommanderError } from 'commander';
import { registerConnect } from './connect-command.ts';
import { registerDemo } from './demo-command.ts';
import { registerInspect } from './inspect.ts';
import { CliError, type CliIo, type ExitCode } from './io.ts';
import { registerServe } from './serve-command.ts';
import { registerVerify } from './verify.ts';

export function createProgram(io: CliIo): Command {
  const program = new Command('tlsession')
    .description('TLS sessions: look at them, make them, resume them')
    .showHelpAfterError('(tlsession --help says more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'tlsession: ')),
    });
  registerDemo(program, io);
  registerConnect(program, io);
  registerServe(program, io);
  registerInspect(program, io);
  registerVerify(program, io);
  return program;
}

/**
 * Runs a command line (without node and script). What a command could not do is one line on the standard
 * error; a fault of ours is thrown.
 */
export async function run(args: readonly string[], io: CliIo): Promise<ExitCode> {
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof CliError)) throw error;
    io.err(`tlsession: ${error.message}\n`);
    return error.exitCode;
  }
}
