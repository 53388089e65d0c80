/**
 * How a SharedArrayBuffer is divided. All numbers are 32-bit words in the machine's order, and are set once:
 *
 *     header    magic, version, shards, entries a shard, blocks a shard, bytes a block, lock tickets, 0
 *     shard     lock, free entry, free block, free blocks, hand, resets, earliest expiry (float64)
 *               buckets[entries]        the first entry of each, by the hash of the key
 *               entries[entries]        state, next, hash, key bytes, value bytes, first block, expiry (float64)
 *               next[blocks]            the block after each
 *     blocks    of all shards           key and value, one after the other, over as many blocks as they take
 *
 * An index is stored as one more than it is: 0 is none.
 */
export const MAGIC = 0x54534d31;
export const VERSION = 1;

export const Header = {
  magic: 0,
  version: 1,
  shards: 2,
  entries: 3,
  blocks: 4,
  blockBytes: 5,
  tickets: 6,
  words: 8,
} as const;

export const Shard = {
  lock: 0,
  freeEntry: 1,
  freeBlock: 2,
  freeBlocks: 3,
  hand: 4,
  resets: 5,
  /** In units of two words. */
  earliest: 6,
  words: 8,
} as const;

export const Entry = {
  state: 0,
  next: 1,
  hash: 2,
  keyBytes: 3,
  valueBytes: 4,
  firstBlock: 5,
  expiry: 6,
  words: 8,
} as const;

/** An entry's state. `used` was looked at since the hand came by; `stays` was added. */
export const State = { free: 0, idle: 1, used: 2, stays: 3 } as const;

export interface Dimensions {
  readonly shards: number;
  readonly entries: number;
  readonly blocks: number;
  readonly blockBytes: number;
}

/** So many bytes, divided: a shard is large enough for the longest value where the whole is. */
export function dimensions(bytes: number, blockBytes: number): Dimensions {
  const shards = Math.min(16, Math.max(1, Math.floor(bytes / 2 ** 22)));
  const blocks = Math.floor((bytes / shards - 64) / (blockBytes + 4 + (Entry.words * 4 + 4) / 2));
  const entries = Math.max(8, blocks >> 1);
  return { shards, entries, blocks, blockBytes };
}

/** Even, for the float64 in each. */
export function shardWords({ entries, blocks }: Dimensions): number {
  const words = Shard.words + entries + (entries & 1) + entries * Entry.words + blocks;
  return words + (words & 1);
}

export function totalBytes(size: Dimensions): number {
  return (Header.words + size.shards * shardWords(size)) * 4 + size.shards * size.blocks * size.blockBytes;
}
