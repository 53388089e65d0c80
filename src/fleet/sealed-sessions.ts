/** Sessions for a store that others can reach: sealed for their place, under names that give no id away. */
import type { SessionSealer } from '../cache/session-sealer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { SessionCore } from '../session/core.ts';
import { decodeEnvelope, encodeEnvelope } from '../session/envelope.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { concatBytes, toHex, utf8 } from '../util/bytes.ts';
import { TlsessionError } from '../util/errors.ts';
import type { SecretBox } from './secret-box.ts';

const NAME_PREFIX = utf8('tlsession session name\0');

export class SealedSessions implements SessionSealer {
  readonly #provider: CryptoProvider;
  readonly #box: SecretBox;
  readonly #use: string;

  /** `use`: sessions of different uses, as a server's and a client's, do not open as each other's. */
  constructor(provider: CryptoProvider, box: SecretBox, use: string) {
    this.#provider = provider;
    this.#box = box;
    this.#use = `session ${use}`;
  }

  /** A digest: whoever reads the store's keys cannot offer the session, nor tell it by its id on the wire. */
  name(version: number, id: Uint8Array): string {
    const named = concatBytes(NAME_PREFIX, Uint8Array.of(version >> 8, version), id);
    return toHex(this.#provider.digest('sha256', named));
  }

  seal(session: SessionCore, place: string): Uint8Array {
    const envelope = encodeEnvelope(session, 'session store');
    const sealed = this.#box.seal(envelope, this.#use, place);
    envelope.fill(0);
    return sealed;
  }

  open(bytes: Uint8Array, place: string): SessionCore | ResumptionReason {
    const envelope = this.#box.open(bytes, this.#use, place);
    if (typeof envelope === 'string') return envelope;
    try {
      return decodeEnvelope(envelope, 'session store');
    } catch (error) {
      if (TlsessionError.is(error)) return 'bad-stored-session';
      throw error;
    } finally {
      envelope.fill(0);
    }
  }
}
