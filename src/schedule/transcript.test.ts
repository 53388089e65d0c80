import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import { concatBytes, toHex, utf8 } from '../util/bytes.ts';
import { Transcript } from './transcript.ts';

const hello = utf8('ClientHello');
const second = utf8('second message');

function digest(hash: 'sha256' | 'sha384', ...parts: Uint8Array[]): string {
  return toHex(nodeProvider.digest(hash, concatBytes(...parts)));
}

describe('Transcript', () => {
  it('keeps messages until the hash is chosen, and copies what it keeps', () => {
    const transcript = new Transcript(nodeProvider);
    const borrowed = hello.slice();
    transcript.update(borrowed);
    borrowed.fill(0xff);
    expect(transcript.hash).toBeNull();
    expect(() => transcript.peek()).toThrow(TypeError);
    transcript.choose('sha384');
    expect(transcript.hash).toBe('sha384');
    expect(toHex(transcript.peek())).toBe(digest('sha384', hello));
    transcript.update(second);
    expect(toHex(transcript.peek())).toBe(digest('sha384', hello, second));
  });

  it('may be told the same hash twice, but no other', () => {
    const transcript = new Transcript(nodeProvider);
    transcript.update(hello);
    transcript.choose('sha256');
    transcript.choose('sha256');
    expect(() => transcript.choose('sha384')).toThrow(TypeError);
    expect(toHex(transcript.peek())).toBe(digest('sha256', hello));
  });

  it('hashes a cut ClientHello for binders by any hash while none is chosen', () => {
    const transcript = new Transcript(nodeProvider);
    expect(toHex(transcript.peekWith('sha256', hello))).toBe(digest('sha256', hello));
    expect(toHex(transcript.peekWith('sha384', hello))).toBe(digest('sha384', hello));
    transcript.update(hello);
    expect(toHex(transcript.peekWith('sha256', second))).toBe(digest('sha256', hello, second));
    transcript.choose('sha256');
    expect(toHex(transcript.peek())).toBe(digest('sha256', hello));
  });

  it('hashes it after message_hash and HelloRetryRequest, by the chosen hash alone', () => {
    const transcript = new Transcript(nodeProvider);
    transcript.update(hello);
    transcript.choose('sha256');
    transcript.replaceByMessageHash();
    const retry = utf8('HelloRetryRequest');
    transcript.update(retry);
    const synthetic = concatBytes(Uint8Array.of(254, 0, 0, 32), nodeProvider.digest('sha256', hello));
    expect(toHex(transcript.peekWith('sha256', second))).toBe(digest('sha256', synthetic, retry, second));
    expect(toHex(transcript.peek())).toBe(digest('sha256', synthetic, retry));
    expect(() => transcript.peekWith('sha384', second)).toThrow(TypeError);
  });

  it('keeps the messages of TLS 1.2 for CertificateVerify until told to forget them', () => {
    const transcript = new Transcript(nodeProvider);
    transcript.update(hello);
    transcript.choose('sha256', true);
    transcript.update(second);
    expect(toHex(transcript.messages())).toBe(toHex(concatBytes(hello, second)));
    transcript.forgetMessages();
    expect(() => transcript.messages()).toThrow(TypeError);
    transcript.update(hello);
    expect(toHex(transcript.peek())).toBe(digest('sha256', hello, second, hello));
    const plain = new Transcript(nodeProvider);
    plain.update(hello);
    plain.choose('sha256');
    expect(() => plain.messages()).toThrow(TypeError);
  });

  it('needs a hash before message_hash', () => {
    const transcript = new Transcript(nodeProvider);
    transcript.update(hello);
    expect(() => transcript.replaceByMessageHash()).toThrow(TypeError);
    transcript.forgetMessages();
    transcript.choose('sha256');
    expect(toHex(transcript.peek())).toBe(digest('sha256', hello));
  });
});
