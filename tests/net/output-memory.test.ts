/** Memory for output is used again by whoever writes next: never while a transport may still read from it. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as netConnect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { connect, type TLSSocket } from '../../src/entry/index.ts';
import { listen, trusting } from './pair.ts';

/** Sizes around those of the memory and of records. */
const SIZES = [1, 64, 3839, 3840, 3841, 4096, 8192, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000];
/** More than the kernel takes of a connection. */
const TOTAL = 8 * 1024 * 1024;

function pour(socket: TLSSocket, bytes: Buffer, first: number): void {
  let at = 0;
  let turn = first;
  const more = (): void => {
    while (at < bytes.length) {
      const end = Math.min(bytes.length, at + (SIZES[turn++ % SIZES.length] as number));
      const goesOn = socket.write(bytes.subarray(at, end));
      at = end;
      if (!goesOn) {
        socket.once('drain', more);
        return;
      }
    }
    socket.end();
  };
  more();
}

async function read(socket: TLSSocket): Promise<string> {
  const hash = createHash('sha256');
  // Until nothing more goes into the kernel: then writes wait in this process, and so does their memory.
  socket.pause();
  await new Promise((done) => setTimeout(done, 50));
  for await (const chunk of socket) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('three connections that write at once, in many sizes, to readers that come late: each byte arrives', async () => {
  const patterns = [0, 1, 2].map(() => randomBytes(TOTAL));
  let next = 0;
  await using at = await listen({}, (socket) => {
    const mine = next++;
    pour(socket, patterns[mine] as Buffer, mine);
  });
  const seen = await Promise.all(
    patterns.map(async () => {
      const socket = connect(await trusting(at.port));
      await once(socket, 'secureConnect');
      return read(socket);
    }),
  );
  expect(seen.sort()).toEqual(patterns.map(sha256).sort());
});

test('a socket whose write is another function may keep what it is given', async () => {
  const wanted = randomBytes(200_000);
  let arrive: (hash: string) => void = () => {};
  const arrived = new Promise<string>((resolve) => {
    arrive = resolve;
  });
  await using at = await listen({}, (socket) => {
    const hash = createHash('sha256');
    let left = wanted.length;
    socket.on('data', (data: Buffer) => {
      hash.update(data);
      left -= data.length;
      if (left === 0) arrive(hash.digest('hex'));
    });
  });
  const beneath: Socket = netConnect(at.port, '127.0.0.1');
  await once(beneath, 'connect');
  const { write } = beneath;
  const kept: Uint8Array[] = [];
  beneath.write = (data: Uint8Array | string): boolean => {
    kept.push(data as Uint8Array);
    if (kept.length === 1)
      setTimeout(() => kept.splice(0).forEach((each) => void write.call(beneath, each)), 1);
    return true;
  };
  const socket = connect(await trusting(at.port, { socket: beneath }));
  await once(socket, 'secureConnect');
  for (let from = 0; from < wanted.length; from += 1000) {
    socket.write(wanted.subarray(from, from + 1000));
    // A flush for each.
    await Promise.resolve();
  }
  expect(await arrived).toBe(sha256(wanted));
  socket.destroy();
});
