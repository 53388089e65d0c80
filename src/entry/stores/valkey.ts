/** `tlsession/stores/valkey`: sessions, keys and hellos in Valkey or Redis. */
export type {
  IoredisLike,
  RedisClientLike,
  RedisClusterLike,
  ValkeyClient,
  ValkeyCommands,
} from '../../stores/valkey/commands.ts';
export { type ConnectValkeyOptions, connectValkey } from '../../stores/valkey/connect.ts';
export { ValkeyStore, type ValkeyStoreOptions } from '../../stores/valkey/valkey-store.ts';
