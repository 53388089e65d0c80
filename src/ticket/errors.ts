import { TlsessionError } from '../util/errors.ts';

export type TicketErrorCode =
  /** Key material of a wrong length or layout. */
  | 'ERR_TICKET_KEY'
  /** A keyring whose rules contradict each other, or the life of its tickets. */
  | 'ERR_TICKET_KEYRING'
  /** A rotation by hand that cannot be: no next key, not long enough published, or too many previous ones. */
  | 'ERR_TICKET_ROTATION'
  /** A keyring that was destroyed. */
  | 'ERR_TICKET_KEYRING_DESTROYED';

/** The caller's mistake with ticket keys. No message holds a byte of a key. */
export class TicketError extends TlsessionError {
  declare readonly code: TicketErrorCode;

  constructor(code: TicketErrorCode, message: string) {
    super(code, message);
  }

  override get name(): string {
    return 'TicketError';
  }
}
