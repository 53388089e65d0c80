/** Two ends of TLS 1.3 that protect nothing, so that what passes between them can be changed behind their keys. */
import { concatBytes } from '../../src/util/bytes.ts';
import { ContentType } from '../../src/wire/numbers.ts';
import { Dissector, frame } from '../order/tap.ts';
import { engineCredential, type Memory, Pair, type PairOptions } from './engine-pair.ts';
import { openProvider } from './open-provider.ts';
import { type Edit, message } from './wire.ts';

const credential = await engineCredential();

/** X25519, then P-384 for who is asked for it; P-256 stands in the client's list for the certificate alone. */
export function openPair(options: PairOptions = {}, memory?: Memory): Pair {
  const common = { minVersion: 0x0304, maxVersion: 0x0304, cipherSuites: [0x1301] };
  return new Pair(
    credential,
    {
      ...options,
      client: { ...common, provider: openProvider(), groups: [0x1d, 0x18, 0x17], ...options.client },
      server: { ...common, provider: openProvider(), groups: [0x1d], ...options.server },
    },
    memory,
  );
}

/** What becomes of the `nth` message of its type, counted from 0, in one direction. */
export type Edit13 = (body: Uint8Array, type: number, nth: number) => ReturnType<Edit>;

/**
 * Changes the handshake messages of one direction, each then in a record of its own. Give it every flight of that
 * direction in turn. `edit` gets the body without its header and gives a body, or whole messages as a list.
 */
export function editing13(edit: Edit13): (bytes: Uint8Array) => Uint8Array {
  const dissector = new Dissector(0x0304);
  const seen = new Map<number, number>();
  return (bytes) => {
    const out: Uint8Array[] = [];
    for (const { type, content, isProtected } of dissector.push(bytes)) {
      if (type !== ContentType.handshake) {
        out.push(frame(0x0304, type, content, isProtected));
        continue;
      }
      const kind = content[0] as number;
      const nth = seen.get(kind) ?? 0;
      seen.set(kind, nth + 1);
      const edited = edit(content.slice(4), kind, nth);
      const messages = edited instanceof Uint8Array ? [message(kind, edited)] : edited;
      for (const whole of messages) out.push(frame(0x0304, ContentType.handshake, whole, isProtected));
    }
    return concatBytes(...out);
  };
}

/** `edit` for the `nth` message of one type, all others as they are. */
export function only13(wanted: number, edit: (body: Uint8Array) => ReturnType<Edit>, which = 0): Edit13 {
  return (body, type, nth) => (type === wanted && nth === which ? edit(body) : body);
}
