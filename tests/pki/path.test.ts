import { expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { issue, issueCa, NOW } from './make.ts';

it('finds a path over two intermediates under both profiles', () => {
  const root = issueCa('CN=root');
  const first = issueCa('CN=first', { issuer: root });
  const second = issueCa('CN=second', { issuer: first });
  const leaf = issue({ subject: 'CN=leaf', issuer: second });
  for (const profile of ['rfc5280', 'compatible'] as const) {
    const result = validateCertificatePath({
      provider: nodeProvider,
      chain: [leaf.der, first.der, second.der],
      anchors: TrustAnchors.from(root.der),
      purpose: 'server',
      name: 'example.com',
      atMs: NOW,
      profile,
    });
    expect(result).toMatchObject({ ok: true, matchedName: 'DNS:example.com' });
    if (result.ok)
      expect(result.path.map((c) => String(c.subject))).toEqual(['CN=leaf', 'CN=second', 'CN=first']);
  }
});
