import { describe, expect, it } from 'vitest';
import { makeSession } from '../../tests/support/sessions.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { toHex, utf8 } from '../util/bytes.ts';
import { SealedSessions } from './sealed-sessions.ts';
import { SEAL_OVERHEAD, SecretBox } from './secret-box.ts';

const secret = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const TEXT = utf8('what nobody else may read');

describe('SecretBox', () => {
  const box = new SecretBox(nodeProvider, secret(1));

  it('opens what it sealed, for the same use and place alone', () => {
    const sealed = box.seal(TEXT, 'use', 'place');
    expect(box.open(sealed, 'use', 'place')).toEqual(TEXT);
    expect(sealed.length).toBe(TEXT.length + SEAL_OVERHEAD);
    expect(toHex(sealed)).not.toContain(toHex(TEXT));
    expect(box.open(sealed, 'use', 'places')).toBe('stored-tampered');
    expect(box.open(sealed, 'other', 'place')).toBe('stored-tampered');
    // Where the one ends and the other begins is part of both.
    expect(box.open(box.seal(TEXT, 'ab', 'c'), 'a', 'bc')).toBe('stored-tampered');
    expect(box.open(box.seal(new Uint8Array(0), 'u', 'p'), 'u', 'p')).toEqual(new Uint8Array(0));
  });

  it('never seals alike twice', () => {
    const seals = new Set(Array.from({ length: 100 }, () => toHex(box.seal(TEXT, 'u', 'p'))));
    expect(seals.size).toBe(100);
  });

  it('says what is wrong with every change, in every bit and of every length', () => {
    const sealed = box.seal(TEXT, 'u', 'p');
    for (let at = 0; at < sealed.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = sealed.slice();
        changed[at] = (changed[at] as number) ^ (1 << bit);
        const fault = box.open(changed, 'u', 'p');
        if (at === 0) expect(fault).toBe('stored-other-version');
        else if (at < 9) expect(fault).toBe('stored-unknown-key');
        else if (at < 12) expect(['stored-truncated', 'stored-tampered']).toContain(fault);
        else expect(fault).toBe('stored-tampered');
      }
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(box.open(sealed.slice(0, length), 'u', 'p')).toBe('stored-truncated');
    }
    expect(box.open(Uint8Array.of(...sealed, 0), 'u', 'p')).toBe('stored-tampered');
  });

  it('opens under secrets that came before, and not under those of others', () => {
    const sealed = box.seal(TEXT, 'u', 'p');
    const after = new SecretBox(nodeProvider, [secret(2), secret(1)]);
    expect(after.open(sealed, 'u', 'p')).toEqual(TEXT);
    expect(box.open(after.seal(TEXT, 'u', 'p'), 'u', 'p')).toBe('stored-unknown-key');
  });

  it('takes no secret that is short, missing or there twice, and shows none', () => {
    for (const bad of [[], [secret(1), secret(1)], new Uint8Array(31), 'short', [secret(1), 'short']]) {
      expect(() => new SecretBox(nodeProvider, bad)).toThrow(
        expect.objectContaining({ code: 'ERR_FLEET_SECRET' }),
      );
    }
    expect(() => new SecretBox(nodeProvider, 'a text of exactly as many bytes!')).not.toThrow();
    expect(() => new SecretBox(nodeProvider, 'hunter2hunter2')).not.toThrow(/hunter2/);
  });
});

describe('SealedSessions', () => {
  it('seals sessions for their place, and names them so that the name offers nothing', () => {
    const box = new SecretBox(nodeProvider, secret(1));
    const server = new SealedSessions(nodeProvider, box, 'server');
    const session = makeSession({ id: 7 });
    const id = session.field(Field.id, 'test');
    const name = server.name(0x0304, id);
    expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect([name, server.name(0x0303, id)]).not.toContain(toHex(id));
    expect(server.name(0x0303, id)).not.toBe(name);
    const sealed = server.seal(session, 'there');
    expect(toHex(sealed)).not.toContain(toHex(session.field(Field.masterKey, 'test')));
    const back = server.open(sealed, 'there') as SessionCore;
    expect(back.field(Field.masterKey, 'test')).toEqual(session.field(Field.masterKey, 'test'));
    expect(server.open(sealed, 'elsewhere')).toBe('stored-tampered');
    expect(new SealedSessions(nodeProvider, box, 'client').open(sealed, 'there')).toBe('stored-tampered');
    expect(server.open(box.seal(TEXT, 'session server', 'there'), 'there')).toBe('bad-stored-session');
    back.free();
    session.free();
  });
});
