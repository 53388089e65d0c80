import { beforeEach, describe, expect, it } from 'vitest';
import * as E from './err.ts';

describe('the error queue', () => {
  beforeEach(() => E.ERR_clear_error());

  it('gives errors in order, and 0 when there is none', () => {
    expect([E.ERR_get_error(), E.ERR_peek_error(), E.ERR_peek_last_error(), E.ERR_get_error_all()]).toEqual([
      0,
      0,
      0,
      null,
    ]);
    E.raise(E.ERR_LIB_SSL, E.SSL_R_BAD_LENGTH, 'first');
    E.raise(E.ERR_LIB_PEM, E.PEM_R_NO_START_LINE);
    const [first, second] = [0x0a00_010f, 0x0480_006c];
    expect([E.ERR_peek_error(), E.ERR_peek_last_error()]).toEqual([first, second]);
    expect(E.ERR_get_error_all()).toEqual({ error: first, data: 'first' });
    expect(E.ERR_get_error()).toBe(second);
    expect(E.ERR_get_error()).toBe(0);
    E.raise(E.ERR_LIB_SSL, 1);
    E.ERR_clear_error();
    expect(E.ERR_get_error()).toBe(0);
  });

  it('keeps the latest 16', () => {
    for (let reason = 1; reason <= 20; reason++) E.raise(E.ERR_LIB_SSL, reason);
    expect(E.ERR_GET_REASON(E.ERR_peek_error())).toBe(5);
    let count = 0;
    while (E.ERR_get_error() !== 0) count++;
    expect(count).toBe(16);
  });

  it('packs a library and a reason into one number', () => {
    const error = E.ERR_PACK(E.ERR_LIB_SSL, 0, E.ERR_R_MALLOC_FAILURE);
    expect(error).toBe(0x0a0c_0100);
    expect([E.ERR_GET_LIB(error), E.ERR_GET_REASON(error)]).toEqual([E.ERR_LIB_SSL, E.ERR_R_MALLOC_FAILURE]);
    expect(E.ERR_PACK(255, 0, 0x7f_ffff)).toBe(0x7fff_ffff);
  });

  it('speaks of what it does not know in numbers', () => {
    expect(E.ERR_error_string(0)).toBe('error:00000000:lib(0)::reason(0)');
    expect(E.ERR_error_string(E.ERR_PACK(99, 0, 5))).toBe('error:31800005:lib(99)::reason(5)');
    expect(E.ERR_lib_error_string(0)).toBeNull();
    expect(E.ERR_reason_error_string(5)).toBeNull();
  });
});
