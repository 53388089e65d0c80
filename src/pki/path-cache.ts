/**
 * Paths that were verified, remembered: a peer that is met again costs one hash instead of its signatures.
 * What is remembered is only ever a success, and only while every certificate, list and status of that path
 * is within its time; everything that could change the answer is part of the key.
 */
import { concatBytes, latin1, utf8 } from '../util/bytes.ts';
import type { PathOptions, PathSuccess } from './result.ts';

export interface PathCacheOptions {
  /** Most paths kept. Default 256; the least recently used one leaves first. */
  readonly maxEntries?: number;
  /** Most bytes of certificates kept. Default 4 MiB. */
  readonly maxBytes?: number;
}

interface Entry {
  readonly result: PathSuccess;
  readonly bytes: number;
}

export class PathCache {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: PathCacheOptions = {}) {
    this.#maxEntries = options.maxEntries ?? 256;
    this.#maxBytes = options.maxBytes ?? 4 * 1024 * 1024;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of certificates held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often a path was found and not found, since the cache was made. */
  get counts(): { readonly hits: number; readonly misses: number } {
    return { hits: this.#hits, misses: this.#misses };
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  /** The path under that key if it is valid at `atMs`; one whose time is over is dropped. */
  get(key: string, atMs: number): PathSuccess | null {
    const entry = this.#entries.get(key);
    if (entry === undefined || atMs < entry.result.validFromMs || atMs > entry.result.validUntilMs) {
      if (entry !== undefined && atMs > entry.result.validUntilMs) this.#drop(key, entry);
      this.#misses++;
      return null;
    }
    this.#hits++;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.result;
  }

  /** Remembers a path. One that would take more than an eighth of the room is not kept. */
  set(key: string, result: PathSuccess): void {
    const bytes = result.path.reduce((sum, certificate) => sum + certificate.der.length, 0);
    if (bytes > this.#maxBytes / 8 || this.#maxEntries < 1) return;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    this.#entries.set(key, { result, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxEntries && this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest, entry);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/**
 * A digest of everything that decides the path: the certificates, the anchors, the lists, the stapled
 * status, the rules. The name is not in it, as it is held against the leaf every time.
 */
export function pathCacheKey(options: PathOptions, usesCommonName: boolean): string {
  const { chain, ocsp, anchors, crls } = options;
  const rules = JSON.stringify([
    anchors.id,
    crls?.id ?? 0,
    options.purpose,
    options.profile ?? 'compatible',
    options.maxDepth ?? null,
    options.keyUsage ?? null,
    options.policies ?? null,
    options.algorithms ?? null,
    options.requireCrl ?? 'none',
    options.checkAnchorDates ?? null,
    usesCommonName,
    ocsp === undefined ? 'not asked' : ocsp === null ? 'none' : ocsp.length,
    chain.map((der) => der.length),
  ]);
  const input = concatBytes(utf8(rules), ...(ocsp == null ? [] : [ocsp]), ...chain);
  return latin1(options.provider.digest('sha256', input));
}
