/** A fleet on this platform: node:crypto and Node's timers, unless others are given. */
import { nodeProvider } from '../crypto/node/index.ts';
import { Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { nodeTimers } from './secure-context.ts';

export type CreateFleetOptions = Omit<FleetOptions, 'provider' | 'timers'> &
  Partial<Pick<FleetOptions, 'provider' | 'timers'>>;

/** What processes share through a store: `createServer({ fleet })`. @throws as `new Fleet`. */
export function createFleet(options: CreateFleetOptions): Fleet {
  const fleet = new Fleet({ provider: nodeProvider, timers: nodeTimers, ...options });
  // The timers keep no process up, and yet whoever waits for the first look is to see it.
  const hold = setInterval(() => {}, 2 ** 30);
  void fleet.ready.then(() => clearInterval(hold));
  return fleet;
}
