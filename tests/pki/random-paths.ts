/**
 * Random paths, valid and broken, as our options and as arguments of `openssl verify`. The same seed gives
 * the same paths, but for their keys.
 */
import { RevocationLists } from '../../src/pki/crl.ts';
import type { PathReason } from '../../src/pki/reason.ts';
import type { Profile } from '../../src/pki/relaxations.ts';
import type { PathOptions } from '../../src/pki/result.ts';
import type { Random } from '../support/random.ts';
import { ascii, bool, int, nil, seq, utf8String } from './der.ts';
import {
  ANY_POLICY,
  algorithms,
  type CertificateSpec,
  DAY,
  EKU,
  ext,
  generalName,
  ipRange,
  issue,
  issueCa,
  type KeyKind,
  keyFor,
  NOW,
  OIDS,
  type TestCertificate,
  type TestExtension,
  type TestKey,
} from './make.ts';
import { type CrlSpec, issueCrl } from './make-status.ts';

type Draft = { -readonly [Key in keyof CertificateSpec]: CertificateSpec[Key] };

/** A path before it is signed; mutators change it. */
interface Plan {
  readonly random: Random;
  readonly root: Draft;
  /** From the root downwards. */
  readonly cas: Draft[];
  readonly leaf: Draft;
  options: Partial<PathOptions>;
  args: string[];
  profile: Profile;
  sent: (leaf: Uint8Array) => Uint8Array;
  /** Changes what is given beside the leaf. */
  bag: (bag: Uint8Array[], cast: PlanCast) => Uint8Array[];
  anchors: (anchors: Uint8Array[], cast: PlanCast) => Uint8Array[];
  /** A list for each issuer by default, when lists are wanted. */
  crls: null | ((cast: PlanCast) => CrlSpec[]);
}

interface PlanCast {
  readonly root: TestCertificate;
  readonly cas: readonly TestCertificate[];
  readonly leaf: TestCertificate;
}

export interface RandomPath {
  readonly title: string;
  /** The mutation, or `valid`. */
  readonly mutation: string;
  /** Undefined when more than one thing is wrong. */
  readonly expected: PathReason | null | undefined;
  readonly options: Omit<PathOptions, 'provider' | 'anchors'>;
  readonly anchors: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly bag: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly args: readonly string[];
  readonly profile: Profile;
}

const { dns, email, uri, ip, directory, other } = generalName;

function add(draft: Draft, ...extensions: TestExtension[]): void {
  draft.add = [...(draft.add ?? []), ...extensions];
}

function omit(draft: Draft, ...oids: string[]): void {
  draft.omit = [...(draft.omit ?? []), ...oids];
}

/** One of the CAs; there is one at least. */
function someCa(plan: Plan): Draft {
  if (plan.cas.length === 0) plan.cas.push(caDraft(plan.random, 0));
  return plan.random.pick(plan.cas);
}

/** The root or a CA: an issuer of some place. */
function someIssuer(plan: Plan): Draft {
  return plan.random.chance(0.25) ? plan.root : someCa(plan);
}

/** Any certificate that is verified: the leaf or a CA. */
function someSigned(plan: Plan): Draft {
  return plan.random.chance(0.5) ? plan.leaf : someCa(plan);
}

const KINDS: readonly KeyKind[] = ['p256', 'p256', 'p256', 'p384', 'rsa2048', 'ed25519'];
let serial = 0;

function someKey(random: Random, label: string): TestKey {
  return keyFor(`${label}${random.below(6)}`, random.pick(KINDS));
}

function caDraft(random: Random, index: number): Draft {
  return {
    subject: `O=Random,CN=ca ${index} ${serial++}`,
    key: someKey(random, `ca${index}-`),
    ...(random.chance(0.3) ? { purposes: [EKU.server, EKU.client] } : {}),
    ...(random.chance(0.2) ? { pathLength: 5 + random.below(3) } : {}),
  };
}

function withName(plan: Plan, name: string): void {
  plan.options = { ...plan.options, name };
  plan.args.push(/^[\d.]+$|:/.test(name) ? '-verify_ip' : '-verify_hostname', name);
}

function withCrls(plan: Plan, lists: (cast: PlanCast) => CrlSpec[], all = false): void {
  plan.crls = lists;
  plan.options = { ...plan.options, requireCrl: all ? 'chain' : 'leaf' };
  plan.args.push(all ? '-crl_check_all' : '-crl_check');
}

const issuerOf = ({ root, cas }: PlanCast): TestCertificate => cas.at(-1) ?? root;

/** Honest lists of every issuer. */
const honest = ({ root, cas, leaf }: PlanCast): CrlSpec[] =>
  [root, ...cas].map((issuer) => ({
    issuer,
    revoked: [{ serial: Uint8Array.of(1 + (leaf.serial[0] ?? 0)) }],
  }));

function changedList(change: (cast: PlanCast) => Partial<CrlSpec>): (cast: PlanCast) => CrlSpec[] {
  return (cast) => [...honest(cast).slice(0, -1), { issuer: issuerOf(cast), ...change(cast) }];
}

const P1 = '1.3.6.1.4.1.55555.2.1';
const P2 = '1.3.6.1.4.1.55555.2.2';

function withPolicies(plan: Plan, acceptable?: string): void {
  plan.options = {
    ...plan.options,
    policies: { requireExplicit: true, ...(acceptable === undefined ? {} : { acceptable: [acceptable] }) },
  };
  plan.args.push(
    '-policy_check',
    '-explicit_policy',
    // Without a policy OpenSSL takes the empty set for the acceptable ones, and not any-policy (6.1.1 (c)).
    '-policy',
    acceptable ?? ANY_POLICY,
  );
}

/** Gives CAs and leaf a policy that holds all the way. */
function consistentPolicies(plan: Plan): void {
  for (const ca of plan.cas) add(ca, ext.policies(plan.random.chance(0.3) ? [ANY_POLICY] : [P1, P2]));
  add(plan.leaf, ext.policies([P1]));
}

const big = (count: number, make: (i: number) => Uint8Array): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** A CA that a stranger signed too, before or after the one that leads to the root. */
function strangersCross(plan: Plan, first: boolean): void {
  const index = plan.cas.indexOf(someCa(plan));
  plan.bag = (bag, { cas }) => {
    const { subjectDer: subject, key } = cas[index] as TestCertificate;
    const { der } = issueCa('unused', { subject, key, issuer: issueCa('CN=stranger') });
    return first ? [der, ...bag] : [...bag, der];
  };
}

/** What changes no answer, whatever else is there. */
const harmless: readonly ((plan: Plan) => void)[] = [
  (plan) => add(plan.leaf, ext.raw('1.3.6.1.4.1.55555.7', false, nil())),
  (plan) => {
    const bag = plan.bag;
    plan.bag = (given, cast) => [...bag(given, cast), issueCa('CN=stranger').der];
  },
  (plan) => {
    const anchors = plan.anchors;
    plan.anchors = (given, cast) => [...anchors(given, cast), issueCa('CN=another stranger').der];
  },
  (plan) => {
    plan.leaf.notBefore ??= NOW - DAY;
  },
];

/** What a valid path may have besides. */
const decorations: readonly ((plan: Plan) => void)[] = [
  () => {},
  () => {},
  (plan) =>
    withName(
      plan,
      plan.random.pick(['h.example.com', 'W.Example.com', 'deep.example.org', '192.0.2.7', '2001:db8::7']),
    ),
  (plan) =>
    add(
      someIssuer(plan),
      ext.names(
        [dns('example.com'), dns('example.org'), ipRange('192.0.2.0/24'), ipRange('2001:db8::/32')],
        [dns('bad.example.net')],
      ),
    ),
  (plan) =>
    add(
      someIssuer(plan),
      ext.names([directory('O=Random')], [directory('O=Bad'), email('bad.example'), uri('.bad.example')]),
    ),
  (plan) => {
    consistentPolicies(plan);
    withPolicies(plan, plan.random.chance(0.5) ? P1 : undefined);
  },
  (plan) => withCrls(plan, honest, plan.random.chance(0.3)),
  (plan) => {
    plan.bag = (bag, { root }) => [...bag, root.der];
  },
  (plan) => {
    // An expired twin of a CA.
    const index = plan.cas.indexOf(someCa(plan));
    plan.bag = (bag, { root, cas }) => [
      issueCa('unused', {
        ...(plan.cas[index] as Draft),
        subject: (cas[index] as TestCertificate).subjectDer,
        issuer: cas[index - 1] ?? root,
        notAfter: NOW - DAY,
      }).der,
      ...bag,
    ];
  },
  (plan) => strangersCross(plan, false),
  (plan) => {
    plan.anchors = (anchors) => [issueCa('CN=stranger').der, ...anchors];
  },
  (plan) => {
    // An intermediate as an anchor, without the root.
    const index = plan.cas.indexOf(someCa(plan));
    plan.anchors = (_, { cas }) => [(cas[index] as TestCertificate).der];
  },
  (plan) => {
    omit(someCa(plan), OIDS.ski, OIDS.aki);
    omit(plan.leaf, OIDS.aki);
  },
  (plan) => {
    const ca = someCa(plan);
    ca.pathLength = plan.cas.length - 1 - plan.cas.indexOf(ca);
  },
  (plan) => {
    plan.options = { ...plan.options, maxDepth: plan.cas.length };
    plan.args.push('-verify_depth', String(plan.cas.length));
  },
  (plan) => {
    plan.profile = 'rfc5280';
    plan.args.push('-x509_strict');
  },
];

type Mutation = readonly [name: string, reason: PathReason | null, change: (plan: Plan) => void];

const strict = (plan: Plan): void => {
  plan.profile = 'rfc5280';
  plan.args.push('-x509_strict');
};

/** What breaks a path. Several for each reason that `openssl verify` has a word for. */
export const mutations: readonly Mutation[] = [
  [
    'leaf cut short',
    'malformed-certificate',
    (plan) => {
      const cut = 1 + plan.random.below(200);
      plan.sent = (der) => der.slice(0, -cut);
    },
  ],
  [
    'impossible date',
    'malformed-certificate',
    (plan) => {
      plan.leaf.validity = seq(
        Uint8Array.of(0x17, 13, ...ascii('250230120000Z')),
        Uint8Array.of(0x17, 13, ...ascii('301201120000Z')),
      );
    },
  ],
  [
    'alternative names that are no DER',
    'malformed-extension',
    ({ leaf }) => add(leaf, ext.raw(OIDS.san, false, ascii('DNS:example.com'))),
  ],
  [
    'basic constraints with bytes left',
    'malformed-extension',
    (plan) => add(someSigned(plan), ext.raw(OIDS.basic, true, seq(bool(true), int(0), nil()))),
  ],
  [
    'extended key usage of numbers',
    'malformed-extension',
    (plan) => add(someSigned(plan), ext.raw(OIDS.eku, false, seq(int(1)))),
  ],
  [
    'basic constraints twice',
    'duplicate-extension',
    (plan) => {
      const draft = someSigned(plan);
      add(draft, ext.basic(draft !== plan.leaf), ext.basic(draft !== plan.leaf));
    },
  ],
  [
    'key usage twice',
    'duplicate-extension',
    ({ leaf }) => add(leaf, ext.usage(['digitalSignature']), ext.usage(['digitalSignature'])),
  ],
  [
    'unknown critical extension',
    'unknown-critical-extension',
    (plan) => add(someSigned(plan), ext.raw('1.3.6.1.4.1.55555.1', true, nil())),
  ],
  [
    'unknown critical extension in the anchor',
    'unknown-critical-extension',
    ({ root }) => add(root, ext.raw('1.3.6.1.4.1.55555.1', true, nil())),
  ],
  [
    'intermediate of version 1',
    'unsupported-version',
    (plan) => {
      const ca = someCa(plan);
      ca.version = 1;
      ca.extensions = null;
    },
  ],
  [
    'two signature algorithms',
    'algorithm-mismatch',
    (plan) => {
      someSigned(plan).innerAlgorithm = algorithms.ecdsaSha512.der;
    },
  ],
  [
    'RSA-1024 in the leaf',
    'key-not-allowed',
    ({ leaf }) => {
      leaf.key = keyFor('weak', 'rsa1024');
    },
  ],
  [
    'RSA-1024 in an issuer',
    'key-not-allowed',
    (plan) => {
      someIssuer(plan).key = keyFor('weak', 'rsa1024');
    },
  ],
  [
    'SHA-1',
    'signature-algorithm-not-allowed',
    (plan) => {
      const draft = someSigned(plan);
      const index = draft === plan.leaf ? plan.cas.length - 1 : plan.cas.indexOf(draft) - 1;
      const issuer = plan.cas[index] ?? plan.root;
      issuer.key = keyFor('sha1 signer', plan.random.chance(0.5) ? 'p256' : 'rsa2048');
      draft.algorithm = issuer.key.kind === 'p256' ? algorithms.ecdsaSha1 : algorithms.sha1Rsa;
    },
  ],
  [
    'broken signature',
    'bad-signature',
    (plan) => {
      someSigned(plan).breakSignature = true;
    },
  ],
  [
    'leaf before its time',
    'not-yet-valid',
    ({ leaf, random }) => {
      leaf.notBefore = NOW + 1000 * (1 + random.below(100_000));
    },
  ],
  [
    'CA before its time',
    'not-yet-valid',
    (plan) => {
      someCa(plan).notBefore = NOW + 1000 * (1 + plan.random.below(100_000));
    },
  ],
  [
    'leaf after its time',
    'expired',
    ({ leaf, random }) => {
      leaf.notAfter = NOW - 1000 * (1 + random.below(100_000));
    },
  ],
  [
    'CA after its time',
    'expired',
    (plan) => {
      someCa(plan).notAfter = NOW - 1000 * (1 + plan.random.below(100_000));
    },
  ],
  [
    'anchor after its time',
    'expired',
    ({ root, random }) => {
      root.notAfter = NOW - 1000 * (1 + random.below(100_000));
    },
  ],
  ['issuer that is no CA', 'not-a-ca', (plan) => add(someCa(plan), ext.basic(false))],
  [
    'issuer without basic constraints',
    'not-a-ca',
    (plan) => {
      const ca = someCa(plan);
      omit(ca, OIDS.basic, OIDS.usage);
    },
  ],
  ['anchor that is no CA', 'not-a-ca', ({ root }) => add(root, ext.basic(false))],
  [
    'path length',
    'path-length-exceeded',
    (plan) => {
      while (plan.cas.length < 2) plan.cas.push(caDraft(plan.random, plan.cas.length));
      const index = plan.random.below(plan.cas.length - 1);
      (plan.cas[index] as Draft).pathLength = plan.random.below(plan.cas.length - 1 - index);
    },
  ],
  [
    'path length of the anchor',
    'path-length-exceeded',
    (plan) => {
      someCa(plan);
      plan.root.pathLength = plan.random.below(plan.cas.length);
    },
  ],
  [
    'issuer without keyCertSign',
    'issuer-key-usage',
    (plan) => add(someIssuer(plan), ext.usage(['cRLSign', 'digitalSignature'])),
  ],
  ['leaf whose key is for data alone', 'key-usage', ({ leaf }) => add(leaf, ext.usage(['dataEncipherment']))],
  [
    'leaf for e-mail',
    'extended-key-usage',
    ({ leaf, random }) => {
      leaf.purposes = random.pick([[EKU.email], [EKU.client], [EKU.any], [EKU.email, EKU.ocsp]]);
    },
  ],
  [
    'CA for e-mail',
    'extended-key-usage',
    (plan) => {
      someCa(plan).purposes = plan.random.pick([[EKU.email], [EKU.client, EKU.email]]);
    },
  ],
  [
    'anchor for e-mail',
    'extended-key-usage',
    ({ root }) => {
      root.purposes = [EKU.email];
    },
  ],
  [
    'DNS name outside of the permitted',
    'name-not-permitted',
    (plan) =>
      add(
        someIssuer(plan),
        ext.names([dns(plan.random.pick(['other.example', 'xample.com', 'deep.h.example.com']))], []),
      ),
  ],
  [
    'address outside of the permitted',
    'name-not-permitted',
    (plan) =>
      add(
        someIssuer(plan),
        ext.names([ipRange(plan.random.pick(['198.51.100.0/24', '192.0.2.8/29', '192.0.2.128/25']))], []),
      ),
  ],
  [
    'subject outside of the permitted',
    'name-not-permitted',
    (plan) => add(someIssuer(plan), ext.names([directory('O=Elsewhere')], [])),
  ],
  [
    'e-mail address outside of the permitted',
    'name-not-permitted',
    (plan) => {
      add(
        someIssuer(plan),
        ext.names([email(plan.random.pick(['example.org', 'b@example.com', '.example.com']))], []),
      );
      plan.leaf.names = [...(plan.leaf.names ?? []), email('a@example.com')];
    },
  ],
  [
    'DNS name excluded',
    'name-excluded',
    (plan) =>
      add(
        someIssuer(plan),
        ext.names([], [dns(plan.random.pick(['example.com', 'h.example.com', 'com', '']))]),
      ),
  ],
  [
    'address excluded',
    'name-excluded',
    (plan) =>
      add(
        someIssuer(plan),
        ext.names(
          [],
          [ipRange(plan.random.pick(['192.0.2.0/24', '0.0.0.0/0', '192.0.2.7/32', '2001:db8::/64']))],
        ),
      ),
  ],
  [
    'subject excluded',
    'name-excluded',
    (plan) => add(someIssuer(plan), ext.names([], [directory('O=Random')])),
  ],
  [
    'URI excluded',
    'name-excluded',
    (plan) => {
      add(someIssuer(plan), ext.names([], [uri(plan.random.pick(['bad.example', '.example']))]));
      plan.leaf.names = [...(plan.leaf.names ?? []), uri('https://bad.example/x')];
    },
  ],
  [
    'constraint on a type that nobody can hold',
    'unsupported-name',
    (plan) => {
      add(someIssuer(plan), ext.names([], [other('1.2.3.4', utf8String('x'))]));
      plan.leaf.names = [...(plan.leaf.names ?? []), other('1.2.3.4', utf8String('y'))];
    },
  ],
  [
    'no policy',
    'policy-required',
    (plan) => {
      for (const ca of plan.cas) add(ca, ext.policies([ANY_POLICY]));
      withPolicies(plan);
    },
  ],
  [
    'another policy',
    'policy-required',
    (plan) => {
      someCa(plan);
      for (const ca of plan.cas) add(ca, ext.policies([P2]));
      add(plan.leaf, ext.policies([P1]));
      withPolicies(plan);
    },
  ],
  [
    'policy that is not acceptable',
    'policy-required',
    (plan) => {
      consistentPolicies(plan);
      withPolicies(plan, '1.3.6.1.4.1.55555.2.9');
    },
  ],
  [
    'anyPolicy inhibited',
    'policy-required',
    (plan) => {
      const ca = someCa(plan);
      for (const each of plan.cas) add(each, ext.policies([P1]));
      add(ca, ext.inhibitAny(0));
      add(plan.leaf, ext.policies([ANY_POLICY]));
      withPolicies(plan);
    },
  ],
  [
    'self-signed leaf',
    'self-signed-leaf',
    (plan) => {
      plan.leaf.subject = 'CN=self';
      plan.bag = () => [];
      plan.cas.length = 0;
      plan.leaf.issuer = { subjectDer: issueCa('CN=self').subjectDer, key: plan.leaf.key as TestKey };
      omit(plan.leaf, OIDS.aki);
    },
  ],
  [
    'root that is not trusted',
    'self-signed-in-chain',
    (plan) => {
      plan.anchors = () => [issueCa('CN=stranger').der];
      plan.bag = (bag, { root }) => [...bag, root.der];
    },
  ],
  [
    'nobody trusted',
    'unknown-issuer',
    (plan) => {
      plan.anchors = () => [issueCa('CN=stranger').der];
    },
  ],
  [
    'intermediate missing',
    'unknown-issuer',
    (plan) => {
      const missing = plan.cas.indexOf(someCa(plan));
      plan.bag = (bag, { cas }) => bag.filter((der) => der !== (cas[missing] as TestCertificate).der);
    },
  ],
  [
    'too many intermediates',
    'path-too-long',
    (plan) => {
      someCa(plan);
      const allowed = plan.random.below(plan.cas.length);
      plan.options = { ...plan.options, maxDepth: allowed };
      plan.args.push('-verify_depth', String(allowed));
    },
  ],
  [
    'a thousand names under a thousand constraints',
    'budget-exceeded',
    (plan) => {
      add(
        someCa(plan),
        ext.names(
          [dns('example.com')],
          big(1100, (i) => dns(`x${i}.example`)),
        ),
      );
      plan.leaf.names = big(1100, (i) => dns(`h${i}.example.com`));
    },
  ],
  [
    'another name',
    'name-mismatch',
    (plan) =>
      withName(
        plan,
        plan.random.pick([
          'other.example.org',
          'a.b.example.com',
          'example.com',
          'h.example.com.evil.example',
        ]),
      ),
  ],
  [
    'another address',
    'name-mismatch',
    (plan) => withName(plan, plan.random.pick(['192.0.2.8', '2001:db8::8'])),
  ],
  [
    'leaf revoked',
    'revoked',
    (plan) =>
      withCrls(
        plan,
        changedList(({ leaf }) => ({ revoked: [{ serial: leaf.serial, reason: 1 }] })),
      ),
  ],
  [
    'CA revoked',
    'revoked',
    (plan) => {
      const index = plan.cas.indexOf(someCa(plan));
      withCrls(
        plan,
        (cast) => {
          const issuer = cast.cas[index - 1] ?? cast.root;
          return [
            ...honest(cast).filter((list) => list.issuer !== issuer),
            { issuer, revoked: [{ serial: (cast.cas[index] as TestCertificate).serial }] },
          ];
        },
        true,
      );
    },
  ],
  ['no list', 'crl-missing', (plan) => withCrls(plan, (cast) => honest(cast).slice(0, -1))],
  ['list of a stranger', 'crl-missing', (plan) => withCrls(plan, () => [{ issuer: issueCa('CN=stranger') }])],
  [
    'unknown critical extension of a list',
    'crl-malformed',
    (plan) =>
      withCrls(
        plan,
        changedList(() => ({ add: [ext.raw('1.2.3.4', true, nil())] })),
      ),
  ],
  [
    'broken signature of a list',
    'crl-signature',
    (plan) =>
      withCrls(
        plan,
        changedList(() => ({ breakSignature: true })),
      ),
  ],
  [
    'list by a CA without cRLSign',
    'crl-signature',
    (plan) => {
      add(plan.cas.at(-1) ?? plan.root, ext.usage(['keyCertSign']));
      withCrls(plan, honest);
    },
  ],
  [
    'list before its time',
    'crl-not-yet-valid',
    (plan) =>
      withCrls(
        plan,
        changedList(() => ({ thisUpdate: NOW + 1000 * (1 + plan.random.below(1000)) })),
      ),
  ],
  [
    'list after its time',
    'crl-expired',
    (plan) =>
      withCrls(
        plan,
        changedList(() => ({ nextUpdate: NOW - 1000 * (1 + plan.random.below(1000)) })),
      ),
  ],
  [
    'strict: CA without subject key identifier',
    'profile-violation',
    (plan) => {
      omit(someIssuer(plan), OIDS.ski);
      strict(plan);
    },
  ],
  [
    'strict: no authority key identifier',
    'profile-violation',
    (plan) => {
      omit(someSigned(plan), OIDS.aki);
      strict(plan);
    },
  ],
  [
    'strict: basic constraints not critical',
    'profile-violation',
    (plan) => {
      add(someIssuer(plan), ext.basic(true, undefined, false));
      strict(plan);
    },
  ],
  [
    'strict: keyCertSign in a leaf that is no CA',
    'profile-violation',
    (plan) => {
      add(plan.leaf, ext.usage(['digitalSignature', 'keyCertSign']));
      strict(plan);
    },
  ],
];

/** Paths on which an answer may differ from OpenSSL's; openssl-verify.test.ts says why. */
export const openEnds: readonly Mutation[] = [
  [
    'CA for any purpose by anyExtendedKeyUsage',
    null,
    (plan) => {
      someCa(plan).purposes = [EKU.any];
    },
  ],
  ['a way that ends at a stranger, first in the bag', null, (plan) => strangersCross(plan, true)],
  [
    'a wildcard that may stand for an excluded name',
    'name-excluded',
    (plan) => add(someIssuer(plan), ext.names([], [dns('bad.example.com')])),
  ],
];

function draftPlan(random: Random): Plan {
  const plan: Plan = {
    random,
    root: { subject: `O=Random,CN=root ${serial++}`, key: someKey(random, 'root-') },
    cas: Array.from({ length: random.below(4) }, (_, i) => caDraft(random, i)),
    leaf: {
      subject: 'O=Random,CN=leaf',
      key: someKey(random, 'leaf-'),
      names: [
        dns('h.example.com'),
        dns('*.example.com'),
        dns('deep.example.org'),
        ip('192.0.2.7'),
        ip('2001:db8::7'),
      ],
      purposes: random.pick([[EKU.server], [EKU.server, EKU.client], [EKU.client, EKU.server]]),
    },
    options: {},
    args: [],
    profile: 'compatible',
    sent: (der) => der,
    bag: (bag) => bag,
    anchors: (anchors) => anchors,
    crls: null,
  };
  return plan;
}

/** A path with that mutation, or a valid one for null. */
export function randomPath(random: Random, mutation: Mutation | null): RandomPath {
  const plan = draftPlan(random);
  const [name, expected, change] = mutation ?? ['valid', null, null];
  if (change !== null) change(plan);
  else random.pick(decorations)(plan);
  // Two things wrong at once, or something odd beside what is wrong.
  const second = change !== null && random.chance(0.3);
  if (second && random.chance(0.5)) random.pick(harmless)(plan);
  else if (second) random.pick(mutations)[2](plan);

  const root = issueCa('unused', { ...plan.root });
  const cas: TestCertificate[] = [];
  for (const draft of plan.cas) cas.push(issueCa('unused', { issuer: cas.at(-1) ?? root, ...draft }));
  const leaf = issue({ issuer: cas.at(-1) ?? root, ...plan.leaf });
  const cast: PlanCast = { root, cas, leaf };
  const bag = plan.bag(random.shuffle(cas.map(({ der }) => der)), cast);
  const crls = (plan.crls?.(cast) ?? []).map((spec) => issueCrl(spec));
  const sent = plan.sent(leaf.der);
  return {
    title: `${name}: ${plan.cas.length} intermediates, ${plan.profile} ${plan.args.join(' ')}`,
    mutation: name,
    expected: second ? undefined : expected,
    anchors: plan.anchors([root.der], cast),
    leaf: sent,
    bag,
    crls,
    args: plan.args,
    profile: plan.profile,
    options: {
      chain: [sent, ...bag],
      purpose: 'server',
      atMs: NOW,
      profile: plan.profile,
      // OpenSSL holds roots to their dates.
      checkAnchorDates: true,
      ...plan.options,
      ...(crls.length === 0 ? {} : { crls: RevocationLists.from(crls) }),
    },
  };
}
