/** A fleet on this platform: node:crypto and Node's timers, unless others are given. */
import { nodeProvider } from '../crypto/node/index.ts';
import { Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { nodeTimers } from './secure-context.ts';

export type CreateFleetOptions = Omit<FleetOptions, 'provider' | 'timers'> &
  Partial<Pick<FleetOptions, 'provider' | 'timers'>>;

/** What processes share through a store: `createServer({ fleet })`. @throws as `new Fleet`. */
export function createFleet(options: CreateFleetOptions): Fleet {
  return new Fleet({ provider: nodeProvider, timers: nodeTimers, ...options });
}
