import { afterEach, describe, expect, it } from 'vitest';
import { Field, makeBody } from '../session/body.ts';
import { liveSessionCount, SessionCore } from '../session/core.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import {
  type BIO,
  BIO_eof,
  BIO_free,
  BIO_get_mem_data,
  BIO_new,
  BIO_new_mem_buf,
  BIO_pending,
  BIO_puts,
  BIO_s_mem,
} from './bio.ts';
import { ERR_error_string, ERR_get_error, ERR_get_error_all } from './err.ts';
import { SSL_SESSION_free, SSL_SESSION_get_ex_new_index, SSL_SESSION_get_id } from './ssl-session.ts';
import * as IO from './ssl-session-io.ts';
import type { SSL_SESSION } from './types.ts';

afterEach(() => expect(errors()).toEqual([]));

function errors(): string[] {
  const texts: string[] = [];
  for (let error = ERR_get_error(); error !== 0; error = ERR_get_error()) texts.push(ERR_error_string(error));
  return texts;
}

function made(id: string, cipher = 0xc02b): SessionCore {
  const body = makeBody([fromHex('bbcc'), fromHex(id)], { version: 0x0303, cipher });
  return SessionCore.fromBody(body, 5000, 60, 'test');
}

function memory(): BIO {
  const bio = BIO_new(BIO_s_mem());
  if (bio === null) throw new Error('no BIO');
  return bio;
}

const text = (bio: BIO): string => Buffer.from(BIO_get_mem_data(bio)).toString('latin1');

describe('i2d_SSL_SESSION and d2i_SSL_SESSION', () => {
  it('give bytes and a session back', () => {
    const session = made('aa');
    const der = IO.i2d_SSL_SESSION(session) as Uint8Array;
    const again = IO.d2i_SSL_SESSION(der) as SSL_SESSION;
    expect(toHex(SSL_SESSION_get_id(again))).toBe('aa');
    expect(IO.i2d_SSL_SESSION(again)).toEqual(der);
    const third = IO.d2i_SSL_SESSION_ex(der, { offset: 0 }, null, null) as SSL_SESSION;
    expect(IO.i2d_SSL_SESSION(third)).toEqual(der);
    for (const one of [session, again, third]) SSL_SESSION_free(one);
    expect(() => IO.i2d_SSL_SESSION(session)).toThrow(/has ended/);
  });

  it('give nothing for null and without a cipher suite', () => {
    const session = made('aa', 0);
    expect([IO.i2d_SSL_SESSION(null), IO.i2d_SSL_SESSION(session)]).toEqual([null, null]);
    const bio = memory();
    expect([
      IO.i2d_SSL_SESSION_bio(bio, null),
      IO.i2d_SSL_SESSION_bio(bio, session),
      BIO_pending(bio),
    ]).toEqual([0, 0, 0]);
    SSL_SESSION_free(session);
  });

  it('leave what follows a session to the caller, and the cursor where a failure finds it', () => {
    const [a, b] = [made('aa'), made('bb')];
    const bytes = concatBytes(
      fromHex('ffff'),
      IO.i2d_SSL_SESSION(a) as Uint8Array,
      IO.i2d_SSL_SESSION(b) as Uint8Array,
      fromHex('30'),
    );
    const cursor = { offset: 2 };
    const first = IO.d2i_SSL_SESSION(bytes, cursor) as SSL_SESSION;
    const second = IO.d2i_SSL_SESSION(bytes, cursor) as SSL_SESSION;
    expect([first, second].map((session) => toHex(SSL_SESSION_get_id(session)))).toEqual(['aa', 'bb']);
    expect(cursor.offset).toBe(bytes.length - 1);
    expect(IO.d2i_SSL_SESSION(bytes, cursor)).toBeNull();
    expect(cursor.offset).toBe(bytes.length - 1);
    expect(errors().length).toBe(2);
    for (const one of [a, b, first, second]) SSL_SESSION_free(one);
  });

  it.each([
    [
      '040102',
      [
        'error:0680006E:asn1 encoding routines::decode error',
        'error:0688010A:asn1 encoding routines::nested asn1 error',
      ],
    ],
    ['300f020102020203030402c02b04000400', ['error:0A0000FE:SSL routines::unknown ssl version']],
    ['300f020101020204030402c02b04000400', ['error:0A000103:SSL routines::unsupported ssl version']],
    ['300e0201010202030304012b04000400', ['error:0A000089:SSL routines::cipher code wrong length']],
    ['300f0201010202030304021399 04000400', ['error:0A0000F9:SSL routines::unknown cipher type']],
    [`3030020101020203030402c02b0421${'00'.repeat(33)}0400`, ['error:0A00010F:SSL routines::bad length']],
    ['3013020101020203030402c02b04000400a3023000', ['error:0680006E:asn1 encoding routines::decode error']],
  ])('say why: %s', (hex, reasons) => {
    const live = liveSessionCount();
    expect(IO.d2i_SSL_SESSION(fromHex(hex.replaceAll(' ', '')))).toBeNull();
    expect(errors()).toEqual(reasons);
    expect(liveSessionCount()).toBe(live);
  });

  it('give null when an ex_data callback throws', () => {
    let fails = false;
    SSL_SESSION_get_ex_new_index(
      0,
      null,
      () => {
        if (fails) throw new Error('not now');
      },
      null,
      null,
    );
    const session = made('aa');
    const der = IO.i2d_SSL_SESSION(session) as Uint8Array;
    fails = true;
    expect(IO.d2i_SSL_SESSION(der)).toBeNull();
    fails = false;
    expect(ERR_get_error_all()?.data).toBe('not now');
    SSL_SESSION_free(session);
  });

  it('work over a BIO, one session after the other', () => {
    const bio = memory();
    const sessions = [made('aa'), made('bb')];
    for (const session of sessions) expect(IO.i2d_SSL_SESSION_bio(bio, session)).toBe(1);
    for (const session of sessions) {
      const read = IO.d2i_SSL_SESSION_bio(bio) as SSL_SESSION;
      expect(SSL_SESSION_get_id(read)).toEqual(SSL_SESSION_get_id(session));
      SSL_SESSION_free(read);
      SSL_SESSION_free(session);
    }
    expect(BIO_eof(bio)).toBe(1);
    expect(IO.d2i_SSL_SESSION_bio(bio)).toBeNull();
    expect(errors().length).toBe(2);
    const readOnly = BIO_new_mem_buf(new Uint8Array(0));
    const session = made('aa');
    expect(IO.i2d_SSL_SESSION_bio(readOnly, session)).toBe(0);
    SSL_SESSION_free(session);
    BIO_free(bio);
    expect(() => IO.d2i_SSL_SESSION_bio(bio)).toThrow(expect.objectContaining({ code: 'ERR_BIO_FREED' }));
  });
});

describe('PEM_read_bio_SSL_SESSION and its kin', () => {
  it('write and read one session after the other', () => {
    const bio = memory();
    const sessions = [made('aa'), made('bb')];
    for (const session of sessions) {
      BIO_puts(bio, `a remark\n`);
      expect(IO.PEM_write_bio_SSL_SESSION(bio, session)).toBe(1);
    }
    expect(text(bio).match(/-----BEGIN SSL SESSION PARAMETERS-----\n/g)?.length).toBe(2);
    for (const session of sessions) {
      const read = IO.PEM_read_bio_SSL_SESSION(bio) as SSL_SESSION;
      expect(SSL_SESSION_get_id(read)).toEqual(SSL_SESSION_get_id(session));
      SSL_SESSION_free(read);
      SSL_SESSION_free(session);
    }
    expect(IO.PEM_read_bio_SSL_SESSION(bio)).toBeNull();
    expect(errors()).toEqual(['error:0480006C:PEM routines::no start line']);
  });

  it.each([
    ['', 'error:0480006C:PEM routines::no start line'],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nA!AA\n-----END SSL SESSION PARAMETERS-----\n',
      'error:04800064:PEM routines::bad base64 decode',
    ],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nAAAA\n-----END X-----\n',
      'error:04800066:PEM routines::bad end line',
    ],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END SSL SESSION PARAMETERS-----\n',
      'error:04800072:PEM routines::unsupported encryption',
    ],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nAAAA\n-----END SSL SESSION PARAMETERS-----\n',
      'error:0488000D:PEM routines::ASN1 lib',
    ],
  ])('say why not, and read on behind what is broken: %j', (broken, reason) => {
    const bio = memory();
    BIO_puts(bio, broken);
    const session = made('aa');
    IO.PEM_write_bio_SSL_SESSION(bio, session);
    if (broken !== '') expect(IO.PEM_read_bio_SSL_SESSION(bio)).toBeNull();
    const read = IO.PEM_read_bio_SSL_SESSION(bio) as SSL_SESSION;
    expect(toHex(SSL_SESSION_get_id(read))).toBe('aa');
    if (broken === '') expect(IO.PEM_read_bio_SSL_SESSION(bio)).toBeNull();
    expect(errors().at(-1)).toBe(reason);
    SSL_SESSION_free(read);
    SSL_SESSION_free(session);
  });

  it('write nothing without a cipher suite', () => {
    const bio = memory();
    const session = made('aa', 0);
    expect([IO.PEM_write_bio_SSL_SESSION(bio, session), BIO_pending(bio)]).toEqual([0, 0]);
    expect(IO.PEM_write_SSL_SESSION({ write: () => expect.unreachable() }, session)).toBe(0);
    expect(errors()).toEqual(Array(2).fill('error:0488000D:PEM routines::ASN1 lib'));
    SSL_SESSION_free(session);
  });

  it('PEM_write_SSL_SESSION and PEM_read_SSL_SESSION take streams', () => {
    const chunks: Uint8Array[] = [];
    const session = made('aa');
    expect(IO.PEM_write_SSL_SESSION({ write: (bytes) => chunks.push(bytes) }, session)).toBe(1);
    const pieces: (Uint8Array | string)[] = ['text\n', ...chunks];
    const read = IO.PEM_read_SSL_SESSION({ read: () => pieces.shift() ?? null }) as SSL_SESSION;
    expect(toHex(SSL_SESSION_get_id(read))).toBe('aa');
    expect(IO.PEM_read_SSL_SESSION({ read: () => null })).toBeNull();
    expect(errors()).toEqual(['error:0480006C:PEM routines::no start line']);
    expect(() => IO.PEM_read_SSL_SESSION({})).toThrow(/cannot be read/);
    expect(() => IO.PEM_write_SSL_SESSION({}, session)).toThrow(/cannot be written/);
    SSL_SESSION_free(read);
    SSL_SESSION_free(session);
  });
});

describe('SSL_SESSION_print and its kin', () => {
  it('write the text of a session, and 0 where OpenSSL stops', () => {
    const session = made('aa');
    const bio = memory();
    expect(IO.SSL_SESSION_print(bio, session)).toBe(1);
    expect(text(bio)).toMatch(
      /^SSL-Session:\n {4}Protocol {2}: TLSv1.2\n[\s\S]* Master-Key: BBCC\n[\s\S]*master secret: no\n$/,
    );
    const chunks: Uint8Array[] = [];
    expect(IO.SSL_SESSION_print_fp({ write: (bytes) => chunks.push(bytes) }, session)).toBe(1);
    expect(Buffer.concat(chunks).toString('latin1')).toBe(text(bio));
    session.setField(Field.ticket, new Uint8Array(0), 'test');
    const other = memory();
    expect(IO.SSL_SESSION_print(other, session)).toBe(0);
    expect(text(other)).toMatch(/TLS session ticket:\n$/);
    expect(IO.SSL_SESSION_print_fp({ write: () => undefined }, session)).toBe(0);
    expect([IO.SSL_SESSION_print(bio, null), IO.SSL_SESSION_print_fp({}, null)]).toEqual([0, 0]);
    expect(IO.SSL_SESSION_print(BIO_new_mem_buf(''), session)).toBe(0);
    SSL_SESSION_free(session);
  });

  it('write bytes of names as they are', () => {
    const session = made('aa');
    session.setField(Field.pskIdentity, fromHex('ff61'), 'test');
    const bio = memory();
    IO.SSL_SESSION_print(bio, session);
    expect(toHex(BIO_get_mem_data(bio))).toContain(
      toHex(concatBytes(utf8('PSK identity: '), fromHex('ff610a'))),
    );
    SSL_SESSION_free(session);
  });

  it('write the key log line of a session with an id and a secret', () => {
    const session = made('aa');
    const bio = memory();
    expect(IO.SSL_SESSION_print_keylog(bio, session)).toBe(1);
    expect(text(bio)).toBe('RSA Session-ID:AA Master-Key:BBCC\n');
    expect(IO.SSL_SESSION_print_keylog(bio, null)).toBe(0);
    for (const field of [Field.id, Field.masterKey]) {
      const bare = session.dup();
      bare.setField(field, null, 'test');
      expect(IO.SSL_SESSION_print_keylog(bio, bare)).toBe(0);
      SSL_SESSION_free(bare);
    }
    SSL_SESSION_free(session);
  });
});

it('what is no BIO is said to be none', () => {
  const session = made('01');
  for (const call of [
    () => IO.PEM_read_bio_SSL_SESSION('-----BEGIN' as never),
    () => IO.d2i_SSL_SESSION_bio(null as never),
    () => IO.SSL_SESSION_print({} as never, session),
  ]) {
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPENSSL_NULL' }));
  }
  SSL_SESSION_free(session);
});
