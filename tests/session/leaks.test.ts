import { describe, expect, it } from 'vitest';
import type { Leak } from '../../src/session/tracing.ts';
import { bundle } from '../support/bundle.ts';
import { runPeer } from '../support/peer.ts';

const program = await bundle('tests/session/fixtures/leaks.fixture.ts');

describe('the leak report', () => {
  async function run(argument: string, env: NodeJS.ProcessEnv): Promise<Leak[]> {
    const args = ['--expose-gc', '--enable-source-maps', program, argument];
    const { code, stdout, stderr } = await runPeer(process.execPath, args, { env });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return (JSON.parse(stdout) as { leaks: Leak[] }).leaks;
  }

  it.each([
    ['by the option', 'option', { TLSESSION_TRACE_REFS: '' }],
    ['by the environment', '', { TLSESSION_TRACE_REFS: '1' }],
  ])(
    'lists what was collected with references outstanding, once, and the places: %s',
    async (_, argument, env) => {
      const leaks = await run(argument, env);
      const summary = leaks.map(({ session, application, library }) => [
        session.replace(/\d+/, 'N'),
        application,
        library,
      ]);
      expect(summary.sort()).toEqual(
        [
          ['session #N', 2, 0],
          ['session #N', 0, 1],
          ['a handle on session #N', 1, 0],
          ['a handle on session #N', 1, 0],
        ].sort(),
      );
      const by = (place: string): Leak | undefined =>
        leaks.find(({ references }) => references.some(({ stack }) => stack.includes(place)));
      expect(by('leaksTwoOfThree')?.references.map(({ event, call }) => [event, call])).toEqual([
        ['taken', 'SSL_SESSION_new'],
        ['taken', 'SSL_SESSION_up_ref'],
        ['taken', 'SSL_SESSION_up_ref'],
        ['dropped', 'SSL_SESSION_free'],
      ]);
      expect(by('leaksTheLibrarys')?.library).toBe(1);
      expect(by('leaksAHandle')?.session).toContain('a handle');
      expect(by('leaksOneHandleOfTwo')?.references.map(({ call }) => call)).toEqual(['Session.ref']);
      expect(by('balanced')).toBeUndefined();
      expect(leaks[0]?.references[0]?.stack).toMatch(/leaks\.fixture\.ts:\d+/);
    },
  );

  it('keeps ten thousand until somebody asks', async () => {
    const { stdout } = await runPeer(process.execPath, ['--expose-gc', program, 'many']);
    expect(Number(stdout)).toBe(10_000);
  });

  it('is empty when tracing is off', async () => {
    expect(await run('', { TLSESSION_TRACE_REFS: '0' })).toEqual([]);
  });
});
