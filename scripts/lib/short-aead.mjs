/**
 * What the modules of the AEADs for short messages have in common: a keystream in memory is added to the message, a tag
 * is made of one block of additional data, the ciphertext and both lengths, and everything is zeroed behind it.
 */
import {
  branch,
  branchIf,
  get,
  I32,
  I64,
  leave,
  loop,
  set,
  store8,
  tee,
  V128,
  v128,
  when,
  word,
} from './wasm.mjs';

/** @typedef {number[]} Code */
/** @typedef {[count: number, type: number][]} Locals */

const i32 = word(32);
const zero = i32.constant(0);
const none = v128.constant(Array(16).fill(0));

/** `length` in whole blocks, in bytes. @param {number} length */
export const whole = (length) => i32.and(i32.add(get(length), i32.constant(15)), i32.constant(-16));

/**
 * Zeroes [from, from + length), rounded up to `step` bytes, a multiple of 16; `at` is spent.
 * @param {number} from @param {Code} length @param {number} at @param {number} [step]
 */
export const clear = (from, length, at, step = 16) => [
  ...set(at, zero),
  ...loop([
    ...Array.from({ length: step / 16 }, (_, i) => v128.store(get(at), from + 16 * i, none)).flat(),
    ...branchIf(0, i32.ltU(tee(at, i32.add(get(at), i32.constant(step))), length)),
  ]),
];

/**
 * Where the module has what. TAG is where `tag` leaves it; what is behind KEYSTREAM and INPUT may be written to up to
 * a whole block, and one block of INPUT more.
 * @typedef {{ TAG: number, DIFFERENCE: number, KEYSTREAM: number, INPUT: number }} Layout
 */

/**
 * The module's functions seal(aad, length) and open(aad, length). The first encrypts INPUT, and puts the tag behind it.
 * The second checks the tag behind INPUT: where it is right, DIFFERENCE is zero and INPUT decrypted.
 *
 * `before` is done first, and has the keystream made. `tag` makes the tag of INPUT, whose last block is padded. Both
 * have the lengths in the locals 0 and 1, and a word of 32 and one of 64 bits to spend, the locals 2 and 3.
 * @param {Layout} layout @param {{ before: Code, tag: Code }} code
 */
export function sealAndOpen({ TAG, DIFFERENCE, KEYSTREAM, INPUT }, { before, tag }) {
  const [length, at, came] = [1, 2, 4];
  const addKeystream = [
    ...set(at, zero),
    ...loop(
      when(i32.ltU(get(at), get(length)), [
        ...v128.store(get(at), INPUT, v128.xor(v128.load(get(at), INPUT), v128.load(get(at), KEYSTREAM))),
        ...set(at, i32.add(get(at), i32.constant(16))),
        ...branch(1),
      ]),
    ),
  ];
  /** Zeroes what of the last block is not input: keystream, or the tag that came. */
  const padInput = [
    ...set(at, get(length)),
    ...loop(
      when(i32.ne(i32.and(get(at), i32.constant(15)), zero), [
        ...store8(get(at), INPUT, zero),
        ...set(at, i32.add(get(at), i32.constant(1))),
        ...branch(1),
      ]),
    ),
  ];
  const locals = /** @type {Locals} */ ([
    [1, I32],
    [1, I64],
    [1, V128],
  ]);
  const seal = {
    name: 'seal',
    params: 2,
    locals,
    body: [
      ...before,
      ...addKeystream,
      ...padInput,
      ...tag,
      ...v128.store(get(length), INPUT, v128.load(zero, TAG)),
    ],
  };
  const open = {
    name: 'open',
    params: 2,
    locals,
    body: [
      ...set(came, v128.load(get(length), INPUT)),
      ...before,
      ...padInput,
      ...tag,
      ...v128.store(zero, DIFFERENCE, v128.xor(get(came), v128.load(zero, TAG))),
      ...when(v128.anyTrue(v128.load(zero, DIFFERENCE)), leave),
      ...addKeystream,
    ],
  };
  return { seal, open };
}
