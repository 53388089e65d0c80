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
  const path = pathOf(anchors === null ? chain.slice(0, 1) : chain, anchors);
  const views = path.map((certificate) => certificate.toLegacyObject() as DetailedPeerCertificate);
  const [leaf] = views;
  if (leaf === undefined) return {} as PeerCertificate;
  if (anchors === null) return leaf;
  for (const [i, view] of views.entries()) {
    const issuer = views[i + 1];
    if (issuer !== undefined) view.issuerCertificate = issuer;
    // A root is its own issuer, as in node:tls.
    else if (isRoot(path[i] as X509Certificate)) view.issuerCertificate = view;
  }
  return leaf;
}

/**
 * tls.TLSSocket.getPeerX509Certificate(): the leaf, from which `issuerCertificate` leads up to who issued what, as
 * far as the peer sent it.
 */
export function peerCertificate(chain: readonly Uint8Array[]): X509Certificate | undefined {
  const path = pathOf(chain, null);
  for (const [i, certificate] of path.entries()) {
    const value = path[i + 1];
    // Of its own a certificate says this only where node:tls made it.
    if (value !== undefined)
      Object.defineProperty(certificate, 'issuerCertificate', { value, configurable: true });
  }
  return path[0];
}

/** The leaf and, as far as they are in the chain or among the anchors, who issued it, who issued that, and so on. */
function pathOf(chain: readonly Uint8Array[], anchors: TrustAnchors | null): X509Certificate[] {
  const [first, ...others] = chain;
  if (first === undefined) return [];
  const leaf = new X509Certificate(first);
  // What was sent beside the path was of no use to the verifier, and may be anything.
  const rest = others.flatMap((der) => readable(der) ?? []);
  const path = [leaf];
  for (let last = leaf; !isRoot(last) && path.length <= MAX_DEPTH; ) {
    const at = rest.findIndex((candidate) => last.checkIssued(candidate));
    const issuer = at === -1 ? anchors && issuerAmong(anchors, last) : rest.splice(at, 1)[0];
    if (!issuer) break;
    path.push(issuer);
    last = issuer;
  }
  return path;
}

function readable(der: Uint8Array): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    return null;
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
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
