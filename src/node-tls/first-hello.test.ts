import { Duplex, PassThrough } from 'node:stream';
import * as tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '../util/bytes.ts';
import { firstHelloIn, peekFirstHello } from './first-hello.ts';

/** What node:tls sends first. */
async function helloOf(options: tls.ConnectionOptions): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  const wire = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const socket = tls.connect({ socket: wire, ...options });
  socket.on('error', () => {});
  while (chunks.length === 0) await new Promise((done) => setImmediate(done));
  socket.destroy();
  return new Uint8Array(Buffer.concat(chunks));
}

/** The same message in records of so many bytes. */
function cut(hello: Uint8Array, size: number): Uint8Array {
  const message = hello.subarray(5);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += size) {
    const fragment = message.subarray(at, at + size);
    parts.push(Uint8Array.of(22, 3, 1, fragment.length >> 8, fragment.length & 0xff), fragment);
  }
  return concatBytes(...parts);
}

describe('firstHelloIn', () => {
  it('reads the name, the id and the suites, however the hello is cut into records', async () => {
    const bytes = await helloOf({ servername: 'a.example' });
    for (const form of [bytes, cut(bytes, 50), cut(bytes, 7)]) {
      const hello = firstHelloIn(form);
      if (hello === null || 'needs' in hello) throw new Error('no hello');
      expect(hello.serverName).toBe('a.example');
      expect(hello.sessionId.length).toBe(32);
      expect(hello.pskIdentity).toBeNull();
      expect(hello.extendedMasterSecret).toBe(true);
      expect(hello.offeredCiphers).toContain(0x1301);
    }
  });

  it('never asks for fewer bytes than it takes, and comes to an end', async () => {
    const bytes = cut(await helloOf({ servername: 'a.example' }), 90);
    let length = 0;
    let steps = 0;
    for (;;) {
      const hello = firstHelloIn(bytes.subarray(0, length));
      if (hello === null) throw new Error(`none in ${length} bytes`);
      if (!('needs' in hello)) break;
      expect(hello.needs).toBeGreaterThan(length);
      expect(hello.needs).toBeLessThanOrEqual(bytes.length);
      length = hello.needs;
      steps++;
    }
    expect(length).toBe(bytes.length);
    // A record takes a header and a fragment.
    expect(steps).toBeLessThan(3 + (2 * bytes.length) / 95);
  });

  it.each([
    ['another protocol', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')],
    ['an alert', Uint8Array.of(21, 3, 1, 0, 2, 2, 40)],
    ['another message', Uint8Array.of(22, 3, 1, 0, 4, 14, 0, 0, 0)],
    ['an empty record', Uint8Array.of(22, 3, 1, 0, 0)],
    ['a record that is too long', Uint8Array.of(22, 3, 1, 0x40, 1)],
    ['a message that is too long', Uint8Array.of(22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff)],
    ['a hello that is cut short inside', Uint8Array.of(22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3)],
    ['SSL 2', Uint8Array.of(0x80, 0x2e, 1, 3, 3)],
  ])('says that there is none in %s', (_what, bytes) => {
    expect(firstHelloIn(bytes)).toBeNull();
  });

  it('gives up on a hello in far too many records', () => {
    const record = Uint8Array.of(22, 3, 1, 0, 1, 1);
    const header = Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0xf0, 0);
    expect(firstHelloIn(concatBytes(header, ...Array(400).fill(record)))).toBeNull();
  });
});

describe('peekFirstHello', () => {
  it('puts everything back, also when it comes a byte at a time', async () => {
    const bytes = concatBytes(await helloOf({ servername: 'a.example' }), Uint8Array.of(1, 2, 3));
    const stream = new PassThrough();
    const before = stream.eventNames();
    const found = new Promise<string | null | undefined>((done, fail) => {
      peekFirstHello(stream, 5000, (hello) => done(hello?.serverName), fail);
    });
    for (const byte of bytes) stream.write(Buffer.from([byte]));
    expect(await found).toBe('a.example');
    expect(stream.eventNames()).toEqual(before);
    stream.end();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(toHex(Buffer.concat(chunks))).toBe(toHex(bytes));
  });

  it.each([
    ['ends', (stream: PassThrough) => void stream.end(Buffer.from([22, 3, 1]))],
    ['breaks', (stream: PassThrough) => void stream.destroy(new Error('broken'))],
    ['is closed', (stream: PassThrough) => void stream.destroy()],
    ['says nothing', () => {}],
  ])('fails once when the stream %s', async (_what, act) => {
    const stream = new PassThrough();
    let calls = 0;
    const failed = new Promise<Error>((done) => {
      peekFirstHello(
        stream,
        30,
        () => calls++,
        (error) => {
          calls++;
          done(error);
        },
      );
    });
    act(stream);
    stream.on('error', () => {});
    expect(await failed).toBeInstanceOf(Error);
    await new Promise((done) => setTimeout(done, 40));
    expect(calls).toBe(1);
    expect(stream.listenerCount('data')).toBe(0);
    stream.destroy();
  });
});
