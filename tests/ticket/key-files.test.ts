/** Files of ticket keys that change under a running server. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type TicketKeyFileEvent,
  TicketKeyFiles,
  type TicketKeyFilesOptions,
} from '../../src/entry/index.ts';
import { type TicketKeyLayout, ticketKeyLayouts, ticketKeyLength } from '../../src/ticket/key-layouts.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { listen, trusting, visit } from '../net/pair.ts';

let folder: string;
let opened: TicketKeyFiles[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tlsession-keys-'));
});
afterEach(() => {
  for (const files of opened.splice(0)) files.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => join(folder, name);
const key = (layout: TicketKeyLayout): Buffer => randomBytes(ticketKeyLength(layout));
const nameOf = (bytes: Buffer): string => bytes.toString('hex', 0, 16);

async function open(
  options: TicketKeyFilesOptions,
): Promise<{ files: TicketKeyFiles; events: TicketKeyFileEvent[] }> {
  const events: TicketKeyFileEvent[] = [];
  const files = await TicketKeyFiles.open({
    settleMs: 20,
    pollMs: 100,
    onEvent: (event) => events.push(event),
    ...options,
  });
  opened.push(files);
  return { files, events };
}

const names = (files: TicketKeyFiles): string[] =>
  files.keyring.keys().map(({ role, name }) => `${role} ${name}`);
const opens = (files: TicketKeyFiles, ticket: Uint8Array): boolean =>
  files.keyring.open(ticket, Date.now()).opened;
const sealed = (files: TicketKeyFiles): Uint8Array =>
  files.keyring.seal(utf8('text'), Date.now()) as Uint8Array;

describe.each(ticketKeyLayouts)('%s', (layout) => {
  test('a new file in the place of the old one is taken over; partial and wrong ones change nothing', async () => {
    const [one, two] = [key(layout), key(layout)];
    writeFileSync(at('current'), one);
    writeFileSync(at('previous'), two);
    const { files, events } = await open({ files: [at('current'), at('previous')], layout });
    expect(names(files)).toEqual([`current ${nameOf(one)}`, `previous ${nameOf(two)}`]);
    const ticket = sealed(files);

    // The rotation of nginx's manual: previous is what was current, and current is new.
    const three = key(layout);
    writeFileSync(at('next'), three);
    writeFileSync(at('was'), one);
    renameSync(at('was'), at('previous'));
    renameSync(at('next'), at('current'));
    await expect.poll(() => names(files)[0]).toBe(`current ${nameOf(three)}`);
    expect([opens(files, ticket), opens(files, sealed(files))]).toEqual([true, true]);

    // Half of a key, a byte too many, nothing at all, and no file.
    const before = names(files);
    for (const bad of [three.subarray(0, 40), Buffer.concat([three, three]), Buffer.alloc(0)]) {
      const rejected = events.filter(({ kind }) => kind === 'rejected').length;
      writeFileSync(at('current'), bad);
      await expect.poll(() => events.filter(({ kind }) => kind === 'rejected').length).toBe(rejected + 1);
      expect(names(files)).toEqual(before);
    }
    const rejected = events.filter(({ kind }) => kind === 'rejected').length;
    unlinkSync(at('current'));
    await expect.poll(() => events.filter(({ kind }) => kind === 'rejected').length).toBe(rejected + 1);
    await files.check();
    await files.check();
    expect(events.filter(({ kind }) => kind === 'rejected')).toHaveLength(rejected + 1);
    expect([names(files), opens(files, ticket)]).toEqual([before, true]);

    // Whole again: as if nothing had been.
    writeFileSync(at('current'), three);
    await files.check();
    expect(names(files)).toEqual(before);
    expect(JSON.stringify([events, files.keyring])).not.toContain(three.toString('base64'));
  });

  test('the lines of HAProxy: the last but one seals, all open, what goes is gone', async () => {
    const keys = Array.from({ length: 4 }, () => key(layout));
    const text = (from: number): string =>
      keys
        .slice(from, from + 3)
        .map((bytes) => `${bytes.toString('base64')}\n`)
        .join('');
    writeFileSync(at('keys'), text(0));
    const { files, events } = await open({ files: at('keys'), layout, lines: true });
    const [a, b, c, d] = keys.map(nameOf);
    expect(names(files)).toEqual([`next ${c}`, `current ${b}`, `previous ${a}`]);
    const ticket = sealed(files);
    // In place, in two writes, as a shell does it: the first half is no reason to change.
    writeFileSync(at('keys'), text(1).slice(0, 50));
    writeFileSync(at('keys'), text(1));
    await expect.poll(() => names(files)).toEqual([`next ${d}`, `current ${c}`, `previous ${b}`]);
    expect(opens(files, ticket)).toBe(true);
    writeFileSync(at('keys'), `${text(1)}not base64\n`);
    await expect.poll(() => events.at(-1)?.kind).toBe('rejected');
    expect(String((events.at(-1) as { error: Error }).error)).toMatch(/line 4/);
    writeFileSync(at('keys'), `${keys[3]?.toString('base64')}\n`);
    await expect.poll(() => names(files)).toEqual([`current ${d}`]);
    expect(opens(files, ticket)).toBe(false);
  });
});

test('follows a link that is turned to another file, as secrets are mounted', async () => {
  const [one, two] = [key('openssl80'), key('openssl80')];
  writeFileSync(at('one'), one);
  writeFileSync(at('two'), two);
  symlinkSync(at('one'), at('key'));
  const { files } = await open({ files: at('key'), layout: 'openssl80' });
  symlinkSync(at('two'), at('link'));
  renameSync(at('link'), at('key'));
  await expect.poll(() => names(files)).toEqual([`current ${nameOf(two)}`]);
});

test('does not begin without keys, and says why', async () => {
  await expect(open({ files: at('none'), layout: 'node48' })).rejects.toMatchObject({ code: 'ENOENT' });
  writeFileSync(at('short'), Buffer.alloc(47));
  await expect(open({ files: at('short'), layout: 'node48' })).rejects.toMatchObject({
    code: 'ERR_TICKET_KEY',
  });
  writeFileSync(at('long'), Buffer.alloc(100_000));
  await expect(open({ files: at('long'), layout: 'node48' })).rejects.toMatchObject({
    code: 'ERR_TICKET_KEY',
  });
  await expect(open({ files: [], layout: 'node48' })).rejects.toMatchObject({ code: 'ERR_TICKET_KEY' });
  writeFileSync(at('same'), Buffer.alloc(48));
  const twice = { files: [at('same'), at('same')], layout: 'node48' } as const;
  await expect(open(twice)).rejects.toMatchObject({ code: 'ERR_TICKET_KEY' });
});

test('two servers over the same files resume what the other made, before and after the files change', async () => {
  writeFileSync(at('key'), key('node48'));
  const [one, two] = [
    await open({ files: at('key'), layout: 'node48' }),
    await open({ files: at('key'), layout: 'node48' }),
  ];
  await using first = await listen({ ticketKeyring: one.files.keyring, bindServerName: false });
  await using second = await listen({ ticketKeyring: two.files.keyring, bindServerName: false });
  const port = first.port;
  const resumes = async (): Promise<boolean> => {
    const { sessions } = await visit(await trusting(port));
    const { connect } = await import('node:net');
    const socket = connect(second.port, '127.0.0.1');
    const back = await visit(await trusting(port, { socket, session: sessions[0] as Buffer }), 'hello', 0);
    return back.socket.isSessionReused();
  };
  expect(await resumes()).toBe(true);
  const next = key('node48');
  writeFileSync(at('next'), next);
  renameSync(at('next'), at('key'));
  await Promise.all([one.files.check(), two.files.check()]);
  expect([names(one.files), names(two.files)]).toEqual([
    [`current ${nameOf(next)}`],
    [`current ${nameOf(next)}`],
  ]);
  expect(await resumes()).toBe(true);
});
