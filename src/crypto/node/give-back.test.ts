import { createCipheriv } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { NodeAeadKey } from './aead.ts';
import { giveBack } from './give-back.ts';

// Node 20 needs a turn of the event loop, between the first call and those that count.
beforeAll(async () => {
  giveBack(new Uint8Array(16_384));
  await delay(10);
});

test('memory of its own is gone at once', () => {
  const cipher = createCipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
  const bytes = cipher.update(Buffer.alloc(16_384));
  giveBack(bytes);
  expect(bytes.buffer.byteLength).toBe(0);
  expect(bytes.length).toBe(0);
});

test('memory that others use too stays, and so does what is small', () => {
  const whole = new Uint8Array(16_384).fill(1);
  giveBack(whole.subarray(0, 8192));
  giveBack(whole.subarray(1));
  expect(whole.every((byte) => byte === 1)).toBe(true);
  const small = new Uint8Array(64).fill(1);
  giveBack(small);
  expect(small.length).toBe(64);
});

test('records that are sealed leave nothing for the collector', () => {
  const key = new NodeAeadKey('aes-128-gcm', new Uint8Array(16), true);
  const [nonce, aad] = [new Uint8Array(12), new Uint8Array(5)];
  const buffer = new Uint8Array(16_384 + 16);
  const before = process.memoryUsage().arrayBuffers;
  // Few enough that nothing is collected in between.
  for (let i = 0; i < 200; i++) key.sealInPlace(nonce, aad, buffer, 0, 16_384);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  key.destroy();
});
