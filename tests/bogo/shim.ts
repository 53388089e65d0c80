import { type ShimConfigs, Unimplemented } from './flags.ts';

/** What a test's run may print, and the signal that nobody waits for it any more. */
export interface ShimIo {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly gone: AbortSignal;
}

/** Runs one test: true if the shim is content with all that happened. */
export async function runShim(_configs: ShimConfigs, _io: ShimIo): Promise<boolean> {
  throw new Unimplemented('-engine', 'the engine is not there yet');
}
