// Writes src/crypto/short-gcm/module.ts: GHASH and the rest of GCM but the block cipher (NIST SP 800-38D) as a
// WebAssembly module. `--check` only compares, and fails if the file is not what this script makes.
//
// A product of polynomials over GF(2) is made of products of integers (i64.mul, whose time does not depend on the
// factors): of every fourth bit at a time, so that no sum of single bits grows past the three zeros beside it. The
// low half of a product of two 64-bit polynomials comes so; its high half is the low half of the product of both
// turned around. Neither instructions nor addresses depend on the bytes.
//
// Polynomials are held with the coefficient of x^i in bit i. GCM has the coefficient of x^0 in the first byte's
// highest bit: the bits of each byte are turned around when they come in and go out.
//
// Memory, one page. What is secret in it is wiped by `wipe` at the end of every operation:
//   0x000 SUM         GHASH so far, in GCM's order of bits
//   0x010 KEY         H as `key` makes it: low word, high word, their sum, and the same turned around
//   0x040 DIFFERENCE  of the tag that came from the right one: not zero where `open` refused
//   0x100 MASK        of the tag: the block cipher over the first counter
//         KEYSTREAM   behind it, up to 0x1000 bytes
//         AAD         one block: what there is of it, then zeros
//         INPUT       behind it, up to 0x1000 bytes and the tag
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assemble,
  branch,
  branchIf,
  call,
  get,
  I32,
  I64,
  leave,
  loop,
  set,
  store8,
  tee,
  when,
  widen,
  word,
} from './lib/wasm.mjs';

const SUM = 0x000;
const KEY = 0x010;
const DIFFERENCE = 0x040;
const MASK = 0x100;
const LENGTH = 0x1000;
const KEYSTREAM = MASK + 16;
const AAD = KEYSTREAM + LENGTH;
const INPUT = AAD + 16;

const i32 = word(32);
const i64 = word(64);
const zero = i32.constant(0);
/** @typedef {number[]} Code */

/** @param {Code} first @param {Code[]} rest */
const xor = (first, ...rest) => rest.reduce(i64.xor, first);

/** Trades the neighbouring groups of `by` bits of the word in `local`. @param {number} local @param {bigint} by */
function swap(local, by) {
  const mask = [0n, 16n, 32n, 48n].reduce(
    (all, at) => all | ((((1n << 16n) - 1n) / ((1n << by) + 1n)) << at),
    0n,
  );
  const wide = by === 16n ? 0x0000ffff0000ffffn : mask;
  return set(
    local,
    i64.or(
      i64.and(i64.shr(get(local), i64.constant(by)), i64.constant(wide)),
      i64.shl(i64.and(get(local), i64.constant(wide)), i64.constant(by)),
    ),
  );
}

/** Turns the bits of each byte around. @param {number} local */
const turnBits = (local) => [...swap(local, 1n), ...swap(local, 2n), ...swap(local, 4n)];
/** Turns the bytes around. @param {number} local */
const turnBytes = (local) => [
  ...swap(local, 8n),
  ...swap(local, 16n),
  ...set(local, i64.rotr(get(local), i64.constant(32))),
];

/** Hands out locals of 64 bits, from `first` on. @param {number} first */
function locals(first) {
  let next = first;
  return {
    /** @param {number} count */
    take: (count) => Array.from({ length: count }, () => next++),
    get count() {
      return next - first;
    },
  };
}

const EVERY_FOURTH = [0, 1, 2, 3].map((first) => 0x1111111111111111n << BigInt(first));

/**
 * The low 64 coefficients of the product of the words in `a` and `b`, left on the stack. `scratch` are eight locals.
 * @param {number} a @param {number} b @param {number[]} scratch
 */
function product(a, b, scratch) {
  const part = (/** @type {number} */ local) =>
    EVERY_FOURTH.map((mask) => i64.and(get(local), i64.constant(mask)));
  const [x, y] = [scratch.slice(0, 4), scratch.slice(4, 8)];
  const parts = [...part(a), ...part(b)].flatMap((code, i) => set(/** @type {number} */ (scratch[i]), code));
  const classes = EVERY_FOURTH.map((mask, n) => {
    const [first, ...rest] = x.map((local, i) =>
      i64.mul(get(local), get(/** @type {number} */ (y[(n + 4 - i) % 4]))),
    );
    return i64.and(xor(/** @type {Code} */ (first), ...rest), i64.constant(mask));
  });
  const [first, ...rest] = classes;
  return [...parts, ...rest.reduce(i64.or, /** @type {Code} */ (first))];
}

/** ghash(at, end): takes the blocks from `at` to before `end`, one at least, into SUM. */
function ghash() {
  const [at, end] = [0, 1];
  const take = locals(2);
  const sum = take.take(2);
  const key = take.take(6);
  const [low, high] = /** @type {[number, number]} */ (/** @type {unknown} */ (take.take(2)));
  /** The block's words as polynomials, their sum, and the same turned around. */
  const block = take.take(6);
  /** By Karatsuba: low halves of the three products, then high halves. */
  const z = take.take(6);
  const scratch = take.take(8);
  const local = (/** @type {number[]} */ list, /** @type {number} */ i) => /** @type {number} */ (list[i]);
  const shifted = (/** @type {number} */ from) =>
    xor(get(from), ...[1, 2, 7].map((by) => i64.shl(get(from), i64.constant(by))));
  const carried = (/** @type {number} */ from) =>
    [63, 62, 57].map((by) => i64.shr(get(from), i64.constant(by)));
  const v = z;
  const body = [
    ...[0, 1].flatMap((i) => set(local(sum, i), i64.load(zero, SUM + 8 * i))),
    ...key.flatMap((each, i) => set(each, i64.load(zero, KEY + 8 * i))),
    ...loop([
      ...[0, 1].flatMap((i) => [
        ...set(local(block, i), i64.xor(i64.load(get(at), 8 * i), get(local(sum, i)))),
        ...set(local(block, 3 + i), get(local(block, i))),
        ...turnBits(local(block, i)),
        ...turnBytes(local(block, 3 + i)),
      ]),
      ...set(local(block, 2), i64.xor(get(local(block, 0)), get(local(block, 1)))),
      ...set(local(block, 5), i64.xor(get(local(block, 3)), get(local(block, 4)))),
      ...z.flatMap((each, i) => set(each, product(local(block, i), local(key, i), scratch))),
      // The middle product without the outer two; turning around is linear, and so comes after.
      ...[0, 3].flatMap((first) =>
        set(
          local(z, first + 2),
          xor(get(local(z, first + 2)), get(local(z, first)), get(local(z, first + 1))),
        ),
      ),
      ...z
        .slice(3)
        .flatMap((each) => [
          ...turnBits(each),
          ...turnBytes(each),
          ...set(each, i64.shr(get(each), i64.constant(1))),
        ]),
      // The product's four words, lowest first: z0, z3 + z2, z1 + z5, z4.
      ...set(low, i64.xor(get(local(z, 3)), get(local(z, 2)))),
      ...set(high, i64.xor(get(local(z, 1)), get(local(z, 5)))),
      // x^128 = x^7 + x^2 + x + 1
      ...set(low, i64.xor(get(low), shifted(local(v, 4)))),
      ...set(high, xor(get(high), ...carried(local(v, 4)))),
      ...set(local(sum, 0), i64.xor(get(local(z, 0)), shifted(high))),
      ...set(local(sum, 1), xor(get(low), ...carried(high))),
      ...turnBits(local(sum, 0)),
      ...turnBits(local(sum, 1)),
      ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(16))), get(end))),
    ]),
    ...[0, 1].flatMap((i) => i64.store(zero, SUM + 8 * i, get(local(sum, i)))),
  ];
  return {
    name: 'ghash',
    params: 2,
    locals: /** @type {[number, number][]} */ ([[take.count, I64]]),
    body,
  };
}

/** key(): makes KEY of H, which is in SUM. */
function key() {
  const words = [0, 1, 2, 3, 4, 5];
  return {
    name: 'key',
    params: 0,
    locals: /** @type {[number, number][]} */ ([[6, I64]]),
    body: [
      ...[0, 1].flatMap((i) => [
        ...set(i, i64.load(zero, SUM + 8 * i)),
        ...set(3 + i, get(i)),
        ...turnBits(i),
        ...turnBytes(3 + i),
      ]),
      ...set(2, i64.xor(get(0), get(1))),
      ...set(5, i64.xor(get(3), get(4))),
      ...words.flatMap((i) => i64.store(zero, KEY + 8 * i, get(i))),
    ],
  };
}

/** Zeroes what of the last block at INPUT is not input; `at` is spent. @param {number} length @param {number} at */
const padInput = (length, at) => [
  ...set(at, get(length)),
  ...loop(
    when(i32.ne(i32.and(get(at), i32.constant(15)), zero), [
      ...store8(get(at), INPUT, zero),
      ...set(at, i32.add(get(at), i32.constant(1))),
      ...branch(1),
    ]),
  ),
];

/** `length` in whole blocks, in bytes. @param {number} length */
const whole = (length) => i32.and(i32.add(get(length), i32.constant(15)), i32.constant(-16));

/** Adds the keystream to INPUT, in whole blocks; `at` is spent. @param {number} length @param {number} at */
const addKeystream = (length, at) => [
  ...set(at, zero),
  ...loop(
    when(i32.ltU(get(at), get(length)), [
      ...[0, 8].flatMap((half) =>
        i64.store(
          get(at),
          INPUT + half,
          i64.xor(i64.load(get(at), INPUT + half), i64.load(get(at), KEYSTREAM + half)),
        ),
      ),
      ...set(at, i32.add(get(at), i32.constant(16))),
      ...branch(1),
    ]),
  ),
];

/** The 64 bits of a length in bits, as GCM writes them. @param {number} length @param {number} bits a local to spend */
const lengthBits = (length, bits) => [
  ...set(bits, widen(i32.shl(get(length), i32.constant(3)))),
  ...turnBytes(bits),
];

/** The ciphertext's tag goes to SUM. `from` is AAD where there is any, else INPUT. */
const tag = (
  /** @type {number} */ aad,
  /** @type {number} */ length,
  /** @type {number} */ bits,
  /** @type {number} */ ghashIndex,
) => [
  ...[0, 8].flatMap((half) => i64.store(zero, SUM + half, i64.constant(0))),
  ...call(ghashIndex, i32.constant(AAD), i32.add(i32.constant(INPUT), whole(length))),
  // The block of lengths takes the place of the AAD, which is done with.
  ...lengthBits(aad, bits),
  ...i64.store(zero, AAD, get(bits)),
  ...lengthBits(length, bits),
  ...i64.store(zero, AAD + 8, get(bits)),
  ...call(ghashIndex, i32.constant(AAD), i32.constant(AAD + 16)),
  ...[0, 8].flatMap((half) =>
    i64.store(zero, SUM + half, i64.xor(i64.load(zero, SUM + half), i64.load(zero, MASK + half))),
  ),
];

const GHASH = 0;

/** seal(aad, length): encrypts INPUT, and puts the tag behind it. The AAD is 1 to 16 bytes, `aad` of them. */
const seal = {
  name: 'seal',
  params: 2,
  locals: /** @type {[number, number][]} */ ([
    [1, I32],
    [1, I64],
  ]),
  body: [
    ...addKeystream(1, 2),
    ...padInput(1, 2),
    ...tag(0, 1, 3, GHASH),
    ...[0, 8].flatMap((half) => i64.store(get(1), INPUT + half, i64.load(zero, SUM + half))),
  ],
};

/** open(aad, length): checks the tag behind INPUT. Where it is right, DIFFERENCE is zero and INPUT decrypted. */
const open = {
  name: 'open',
  params: 2,
  locals: /** @type {[number, number][]} */ ([
    [1, I32],
    [3, I64],
  ]),
  body: [
    ...set(4, i64.load(get(1), INPUT)),
    ...set(5, i64.load(get(1), INPUT + 8)),
    ...padInput(1, 2),
    ...tag(0, 1, 3, GHASH),
    ...set(4, i64.or(i64.xor(get(4), i64.load(zero, SUM)), i64.xor(get(5), i64.load(zero, SUM + 8)))),
    ...i64.store(zero, DIFFERENCE, get(4)),
    ...when(i64.ne(get(4), i64.constant(0)), leave),
    ...addKeystream(1, 2),
  ],
};

/** Zeroes [from, from + length), rounded up to 16 bytes; `at` is spent. @param {number} from @param {Code} length @param {number} at */
const clear = (from, length, at) => [
  ...set(at, zero),
  ...loop([
    ...[0, 8].flatMap((half) => i64.store(get(at), from + half, i64.constant(0))),
    ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(16))), length)),
  ]),
];

/** wipe(length): zeroes SUM to DIFFERENCE, and for an input of `length` bytes all that was used for it. */
const wipe = {
  name: 'wipe',
  params: 1,
  locals: /** @type {[number, number][]} */ ([[1, I32]]),
  body: [
    ...clear(SUM, i32.constant(DIFFERENCE + 16), 1),
    ...clear(MASK, i32.add(get(0), i32.constant(16)), 1),
    ...clear(AAD, i32.add(get(0), i32.constant(32)), 1),
  ],
};

const functions = [ghash(), key(), seal, open, wipe];
const module = Buffer.from(assemble(functions));

const address = (/** @type {number} */ value) => `0x${value.toString(16).padStart(3, '0')}`;
const lines = module.toString('base64').match(/.{1,100}/g) ?? [];
const text = `// Written by scripts/make-gcm-wasm.mjs, where the functions and the layout are explained: do not edit.

export const SUM = ${address(SUM)};
export const KEY = ${address(KEY)};
/** Bytes of KEY. */
export const KEY_LENGTH = 48;
export const DIFFERENCE = ${address(DIFFERENCE)};
/** MASK, and the keystream behind it. */
export const MASK = ${address(MASK)};
export const AAD = ${address(AAD)};
export const INPUT = ${address(INPUT)};
/** Input that there is room for, without the tag. */
export const INPUT_LENGTH = ${address(LENGTH)};

/** The module, ${module.length} bytes, in base64. */
export const MODULE: string =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;

const path = join(import.meta.dirname, '../src/crypto/short-gcm/module.ts');
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) {
    console.error('src/crypto/short-gcm/module.ts is not what scripts/make-gcm-wasm.mjs makes');
    process.exitCode = 1;
  }
} else {
  writeFileSync(path, text);
}
