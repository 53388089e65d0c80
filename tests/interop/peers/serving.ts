/** What the servers that are programs on their own have in common: what they said is read a connection at a time. */
import type { PeerServer, RunningPeer } from '../../support/peer.ts';
import { CannotError } from './contract.ts';

export abstract class ServingProcess implements AsyncDisposable {
  /** Its name, for what it cannot. */
  protected abstract readonly program: string;
  readonly port: number;
  protected readonly peer: RunningPeer;
  #taken = { stdout: 0, stderr: 0 };

  constructor({ port, peer }: PeerServer) {
    this.port = port;
    this.peer = peer;
  }

  get pid(): number {
    return this.peer.pid;
  }

  /** Nothing to do for those that answer by themselves. */
  async respond(): Promise<void> {}

  /** Waits for what it says after the last `take`. */
  protected says(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    return this.peer.waitFrom(stream, this.#taken[stream], pattern);
  }

  /** What it has said since the last time. */
  protected take(): { readonly stdout: string; readonly stderr: string } {
    const { stdout, stderr } = this.peer;
    const before = this.#taken;
    this.#taken = { stdout: stdout.length, stderr: stderr.length };
    return { stdout: stdout.slice(before.stdout), stderr: stderr.slice(before.stderr) };
  }

  async updateKeys(): Promise<void> {
    throw new CannotError(this.program, 'update keys');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }
}
