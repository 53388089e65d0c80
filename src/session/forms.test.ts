import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import { SessionFormatError } from './errors.ts';
import { detectForm, MAX_INPUT_BYTES, readSession } from './forms.ts';
import { unwrapNodeForm, wrapNodeForm } from './node-form.ts';
import { decodePem, decodePemAt, encodePem } from './pem.ts';

const DER = fromHex('300f020101020203030402c02b04000400');

describe('PEM', () => {
  it('has 64 characters a line', () => {
    const text = encodePem(new Uint8Array(100).fill(0xff));
    expect(text.split('\n').map((line) => line.length)).toEqual([38, 64, 64, 8, 36, 0]);
    expect(text).toMatch(
      /^-----BEGIN SSL SESSION PARAMETERS-----\n[/w=\n]+-----END SSL SESSION PARAMETERS-----\n$/,
    );
    expect(decodePem(text)).toEqual(new Uint8Array(100).fill(0xff));
    expect(decodePem(encodePem(new Uint8Array(0)))).toEqual(new Uint8Array(0));
    expect(
      encodePem(new Uint8Array(48))
        .split('\n')
        .map((line) => line.length),
    ).toEqual([38, 64, 36, 0]);
  });

  it('is found among other things, whatever ends the lines', () => {
    const other = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    const text = `Here: -----BEGIN SSL SESSION PARAMETERS-----\n${other}${encodePem(DER)}${encodePem(fromHex('00'))}`;
    for (const ends of ['\n', '\r\n', ' \t\r\n']) {
      expect(toHex(decodePem(text.replaceAll('\n', ends)))).toBe(toHex(DER));
    }
  });

  it('says where to read on after a broken block', () => {
    const broken = encodePem(DER).replace('MA', 'M!');
    const text = `x\n${broken}${encodePem(DER)}`;
    try {
      decodePem(text);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_SESSION_PEM_BASE64', offset: 2 + broken.length });
      const { der, end } = decodePemAt(text, 2 + broken.length);
      expect([toHex(der), end]).toEqual([toHex(DER), text.length]);
    }
  });

  it.each([
    ['', /no PEM block/],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', /no PEM block/],
    ['-----BEGIN SSL SESSION PARAMETERS-----\nAAAA\n', /does not end/],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nAAAA\n-----END CERTIFICATE-----\n',
      /does not end as it begins/,
    ],
    ['-----BEGIN SSL SESSION PARAMETERS-----\nAAA\n-----END SSL SESSION PARAMETERS-----\n', /base64/],
    ['-----BEGIN SSL SESSION PARAMETERS-----\nAA-_\n-----END SSL SESSION PARAMETERS-----\n', /base64/],
    [
      '-----BEGIN SSL SESSION PARAMETERS-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END SSL SESSION PARAMETERS-----\n',
      /encrypted/,
    ],
  ])('is refused: %j', (text, message) => {
    expect(() => decodePem(text)).toThrow(SessionFormatError);
    expect(() => decodePem(text)).toThrow(message);
  });
});

describe('the form of newer Node versions', () => {
  it('is a name in front of DER', () => {
    const bytes = wrapNodeForm(DER, 'ü.example');
    expect(toHex(bytes)).toBe(
      `${toHex(utf8('\0nodejs:tls:session:1\0'))}000a${toHex(utf8('ü.example'))}${toHex(DER)}`,
    );
    expect(unwrapNodeForm(bytes)).toEqual({ host: 'ü.example', der: DER });
  });

  it('keeps a name as it is, and is known by its first bytes alone', () => {
    expect(unwrapNodeForm(wrapNodeForm(DER, '\ufeffa')).host).toBe('\ufeffa');
    expect(unwrapNodeForm(wrapNodeForm(new Uint8Array(0), 'a'))).toEqual({
      host: 'a',
      der: new Uint8Array(0),
    });
    expect(detectForm(utf8('\0nodejs:tls:session:1\0'))).toBe('node');
  });

  it('needs a name, of up to 65,535 bytes', () => {
    expect(() => wrapNodeForm(DER, '')).toThrow(expect.objectContaining({ code: 'ERR_SESSION_NODE_HOST' }));
    expect(() => wrapNodeForm(DER, 'a'.repeat(0x1_0000))).toThrow(/host name/);
    expect(unwrapNodeForm(wrapNodeForm(DER, 'a'.repeat(0xffff))).host.length).toBe(0xffff);
  });

  it('is refused when it is not one', () => {
    const prefix = utf8('\0nodejs:tls:session:1\0');
    for (const bytes of [
      utf8('\0nodejs:tls:session:2\0'),
      prefix,
      concatBytes(prefix, Uint8Array.of(0)),
      concatBytes(prefix, Uint8Array.of(0, 2, 0x61)),
      concatBytes(prefix, Uint8Array.of(0, 1, 0xff), DER),
    ]) {
      expect(() => unwrapNodeForm(bytes)).toThrow(expect.objectContaining({ code: 'ERR_SESSION_NODE_FORM' }));
    }
  });
});

describe('the form of a file', () => {
  it('is told by how it begins', () => {
    expect(detectForm(DER)).toBe('DER');
    expect(detectForm(utf8(encodePem(DER)))).toBe('PEM');
    expect(detectForm(utf8(`text\n${encodePem(DER)}`))).toBe('PEM');
    expect(detectForm(wrapNodeForm(DER, 'a'))).toBe('node');
    expect(detectForm(fromHex('d3544c5301'))).toBe('envelope');
    expect(detectForm(fromHex('00'))).toBeNull();
    expect(detectForm(new Uint8Array(0))).toBeNull();
  });

  it('decides how it is read, unless the caller says', () => {
    for (const [bytes, form, nodeHost] of [
      [DER, 'DER', null],
      [utf8(encodePem(DER)), 'PEM', null],
      [wrapNodeForm(DER, 'a'), 'node', 'a'],
    ] as const) {
      const read = readSession(bytes, null, 5);
      expect([read.form, read.nodeHost, read.session.timeMs('test')]).toEqual([form, nodeHost, 5]);
      read.session.free();
      expect(() => readSession(bytes, form === 'DER' ? 'PEM' : 'DER', 5)).toThrow(
        expect.objectContaining({ offset: expect.any(Number) }),
      );
    }
    expect(() => readSession(fromHex('00'), null, 5)).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_UNKNOWN_FORM' }),
    );
  });

  it('is not looked for in what is far too long', () => {
    expect(() => readSession(new Uint8Array(MAX_INPUT_BYTES + 1), 'DER', 5)).toThrow(/too long/);
  });
});
