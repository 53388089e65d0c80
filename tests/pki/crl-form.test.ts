import { describe, expect, it } from 'vitest';
import { RevocationList } from '../../src/pki/crl.ts';
import { DecodeError } from '../../src/util/errors.ts';
import { bits, context, int, seq, time, tlv } from './der.ts';
import { algorithms, DAY, ext, extensionDer, issueCa, NOW, type TestExtension } from './make.ts';
import { crlExt, issueCrl } from './make-status.ts';

const issuer = issueCa('CN=ca');

interface Form {
  readonly version?: Uint8Array;
  readonly entryExtensions?: readonly TestExtension[];
  readonly extensions?: readonly TestExtension[];
  readonly after?: Uint8Array;
}

/** A list put together by hand; nobody signed it. */
function list({ version, entryExtensions = [], extensions = [], after }: Form): Uint8Array {
  const entry = seq(
    tlv(2, Uint8Array.of(5)),
    time(NOW - DAY),
    ...(entryExtensions.length === 0 ? [] : [seq(...entryExtensions.map(extensionDer))]),
  );
  const tbs = seq(
    ...(version === undefined ? [] : [version]),
    algorithms.ecdsaSha256.der,
    issuer.subjectDer,
    time(NOW),
    time(NOW + DAY),
    seq(entry),
    ...(extensions.length === 0 ? [] : [context(0, seq(...extensions.map(extensionDer)))]),
    ...(after === undefined ? [] : [after]),
  );
  return seq(tbs, algorithms.ecdsaSha256.der, bits(Uint8Array.of(0)));
}

const number = (value: number): TestExtension => ext.raw('2.5.29.20', false, int(value));
const reason = ext.raw('2.5.29.21', false, int(1, 0x0a));

describe('a revocation list', () => {
  it('is read', () => {
    const read = new RevocationList(
      list({ version: int(1), extensions: [number(300)], entryExtensions: [reason] }),
    );
    expect(read).toMatchObject({ version: 2, number: '\x01\x2c', deltaBase: null, scope: null });
    expect(read.contentFault()).toBeNull();
    expect(read.find(Uint8Array.of(5))).toEqual({ revokedAtMs: NOW - DAY, reason: 1 });
    expect(read.find(Uint8Array.of(6))).toBeNull();
    expect(new RevocationList(list({})).version).toBe(1);
  });

  it.each([
    ['of version 1 with extensions', { extensions: [number(1)] }],
    ['of version 3', { version: int(2) }],
    ['of version 1 that says so', { version: int(0) }],
    ['with a negative number', { version: int(1), extensions: [number(-1)] }],
    ['with an extension that comes twice', { version: int(1), extensions: [number(1), number(1)] }],
    ['with bytes after its extensions', { version: int(1), extensions: [number(1)], after: int(1) }],
    ['with a malformed scope', { version: int(1), extensions: [ext.raw('2.5.29.28', true, int(1))] }],
  ] as [string, Form][])('%s is refused', (_, form) => {
    expect(() => new RevocationList(list(form))).toThrow(DecodeError);
  });

  it.each([
    ['extensions in a list of version 1', { entryExtensions: [reason] }],
    [
      'a reason that there is not',
      { version: int(1), entryExtensions: [ext.raw('2.5.29.21', false, int(11, 0x0a))] },
    ],
    [
      'a critical extension that is not understood',
      { version: int(1), entryExtensions: [ext.raw('1.2.3', true, int(1))] },
    ],
    ['an extension that comes twice', { version: int(1), entryExtensions: [reason, reason] }],
  ] as [string, Form][])('with an entry with %s is of no use', (_, form) => {
    expect(new RevocationList(list(form)).contentFault()).not.toBeNull();
  });

  it('says what it is about', () => {
    const read = new RevocationList(
      issueCrl({ issuer, add: [crlExt.scope('http://a.example/', [1, 3, 4]), crlExt.delta(6)] }),
    );
    expect(read.scope).toEqual({
      fullName: [{ type: 'uri', value: 'http://a.example/' }],
      relativeName: false,
      onlyUserCerts: true,
      onlyCaCerts: false,
      onlyAttributeCerts: false,
      onlySomeReasons: true,
      indirect: true,
    });
    expect(read.deltaBase).toBe('\x06');
  });
});
