/** What a command sees of the world, so that tests can give it another one. */
import type { Clock } from '../util/clock.ts';

export interface CliIo {
  readonly clock: Clock;
  /** Whether what goes to `out` is looked at in a terminal that shows colours. */
  readonly colors: boolean;
  out(data: string | Uint8Array): void;
  err(text: string): void;
  /**
   * A file, or for `-` all of the standard input. Never more than `limit` bytes and one, so that a caller
   * can tell. @throws {CliError} exit code 3
   */
  read(path: string, limit: number): Promise<Uint8Array>;
  /** Writes a file that only its owner may read. @throws {CliError} exit code 3 */
  writeSecret(path: string, bytes: Uint8Array): Promise<void>;
}

/** 2: the command was called wrongly. 3: its input cannot be read. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Ends a command with one line on the standard error and an exit code. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
