/** The world as a command meets it when it is a process. */
import { open } from 'node:fs/promises';
import { systemClock } from '../util/clock.ts';
import { CliError, type CliIo } from './io.ts';

export function processIo(): CliIo {
  return {
    clock: systemClock,
    colors: process.stdout.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
    out: (data) => void process.stdout.write(data),
    err: (text) => void process.stderr.write(text),
    read: (path, limit) => (path === '-' ? readStdin(limit) : readFile(path, limit)),
    writeSecret,
  };
}

async function readFile(path: string, limit: number): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const chunks: Buffer[] = [];
      let length = 0;
      for (;;) {
        // Not by the file's size: a pipe or a device has none, or no end.
        const { bytesRead, buffer } = await file.read(Buffer.alloc(65_536), 0, 65_536, null);
        if (bytesRead === 0) break;
        chunks.push(buffer.subarray(0, bytesRead));
        length += bytesRead;
        if (length > limit) break;
      }
      return new Uint8Array(Buffer.concat(chunks).subarray(0, limit + 1));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CliError(3, `${path}: ${reason(error)}`);
  }
}

async function readStdin(limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) break;
    }
  } catch (error) {
    throw new CliError(3, `standard input: ${reason(error)}`);
  }
  return new Uint8Array(Buffer.concat(chunks).subarray(0, limit + 1));
}

async function writeSecret(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const file = await open(path, 'w', 0o600);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new CliError(3, `${path}: ${reason(error)}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ENOTDIR: 'there is no such folder',
};

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code !== undefined && REASONS[code]) || message;
}
