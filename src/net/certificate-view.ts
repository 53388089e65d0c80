/** A peer's certificate in the shape of node:tls. */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';

/** tls.TLSSocket.getPeerCertificate(): the leaf; with `detailed`, each with its issuer. */
export function legacyCertificate(chain: readonly Uint8Array[], detailed: boolean): PeerCertificate {
  const [leaf, ...issuers] = chain.map((der) => new X509Certificate(der));
  if (leaf === undefined) return {} as PeerCertificate;
  const legacy = leaf.toLegacyObject() as unknown as DetailedPeerCertificate;
  if (!detailed) return legacy;
  let last = { certificate: leaf, legacy };
  const rest = [...issuers];
  for (;;) {
    const at = rest.findIndex((candidate) => last.certificate.checkIssued(candidate));
    const issuer = rest[at];
    if (issuer === undefined) break;
    rest.splice(at, 1);
    const view = issuer.toLegacyObject() as unknown as DetailedPeerCertificate;
    last.legacy.issuerCertificate = view;
    last = { certificate: issuer, legacy: view };
  }
  // A root is its own issuer, as in node:tls.
  if (last.certificate.checkIssued(last.certificate)) last.legacy.issuerCertificate = last.legacy;
  return legacy;
}
