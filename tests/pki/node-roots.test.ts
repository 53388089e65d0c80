import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { readKey } from '../../src/pki/algorithm.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { parseCertificate } from '../../src/pki/certificate.ts';
import { decodePem } from '../../src/pki/pem.ts';
import type { PathProvider } from '../../src/pki/signatures.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { describeOnNodes } from '../support/node-versions.ts';
import { algorithms, issue, keyFor, NOW } from './make.ts';

/**
 * We have none of the roots' private keys, so each real key is imported and then asked nothing: all that a
 * path needs of an anchor is exercised but for the signature itself.
 */
const trusting: PathProvider = {
  digest: nodeProvider.digest.bind(nodeProvider),
  importPublicKey(spki) {
    const key = nodeProvider.importPublicKey(spki);
    return key === null ? null : { type: key.type, bits: key.bits, verify: () => true };
  },
};

describeOnNodes('tls.rootCertificates', (node) => {
  const script = 'process.stdout.write(JSON.stringify(require("node:tls").rootCertificates))';
  const roots = (
    JSON.parse(execFileSync(node, ['-e', script], { encoding: 'utf8', maxBuffer: 1 << 24 })) as string[]
  ).flatMap((pem) => decodePem(pem, 'CERTIFICATE'));

  it('has over a hundred certificates, all of which are read', () => {
    expect(roots.length).toBeGreaterThan(100);
    expect(TrustAnchors.from(roots).size).toBe(roots.length);
  });

  it('has only certificates that work as anchors, for servers and clients, also within their own time', () => {
    const refused: string[] = [];
    const anchors = TrustAnchors.from(roots);
    for (const bytes of roots) {
      const root = parseCertificate(bytes);
      const key = readKey(root.spki);
      const rsa = typeof key !== 'string' && key.type === 'rsa';
      // The algorithm has to fit the root's key.
      const { der } = rsa ? algorithms.sha256Rsa : algorithms.ecdsaSha256;
      const anchor = { subjectDer: root.subject.der, key: keyFor('somebody') };
      for (const purpose of ['server', 'client'] as const) {
        const leaf = issue({
          issuer: anchor,
          algorithm: { der, sign: algorithms.ecdsaSha256.sign },
          purposes: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
        });
        const result = validateCertificatePath({
          provider: trusting,
          chain: [leaf.der],
          anchors,
          purpose,
          name: 'example.com',
          atMs: NOW,
        });
        if (!result.ok) refused.push(`${root.subject} (${purpose}): ${result.reason}: ${result.message}`);
      }
    }
    expect(refused).toEqual([]);
  });
});
