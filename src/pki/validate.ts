/** Certificate paths (RFC 5280, 6) and the name that the leaf is for (RFC 9525). */
import { UsageError } from '../util/errors.ts';
import type { PathOptions, PathResult } from './result.ts';
import { Search } from './search.ts';
import { parseReferenceName } from './server-name.ts';

/**
 * Finds a path from `chain[0]` to an anchor that is valid at `atMs`, or says why there is none. Never throws
 * for what the peer chose. @throws {UsageError} for a `name` that is no name (`ERR_TLS_BAD_NAME`), an empty
 * chain or a time that is no number (`ERR_TLS_BAD_OPTION`).
 */
export function validateCertificatePath(options: PathOptions): PathResult {
  if (options.chain.length === 0) throw new UsageError('ERR_TLS_BAD_OPTION', 'a chain without a certificate');
  if (!Number.isFinite(options.atMs)) throw new UsageError('ERR_TLS_BAD_OPTION', 'atMs is not a time');
  const reference = options.name === undefined ? null : parseReferenceName(options.name);
  return new Search(options, reference).run();
}
