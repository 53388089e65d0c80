// Writes src/crypto/short-gcm/module.ts: GHASH and the rest of GCM but the block cipher (NIST SP 800-38D) as a
// WebAssembly module. `--check` only compares, and fails if the file is not what this script makes.
//
// Bytes stand as GCM has them: the first byte has the coefficients of x^0 (its highest bit) to x^7, and so on. For a
// product with H, each byte of the other factor is looked up by its halves in tables of their multiples of H, 17
// bytes long: the first bytes of all sixteen products at once, then the second ones, and so on. Each of these is one
// look-up within a register (i8x16.swizzle), so that neither instructions nor addresses depend on the bytes.
//
// seal(aad, length) and open(aad, length) are explained in lib/short-aead.mjs. The AAD is 0 to 16 bytes.
//
// Memory, one page. What is secret in it is wiped by `wipe` at the end of every operation:
//   0x000 SUM         GHASH so far
//   0x010 DIFFERENCE  of the tag that came from the right one: not zero where `open` refused
//   0x020 SHIFTED     H, H x, ... H x^7, of 32 bytes each, the last 15 of them zero; H is brought in here
//   0x120 TABLES      of the multiples of H, 17 pairs: for the upper half of a byte, and for the lower one
//   0x400 MASK        of the tag: the block cipher over the first counter
//         KEYSTREAM   behind it, up to 0x840 bytes
//         AAD         one block: what there is of it, then zeros
//         INPUT       behind it, up to 0x840 bytes and the tag
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

/** Bytes of a multiple of H by a polynomial of up to eight coefficients. */
const ROWS = 17;
const SUM = 0x000;
const DIFFERENCE = 0x010;
const SHIFTED = 0x020;
const TABLES = SHIFTED + 8 * 32;
const MASK = 0x400;
const LENGTH = 0x840;
const KEYSTREAM = MASK + 16;
const AAD = KEYSTREAM + LENGTH;
const INPUT = AAD + 16;

const i32 = word(32);
const i64 = word(64);
const zero = i32.constant(0);
const none = v128.constant(Array(16).fill(0));
/** @typedef {number[]} Code */
/** @typedef {[count: number, type: number][]} Locals */

/** @param {Code} first @param {Code[]} rest */
const xor = (first, ...rest) => rest.reduce(v128.xor, first);

/** Turns the bytes of the 64-bit word in `local` around. @param {number} local */
const turnBytes = (local) => [
  ...[
    [8n, 0x00ff00ff00ff00ffn],
    [16n, 0x0000ffff0000ffffn],
  ].flatMap(([by, mask]) => {
    const [bits, lower] = [
      i64.constant(/** @type {bigint} */ (by)),
      i64.constant(/** @type {bigint} */ (mask)),
    ];
    return set(
      local,
      i64.or(i64.and(i64.shr(get(local), bits), lower), i64.shl(i64.and(get(local), lower), bits)),
    );
  }),
  ...set(local, i64.rotr(get(local), i64.constant(32))),
];

/** The halves of the bytes in `from`. @param {number} from @param {number} upper @param {number} lower */
const halve = (from, upper, lower) => {
  const low = v128.constant(Array(16).fill(0x0f));
  return [...set(upper, v128.and(v128.shr16(get(from), 4), low)), ...set(lower, v128.and(get(from), low))];
};

/**
 * Tables of the products of a half byte by x^128 = 1 + x + x^2 + x^7: `byte` of the two.
 * @param {'upper' | 'lower'} half @param {0 | 1} byte
 */
function folds(half, byte) {
  return v128.constant(
    Array.from({ length: 16 }, (_, value) => {
      // As a number of 16 bits whose highest is the coefficient of x^0.
      const bits = value << (half === 'upper' ? 12 : 8);
      const product = bits ^ (bits >> 1) ^ (bits >> 2) ^ (bits >> 7);
      return byte === 0 ? product >> 8 : product & 0xff;
    }),
  );
}

/**
 * Adds the product of the bytes, whose halves are in `upper` and `lower`, by x^128 to the sum; its second bytes, which
 * go one place further, stay in `second`.
 * @param {number} sum @param {number} upper @param {number} lower @param {number} second
 */
const fold = (sum, upper, lower, second) => [
  ...set(second, v128.lookUp(folds('upper', 1), get(upper))),
  ...set(second, v128.xor(get(second), v128.lookUp(folds('lower', 1), get(lower)))),
  ...set(
    sum,
    xor(
      get(sum),
      v128.lookUp(folds('upper', 0), get(upper)),
      v128.lookUp(folds('lower', 0), get(lower)),
      v128.window(none, get(second), 15),
    ),
  ),
];

/** ghash(at, end): takes the blocks from `at` to before `end`, one at least, into SUM. */
function ghash() {
  const [at, end, sum, upper, lower, high, second] = [0, 1, 2, 3, 4, 5, 6];
  const row = (/** @type {number} */ i) =>
    v128.xor(
      v128.lookUp(v128.load(zero, TABLES + 32 * i), get(upper)),
      v128.lookUp(v128.load(zero, TABLES + 32 * i + 16), get(lower)),
    );
  const rows = Array.from({ length: ROWS - 1 }, (_, i) => ROWS - 2 - i);
  return {
    name: 'ghash',
    params: 2,
    locals: /** @type {Locals} */ ([[5, V128]]),
    body: [
      ...set(sum, v128.load(zero, SUM)),
      ...loop([
        ...set(sum, v128.xor(get(sum), v128.load(get(at), 0))),
        ...halve(sum, upper, lower),
        // From the last row to the first, the rows before it moved on by a byte each time.
        ...set(sum, row(ROWS - 1)),
        ...set(high, none),
        ...rows.flatMap((i) => [
          ...set(high, v128.window(get(sum), get(high), 15)),
          ...set(sum, v128.xor(row(i), v128.window(none, get(sum), 15))),
        ]),
        ...halve(high, upper, lower),
        ...fold(sum, upper, lower, second),
        // The last of the second bytes is behind the end again.
        ...set(high, v128.window(get(second), none, 15)),
        ...halve(high, upper, lower),
        ...fold(sum, upper, lower, second),
        ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(16))), get(end))),
      ]),
      ...v128.store(zero, SUM, get(sum)),
    ],
  };
}

/** key(): makes TABLES of H. */
function key() {
  const [word0, word1, upper, lower] = [0, 1, 2, 3];
  /** Bytes of 0xff where the index has the coefficient that is the `bit`th from the highest. */
  const chosen = (/** @type {number} */ bit) =>
    v128.constant(Array.from({ length: 16 }, (_, index) => ((index >> (3 - bit)) & 1 ? 0xff : 0)));
  const table = (/** @type {number} */ i, /** @type {number} */ first) => {
    const [one, ...rest] = [0, 1, 2, 3].map((bit) =>
      v128.and(v128.load8Splat(zero, SHIFTED + 32 * (first + bit) + i), chosen(bit)),
    );
    return xor(/** @type {Code} */ (one), ...rest);
  };
  const swapped = (/** @type {number} */ local, /** @type {Code} */ value) => [
    ...set(local, value),
    ...turnBytes(local),
  ];
  return {
    name: 'key',
    params: 0,
    locals: /** @type {Locals} */ ([[4, I64]]),
    body: [
      ...swapped(word0, i64.load(zero, SHIFTED)),
      ...swapped(word1, i64.load(zero, SHIFTED + 8)),
      ...[1, 2, 3, 4, 5, 6, 7].flatMap((shift) => [
        ...swapped(upper, i64.shr(get(word0), i64.constant(shift))),
        ...i64.store(zero, SHIFTED + 32 * shift, get(upper)),
        ...swapped(
          lower,
          i64.or(i64.shr(get(word1), i64.constant(shift)), i64.shl(get(word0), i64.constant(64 - shift))),
        ),
        ...i64.store(zero, SHIFTED + 32 * shift + 8, get(lower)),
        ...swapped(lower, i64.shl(get(word1), i64.constant(64 - shift))),
        ...i64.store(zero, SHIFTED + 32 * shift + 16, get(lower)),
      ]),
      ...Array.from({ length: ROWS }, (_, i) => [
        ...v128.store(zero, TABLES + 32 * i, table(i, 0)),
        ...v128.store(zero, TABLES + 32 * i + 16, table(i, 4)),
      ]).flat(),
    ],
  };
}

/** The 64 bits of a length in bits, as GCM writes them. @param {number} length @param {number} bits a local to spend */
const lengthBits = (length, bits) => [
  ...set(bits, widen(i32.shl(get(length), i32.constant(3)))),
  ...turnBytes(bits),
];

const GHASH = 0;
const KEY = 1;

const [aad, length, bits] = [0, 1, 3];
/** The tag of AAD and INPUT goes to SUM. */
const tag = [
  ...call(KEY),
  ...v128.store(zero, SUM, none),
  ...call(GHASH, i32.constant(AAD), i32.add(i32.constant(INPUT), whole(length))),
  // The block of lengths takes the place of the AAD, which is done with.
  ...lengthBits(aad, bits),
  ...i64.store(zero, AAD, get(bits)),
  ...lengthBits(length, bits),
  ...i64.store(zero, AAD + 8, get(bits)),
  ...call(GHASH, i32.constant(AAD), i32.constant(AAD + 16)),
  ...v128.store(zero, SUM, v128.xor(v128.load(zero, SUM), v128.load(zero, MASK))),
];

const { seal, open } = sealAndOpen({ TAG: SUM, DIFFERENCE, KEYSTREAM, INPUT }, { before: [], tag });

/** wipe(length): zeroes SUM to TABLES, and for an input of `length` bytes all that was used for it. */
const wipe = {
  name: 'wipe',
  params: 1,
  locals: /** @type {Locals} */ ([[1, I32]]),
  body: [
    ...clear(SUM, i32.constant(TABLES + ROWS * 32 - SUM), 1),
    ...clear(MASK, i32.add(get(0), i32.constant(16)), 1),
    ...clear(AAD, i32.add(get(0), i32.constant(32)), 1),
  ],
};

writeModule(
  'make-gcm-wasm.mjs',
  'short-gcm',
  `export const DIFFERENCE = ${address(DIFFERENCE)};
/** Where H, 16 bytes, is brought in. */
export const H = ${address(SHIFTED)};
/** MASK, and the keystream behind it. */
export const MASK = ${address(MASK)};
export const AAD = ${address(AAD)};
export const INPUT = ${address(INPUT)};
/** Input that there is room for, without the tag. */
export const INPUT_LENGTH = ${address(LENGTH)};
`,
  assemble([ghash(), key(), seal, open, wipe]),
);
