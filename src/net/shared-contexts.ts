/** Contexts that are made of options and not given: the last few are kept, since parsing is what costs. */
import { copyBytes } from '../util/bytes.ts';
import { defaultsVersion } from './defaults.ts';
import { SecureContext, type SecureContextOptions } from './secure-context.ts';

/** Every option decides: one that is not looked at would give its caller somebody else's context. */
const DECIDING: Readonly<Record<keyof SecureContextOptions, true>> = {
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  ciphers: true,
  ecdhCurve: true,
  sigalgs: true,
  minVersion: true,
  maxVersion: true,
  sessionTimeout: true,
  maxKeyingMaterialAge: true,
  sessionLookupTimeout: true,
  maxPendingLookups: true,
  ticketPeer: true,
  sessionIdContext: true,
  ticketKeys: true,
  ticketKeyring: true,
  sessionSource: true,
  fleet: true,
  honorCipherOrder: true,
  pfx: true,
  crl: true,
  certificateCompression: true,
  secureOptions: true,
  allowPartialTrustChain: true,
  clientCertEngine: true,
  dhparam: true,
  privateKeyEngine: true,
  privateKeyIdentifier: true,
  secureProtocol: true,
  provider: true,
  clock: true,
};
const NAMES = Object.keys(DECIDING) as (keyof SecureContextOptions)[];

/** Contexts kept for other callers with equal options. */
const KEPT = 16;

interface Entry {
  readonly values: readonly unknown[];
  readonly context: SecureContext;
}

const entries: Entry[] = [];
let madeUnder = 0;

/** A context for these options, perhaps one that another call with equal ones made. */
export function sharedContext(options: SecureContextOptions): SecureContext {
  if (madeUnder !== defaultsVersion) {
    madeUnder = defaultsVersion;
    entries.length = 0;
  }
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (!matches(entry.values, options)) continue;
    if (i > 0) {
      entries.splice(i, 1);
      entries.unshift(entry);
    }
    return entry.context;
  }
  const context = new SecureContext(options);
  entries.unshift({ values: NAMES.map((name) => keep(options[name])), context });
  if (entries.length > KEPT) entries.pop();
  return context;
}

function matches(values: readonly unknown[], options: SecureContextOptions): boolean {
  for (let i = 0; i < NAMES.length; i++) {
    if (!same(values[i], options[NAMES[i] as keyof SecureContextOptions])) return false;
  }
  return true;
}

function same(kept: unknown, given: unknown): boolean {
  if (kept === given) return true;
  if (kept instanceof Uint8Array && given instanceof Uint8Array) return Buffer.compare(kept, given) === 0;
  if (Array.isArray(kept) && Array.isArray(given)) {
    return kept.length === given.length && kept.every((value, i) => same(value, given[i]));
  }
  return false;
}

/** Bytes and lists are copied: the caller may change them. */
function keep(value: unknown): unknown {
  if (value instanceof Uint8Array) return copyBytes(value);
  return Array.isArray(value) ? value.map(keep) : value;
}
