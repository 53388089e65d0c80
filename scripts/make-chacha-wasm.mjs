// Writes src/crypto/short-chacha/module.ts: ChaCha20-Poly1305 (RFC 8439) as a WebAssembly module. `--check` only
// compares, and fails if the file is not what this script makes.
//
// ChaCha20: a block's state is four vectors, its rows, so that one quarter round on whole vectors is the four of a
// round; between rounds the rows are turned, which makes columns of the diagonals and back. Three blocks are worked on
// at a time, since each step of one block waits for the step before. The first of all is the one-time key, and so a
// message of up to 128 bytes is one such piece.
//
// Poly1305: sums and products of words of 32 bits in words of 64. How large they get is written where they are made.
//
// Neither instructions nor addresses depend on the bytes: there are additions, exclusive ors, shifts by constants and
// i64.mul, whose time does not depend on the factors on x64 and ARM64; the last subtraction of the prime is a
// multiplication by 0 or 1. Branches are on lengths, and in `open` on whether the tag was right, which is no secret.
//
// seal(aad, length) and open(aad, length) are explained in lib/short-aead.mjs. The AAD is 0 to 16 bytes.
//
// Memory, one page. `wipe` zeroes at the end of every operation all that was written in it:
//   0x000 KEY         32 bytes
//   0x020 COUNTER     of the block, 4 bytes, zero: that of the one-time key
//   0x024 NONCE       12 bytes
//   0x030 TAG         as made here
//   0x040 DIFFERENCE  of the tag that came from the right one: not zero where `open` refused
//   0x100 BLOCKS      of ChaCha20: the first has the one-time key
//         KEYSTREAM   the others, up to 0xc40 bytes and what is left of the last three
//         AAD         one block: what there is of it, then zeros
//         INPUT       behind it, up to 0xc40 bytes and the tag
import { clear, sealAndOpen, whole } from './lib/short-aead.mjs';
import {
  assemble,
  branchIf,
  call,
  get,
  I32,
  I64,
  loop,
  set,
  tee,
  V128,
  v128,
  widen,
  word,
} from './lib/wasm.mjs';
import { address, writeModule } from './lib/wasm-module.mjs';

const KEY = 0x000;
const COUNTER = 0x020;
const NONCE = 0x024;
const TAG = 0x030;
const DIFFERENCE = 0x040;
const BLOCKS = 0x100;
const LENGTH = 0xc40;
const BLOCK = 64;
/** Blocks that are made at a time. */
const WIDTH = 3;
const PIECE = WIDTH * BLOCK;
const KEYSTREAM = BLOCKS + BLOCK;
const AAD = BLOCKS + Math.ceil((BLOCK + LENGTH) / PIECE) * PIECE;
const INPUT = AAD + 16;

const i32 = word(32);
const i64 = word(64);
const zero = i32.constant(0);
/** @typedef {number[]} Code */
/** @typedef {[count: number, type: number][]} Locals */

/** @param {number[]} words */
const words = (...words) => v128.constant(new Uint8Array(Uint32Array.from(words).buffer));
/** "expand 32-byte k" */
const CONSTANTS = words(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);

/** blocks(end): makes blocks of ChaCha20 from BLOCKS to `end` at least, in whole pieces. */
function blocks() {
  const [end, at, round, counter] = [0, 1, 2, 3];
  const lanes = Array.from({ length: WIDTH }, (_, i) => i);
  const row = (/** @type {number} */ lane, /** @type {number} */ i) => counter + 1 + 4 * lane + i;
  const initial = (/** @type {number} */ lane) => [
    CONSTANTS,
    v128.load(zero, KEY),
    v128.load(zero, KEY + 16),
    v128.add32(get(counter), words(lane, 0, 0, 0)),
  ];
  /** A quarter of the quarter round: row a += b, d ^= a, d <<<= by. */
  const step = (
    /** @type {number} */ a,
    /** @type {number} */ b,
    /** @type {number} */ d,
    /** @type {number} */ by,
  ) =>
    lanes.flatMap((lane) => {
      const mixed = row(lane, d);
      return [
        ...set(row(lane, a), v128.add32(get(row(lane, a)), get(row(lane, b)))),
        ...set(mixed, v128.xor(get(mixed), get(row(lane, a)))),
        ...set(mixed, v128.or(v128.shl32(get(mixed), by), v128.shr32(get(mixed), 32 - by))),
      ];
    });
  /** Turns the rows but the first by as many words each. */
  const turn = (/** @type {number[]} */ ...by) =>
    lanes.flatMap((lane) =>
      by.flatMap((count, i) => {
        const local = row(lane, i + 1);
        return set(local, v128.window(get(local), get(local), 4 * count));
      }),
    );
  const quarterRounds = [
    ...step(0, 1, 3, 16),
    ...step(2, 3, 1, 12),
    ...step(0, 1, 3, 8),
    ...step(2, 3, 1, 7),
  ];
  return {
    name: 'blocks',
    params: 1,
    locals: /** @type {Locals} */ ([
      [2, I32],
      [1 + 4 * WIDTH, V128],
    ]),
    body: [
      ...set(at, i32.constant(BLOCKS)),
      ...set(counter, v128.load(zero, COUNTER)),
      ...loop([
        ...lanes.flatMap((lane) => initial(lane).flatMap((value, i) => set(row(lane, i), value))),
        ...set(round, i32.constant(10)),
        ...loop([
          ...quarterRounds,
          ...turn(1, 2, 3),
          ...quarterRounds,
          ...turn(3, 2, 1),
          ...branchIf(0, tee(round, i32.sub(get(round), i32.constant(1)))),
        ]),
        ...lanes.flatMap((lane) =>
          initial(lane).flatMap((value, i) =>
            v128.store(get(at), BLOCK * lane + 16 * i, v128.add32(get(row(lane, i)), value)),
          ),
        ),
        ...set(counter, v128.add32(get(counter), words(WIDTH, 0, 0, 0))),
        ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(PIECE))), get(end))),
      ]),
    ],
  };
}

/** poly1305(at, end): the MAC of the blocks from `at` to before `end`, one at least, goes to TAG. */
function poly1305() {
  const [at, end] = [0, 1];
  /** The sum, in words of 32 bits, which may be larger for a while; the highest has what is beyond 128 bits. */
  const h = /** @type {const} */ ([2, 3, 4, 5, 6]);
  /** The sum and a block. */
  const s = /** @type {const} */ ([7, 8, 9, 10, 11]);
  const r = /** @type {const} */ ([12, 13, 14, 15]);
  /** 5/4 of each word of r: their places are those of r, less 2^128, since 2^130 = 5. */
  const folded = /** @type {const} */ ([16, 17, 18, 19]);
  /** The two bits of r that no quarter was taken of: clamping leaves none in its other words. */
  const rest = 20;
  const carry = 21;

  const low = (/** @type {Code} */ value) => i64.and(value, i64.constant(0xffffffff));
  const high = (/** @type {number} */ local) => i64.shr(get(local), i64.constant(32));
  const quarters = (/** @type {number} */ local) => i64.shr(get(local), i64.constant(2));
  const fiveTimes = (/** @type {Code} */ value) => i64.mul(value, i64.constant(5));
  const key = (/** @type {number} */ i) => widen(i32.load(zero, BLOCKS + 4 * i));
  const product = (/** @type {number} */ a, /** @type {number} */ b) => i64.mul(get(a), get(b));

  /** The word at place `i` of s r; the newest words of s are added last. */
  const column = (/** @type {0 | 1 | 2 | 3} */ i) => {
    const factor = (/** @type {number} */ j) => /** @type {number} */ (j <= i ? r[i - j] : folded[i - j + 4]);
    return i64.sum(
      product(s[1], factor(1)),
      product(s[2], factor(2)),
      product(s[3], factor(3)),
      product(s[4], folded[i]),
      product(s[0], factor(0)),
    );
  };

  // Before each block h0 < 1.9 * 2^32, h1 to h3 < 2^32 and h4 < 4: s0 < 2.9 * 2^32, s1 to s3 < 2 * 2^32 and s4 <= 4.
  // Words of r are below 2^28, folded ones below 1.25 * 2^28. A column, with s4 and a carry, is then below
  // 1.25 * 2^60 (2.9 + 3 * 2) + 2^34 < 11.2 * 2^60, which is less than 2^64. Its carry and s4's rest, at most 12, make
  // up h4, whose quarters fivefold are below 14 * 2^28 < 0.9 * 2^32: so much, and a word, is h0 after the block.
  const block = [
    ...[0, 1, 2, 3].flatMap((i) =>
      set(
        /** @type {number} */ (s[i]),
        i64.add(get(/** @type {number} */ (h[i])), widen(i32.load(get(at), 4 * i))),
      ),
    ),
    ...set(s[4], i64.add(get(h[4]), i64.constant(1))),
    ...set(h[0], column(0)),
    ...set(h[1], i64.add(column(1), high(h[0]))),
    ...set(h[2], i64.add(column(2), high(h[1]))),
    ...set(h[3], i64.add(column(3), high(h[2]))),
    ...set(h[4], i64.add(product(s[4], rest), high(h[3]))),
    ...set(h[0], i64.add(low(get(h[0])), fiveTimes(quarters(h[4])))),
    ...[h[1], h[2], h[3]].flatMap((local) => set(local, low(get(local)))),
    ...set(h[4], i64.and(get(h[4]), i64.constant(3))),
  ];

  /** Adds `carry` to the sum's words, with what `second` has for each, and leaves words of 32 bits but for h4. */
  const propagate = (/** @type {(i: number) => Code[]} */ second) =>
    [h[0], h[1], h[2], h[3]].flatMap((local, i) => [
      ...set(carry, i64.sum(get(carry), get(local), ...second(i))),
      ...set(local, low(get(carry))),
      ...set(carry, high(carry)),
    ]);
  /** The sum is below 2 p, p = 2^130 - 5, and so at least p just where the sum plus 5 reaches 2^130. */
  const reachesPrime = [
    ...set(carry, i64.constant(5)),
    ...[h[0], h[1], h[2], h[3]].flatMap((local) =>
      set(carry, i64.shr(i64.add(get(carry), get(local)), i64.constant(32))),
    ),
    ...set(carry, i64.add(get(carry), get(h[4]))),
    ...set(carry, quarters(carry)),
  ];
  const pair = (/** @type {number} */ a, /** @type {number} */ b) =>
    i64.or(get(a), i64.shl(get(b), i64.constant(32)));

  return {
    name: 'poly1305',
    params: 2,
    locals: /** @type {Locals} */ ([[20, I64]]),
    body: [
      ...r.flatMap((local, i) => [
        ...set(local, i64.and(key(i), i64.constant(i === 0 ? 0x0fffffff : 0x0ffffffc))),
        ...set(/** @type {number} */ (folded[i]), fiveTimes(quarters(local))),
      ]),
      ...set(rest, i64.and(get(r[0]), i64.constant(3))),
      ...loop([...block, ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(16))), get(end)))]),
      ...reachesPrime,
      // Less p is plus 5, less 2^130, which is beyond the tag; the key's second half is added in the same pass.
      ...set(carry, fiveTimes(get(carry))),
      ...propagate((i) => [key(4 + i)]),
      ...i64.store(zero, TAG, pair(h[0], h[1])),
      ...i64.store(zero, TAG + 8, pair(h[2], h[3])),
    ],
  };
}

const [BLOCKS_INDEX, POLY1305_INDEX] = [0, 1];
const [aad, length] = [0, 1];
const lengths = INPUT;
const { seal, open } = sealAndOpen(
  { TAG, DIFFERENCE, KEYSTREAM, INPUT },
  {
    before: call(BLOCKS_INDEX, i32.add(get(length), i32.constant(KEYSTREAM))),
    tag: [
      // The block of lengths stands behind the padded ciphertext, where the tag that came has been taken from.
      ...i64.store(whole(length), lengths, widen(get(aad))),
      ...i64.store(whole(length), lengths + 8, widen(get(length))),
      // Where there is no AAD, there is no block of it either.
      ...call(
        POLY1305_INDEX,
        i32.sub(i32.constant(INPUT), whole(aad)),
        i32.add(whole(length), i32.constant(lengths + 16)),
      ),
    ],
  },
);

/** wipe(length): zeroes KEY to DIFFERENCE, and for an input of `length` bytes all that was used for it. */
const wipe = {
  name: 'wipe',
  params: 1,
  locals: /** @type {Locals} */ ([[1, I32]]),
  body: [
    ...clear(KEY, i32.constant(DIFFERENCE + 16), 1, DIFFERENCE + 16),
    ...clear(BLOCKS, i32.add(get(0), i32.constant(BLOCK)), 1, PIECE),
    ...clear(AAD, i32.add(get(0), i32.constant(32)), 1),
  ],
};

writeModule(
  'make-chacha-wasm.mjs',
  'short-chacha',
  `export const KEY = ${address(KEY)};
export const COUNTER = ${address(COUNTER)};
export const NONCE = ${address(NONCE)};
export const TAG = ${address(TAG)};
export const DIFFERENCE = ${address(DIFFERENCE)};
/** Of ChaCha20: the one-time key's, and the keystream behind it. */
export const BLOCKS = ${address(BLOCKS)};
export const AAD = ${address(AAD)};
export const INPUT = ${address(INPUT)};
/** Input that there is room for, without the tag. */
export const INPUT_LENGTH = ${address(LENGTH)};
`,
  assemble([blocks(), poly1305(), seal, open, wipe]),
);
