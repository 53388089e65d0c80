/** `tlsession/stores/lmdb`: sessions, keys and hellos of the processes of one host. */
export { LmdbStore, type LmdbStoreOptions } from '../../stores/lmdb/lmdb-store.ts';
