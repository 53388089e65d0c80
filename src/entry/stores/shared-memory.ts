/** `tlsession/stores/shared-memory`: sessions, keys and hellos of the worker threads of one process. */
export {
  SharedMemoryStore,
  type SharedMemoryStoreOptions,
} from '../../stores/shared-memory/shared-memory-store.ts';
