/** A small world for each rule: root, CA, perhaps one more CA, leaf; and what breaks exactly one rule of it. */
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { type AnchorSource, TrustAnchors } from '../../src/pki/anchors.ts';
import type { PathReason } from '../../src/pki/reason.ts';
import type { Profile, Relaxation } from '../../src/pki/relaxations.ts';
import type { PathOptions, PathResult } from '../../src/pki/result.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { type CertificateSpec, issue, issueCa, NOW, type TestCertificate } from './make.ts';

export interface Cast {
  readonly root: TestCertificate;
  readonly ca: TestCertificate;
  readonly sub: TestCertificate | null;
  readonly leaf: TestCertificate;
}

export interface World {
  readonly root?: CertificateSpec;
  readonly ca?: CertificateSpec;
  /** A CA below the CA; none when absent. */
  readonly sub?: CertificateSpec;
  readonly leaf?: CertificateSpec;
  /** Default: the root's certificate. */
  readonly anchors?: (cast: Cast) => readonly AnchorSource[];
  /** What follows the leaf. Default: sub and CA. */
  readonly bag?: (cast: Cast) => readonly Uint8Array[];
  /** The leaf as it is sent. */
  readonly sent?: (leaf: Uint8Array) => Uint8Array;
  readonly options?: Partial<PathOptions>;
  /** Options that depend on the certificates. */
  readonly more?: (cast: Cast) => Partial<PathOptions>;
}

export interface Rule {
  readonly title: string;
  readonly reason: PathReason;
  /** For `profile-violation`: the relaxation under which `compatible` accepts. */
  readonly relaxation?: Relaxation;
  readonly depth: number;
  /** Accepted under both profiles: `bad` without what breaks the rule. */
  readonly good?: World;
  readonly bad: World;
  /** Only this profile is judged, when the other one has another reason. */
  readonly profile?: Profile;
}

export function cast(world: World): Cast {
  const root = issueCa('CN=root', world.root);
  const ca = issueCa('CN=ca', { issuer: root, ...world.ca });
  const sub = world.sub === undefined ? null : issueCa('CN=sub', { issuer: ca, ...world.sub });
  const leaf = issue({ subject: 'CN=leaf', issuer: sub ?? ca, ...world.leaf });
  return { root, ca, sub, leaf };
}

export function judge(world: World, profile: Profile): PathResult {
  const people = cast(world);
  const { root, ca, sub, leaf } = people;
  const bag = world.bag?.(people) ?? [...(sub === null ? [] : [sub.der]), ca.der];
  return validateCertificatePath({
    provider: nodeProvider,
    chain: [world.sent?.(leaf.der) ?? leaf.der, ...bag],
    anchors: TrustAnchors.from(world.anchors?.(people) ?? [root.der]),
    purpose: 'server',
    atMs: NOW,
    profile,
    ...world.options,
    ...world.more?.(people),
  });
}
