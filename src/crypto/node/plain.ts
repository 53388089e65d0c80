/**
 * The same memory as a plain Uint8Array. node:crypto answers with Buffers, whose `slice` is a view and
 * whose hidden class makes every loop over bytes polymorphic.
 */
export function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}
