/**
 * As much of a WebAssembly assembler as the scripts make-*-wasm.mjs need. An expression is the array of bytes that
 * leaves a value on the stack; a statement is one that leaves none.
 */

/** @typedef {number[]} Code */

/** @param {number} value unsigned LEB128 */
export function unsigned(value) {
  /** @type {Code} */
  const bytes = [];
  for (;;) {
    const low = value & 0x7f;
    value >>>= 7;
    if (value === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** @param {bigint} value signed LEB128 */
function signed(value) {
  /** @type {Code} */
  const bytes = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const sign = (low & 0x40) !== 0;
    if ((value === 0n && !sign) || (value === -1n && sign)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** @param {Code[]} items */
const vector = (items) => [...unsigned(items.length), ...items.flat()];
/** @param {number} id @param {Code} body */
const section = (id, body) => [id, ...unsigned(body.length), ...body];
/** @param {string} text */
const name = (text) => vector([...Buffer.from(text)].map((byte) => [byte]));

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
const EMPTY_BLOCK = 0x40;

/** @param {number} local */
export const get = (local) => [0x20, ...unsigned(local)];
/** @param {number} local @param {Code} value */
export const set = (local, value) => [...value, 0x21, ...unsigned(local)];
/** @param {number} local @param {Code} value */
export const tee = (local, value) => [...value, 0x22, ...unsigned(local)];
/** @param {Code} body */
export const loop = (body) => [0x03, EMPTY_BLOCK, ...body, 0x0b];
/** @param {Code} condition @param {Code} then */
export const when = (condition, then) => [...condition, 0x04, EMPTY_BLOCK, ...then, 0x0b];
/** @param {number} depth */
export const branch = (depth) => [0x0c, ...unsigned(depth)];
/** @param {number} depth @param {Code} condition */
export const branchIf = (depth, condition) => [...condition, 0x0d, ...unsigned(depth)];
/** Leaves the function. */
export const leave = [0x0f];
/** The unsigned 64-bit value of 32 bits. @param {Code} value */
export const widen = (value) => [...value, 0xad];
/** @param {number} index @param {Code[]} args */
export const call = (index, ...args) => [...args.flat(), 0x10, ...unsigned(index)];

/**
 * The instructions of one word size.
 * @param {32 | 64} bits
 */
export function word(bits) {
  const wide = bits === 64;
  /** @param {number} narrow opcode @param {number} long opcode */
  const binary =
    (narrow, long) =>
    /** @param {Code} a @param {Code} b */
    (a, b) => [...a, ...b, wide ? long : narrow];
  /** @param {bigint | number} value */
  const constant = (value) => [wide ? 0x42 : 0x41, ...signed(BigInt.asIntN(bits, BigInt(value)))];
  const align = wide ? 3 : 2;
  const ops = {
    add: binary(0x6a, 0x7c),
    sub: binary(0x6b, 0x7d),
    mul: binary(0x6c, 0x7e),
    and: binary(0x71, 0x83),
    or: binary(0x72, 0x84),
    xor: binary(0x73, 0x85),
    shl: binary(0x74, 0x86),
    shr: binary(0x76, 0x88),
    rotl: binary(0x77, 0x89),
    rotr: binary(0x78, 0x8a),
    ne: binary(0x47, 0x52),
    ltU: binary(0x49, 0x54),
    gtU: binary(0x4b, 0x56),
  };
  return {
    type: wide ? I64 : I32,
    size: bits / 8,
    constant,
    ...ops,
    /** @param {Code} address @param {number} offset */
    load: (address, offset) => [...address, wide ? 0x29 : 0x28, align, ...unsigned(offset)],
    /** @param {Code} address @param {number} offset @param {Code} value */
    store: (address, offset, value) => [...address, ...value, wide ? 0x37 : 0x36, align, ...unsigned(offset)],
    /** @param {Code} first @param {Code[]} rest */
    sum: (first, ...rest) => rest.reduce(ops.add, first),
  };
}

/** @param {number} opcode */
const vector2 =
  (opcode) =>
  /** @param {Code} a @param {Code} b */
  (a, b) => [...a, ...b, 0xfd, ...unsigned(opcode)];
/** @param {number} opcode @param {number} align */
const vectorLoad =
  (opcode, align) =>
  /** @param {Code} address @param {number} offset */
  (address, offset) => [...address, 0xfd, ...unsigned(opcode), align, ...unsigned(offset)];
/** @param {number} opcode */
const vectorShift =
  (opcode) =>
  /** @param {Code} value @param {number} by */
  (value, by) => [...value, ...word(32).constant(by), 0xfd, ...unsigned(opcode)];

/** The instructions of 16 bytes at once. */
export const v128 = {
  load: vectorLoad(0x00, 4),
  /** One byte, in every place. */
  load8Splat: vectorLoad(0x07, 0),
  /** @param {Code} address @param {number} offset @param {Code} value */
  store: (address, offset, value) => [...address, ...value, 0xfd, 0x0b, 4, ...unsigned(offset)],
  /** @param {Uint8Array | number[]} bytes */
  constant: (bytes) => [0xfd, 0x0c, ...bytes],
  /** The sixteen bytes from `from` on of `a` and `b` behind it. @param {Code} a @param {Code} b @param {number} from */
  window: (a, b, from) => [...a, ...b, 0xfd, 0x0d, ...Array.from({ length: 16 }, (_, i) => from + i)],
  /** Of each byte of `indices`, below 16, the byte of `table`. @param {Code} table @param {Code} indices */
  lookUp: (table, indices) => [...table, ...indices, 0xfd, 0x0e],
  and: vector2(0x4e),
  or: vector2(0x50),
  xor: vector2(0x51),
  /** Whether any bit is set, as an i32. @param {Code} value */
  anyTrue: (value) => [...value, 0xfd, 0x53],
  /** Each two bytes as one word, little-endian; so also each four below. */
  shr16: vectorShift(0x8d),
  add32: vector2(0xae),
  shl32: vectorShift(0xab),
  shr32: vectorShift(0xad),
};

/** @param {Code} address @param {number} offset @param {Code} value */
export const store8 = (address, offset, value) => [...address, ...value, 0x3a, 0, ...unsigned(offset)];

/**
 * @typedef {object} WasmFunction
 * @property {string} name
 * @property {number} params all of them i32; no results
 * @property {[count: number, type: number][]} locals after the parameters
 * @property {Code} body
 */

/**
 * A module with one page of memory, exported as `memory`, and its functions exported by name.
 * @param {WasmFunction[]} functions in the order that `call` counts them
 * @param {{ at: number, bytes: Uint8Array }} [data] what the memory begins with
 */
export function assemble(functions, data) {
  const arities = [...new Set(functions.map(({ params }) => params))];
  const types = arities.map((params) => [0x60, ...vector(Array(params).fill([I32])), 0]);
  const bodies = functions.map(({ locals, body }) => {
    const code = [...vector(locals.map(([count, type]) => [...unsigned(count), type])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  const segment = (/** @type {{ at: number, bytes: Uint8Array }} */ { at, bytes }) => [
    ...[0, ...word(32).constant(at), 0x0b],
    ...vector([...bytes].map((byte) => [byte])),
  ];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(functions.map(({ params }) => unsigned(arities.indexOf(params))))),
    ...section(5, [1, 1, 1, 1]),
    ...section(
      7,
      vector([
        [...name('memory'), 2, 0],
        ...functions.map((each, index) => [...name(each.name), 0, ...unsigned(index)]),
      ]),
    ),
    ...section(10, vector(bodies)),
    ...(data === undefined ? [] : section(11, vector([segment(data)]))),
  ]);
}
