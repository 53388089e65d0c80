import { expect, test } from 'vitest';
import { nodeCodeFor, pathReasons } from '../pki/reason.ts';
import { nodeCodeForVerifyResult, verifyResultCode } from './certificate-check.ts';

test.each(pathReasons)('%s: the code that a session remembers is the one that Node gives', (reason) => {
  expect(nodeCodeForVerifyResult(verifyResultCode(reason))).toBe(nodeCodeFor(reason));
});

test('0 is no fault', () => {
  expect(nodeCodeForVerifyResult(0)).toBeNull();
  expect(nodeCodeForVerifyResult(9999)).toBe('UNSPECIFIED');
});
