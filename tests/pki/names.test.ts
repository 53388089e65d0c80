import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { generalNameText } from '../../src/pki/general-name.ts';
import { ipAddressText, parseIpAddress } from '../../src/pki/ip.ts';
import { DistinguishedName } from '../../src/pki/name.ts';
import { checkServerName, matchDnsName, parseReferenceName } from '../../src/pki/server-name.ts';
import { UsageError } from '../../src/util/errors.ts';
import { ascii, ia5String, printableString, seq, set, tlv, utf8String } from './der.ts';
import { attribute, generalName, issue, nameDer } from './make.ts';

const { dns, ip, uri, email } = generalName;

function check(
  names: readonly Uint8Array[],
  reference: string,
  subject = 'CN=leaf',
  fallback = false,
): string | null {
  const certificate = parseCertificate(issue({ names, subject }).der);
  const result = checkServerName(certificate, reference, { commonNameFallback: fallback });
  return result.ok ? result.matched : null;
}

describe('RFC 9525: DNS names', () => {
  it.each([
    ['example.com', 'example.com'],
    ['EXAMPLE.com', 'example.COM'],
    ['example.com', 'example.com.'],
    ['*.example.com', 'www.example.com'],
    ['*.Example.com', 'WWW.example.com'],
    ['*.example.com', 'xn--bcher-kva.example.com'],
    ['xn--bcher-kva.example', 'bücher.example'],
    ['xn--bcher-kva.example', 'BÜCHER.example'],
    ['a_b.example.com', 'a_b.example.com'],
    ['localhost', 'localhost'],
  ])('%s is for %s', (presented, reference) => {
    expect(check([dns(presented)], reference)).toBe(`DNS:${presented}`);
  });

  it.each([
    ['example.com', 'www.example.com'],
    ['www.example.com', 'example.com'],
    ['*.example.com', 'example.com'],
    ['*.example.com', 'a.b.example.com'],
    ['*.example.com', '.example.com'],
    ['*', 'localhost'],
    ['*.com', 'example.com'],
    ['*.', 'com'],
    ['w*.example.com', 'www.example.com'],
    ['*w.example.com', 'www.example.com'],
    ['w*w.example.com', 'www.example.com'],
    ['www.*.com', 'www.example.com'],
    ['*.*.com', 'www.example.com'],
    ['xn--*.example.com', 'xn--bcher-kva.example.com'],
    ['example.com.', 'example.com'],
    ['.example.com', 'www.example.com'],
    ['bücher.example', 'bücher.example'],
    ['example.com\0.evil.example', 'example.com'],
    ['example.com ', 'example.com'],
    ['', 'example.com'],
    ['192.0.2.1', '192.0.2.1'],
    ['::1', '::1'],
  ])('%j is not for %s', (presented, reference) => {
    let matched: string | null = null;
    try {
      matched = check([dns(presented)], reference);
    } catch (error) {
      // A reference that is no name matches nothing either.
      expect(error).toBeInstanceOf(UsageError);
    }
    expect(matched).toBeNull();
  });

  it('takes any of several names', () => {
    expect(check([dns('a.example'), uri('https://c.example'), dns('b.example')], 'b.example')).toBe(
      'DNS:b.example',
    );
    expect(check([uri('https://c.example'), email('x@c.example')], 'c.example')).toBeNull();
  });

  it('says which names there are', () => {
    const certificate = parseCertificate(issue({ names: [dns('a.example'), ip('192.0.2.1')] }).der);
    expect(checkServerName(certificate, 'b.example')).toEqual({
      ok: false,
      presented: 'DNS:a.example, IP Address:192.0.2.1',
      message: expect.stringContaining('b.example'),
    });
    const many = Array.from({ length: 30 }, (_, i) => dns(`${i}.example.com`));
    expect(checkServerName(parseCertificate(issue({ names: many }).der), 'b.example')).toMatchObject({
      presented: expect.stringMatching(/DNS:19\.example\.com, and 10 more$/),
    });
  });

  it('takes names up to the limits of the DNS', () => {
    const label = 'a'.repeat(63);
    const longest = `${label}.${label}.${label}.${'a'.repeat(61)}`;
    expect(longest).toHaveLength(253);
    expect(check([dns(longest)], longest)).toBe(`DNS:${longest}`);
    expect(check([dns(longest)], `${longest}.`)).toBe(`DNS:${longest}`);
    expect(() => parseReferenceName(`a${longest}`)).toThrow(UsageError);
    expect(() => parseReferenceName('ü'.repeat(1025))).toThrow(UsageError);
    const twenty = Array.from({ length: 20 }, (_, i) => dns(`${i}.example.com`));
    expect(checkServerName(parseCertificate(issue({ names: twenty }).der), 'b.example')).toMatchObject({
      presented: expect.stringMatching(/DNS:19\.example\.com$/),
    });
    expect(checkServerName(parseCertificate(issue({ names: [] }).der), 'b.example')).toMatchObject({
      message: expect.stringMatching(/which has no alternative names$/),
    });
  });

  it('refuses references that are no names, aloud', () => {
    for (const bad of [
      '',
      '.',
      'a..b',
      '-a.example',
      'a-.example',
      'a b',
      'a/b',
      'https://a',
      'a:443',
      '*.example.com',
      'a\0b',
      '1.2.3',
      '1.2.3.4.5',
      `${'a'.repeat(64)}.example`,
      `${'a.'.repeat(130)}example`,
      'bü/cher.example',
      '[::1',
      'fe80::1%eth0',
    ]) {
      expect(() => parseReferenceName(bad), bad).toThrow(UsageError);
    }
  });

  it('matches at most what replacing the wildcard by one label gives', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
    fc.assert(
      fc.property(
        fc.array(label, { minLength: 1, maxLength: 4 }),
        fc.array(label, { minLength: 1, maxLength: 5 }),
        (parent, labels) => {
          const reference = labels.join('.');
          const expected =
            parent.length > 1 &&
            labels.length === parent.length + 1 &&
            labels.slice(1).join('.') === parent.join('.');
          expect(matchDnsName(`*.${parent.join('.')}`, reference)).toBe(expected);
          expect(matchDnsName(`*.${parent.join('.')}`, `x.${parent.join('.')}`)).toBe(parent.length > 1);
        },
      ),
    );
  });
});

describe('RFC 9525: addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1'],
    ['2001:db8::1', '[2001:db8::1]'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('%s is for %s', (presented, reference) => {
    expect(check([ip(presented)], reference)).toMatch(/^IP Address:/);
  });

  it.each([
    ['192.0.2.1', '192.0.2.2'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
  ])('%s is not for %s', (presented, reference) => {
    expect(check([ip(presented)], reference)).toBeNull();
  });

  it('has no wildcard and no other kind of name for an address', () => {
    expect(check([dns('192.0.2.1'), dns('*.0.2.1'), uri('https://192.0.2.1/')], '192.0.2.1')).toBeNull();
    expect(check([generalName.ipBytes(192, 0, 2, 1, 255, 255, 255, 255)], '192.0.2.1')).toBeNull();
  });
});

describe('the common name', () => {
  it('does not count unless asked for', () => {
    expect(check([], 'example.com', 'CN=example.com')).toBeNull();
    expect(check([], 'example.com', 'CN=example.com', true)).toBe('CN:example.com');
    expect(check([], 'www.example.com', 'CN=*.Example.com', true)).toBe('CN:*.example.com');
  });

  it('does not count beside alternative names, and never for addresses', () => {
    expect(check([dns('a.example')], 'example.com', 'CN=example.com', true)).toBeNull();
    expect(check([ip('192.0.2.1')], 'example.com', 'CN=example.com', true)).toBeNull();
    expect(check([uri('https://a.example')], 'example.com', 'CN=example.com', true)).toBeNull();
    expect(check([email('a@b.example')], 'example.com', 'CN=example.com', true)).toBe('CN:example.com');
    expect(check([], '192.0.2.1', 'CN=192.0.2.1', true)).toBeNull();
  });

  it('is the last one of several', () => {
    expect(check([], 'b.example', 'CN=a.example,CN=b.example', true)).toBe('CN:b.example');
    expect(check([], 'a.example', 'CN=a.example,CN=b.example', true)).toBeNull();
  });
});

describe('addresses as text', () => {
  it('reads and writes RFC 5952’s forms', () => {
    for (const text of [
      '0.0.0.0',
      '255.255.255.255',
      '::',
      '::1',
      '2001:db8::1',
      '2001:db8:0:1:1:1:1:1',
      '2001:0:0:1::1',
      '1::',
      'fe80::1:2',
    ]) {
      expect(ipAddressText(parseIpAddress(text) as Uint8Array)).toBe(text);
    }
  });

  it('refuses what only some parsers take', () => {
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      '0x7f.0.0.1',
      '1.2.3.4 ',
      '1..2.3',
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      '::1%lo',
      '12345::',
      '1.2.3.4::',
      '::1.2.3.4:5',
      '1:2:3:4:5:6:7::8',
      'g::',
      '[1.2.3.4',
    ]) {
      expect(parseIpAddress(text), text).toBeNull();
    }
  });

  it('round-trips any address', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ minLength: 4, maxLength: 4 }),
          fc.uint8Array({ minLength: 16, maxLength: 16 }),
        ),
        (bytes) => {
          expect(parseIpAddress(ipAddressText(bytes))).toEqual(bytes);
        },
      ),
    );
  });
});

describe('distinguished names', () => {
  const name = (...parts: Uint8Array[]) => new DistinguishedName(seq(...parts));
  const cn = (value: Uint8Array) => set(attribute('CN', value));

  it('are the same whatever the case, the spaces and the type of string', () => {
    const reference = name(cn(utf8String('Big Company')));
    for (const same of [
      printableString('Big Company'),
      utf8String('  big   COMPANY '),
      ia5String('big company'),
      tlv(0x1e, Uint8Array.from([...'Big Company'].flatMap((c) => [0, c.charCodeAt(0)]))),
      tlv(0x1c, Uint8Array.from([...'BIG COMPANY'].flatMap((c) => [0, 0, 0, c.charCodeAt(0)]))),
      tlv(0x14, ascii('Big Company')),
    ]) {
      expect(name(cn(same)).equals(reference)).toBe(true);
    }
    for (const other of ['BigCompany', 'Big Company.', 'Big', '']) {
      expect(name(cn(utf8String(other))).equals(reference)).toBe(false);
    }
  });

  it('compare letters beyond ASCII after normalization, and bytes when there is no text', () => {
    expect(name(cn(utf8String('Bücher'))).equals(name(cn(utf8String('BU\u0308CHER'))))).toBe(true);
    const broken = tlv(0x0c, Uint8Array.of(0xff));
    expect(name(cn(broken)).equals(name(cn(broken)))).toBe(true);
    expect(name(cn(broken)).equals(name(cn(tlv(0x0c, Uint8Array.of(0xfe)))))).toBe(false);
    expect(name(cn(broken)).equals(name(cn(tlv(0x04, Uint8Array.of(0xff)))))).toBe(false);
  });

  it('count the order of parts, and not the order within one', () => {
    const a = attribute('CN', utf8String('a'));
    const b = attribute('O', utf8String('b'));
    expect(name(set(a), set(b)).equals(name(set(b), set(a)))).toBe(false);
    expect(name(set(a, b)).equals(name(set(b, a)))).toBe(true);
    expect(name(set(a, b)).equals(name(set(a), set(b)))).toBe(false);
  });

  it('cannot imitate each other with separators in types and values', () => {
    const values = fc.array(
      fc.tuple(
        fc.constantFrom('CN', 'O', 'OU'),
        fc.string({
          unit: fc.constantFrom('a', ',', '+', '=', ':', '1', '2', 's'),
          minLength: 1,
          maxLength: 6,
        }),
      ),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(values, values, (one, two) => {
        const make = (list: typeof one) =>
          name(...list.map(([type, text]) => set(attribute(type, utf8String(text)))));
        expect(make(one).equals(make(two))).toBe(JSON.stringify(one) === JSON.stringify(two));
      }),
      { numRuns: 500 },
    );
  });

  it('print as RFC 4514 says, with nothing that misleads a terminal', () => {
    const special = String.raw`a+b, "c"; <d>\\`.slice(0, -1);
    const escaped = String.raw`CN=a\+b\, \"c\"\; \<d\>\\`;
    expect(String(name(cn(utf8String(special))))).toBe(escaped);
    expect(String(new DistinguishedName(nameDer('C=DE,O=x,CN=y')))).toBe('CN=y,O=x,C=DE');
    expect(String(name(cn(utf8String(' #a ')), cn(utf8String('b\u202ec\u0007'))))).toBe(
      'CN=b\\u{202e}c\\u{7},CN=\\ #a\\ ',
    );
    expect(String(name(set(attribute('1.2.3.4', tlv(0x04, Uint8Array.of(1, 0xab))))))).toBe('1.2.3.4=#01ab');
    expect(String(new DistinguishedName(Uint8Array.of(0x30, 1, 0x31)))).toBe('(malformed name)');
  });
});

it('alternative names print as OpenSSL has them, without room for injection', () => {
  const names =
    parseCertificate(
      issue({
        names: [
          dns('a.example, DNS:b.example'),
          email('x@y'),
          uri('https://e/?q'),
          generalName.directory('CN=z'),
          generalName.other('1.2.3.4', utf8String('x')),
          generalName.registeredId('1.2.3'),
        ],
      }).der,
    ).subjectAltNames ?? [];
  expect(names.map(generalNameText)).toEqual([
    'DNS:a.example\\x2c\\x20DNS:b.example',
    'email:x@y',
    'URI:https://e/?q',
    'DirName:CN=z',
    'othername:1.2.3.4',
    'Registered ID:1.2.3',
  ]);
});
