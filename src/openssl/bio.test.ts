import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, utf8 } from '../util/bytes.ts';
import * as B from './bio.ts';

const memory = (): B.BIO => B.BIO_new(B.BIO_s_mem()) as B.BIO;

describe('a memory BIO', () => {
  it('gives what was written, in order, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.uint8Array({ maxLength: 90 }), fc.nat(120))), (steps) => {
        const bio = memory();
        let expected: number[] = [];
        for (const step of steps) {
          if (typeof step === 'number') {
            const read = B.BIO_read(bio, step);
            expect(read === null).toBe(expected.length === 0);
            expect([...(read ?? [])]).toEqual(expected.slice(0, step));
            expected = expected.slice(step);
          } else {
            expect(B.BIO_write(bio, step)).toBe(step.length);
            expected.push(...step);
          }
          expect(B.BIO_pending(bio)).toBe(expected.length);
          expect(B.BIO_eof(bio)).toBe(expected.length === 0 ? 1 : 0);
          expect([...B.BIO_get_mem_data(bio)]).toEqual(expected);
        }
        B.BIO_free(bio);
      }),
    );
  });

  it('is read from a copy of what it was given, and begins again', () => {
    const bytes = fromHex('010203');
    const bio = B.BIO_new_mem_buf(bytes);
    bytes.fill(0);
    expect(B.BIO_read(bio, 2)).toEqual(fromHex('0102'));
    expect(B.BIO_write(bio, fromHex('04'))).toBe(-2);
    expect(B.BIO_puts(bio, 'x')).toBe(-2);
    expect(B.BIO_reset(bio)).toBe(1);
    expect(B.BIO_read(bio, 9)).toEqual(fromHex('010203'));
    expect(B.BIO_read(bio, 9)).toBeNull();
    expect(B.BIO_get_mem_data(B.BIO_new_mem_buf('ü'))).toEqual(utf8('ü'));
  });

  it('is empty after a reset', () => {
    const bio = memory();
    expect(B.BIO_puts(bio, 'abc')).toBe(3);
    expect(B.BIO_read(bio, 1)).toEqual(utf8('a'));
    expect(B.BIO_reset(bio)).toBe(1);
    expect(B.BIO_pending(bio)).toBe(0);
    B.BIO_puts(bio, 'd');
    expect(B.BIO_read(bio, 9)).toEqual(utf8('d'));
  });

  it('lives as long as its references, and is wiped at the end', () => {
    const bio = memory();
    expect(B.BIO_up_ref(bio)).toBe(1);
    B.BIO_puts(bio, 'secret');
    const view = bio.view();
    expect(B.BIO_free(bio)).toBe(1);
    expect(Buffer.from(view).toString()).toBe('secret');
    expect(B.BIO_free(bio)).toBe(1);
    expect(view.every((byte) => byte === 0)).toBe(true);
    expect(B.BIO_free(null)).toBe(0);
    for (const use of [
      () => B.BIO_free(bio),
      () => B.BIO_up_ref(bio),
      () => B.BIO_read(bio, 1),
      () => B.BIO_puts(bio, 'x'),
      () => B.BIO_pending(bio),
      () => B.BIO_get_mem_data(bio),
      () => B.BIO_reset(bio),
      () => B.BIO_eof(bio),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'ERR_BIO_FREED' }));
    }
  });

  it('wipes what it grows out of', () => {
    const bio = memory();
    B.BIO_puts(bio, 'secret');
    const view = bio.view();
    B.BIO_write(bio, new Uint8Array(1000));
    expect(view.every((byte) => byte === 0)).toBe(true);
  });

  it('is the only kind', () => {
    expect(B.BIO_new({ name: 'other' })).toBeNull();
  });
});
