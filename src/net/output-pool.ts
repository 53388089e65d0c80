/**
 * Memory for output that goes to sockets of the operating system: it is free again as soon as it is written.
 * Without it each flush would leave an array of its size to the collector, whose work is set off by the bytes.
 */

/** Application bytes of a flush. */
export const FLUSH_BYTES = 65_536;
/** What is around the content: of four records 30 bytes at most, and an alert. */
const AROUND = 256;
const LARGE_BYTES = FLUSH_BYTES + AROUND;
/** Answers and messages. */
const SMALL_BYTES = 4096;
/** What stays for later, of either kind: one megabyte a process at most, and 64 KiB. */
const KEPT = 16;

const large: Uint8Array[] = [];
const small: Uint8Array[] = [];

/** Where `bytes` application bytes have room, up to FLUSH_BYTES, in records of full size. Its content does not matter. */
export function takeBuffer(bytes: number): Uint8Array {
  return bytes <= SMALL_BYTES - AROUND
    ? (small.pop() ?? new Uint8Array(SMALL_BYTES))
    : (large.pop() ?? new Uint8Array(LARGE_BYTES));
}

/** Whether `buffer` is what `takeBuffer` gives for so many. */
export function hasRoom(buffer: Uint8Array, bytes: number): boolean {
  return bytes <= buffer.length - AROUND;
}

/** Nobody may look at it any more. */
export function giveBuffer(buffer: Uint8Array): void {
  const free = buffer.length === SMALL_BYTES ? small : large;
  if (free.length < KEPT) free.push(buffer);
}
