/** The ways in which an application or a network ends a connection. */
import type { Socket } from 'node:net';
import type { TLSSocket } from '../../src/entry/index.ts';

const ways: readonly ((socket: TLSSocket) => void)[] = [
  (socket) => socket.destroy(),
  (socket) => socket.destroy(new Error('cut')),
  (socket) => (socket.transport as Socket).destroy(),
  (socket) => socket.resetAndDestroy(),
  (socket) => (socket.transport as Socket).end(),
  (socket) => {
    socket.write(Buffer.alloc(100_000));
    socket.destroySoon();
  },
  (socket) => socket.end('bye'),
];

export const WAYS: number = ways.length;
/**
 * All but the last, which is not for an echo: a pipe that waits for room in a stream that was ended waits for ever, and
 * reads no more.
 */
export const ABRUPT_WAYS: number = WAYS - 1;

export function abort(socket: TLSSocket, way: number): void {
  ways[way]?.(socket);
}
