/**
 * Memory for output that goes to sockets of the operating system: it is free again as soon as it is written.
 * Without it each flush would leave an array of its size to the collector, whose work is set off by the bytes.
 */

/** Application bytes of a flush. */
export const FLUSH_BYTES = 65_536;
/** A flush in records of full size: four of 30 bytes at most around their content, and an alert. */
const BUFFER_BYTES = FLUSH_BYTES + 256;
/** What stays for later: one megabyte a process. */
const KEPT = 16;

const free: Uint8Array[] = [];

/** Its content does not matter. */
export function takeBuffer(): Uint8Array {
  return free.pop() ?? new Uint8Array(BUFFER_BYTES);
}

/** Nobody may look at it any more. */
export function giveBuffer(buffer: Uint8Array): void {
  if (free.length < KEPT) free.push(buffer);
}
