import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SessionCore } from './core.ts';
import { SessionError } from './errors.ts';
import { Session } from './session.ts';
import { isReferenceTracing, setReferenceTracing } from './tracing.ts';

function message(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof SessionError) return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

// Each is named after what it does, to be found in a stack.
function placeThatMakes(): SessionCore {
  return SessionCore.create();
}
function placeThatTakes(session: SessionCore): void {
  session.upRef();
}
function placeThatDrops(session: SessionCore): void {
  session.free();
}
function placeOfTheCache(session: SessionCore): void {
  session.retain('SSL_CTX_add_session');
}

describe('with reference tracing on', () => {
  beforeEach(() => setReferenceTracing(true));
  afterEach(() => setReferenceTracing(false));

  it('an over-free says where every reference was taken and dropped, in order', () => {
    expect(isReferenceTracing()).toBe(true);
    const session = placeThatMakes();
    placeThatTakes(session);
    placeThatDrops(session);
    placeOfTheCache(session);
    placeThatDrops(session);
    const text = message(() => session.free('SSL_SESSION_free'));
    const events = [
      'taken (application) by SSL_SESSION_new',
      'placeThatMakes',
      'taken (application) by SSL_SESSION_up_ref',
      'placeThatTakes',
      'dropped (application) by SSL_SESSION_free',
      'placeThatDrops',
      'taken (library) by SSL_CTX_add_session',
      'placeOfTheCache',
      'dropped (application) by SSL_SESSION_free',
      'placeThatDrops',
    ];
    let at = 0;
    for (const event of events) {
      at = text.indexOf(event, at);
      expect(at, `${event} in ${text}`).toBeGreaterThan(-1);
    }
    expect(text).toContain('tracing.test.ts:');
    expect(text).not.toContain('TLSESSION_TRACE_REFS');
    // The innermost line of each is the caller's and not this library's.
    expect(text).toMatch(/by SSL_SESSION_up_ref\n\s+at placeThatTakes/);
    session.release('test');
  });

  it('a use after the end says where the last reference went', () => {
    const session = placeThatMakes();
    placeThatDrops(session);
    const text = message(() => session.timeMs('SSL_SESSION_get_time'));
    expect(text).toMatch(/^SSL_SESSION_get_time: session #\d+ has ended/);
    expect(text).toMatch(/dropped \(application\) by SSL_SESSION_free\n\s+at placeThatDrops/);
  });

  it('moved references are noted on both sides', () => {
    const session = SessionCore.create();
    session.retain('callback');
    session.giveToApplication('new_session_cb');
    session.takeFromApplication('get_session_cb');
    session.release('callback');
    session.free();
    const text = message(() => session.free());
    for (const event of [
      'dropped (library) by new_session_cb',
      'taken (application) by new_session_cb',
      'dropped (application) by get_session_cb',
      'taken (library) by get_session_cb',
      'dropped (library) by callback',
    ]) {
      expect(text).toContain(event);
    }
  });

  it('a freed handle says where it was made and freed', () => {
    function placeThatFrees(session: Session): void {
      session.free();
    }
    const session = Session.create();
    placeThatFrees(session);
    const text = message(() => session.id);
    expect(text).toContain('taken (application) by Session.create');
    expect(text).toMatch(/dropped \(application\) by Session.free\n\s+at placeThatFrees/);
  });

  it('keeps a bounded number of events: the first, and the latest', () => {
    const session = placeThatMakes();
    for (let i = 0; i < 100; i++) {
      session.upRef(`up_ref ${i}`);
      session.free(`free ${i}`);
    }
    session.free('the last');
    const text = message(() => session.free());
    expect(text.match(/ by /g)?.length).toBe(64);
    expect(text).toContain('by SSL_SESSION_new');
    expect(text).not.toContain('by up_ref 50');
    expect(text).toContain('by free 99');
    expect(text).toContain('by the last');
  });

  it('keeps eight callers of each reference', () => {
    const deep = (levels: number): SessionCore => (levels === 0 ? SessionCore.create() : deep(levels - 1));
    const session = deep(20);
    session.free();
    const text = message(() => session.free());
    const [first = ''] = text.split('taken (application) by SSL_SESSION_new\n')[1]?.split('  dropped') ?? [];
    expect(first.trim().split('\n').length).toBe(8);
    // One of them is SessionCore.create itself.
    expect(first.match(/at deep/g)?.length).toBe(7);
  });

  it('leaves the depth of stack traces as it was', () => {
    const { stackTraceLimit } = Error;
    SessionCore.create().free();
    expect(Error.stackTraceLimit).toBe(stackTraceLimit);
  });
});

describe('with reference tracing off', () => {
  it('an error says how to turn it on, and objects made before stay untraced', () => {
    expect(isReferenceTracing()).toBe(false);
    const session = SessionCore.create();
    setReferenceTracing(true);
    session.free();
    setReferenceTracing(false);
    expect(message(() => session.free())).toContain('TLSESSION_TRACE_REFS=1');
  });
});
