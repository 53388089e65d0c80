import { MessageChannel } from 'node:worker_threads';

/** At 4 KiB it costs what it saves the collector. */
const WORTHWHILE = 8192;

type GiveBack = (buffer: ArrayBuffer) => void;

/** ArrayBuffer.prototype.transfer is there from Node 22 on. */
const detach = (ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer, length: number) => unknown })
  .transfer;

let giveBackBuffer: GiveBack | null = null;

/** What is sent through a channel that is closed is detached from its sender and gone (HTML, 9.4.4). */
function toNobody(): GiveBack {
  const { port1, port2 } = new MessageChannel();
  let isClosed = false;
  port1.once('close', () => {
    isClosed = true;
  });
  port2.close();
  // Until then it would be kept for port2.
  return (buffer) => {
    if (isClosed) port1.postMessage(null, [buffer]);
  };
}

/**
 * Gives memory that node:crypto made back at once: nobody may use `bytes` any more. The collector counts such
 * memory with the heap, so that 32 KiB of it an exchanged record led to a collection of everything every few
 * hundred records, which took a fifth of the time. Memory that `bytes` are only a part of is left alone.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < WORTHWHILE || bytes.length !== buffer.byteLength) return;
  giveBackBuffer ??= detach ? (whole) => void detach.call(whole, 0) : toNobody();
  giveBackBuffer(buffer as ArrayBuffer);
}
