import { expect, test } from 'vitest';
import { testChain } from '../../tests/support/certs.ts';
import { peerCertificate } from './certificate-view.ts';

async function chainOf(): Promise<{ leaf: Uint8Array; intermediate: Uint8Array; root: Uint8Array }> {
  const { leaf, intermediate, root } = await testChain();
  return { leaf: leaf.der, intermediate: intermediate.der, root: root.der };
}

/** The common names from the leaf up. */
function namesUp(chain: readonly Uint8Array[]): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (let at = peerCertificate(chain); at !== undefined; at = at.issuerCertificate) {
    names.push(/CN=([^\n]+)/.exec(at.subject)?.[1]);
  }
  return names;
}

test('the path leads to who issued what, in whatever order it was sent', async () => {
  const { leaf, intermediate, root } = await chainOf();
  const whole = ['localhost', 'Test Intermediate', 'Test Root'];
  expect(namesUp([leaf, intermediate, root])).toEqual(whole);
  expect(namesUp([leaf, root, intermediate])).toEqual(whole);
  expect(namesUp([leaf, root])).toEqual(['localhost']);
  expect(namesUp([root])).toEqual(['Test Root']);
  expect(namesUp([])).toEqual([]);
});

test('what cannot be read beside the path is passed over', async () => {
  const { leaf, intermediate } = await chainOf();
  const damaged = intermediate.slice();
  // Its first date is no date any more.
  const at = Buffer.from(damaged).indexOf(Buffer.from([0x17, 0x0d]));
  damaged[at] = 0x16;
  expect(() => peerCertificate([damaged])).toThrow();
  expect(namesUp([leaf, damaged, intermediate])).toEqual(['localhost', 'Test Intermediate']);
  expect(namesUp([leaf, new Uint8Array(5)])).toEqual(['localhost']);
});
