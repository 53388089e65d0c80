/** Certificate paths (RFC 5280, 6) and the name that the leaf is for (RFC 9525). */
import { copyBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { type PathCache, pathCacheKey } from './path-cache.ts';
import type { PathOptions, PathResult } from './result.ts';
import { refusal, Search } from './search.ts';
import { checkServerName, parseReferenceName, type ReferenceName } from './server-name.ts';

/**
 * Finds a path from `chain[0]` to an anchor that is valid at `atMs`, or says why there is none. Never throws
 * for what the peer chose. @throws {UsageError} for a `name` that is no name (`ERR_TLS_BAD_NAME`), an empty
 * chain or a time that is no number (`ERR_TLS_BAD_OPTION`).
 */
export function validateCertificatePath(options: PathOptions): PathResult {
  if (options.chain.length === 0) throw new UsageError('ERR_TLS_BAD_OPTION', 'a chain without a certificate');
  if (!Number.isFinite(options.atMs)) throw new UsageError('ERR_TLS_BAD_OPTION', 'atMs is not a time');
  const reference = options.name === undefined ? null : parseReferenceName(options.name);
  const remember = options.cache !== undefined && sizeOf(options) <= MAX_REMEMBERED_BYTES;
  const result = remember ? remembered(options, reference) : new Search(options, reference).run();
  if (!result.ok || reference === null) return result;
  const { commonNameFallback = false } = options;
  const match = checkServerName(result.leaf, reference, { commonNameFallback });
  return match.ok ? { ...result, matchedName: match.matched } : refusal('name-mismatch', 0, match.message);
}

/** More than this is not hashed to look it up: the search refuses it sooner. */
const MAX_REMEMBERED_BYTES = 256 * 1024;

function sizeOf({ chain, ocsp }: PathOptions): number {
  return chain.reduce((sum, der) => sum + der.length, ocsp?.length ?? 0);
}

/** The path from the cache, or into it. */
function remembered(options: PathOptions, reference: ReferenceName | null): PathResult {
  const cache = options.cache as PathCache;
  const key = pathCacheKey(options, options.commonNameFallback === true && reference?.type === 'dns');
  const known = cache.get(key, options.atMs);
  if (known !== null) return known;
  const result = new Search({ ...options, chain: options.chain.map(copyBytes) }, reference).run();
  if (result.ok) cache.set(key, result);
  return result;
}
