import { describe, expect, it } from 'vitest';
import {
  earlyDataReasons,
  earlyDataReasonText,
  resumptionReasons,
  resumptionReasonText,
} from './resumption-reason.ts';

describe('the closed lists of reasons', () => {
  const all = [
    ...resumptionReasons.map((reason) => [reason, resumptionReasonText(reason)] as const),
    ...earlyDataReasons.map((reason) => [reason, earlyDataReasonText(reason)] as const),
  ];

  it('names no reason twice, and says no sentence twice in one list', () => {
    expect(new Set(all.map(([reason]) => reason)).size).toBe(all.length);
    for (const [reasons, text] of [
      [resumptionReasons, resumptionReasonText],
      [earlyDataReasons, earlyDataReasonText],
    ] as const) {
      expect(new Set(reasons.map((reason) => text(reason as never))).size).toBe(reasons.length);
    }
  });

  it('names reasons as counters and events can carry them, and speaks in sentences', () => {
    for (const [reason, text] of all) {
      expect(reason).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(text).toMatch(/^[a-z].*[^.]$/);
    }
  });

  it('has every reason that the issue names', () => {
    expect(resumptionReasons).toEqual(
      expect.arrayContaining([
        'no-session-offered',
        'unknown-key',
        'expired',
        'other-context',
        'other-name',
        'other-alpn',
        'other-version',
        'extended-master-secret',
        'other-hash',
        'replayed',
        'not-found',
        'store-slow',
        'refused-by-callback',
      ]),
    );
  });
});
