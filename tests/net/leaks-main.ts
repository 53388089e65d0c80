/** One process of `npm run leaks`: tests/net/leaks.ts at length; exits non-zero for a leak. */
import { type Checkpoint, run, slope } from './leaks.ts';

const connections = Number(process.argv[2] ?? 100_000);
const checkpoints = Number(process.argv[3] ?? 20);
/**
 * Bytes that a connection may leave by the slope. A socket that stays is some kilobytes; what a client remembers of
 * tickets that it has offered (used-tickets.ts) grows by some forty, until it has its 16,384.
 */
const LIMIT = Number(process.argv[4] ?? 100);
const seed = Number(process.argv[5] ?? 1);

const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
const outcome = await run(connections, checkpoints, seed, (point: Checkpoint) => {
  console.error(
    `${seed}: ${point.connections} connections: heap ${mib(point.heapBytes)}, external ${mib(point.externalBytes)}, resident ` +
      `${mib(point.rssBytes)}; ${point.sockets} sockets, ${point.timers} timers, ${point.sessions} sessions`,
  );
});
const slopes = {
  heap: slope(outcome.checkpoints, 'heapBytes'),
  external: slope(outcome.checkpoints, 'externalBytes'),
};
const { checkpoints: points, ...counts } = outcome;
const faults = [
  ...points.flatMap(({ connections: at, sockets, timers, sessions }) =>
    sockets + timers + sessions > 0
      ? [`after ${at}: ${sockets} sockets, ${timers} timers, ${sessions} sessions`]
      : [],
  ),
  ...(outcome.unclosed > 0 ? [`${outcome.unclosed} sockets never closed`] : []),
  ...(outcome.listeners > 0 ? [`${outcome.listeners} listeners on transports that were given up`] : []),
  ...Object.entries(slopes)
    .filter(([, bytes]) => bytes > LIMIT)
    .map(([name, bytes]) => `${name} grows by ${bytes.toFixed(1)} bytes a connection`),
];
console.log(JSON.stringify({ ...counts, slopes, faults }));
process.exitCode = faults.length === 0 ? 0 : 1;
