/** SSLKEYLOGFILE (RFC 9850): the secrets of every connection, for whoever set it to read captures with. */
import { appendFileSync } from 'node:fs';

let path: string | null = process.env['SSLKEYLOGFILE'] || null;

/** Whether secrets go to a file. Read once, when the process starts. */
export function hasKeyLogFile(): boolean {
  return path !== null;
}

/** Appends a line with its end. The first failure is a warning, and the last attempt. */
export function writeKeyLog(line: Uint8Array): void {
  if (path === null) return;
  try {
    appendFileSync(path, line, { mode: 0o600 });
  } catch (error) {
    process.emitWarning(`SSLKEYLOGFILE is not written: ${(error as Error).message}`);
    path = null;
  }
}
