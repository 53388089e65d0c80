/**
 * Certificate paths: what validation costs beside the signatures that it cannot do without, beside pkijs,
 * and at most, for bags of certificates that are made to take long.
 */
import * as pkijs from 'pkijs';
import { nodeProvider } from '../src/crypto/node/index.ts';
import { readKey, readSignatureAlgorithm } from '../src/pki/algorithm.ts';
import { TrustAnchors } from '../src/pki/anchors.ts';
import { parseCertificate } from '../src/pki/certificate.ts';
import { PathCache } from '../src/pki/path-cache.ts';
import type { PathOptions } from '../src/pki/result.ts';
import { validateCertificatePath } from '../src/pki/validate.ts';
import {
  ANY_POLICY,
  ext,
  generalName,
  issue,
  issueCa,
  keyFor,
  NOW,
  OIDS,
  type TestCertificate,
} from '../tests/pki/make.ts';
import { compare, cpuNs, type Plan, type Report, type Row, takeTurns, timed } from './harness.ts';

const LIMIT_MS = 50;

interface Scene {
  readonly what: string;
  readonly chain: readonly Uint8Array[];
  readonly anchors: TrustAnchors;
  readonly options?: Partial<PathOptions>;
}

function validate({ chain, anchors, options }: Scene): ReturnType<typeof validateCertificatePath> {
  return validateCertificatePath({
    provider: nodeProvider,
    chain,
    anchors,
    purpose: 'server',
    atMs: NOW,
    ...options,
  });
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Bags that a hostile peer might send; each is refused, mostly by the budget. */
function worstBags(): Scene[] {
  const fresh = (label: string, kind: Parameters<typeof keyFor>[1]): ReturnType<typeof keyFor> =>
    keyFor(label, kind);
  const scene = (
    what: string,
    leaf: TestCertificate,
    bag: readonly TestCertificate[],
    anchor: TestCertificate,
  ): Scene => ({
    what,
    chain: [leaf.der, ...bag.map(({ der }) => der)],
    anchors: TrustAnchors.from(anchor.der),
  });
  const scenes: Scene[] = [];

  // Every CA has the anchor's name for its issuer and one of its own that all share: each way seems to end well.
  for (const kind of ['p256', 'p384', 'p521', 'rsa2048'] as const) {
    const anchor = issueCa('CN=anchor', { key: fresh('anchor', kind) });
    const bag = range(120).map((i) =>
      issueCa('CN=x', {
        key: fresh(`x${i % 12}`, kind),
        issuer: anchor,
        serial: i + 1,
        omit: [OIDS.aki, OIDS.ski],
        breakSignature: true,
      }),
    );
    const leaf = issue({ issuer: bag[0] as TestCertificate, omit: [OIDS.aki] });
    scenes.push(scene(`120 CAs of one name below the anchor’s, ${kind}`, leaf, bag, anchor));
  }

  // All issue each other, and one key is the anchor’s namesake: the search branches at every step.
  const tangle = range(60).map((i) => keyFor(`tangle ${i}`));
  const anchor = issueCa('CN=x', { key: keyFor('anchor') });
  const mesh = tangle.map((key) =>
    issueCa('CN=x', {
      key,
      issuer: { subjectDer: anchor.subjectDer, key: keyFor('nobody') },
      omit: [OIDS.aki, OIDS.ski],
    }),
  );
  scenes.push(
    scene(
      '60 self-issued CAs that all might have signed each other',
      issue({ issuer: mesh[0] as TestCertificate, omit: [OIDS.aki] }),
      mesh,
      anchor,
    ),
  );

  // The same, but every way is refused by the last thing that a path is held against before its signatures.
  const strict = issueCa('CN=x', {
    key: keyFor('anchor'),
    add: [ext.names([], [generalName.dns('example.com')])],
  });
  const loose = range(120).map((i) =>
    issueCa('CN=x', {
      key: keyFor(`tangle ${i}`),
      issuer: { subjectDer: strict.subjectDer, key: keyFor('nobody') },
      omit: [OIDS.aki, OIDS.ski],
    }),
  );
  const excluded = issue({ issuer: loose[0] as TestCertificate, omit: [OIDS.aki] });
  scenes.push(scene('120 self-issued CAs and a name that the anchor excludes', excluded, loose, strict));

  const many = range(2500).map((i) => generalName.dns(`h${i}.example.com`));
  const root = issueCa('CN=root');
  const constrained = issueCa('CN=ca', {
    issuer: root,
    add: [
      ext.names(
        [generalName.dns('example.com')],
        range(2000).map((i) => generalName.dns(`x${i}.example`)),
      ),
    ],
  });
  scenes.push(
    scene(
      '2,500 names under 2,000 constraints',
      issue({ issuer: constrained, names: many }),
      [constrained],
      root,
    ),
  );

  const directories = issueCa('CN=ca', {
    issuer: root,
    add: [
      ext.names(
        [],
        range(150).map((i) =>
          generalName.directory([...range(15).map((j) => `OU=${j}`), `CN=${i}`].join(',')),
        ),
      ),
    ],
  });
  const deep = range(150).map((i) =>
    generalName.directory([...range(15).map((j) => `OU=${j}`), `CN=x${i}`].join(',')),
  );
  scenes.push(
    scene(
      '150 deep directory names under 150 constraints',
      issue({ issuer: directories, names: deep }),
      [directories],
      root,
    ),
  );

  const policies = range(350).map((i) => `1.3.6.1.4.1.55555.${i}`);
  const mapping: TestCertificate[] = [];
  for (const i of range(3)) {
    const add = [
      ext.policies([ANY_POLICY, ...policies]),
      ext.mappings(policies.map((policy, j) => [policy, policies[(j * 7 + i) % 350] as string])),
    ];
    mapping.push(issueCa(`CN=policy ${i}`, { issuer: mapping.at(-1) ?? root, add }));
  }
  scenes.push(
    scene(
      'three CAs with 350 policies and mappings',
      issue({
        issuer: mapping.at(-1) as TestCertificate,
        add: [ext.policies(policies), ext.policyConstraints(0, null)],
      }),
      mapping,
      root,
    ),
  );

  const long = issue({
    issuer: root,
    subject: range(9000)
      .map((i) => `O=${i % 10}`)
      .join(','),
  });
  scenes.push(
    scene(
      'a subject of 9,000 parts',
      long,
      range(2).map((i) => issueCa(`CN=${i}`)),
      root,
    ),
  );
  return scenes;
}

export async function pki(plan: Plan): Promise<Report> {
  const root = issueCa('CN=root');
  const first = issueCa('CN=first', { issuer: root });
  const second = issueCa('CN=second', { issuer: first });
  const leaf = issue({ issuer: second });
  const path: Scene = {
    what: 'path',
    chain: [leaf.der, second.der, first.der],
    anchors: TrustAnchors.from(root.der),
    options: { name: 'example.com' },
  };
  const cached: Scene = { ...path, options: { ...path.options, cache: new PathCache() } };
  for (const scene of [path, cached]) {
    const result = validate(scene);
    if (!result.ok) throw new Error(result.message);
  }

  const certificates = path.chain.map(parseCertificate);
  const issuers = [second.key, first.key, root.key].map(({ spki }) => spki);
  const scheme = (index: number): number => {
    const algorithm = readSignatureAlgorithm(
      (certificates[index] as (typeof certificates)[number]).signatureAlgorithm,
    );
    const key = readKey(issuers[index] as Uint8Array);
    if (typeof algorithm === 'string' || typeof key === 'string') throw new Error('not our certificates');
    return algorithm.schemes[key.type] as number;
  };
  const schemes = [0, 1, 2].map(scheme);
  const keys = issuers.map((spki) => nodeProvider.importPublicKey(spki));
  const verifyAll = (fresh: boolean): void => {
    for (const [i, { tbs, signature }] of certificates.entries()) {
      // The anchor's key is prepared; those of the path come with it.
      const key = fresh && i < 2 ? nodeProvider.importPublicKey(issuers[i] as Uint8Array) : keys[i];
      if (key?.verify(schemes[i] as number, tbs, signature) !== true)
        throw new Error('a signature that does not verify');
    }
  };

  const count = plan.smoke ? 2 : 1000;
  // A process that has made some thousand handshakes is what the figures are about.
  for (let i = 0; i < count * 5; i += 1) validate(path);
  plan.say('paths');
  const samples = await takeTurns(plan, {
    ours: timed(count, (n) => {
      for (let i = 0; i < n; i += 1) validate(path);
    }),
    signatures: timed(count, (n) => {
      for (let i = 0; i < n; i += 1) verifyAll(false);
    }),
    imports: timed(count, (n) => {
      for (let i = 0; i < n; i += 1) verifyAll(true);
    }),
    cached: timed(count * 10, (n) => {
      for (let i = 0; i < n; i += 1) validate(cached);
    }),
    pkijs: async () => {
      const n = Math.max(1, count / 20);
      const began = cpuNs();
      for (let i = 0; i < n; i += 1) {
        const engine = new pkijs.CertificateChainValidationEngine({
          trustedCerts: [pkijs.Certificate.fromBER(root.der)],
          // The leaf comes last.
          certs: [first, second, leaf].map(({ der }) => pkijs.Certificate.fromBER(der)),
          checkDate: new Date(NOW),
        });
        const { result, resultMessage } = await engine.verify();
        if (!result) throw new Error(`pkijs: ${resultMessage}`);
      }
      return (cpuNs() - began) / n;
    },
  });
  const micro = (list: readonly number[]): number[] => list.map((value) => value / 1000);
  const ours = micro(samples.ours);
  const rows: Row[] = [
    compare(
      'two intermediates, P-256, a name',
      'µs',
      ours,
      'its three signatures alone, keys imported',
      micro(samples.signatures),
      1.3,
    ),
    compare('the same', 'µs', ours, 'its three signatures and two imports', micro(samples.imports), null),
    compare('the same', 'µs', ours, 'pkijs, without a name', micro(samples.pkijs), 1),
    compare(
      'the same, remembered',
      'µs',
      micro(samples.cached),
      'its three signatures alone, keys imported',
      micro(samples.signatures),
      null,
    ),
  ];

  plan.say('bags that are made to take long');
  for (const scene of worstBags()) {
    const result = validate(scene);
    const times = await takeTurns(plan, {
      ours: () => {
        const began = cpuNs();
        validate(scene);
        return (cpuNs() - began) / 1e6;
      },
    });
    const end = result.ok ? 'accepted' : result.reason;
    rows.push(
      compare(
        `${scene.what}: ${end}`,
        'ms',
        times.ours,
        'limit',
        times.ours.map(() => LIMIT_MS),
        1,
      ),
    );
  }
  return {
    title: 'Certificate paths',
    rows,
    facts: {
      node: process.version,
      pkijs: '4.0.0',
      'worst bags': 'CPU of one validation, nothing prepared but the anchors',
    },
  };
}
