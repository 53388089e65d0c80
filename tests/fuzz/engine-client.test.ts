/** What a hostile server may do to a client: see engine.ts. */
import { fuzzFlights } from './engine.ts';

fuzzFlights('client');
