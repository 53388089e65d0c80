/** A peer's certificate in the shape of node:tls. */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import type { TrustAnchors } from '../pki/anchors.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { PeerFingerprint } from '../session/body.ts';
import { toHex } from '../util/bytes.ts';

/**
 * tls.TLSSocket.getPeerCertificate(): the leaf; with `anchors`, each with its issuer, which may be one of the
 * chain or an anchor, up to a root.
 */
export function legacyCertificate(
  chain: readonly Uint8Array[],
  anchors: TrustAnchors | null,
): PeerCertificate {
  const [leaf, ...issuers] = chain.map((der) => new X509Certificate(der));
  if (leaf === undefined) return {} as PeerCertificate;
  const legacy = leaf.toLegacyObject() as DetailedPeerCertificate;
  if (anchors === null) return legacy;
  let last = { certificate: leaf, legacy };
  const rest = [...issuers];
  // A root is its own issuer, as in node:tls.
  for (let depth = 0; !last.certificate.checkIssued(last.certificate); depth++) {
    if (depth === MAX_DEPTH) return legacy;
    const at = rest.findIndex((candidate) => last.certificate.checkIssued(candidate));
    const issuer = at === -1 ? issuerAmong(anchors, last.certificate) : rest.splice(at, 1)[0];
    if (issuer === undefined) return legacy;
    const view = issuer.toLegacyObject() as DetailedPeerCertificate;
    last.legacy.issuerCertificate = view;
    last = { certificate: issuer, legacy: view };
  }
  last.legacy.issuerCertificate = last.legacy;
  return legacy;
}

/** All that is known of a client's certificate where the ticket kept only this (`ticketPeer: 'fingerprint'`). */
export function fingerprintView({ sha256 }: PeerFingerprint): PeerCertificate {
  const fingerprint256 = toHex(sha256)
    .toUpperCase()
    .replace(/..(?!$)/g, '$&:');
  return { fingerprint256 } as PeerCertificate;
}

/** Certificates that are followed: two anchors may have issued each other. */
const MAX_DEPTH = 32;

function issuerAmong(anchors: TrustAnchors, certificate: X509Certificate): X509Certificate | undefined {
  const { issuer } = parseCertificate(new Uint8Array(certificate.raw));
  for (const anchor of anchors.bySubject(issuer)) {
    if (anchor.certificate === null) continue;
    const candidate = new X509Certificate(anchor.certificate.der);
    if (certificate.checkIssued(candidate)) return candidate;
  }
  return undefined;
}
