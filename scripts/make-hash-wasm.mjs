// Writes src/crypto/short-hash/module.ts: SHA-256 and SHA-512 (FIPS 180-4) with HMAC (RFC 2104) as a
// WebAssembly module. `--check` only compares, and fails if the file is not what this script makes.
//
// Memory, one page. What is secret in it is wiped by `wipe` at the end of every operation:
//   0x000 STATE   the running state, as little-endian words
//   0x040 OUT     the digest, in its own byte order
//   0x080 INNER   an HMAC key: the state after the key's inner block
//   0x0c0 OUTER   the same for the outer block
//   0x100 tables: K256, H256, K512, H512, H384
//   0x600 INPUT   up to 0xf900 bytes; zero from the end of the input on when a function is called
import {
  assemble,
  branch,
  branchIf,
  call,
  get,
  I32,
  loop,
  set,
  store8,
  tee,
  when,
  word,
} from './lib/wasm.mjs';
import { address, writeModule } from './lib/wasm-module.mjs';

const STATE = 0x000;
const OUT = 0x040;
const INNER = 0x080;
const OUTER = 0x0c0;
const TABLES = 0x100;
const K256 = TABLES;
const H256 = K256 + 64 * 4;
const K512 = H256 + 8 * 4;
const H512 = K512 + 80 * 8;
const H384 = H512 + 8 * 8;
const INPUT = 0x600;

/** The first `bits` bits of the fraction of the `root`th root of `n`: where FIPS 180-4's constants come from. */
function fraction(/** @type {number} */ n, /** @type {number} */ root, /** @type {number} */ bits) {
  const target = BigInt(n) << BigInt(bits * root);
  let low = 0n;
  let high = 1n << BigInt(bits + 9);
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** BigInt(root) <= target) low = middle;
    else high = middle - 1n;
  }
  return BigInt.asUintN(bits, low);
}

/** @type {number[]} */
const primes = [];
for (let n = 2; primes.length < 80; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);

function tables() {
  const bytes = Buffer.alloc(H384 + 64 - TABLES);
  primes.slice(0, 64).forEach((prime, i) => {
    bytes.writeUInt32LE(Number(fraction(prime, 3, 32)), K256 - TABLES + 4 * i);
  });
  primes.slice(0, 8).forEach((prime, i) => {
    bytes.writeUInt32LE(Number(fraction(prime, 2, 32)), H256 - TABLES + 4 * i);
    bytes.writeBigUInt64LE(fraction(prime, 2, 64), H512 - TABLES + 8 * i);
  });
  primes.forEach((prime, i) => {
    bytes.writeBigUInt64LE(fraction(prime, 3, 64), K512 - TABLES + 8 * i);
  });
  primes.slice(8, 16).forEach((prime, i) => {
    bytes.writeBigUInt64LE(fraction(prime, 2, 64), H384 - TABLES + 8 * i);
  });
  return bytes;
}

/**
 * @typedef {object} Variant
 * @property {32 | 64} bits of a word
 * @property {number} rounds
 * @property {number} k address of the round constants
 * @property {[number, number, number]} bigSigma0
 * @property {[number, number, number]} bigSigma1
 * @property {[number, number, number]} smallSigma0 two rotations and a shift
 * @property {[number, number, number]} smallSigma1
 */

/** @type {Variant} */
const SHA256 = {
  bits: 32,
  rounds: 64,
  k: K256,
  bigSigma0: [2, 13, 22],
  bigSigma1: [6, 11, 25],
  smallSigma0: [7, 18, 3],
  smallSigma1: [17, 19, 10],
};
/** @type {Variant} */
const SHA512 = {
  bits: 64,
  rounds: 80,
  k: K512,
  bigSigma0: [28, 34, 39],
  bigSigma1: [14, 18, 41],
  smallSigma0: [1, 8, 7],
  smallSigma1: [19, 61, 6],
};

const i32 = word(32);
const i64 = word(64);
const zero = i32.constant(0);

/** Turns the bytes of the word in `local` around. */
function swapBytes(/** @type {Variant} */ { bits }, /** @type {number} */ local) {
  if (bits === 32) {
    return i32.or(
      i32.and(i32.rotl(get(local), i32.constant(8)), i32.constant(0x00ff00ff)),
      i32.and(i32.rotr(get(local), i32.constant(8)), i32.constant(0xff00ff00)),
    );
  }
  /** @param {bigint} mask @param {bigint} by */
  const swap = (mask, by) =>
    i64.or(
      i64.and(i64.shr(get(local), i64.constant(by)), i64.constant(mask)),
      i64.shl(i64.and(get(local), i64.constant(mask)), i64.constant(by)),
    );
  return [
    ...set(local, swap(0x00ff00ff00ff00ffn, 8n)),
    ...set(local, swap(0x0000ffff0000ffffn, 16n)),
    ...i64.rotr(get(local), i64.constant(32)),
  ];
}

/** compress(count): takes `count` blocks at INPUT into STATE (FIPS 180-4, 6.2.2 and 6.4.2). */
function compress(/** @type {Variant} */ variant) {
  const W = word(variant.bits);
  const { size } = W;
  const count = 0;
  const block = 1;
  const k = 2;
  /** The working variables a to h, and the last 16 words of the message schedule. */
  const v = (/** @type {number} */ i) => 3 + i;
  const w = (/** @type {number} */ i) => 11 + (i % 16);
  const t = 27;
  const rotate = (/** @type {number} */ x, /** @type {number} */ by) => W.rotr(get(x), W.constant(by));
  const big = (/** @type {number} */ x, /** @type {[number, number, number]} */ [a, b, c]) =>
    W.xor(W.xor(rotate(x, a), rotate(x, b)), rotate(x, c));
  const small = (/** @type {number} */ x, /** @type {[number, number, number]} */ [a, b, c]) =>
    W.xor(W.xor(rotate(x, a), rotate(x, b)), W.shr(get(x), W.constant(c)));
  const round = (/** @type {number} */ i) => {
    // Instead of moving all variables by one, each round names them anew.
    const now = (/** @type {number} */ n) => v((n + 16 - i) % 8);
    const [a, b, c, d] = [now(0), now(1), now(2), now(3)];
    const [e, f, g, h] = [now(4), now(5), now(6), now(7)];
    const choose = W.xor(W.and(W.xor(get(f), get(g)), get(e)), get(g));
    const majority = W.xor(W.and(get(a), get(b)), W.and(W.xor(get(a), get(b)), get(c)));
    return [
      ...set(h, W.sum(get(h), big(e, variant.bigSigma1), choose, W.load(get(k), i * size), get(w(i)))),
      ...set(d, W.add(get(d), get(h))),
      ...set(h, W.sum(get(h), big(a, variant.bigSigma0), majority)),
    ];
  };
  const schedule = (/** @type {number} */ i) =>
    set(
      w(i),
      W.sum(
        get(w(i)),
        small(w(i + 1), variant.smallSigma0),
        get(w(i + 9)),
        small(w(i + 14), variant.smallSigma1),
      ),
    );
  const sixteen = Array.from({ length: 16 }, (_, i) => i);
  const eight = sixteen.slice(0, 8);
  return {
    params: 1,
    locals: /** @type {[number, number][]} */ ([
      [2, I32],
      [25, W.type],
    ]),
    body: [
      ...set(block, i32.constant(INPUT)),
      ...loop([
        ...eight.flatMap((i) => set(v(i), W.load(zero, STATE + i * size))),
        ...sixteen.flatMap((i) => [
          ...set(t, W.load(get(block), i * size)),
          ...set(w(i), swapBytes(variant, t)),
        ]),
        ...set(k, i32.constant(variant.k)),
        ...loop([
          ...sixteen.flatMap(round),
          ...when(
            i32.ne(
              tee(k, i32.add(get(k), i32.constant(16 * size))),
              i32.constant(variant.k + variant.rounds * size),
            ),
            [...sixteen.flatMap(schedule), ...branch(1)],
          ),
        ]),
        ...eight.flatMap((i) =>
          W.store(zero, STATE + i * size, W.add(W.load(zero, STATE + i * size), get(v(i)))),
        ),
        ...set(block, i32.add(get(block), i32.constant(16 * size))),
        ...branchIf(0, tee(count, i32.sub(get(count), i32.constant(1)))),
      ]),
    ],
  };
}

/** finish(length, bitsHigh, bitsLow): pads the last `length` bytes at INPUT, and writes the digest to OUT. */
function finish(/** @type {Variant} */ variant, /** @type {number} */ compressIndex) {
  const W = word(variant.bits);
  const block = 16 * W.size;
  const [length, bitsHigh, bitsLow, blocks, end, t] = [0, 1, 2, 3, 4, 5];
  const shift = i32.constant(Math.log2(block));
  // The bit 1, then zeros, then the length in bits as a number of two words. (Of SHA-512's 128 bits the
  // upper half stays zero.)
  const lengthField = 2 * W.size;
  const swapped = (/** @type {number} */ local) => swapBytes(SHA256, local);
  return {
    params: 3,
    locals: /** @type {[number, number][]} */ ([
      [2, I32],
      [1, W.type],
    ]),
    body: [
      ...store8(get(length), INPUT, i32.constant(0x80)),
      ...set(blocks, i32.shr(i32.add(get(length), i32.constant(lengthField + block)), shift)),
      ...set(end, i32.shl(get(blocks), shift)),
      ...i32.store(get(end), INPUT - 8, swapped(bitsHigh)),
      ...i32.store(get(end), INPUT - 4, swapped(bitsLow)),
      ...call(compressIndex, get(blocks)),
      ...Array.from({ length: 8 }, (_, i) => [
        ...set(t, W.load(zero, STATE + i * W.size)),
        ...W.store(zero, OUT + i * W.size, swapBytes(variant, t)),
      ]).flat(),
    ],
  };
}

/** Copies `size` bytes, a multiple of 8. */
function copy(/** @type {number} */ to, /** @type {number[]} */ from, /** @type {number} */ size) {
  return Array.from({ length: size / 8 }, (_, i) =>
    i64.store(zero, to + 8 * i, i64.load(from, 8 * i)),
  ).flat();
}

/** Whitens the block at INPUT for HMAC. */
function xorBlock(/** @type {number} */ size, /** @type {bigint} */ mask) {
  return Array.from({ length: size / 8 }, (_, i) =>
    i64.store(zero, INPUT + 8 * i, i64.xor(i64.load(zero, INPUT + 8 * i), i64.constant(mask))),
  ).flat();
}

/** hmacKey(initial): makes INNER and OUTER of the key in the block at INPUT; `initial` is where H is. */
function hmacKey(/** @type {Variant} */ variant, /** @type {number} */ compressIndex) {
  const { size } = word(variant.bits);
  const state = 8 * size;
  const one = i32.constant(1);
  return {
    params: 1,
    locals: /** @type {[number, number][]} */ ([]),
    body: [
      ...xorBlock(16 * size, 0x3636363636363636n),
      ...copy(STATE, get(0), state),
      ...call(compressIndex, one),
      ...copy(INNER, i32.constant(STATE), state),
      ...xorBlock(16 * size, 0x3636363636363636n ^ 0x5c5c5c5c5c5c5c5cn),
      ...copy(STATE, get(0), state),
      ...call(compressIndex, one),
      ...copy(OUTER, i32.constant(STATE), state),
      ...clear(i32.constant(16 * size), 1),
    ],
  };
}

/** Zeroes INPUT up to `end`, rounded up to 8 bytes; `at` is a parameter or local to spend. */
function clear(/** @type {number[]} */ end, /** @type {number} */ at) {
  return [
    ...set(at, zero),
    ...loop([
      ...i64.store(get(at), INPUT, i64.constant(0)),
      ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(8))), end)),
    ]),
  ];
}

/** hmac(length, digestLength): with INNER and OUTER, the MAC of the bytes at INPUT goes to OUT. */
function hmac(/** @type {Variant} */ variant, /** @type {number} */ finishIndex) {
  const { size } = word(variant.bits);
  const state = 8 * size;
  const block = 16 * size;
  const [length, digestLength, at] = [0, 1, 2];
  const bits = (/** @type {number} */ local) =>
    i32.shl(i32.add(get(local), i32.constant(block)), i32.constant(3));
  return {
    params: 2,
    locals: /** @type {[number, number][]} */ ([[1, I32]]),
    body: [
      ...copy(STATE, i32.constant(INNER), state),
      ...call(finishIndex, get(length), zero, bits(length)),
      ...clear(i32.add(get(length), i32.constant(block + 2 * size)), at),
      ...copy(INPUT, i32.constant(OUT), 32),
      ...(variant.bits === 32
        ? []
        : [
            ...copy(INPUT + 32, i32.constant(OUT + 32), 16),
            ...when(
              i32.gtU(get(digestLength), i32.constant(48)),
              copy(INPUT + 48, i32.constant(OUT + 48), 16),
            ),
          ]),
      ...copy(STATE, i32.constant(OUTER), state),
      ...call(finishIndex, get(digestLength), zero, bits(digestLength)),
    ],
  };
}

/** hash(initial, length): the digest of the bytes at INPUT goes to OUT. */
function hash(/** @type {Variant} */ variant, /** @type {number} */ finishIndex) {
  const { size } = word(variant.bits);
  return {
    params: 2,
    locals: /** @type {[number, number][]} */ ([]),
    body: [
      ...copy(STATE, get(0), 8 * size),
      ...call(finishIndex, get(1), zero, i32.shl(get(1), i32.constant(3))),
    ],
  };
}

/** wipe(length): zeroes STATE to OUTER, and INPUT up to `length` bytes and the padding after them. */
const wipe = {
  name: 'wipe',
  params: 1,
  locals: /** @type {[number, number][]} */ ([[1, I32]]),
  body: [
    ...Array.from({ length: TABLES / 8 }, (_, i) => i64.store(zero, 8 * i, i64.constant(0))).flat(),
    ...clear(i32.add(get(0), i32.constant(144)), 1),
  ],
};

// hmacKey spends a local of its own to clear the block.
const withLocal = (/** @type {ReturnType<typeof hmacKey>} */ made) => ({
  ...made,
  locals: /** @type {[number, number][]} */ ([[1, I32]]),
});

const functions = [
  { name: 'compress256', ...compress(SHA256) },
  { name: 'finish256', ...finish(SHA256, 0) },
  { name: 'hash256', ...hash(SHA256, 1) },
  { name: 'hmacKey256', ...withLocal(hmacKey(SHA256, 0)) },
  { name: 'hmac256', ...hmac(SHA256, 1) },
  { name: 'compress512', ...compress(SHA512) },
  { name: 'finish512', ...finish(SHA512, 5) },
  { name: 'hash512', ...hash(SHA512, 6) },
  { name: 'hmacKey512', ...withLocal(hmacKey(SHA512, 5)) },
  { name: 'hmac512', ...hmac(SHA512, 6) },
  wipe,
];

writeModule(
  'make-hash-wasm.mjs',
  'short-hash',
  `export const STATE = ${address(STATE)};
export const OUT = ${address(OUT)};
/** INNER, and OUTER behind it: 64 bytes each. */
export const KEY = ${address(INNER)};
export const H256 = ${address(H256)};
export const H512 = ${address(H512)};
export const H384 = ${address(H384)};
export const INPUT = ${address(INPUT)};
/** Input that fits with its padding. */
export const INPUT_LENGTH = ${address(0x10000 - INPUT - 0x100)};
`,
  assemble(functions, { at: TABLES, bytes: tables() }),
);
