/** What a hostile client may do to a server: see engine.ts. And noise at either end. */
import fc from 'fast-check';
import { test } from 'vitest';
import { Pair } from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import { checkOutcome, credential, fuzzFlights, RUNS, SEED } from './engine.ts';

fuzzFlights('server');

test('noise at either end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (pieces) => {
      using pair = new Pair(credential, {
        client: { provider: openProvider() },
        server: { provider: openProvider() },
      });
      for (const end of [pair.client, pair.server]) {
        end.work();
        for (const piece of pieces) {
          // Half the time as the body of a handshake record.
          const bytes =
            pieces.length % 2 === 0
              ? piece
              : new Uint8Array([22, 3, 3, piece.length >> 8, piece.length & 0xff, ...piece]);
          end.connection.receive(bytes.slice());
          end.work();
        }
        checkOutcome(end);
      }
    }),
    { numRuns: 10 * RUNS, seed: SEED },
  );
}, 120_000);
