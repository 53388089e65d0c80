/** The numbers of SSL_CTX_set_session_cache_mode(3). */
export const CacheMode: Readonly<
  Record<
    | 'OFF'
    | 'CLIENT'
    | 'SERVER'
    | 'BOTH'
    | 'NO_AUTO_CLEAR'
    | 'NO_INTERNAL_LOOKUP'
    | 'NO_INTERNAL_STORE'
    | 'NO_INTERNAL'
    | 'UPDATE_TIME',
    number
  >
> = Object.freeze({
  OFF: 0x000,
  /** Sessions of connections that this end opened are kept. */
  CLIENT: 0x001,
  /** Sessions of connections that this end accepted are kept. The default. */
  SERVER: 0x002,
  BOTH: 0x003,
  /** Nothing is flushed but on request: otherwise every 255 connections. */
  NO_AUTO_CLEAR: 0x080,
  /** Look-ups go to the get callback alone. */
  NO_INTERNAL_LOOKUP: 0x100,
  /** Nothing is added to the internal cache by a handshake or a look-up; by hand it still can be. */
  NO_INTERNAL_STORE: 0x200,
  NO_INTERNAL: 0x300,
  /** Adding a session sets its time to now. */
  UPDATE_TIME: 0x400,
});
