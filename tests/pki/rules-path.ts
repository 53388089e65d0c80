/** Rules about whole paths: lengths, names, policies, features, and how paths end. */
import { seq, utf8String } from './der.ts';
import {
  ANY_POLICY,
  ext,
  generalName,
  ipRange,
  issueCa,
  keyFor,
  nameDer,
  type TestExtension,
} from './make.ts';
import type { Rule, World } from './world.ts';

const { dns, email, uri, ip, directory, other, registeredId } = generalName;

const lengths: Rule[] = [
  {
    title: 'a CA below a CA with path length 0',
    reason: 'path-length-exceeded',
    depth: 1,
    good: { ca: { pathLength: 1 }, sub: {} },
    bad: { ca: { pathLength: 0 }, sub: {} },
  },
  {
    title: 'a CA below an anchor with path length 0',
    reason: 'path-length-exceeded',
    depth: 1,
    good: { root: { pathLength: 1 } },
    bad: { root: { pathLength: 0 } },
  },
  {
    title: 'an anchor with the caller’s path length of 0',
    reason: 'path-length-exceeded',
    depth: 1,
    good: { anchors: ({ root }) => [{ certificate: root.der, constraints: { maxPathLength: 1 } }] },
    bad: { anchors: ({ root }) => [{ certificate: root.der, constraints: { maxPathLength: 0 } }] },
  },
  {
    title: 'a path length that a lower CA tries to widen',
    reason: 'path-length-exceeded',
    depth: 1,
    good: { root: { pathLength: 2 }, ca: { pathLength: 5 }, sub: {} },
    bad: { root: { pathLength: 1 }, ca: { pathLength: 5 }, sub: {} },
  },
  {
    // The good one has a self-issued CA, which does not count (4.2.1.9).
    title: 'a CA of another name below path length 0',
    reason: 'path-length-exceeded',
    depth: 1,
    good: { ca: { pathLength: 0 }, sub: { subject: 'CN=ca', key: keyFor('ca, next key') } },
    bad: { ca: { pathLength: 0 }, sub: {} },
  },
  {
    title: 'more intermediates than the caller allows',
    reason: 'path-too-long',
    depth: 2,
    good: { sub: {}, options: { maxDepth: 2 } },
    bad: { sub: {}, options: { maxDepth: 1 } },
  },
  {
    title: 'an intermediate where the caller allows none',
    reason: 'path-too-long',
    depth: 1,
    good: { ca: { subject: 'CN=root', key: keyFor('root, next key') }, options: { maxDepth: 0 } },
    bad: { options: { maxDepth: 0 } },
  },
];

/** Constraints on the CA, names on the leaf. */
function constrained(
  constraints: TestExtension,
  names: readonly Uint8Array[],
  more: { readonly subject?: string | Uint8Array } = {},
): World {
  const subject = more.subject ?? 'CN=leaf';
  return { ca: { add: [constraints] }, leaf: { subject, key: keyFor('leaf'), names } };
}

type Pair = readonly [
  title: string,
  constraints: TestExtension,
  good: readonly Uint8Array[],
  bad: readonly Uint8Array[],
];

const permitted = (...bases: Uint8Array[]): TestExtension => ext.names(bases, []);
const excluded = (...bases: Uint8Array[]): TestExtension => ext.names([], bases);

const notPermitted: readonly Pair[] = [
  ['another domain', permitted(dns('example.com')), [dns('a.example.com')], [dns('example.org')]],
  [
    'a domain that only ends alike',
    permitted(dns('example.com')),
    [dns('example.com')],
    [dns('notexample.com')],
  ],
  [
    'the parent of the permitted domain',
    permitted(dns('a.example.com')),
    [dns('b.a.example.com')],
    [dns('example.com')],
  ],
  [
    'the second of two names',
    permitted(dns('example.com')),
    [dns('example.com'), dns('b.example.com')],
    [dns('example.com'), dns('example.org')],
  ],
  ['case in a domain', permitted(dns('EXAMPLE.com')), [dns('WWW.Example.COM')], [dns('WWW.Example.ORG')]],
  [
    'a wildcard wider than the permitted name',
    permitted(dns('a.example.com')),
    [dns('*.a.example.com')],
    [dns('*.example.com')],
  ],
  [
    'an address outside of the range',
    permitted(ipRange('192.0.2.0/24')),
    [ip('192.0.2.255')],
    [ip('192.0.3.0')],
  ],
  [
    'an address beyond an odd mask',
    permitted(ipRange('192.0.2.128/25')),
    [ip('192.0.2.129')],
    [ip('192.0.2.127')],
  ],
  [
    'an IPv6 address outside of the range',
    permitted(ipRange('2001:db8::/33')),
    [ip('2001:db8::1')],
    [ip('2001:db8:8000::1')],
  ],
  [
    'an IPv6 address where IPv4 is permitted',
    permitted(ipRange('0.0.0.0/0')),
    [ip('192.0.2.1')],
    [ip('::1')],
  ],
  ['another mailbox', permitted(email('a@example.com')), [email('a@EXAMPLE.com')], [email('b@example.com')]],
  [
    'the same mailbox in other case',
    permitted(email('a@example.com')),
    [email('a@example.com')],
    [email('A@example.com')],
  ],
  [
    'a mailbox at a host below',
    permitted(email('example.com')),
    [email('b@example.com')],
    [email('b@sub.example.com')],
  ],
  [
    'a mailbox at the domain itself under a period',
    permitted(email('.example.com')),
    [email('b@sub.example.com')],
    [email('b@example.com')],
  ],
  [
    'a URI of another host',
    permitted(uri('example.com')),
    [uri('https://u@example.com:8443/x?y#z')],
    [uri('https://www.example.com/')],
  ],
  [
    'a URI of the domain itself under a period',
    permitted(uri('.example.com')),
    [uri('https://www.example.com')],
    [uri('https://example.com')],
  ],
  [
    'another directory name',
    permitted(directory('CN=leaf')),
    [directory('CN=leaf,O=x')],
    [directory('CN=other')],
  ],
  [
    'a directory name that is shorter than the permitted one',
    permitted(directory('CN=leaf')),
    [directory('CN=leaf')],
    [seqDirectory(seq())],
  ],
];

/** A directory name from an encoded Name. */
function seqDirectory(name: Uint8Array): Uint8Array {
  return Uint8Array.of(0xa4, name.length, ...name);
}

const excludedNames: readonly Pair[] = [
  ['an excluded domain', excluded(dns('bad.example')), [dns('good.example')], [dns('bad.example')]],
  [
    'a name below an excluded domain',
    excluded(dns('bad.example')),
    [dns('notbad.example')],
    [dns('x.bad.example')],
  ],
  ['every DNS name', excluded(dns('')), [ip('192.0.2.1')], [dns('x.example')]],
  [
    'a wildcard within an excluded domain',
    excluded(dns('bad.example')),
    [dns('*.good.example')],
    [dns('*.bad.example')],
  ],
  [
    'a wildcard that may stand for an excluded name',
    excluded(dns('a.example.com')),
    [dns('*.b.example.com')],
    [dns('*.example.com')],
  ],
  ['an excluded address', excluded(ipRange('192.0.2.0/24')), [ip('192.0.3.1')], [ip('192.0.2.1')]],
  ['every IPv4 address', excluded(ipRange('0.0.0.0/0')), [ip('::ffff:1.2.3.4')], [ip('1.2.3.4')]],
  [
    'an excluded mailbox',
    excluded(email('a@example.com')),
    [email('b@example.com')],
    [email('a@example.com')],
  ],
  [
    'an excluded host of a URI',
    excluded(uri('bad.example')),
    [uri('https://good.example/')],
    [uri('https://bad.example/')],
  ],
  [
    'an excluded directory name',
    excluded(directory('O=bad')),
    [directory('O=good,CN=x')],
    [directory('O=bad,CN=x')],
  ],
  [
    'an excluded name within a permitted one',
    ext.names([dns('example.com')], [dns('a.example.com')]),
    [dns('b.example.com')],
    [dns('a.example.com')],
  ],
];

const unsupported: readonly Pair[] = [
  [
    'a name of type otherName',
    excluded(other('1.2.3.4', utf8String('x'))),
    [dns('a.example')],
    [other('1.2.3.5', utf8String('y'))],
  ],
  ['a registered identifier', permitted(registeredId('1.2.3')), [dns('a.example')], [registeredId('1.2.3')]],
  ['a URI without a host', excluded(uri('bad.example')), [uri('https://good.example')], [uri('urn:isbn:1')]],
  [
    'a URI with an address for a host',
    excluded(uri('bad.example')),
    [uri('https://good.example')],
    [uri('https://192.0.2.1/')],
  ],
];

/** These break the syntax of their type too, which `rfc5280` sees first. */
const unsupportedSyntax: readonly Pair[] = [
  [
    'a DNS name with a period in front',
    permitted(dns('example.com')),
    [dns('example.com')],
    [dns('.example.com')],
  ],
  [
    'a DNS name with a wildcard in the middle',
    excluded(dns('bad.example')),
    [dns('good.example')],
    [dns('a.*.example')],
  ],
  [
    'an address of five bytes',
    permitted(ipRange('192.0.2.0/24')),
    [ip('192.0.2.1')],
    [generalName.ipBytes(192, 0, 2, 1, 0)],
  ],
  [
    'an e-mail address with two @',
    permitted(email('example.com')),
    [email('a@example.com')],
    [email('a@b@example.com')],
  ],
  [
    'an e-mail address without a mailbox',
    permitted(email('example.com')),
    [email('a@example.com')],
    [email('@example.com')],
  ],
  [
    'an e-mail address without a host',
    permitted(email('example.com')),
    [email('"a@b"@example.com')],
    [email('a@')],
  ],
  [
    'a mailbox of 65 characters',
    permitted(email('example.com')),
    [email(`${'a'.repeat(64)}@example.com`)],
    [email(`${'a'.repeat(65)}@example.com`)],
  ],
];

const malformedConstraints: readonly (readonly [string, Uint8Array])[] = [
  ['a mask with holes', generalName.ipBytes(192, 0, 2, 0, 255, 0, 255, 0)],
  ['an address without a mask', generalName.ipBytes(192, 0, 2, 0)],
  ['an e-mail constraint with two @', email('a@b@example.com')],
  ['a DNS constraint with an empty label', dns('a..example')],
  ['an e-mail constraint with an empty label', email('a..example')],
  ['a URI constraint that is a URI', uri('https://example.com/')],
];

function pairs(list: readonly Pair[], reason: Rule['reason'], profile?: Rule['profile']): Rule[] {
  return list.map(([title, constraints, good, bad]) => ({
    title,
    reason,
    depth: 0,
    good: constrained(constraints, good),
    bad: constrained(constraints, bad),
    ...(profile === undefined ? {} : { profile }),
  }));
}

const names: Rule[] = [
  ...pairs(notPermitted, 'name-not-permitted'),
  ...pairs(excludedNames, 'name-excluded'),
  ...pairs(unsupported, 'unsupported-name'),
  ...pairs(unsupportedSyntax, 'unsupported-name', 'compatible'),
  ...malformedConstraints.map(
    ([title, base]): Rule => ({
      title,
      reason: 'malformed-extension',
      depth: 1,
      bad: constrained(permitted(base), []),
    }),
  ),
  {
    title: 'a subject outside of the permitted directory names',
    reason: 'name-not-permitted',
    depth: 0,
    good: constrained(permitted(directory('O=x')), [], { subject: 'O=x,CN=leaf' }),
    bad: constrained(permitted(directory('O=x')), [], { subject: 'O=y,CN=leaf' }),
  },
  {
    title: 'a subject that differs from the permitted one in more than case and space',
    reason: 'name-not-permitted',
    depth: 0,
    good: constrained(permitted(directory('O=Big  Company ')), [], { subject: 'O=big company,CN=leaf' }),
    bad: constrained(permitted(directory('O=Big  Company ')), [], { subject: 'O=bigcompany,CN=leaf' }),
  },
  {
    title: 'an excluded subject',
    reason: 'name-excluded',
    depth: 0,
    good: constrained(excluded(directory('O=x')), [], { subject: 'O=y,CN=x' }),
    bad: constrained(excluded(directory('O=x')), [], { subject: 'O=x,CN=y' }),
  },
  {
    title: 'an e-mail address in the subject',
    reason: 'name-excluded',
    depth: 0,
    good: constrained(excluded(email('bad.example')), [], { subject: 'CN=leaf,emailAddress=a@good.example' }),
    bad: constrained(excluded(email('bad.example')), [], { subject: 'CN=leaf,emailAddress=a@bad.example' }),
  },
  {
    title: 'constraints of two CAs, of which the lower one tries to widen',
    reason: 'name-not-permitted',
    depth: 0,
    good: {
      ca: { add: [permitted(dns('a.example'))] },
      sub: { add: [permitted(dns('a.example'), dns('b.example'))] },
      leaf: { names: [dns('a.example')] },
    },
    bad: {
      ca: { add: [permitted(dns('a.example'))] },
      sub: { add: [permitted(dns('a.example'), dns('b.example'))] },
      leaf: { names: [dns('b.example')] },
    },
  },
  {
    title: 'constraints of the anchor’s certificate',
    reason: 'name-not-permitted',
    depth: 0,
    good: { root: { add: [permitted(dns('example.com'))] } },
    bad: { root: { add: [permitted(dns('example.org'))] } },
  },
  {
    title: 'constraints of the caller’s on an anchor',
    reason: 'name-excluded',
    depth: 0,
    good: {
      anchors: ({ root }) => [
        { certificate: root.der, constraints: { nameConstraints: excluded(dns('example.org')).value } },
      ],
    },
    bad: {
      anchors: ({ root }) => [
        { certificate: root.der, constraints: { nameConstraints: excluded(dns('example.com')).value } },
      ],
    },
  },
  {
    title: 'a name of an intermediate CA',
    reason: 'name-excluded',
    depth: 1,
    good: { ca: { add: [excluded(dns('bad.example'))] }, sub: { names: [dns('good.example')] } },
    bad: { ca: { add: [excluded(dns('bad.example'))] }, sub: { names: [dns('bad.example')] } },
  },
  {
    // A self-issued CA is exempt (6.1.4), a self-issued leaf is not.
    title: 'a name of a self-issued leaf',
    reason: 'name-excluded',
    depth: 0,
    good: {
      ca: { add: [excluded(dns('bad.example'))] },
      sub: { subject: 'CN=ca', key: keyFor('ca, next key'), names: [dns('bad.example')] },
    },
    bad: {
      ca: { add: [excluded(dns('bad.example'))] },
      leaf: { subject: 'CN=ca', key: keyFor('leaf'), names: [dns('bad.example')] },
    },
  },
  {
    title: 'a common name that stands in for a DNS name',
    reason: 'name-excluded',
    depth: 0,
    good: {
      ...constrained(excluded(dns('bad.example')), [], { subject: 'CN=good.example' }),
      options: { name: 'good.example', commonNameFallback: true },
    },
    bad: {
      ...constrained(excluded(dns('bad.example')), [], { subject: 'CN=bad.example' }),
      options: { name: 'bad.example', commonNameFallback: true },
    },
  },
];

const P1 = '1.3.6.1.4.1.55555.2.1';
const P2 = '1.3.6.1.4.1.55555.2.2';
const P3 = '1.3.6.1.4.1.55555.2.3';
const explicit = { policies: { requireExplicit: true } };

const policies: Rule[] = [
  {
    title: 'a leaf without a policy where the caller wants one',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([ANY_POLICY])] },
      leaf: { add: [ext.policies([P1])] },
      options: explicit,
    },
    bad: { ca: { add: [ext.policies([ANY_POLICY])] }, options: explicit },
  },
  {
    title: 'a CA without a policy where the caller wants one',
    reason: 'policy-required',
    depth: 1,
    good: { ca: { add: [ext.policies([P1])] }, leaf: { add: [ext.policies([P1])] }, options: explicit },
    bad: { leaf: { add: [ext.policies([P1])] }, options: explicit },
  },
  {
    title: 'a policy that the CA does not have',
    reason: 'policy-required',
    depth: 0,
    good: { ca: { add: [ext.policies([P1, P2])] }, leaf: { add: [ext.policies([P2])] }, options: explicit },
    bad: { ca: { add: [ext.policies([P1])] }, leaf: { add: [ext.policies([P2])] }, options: explicit },
  },
  {
    title: 'a policy that is not acceptable',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
      options: { policies: { requireExplicit: true, acceptable: [P1] } },
    },
    bad: {
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
      options: { policies: { requireExplicit: true, acceptable: [P2] } },
    },
  },
  {
    title: 'an explicit policy that a CA demands from the leaf on',
    reason: 'policy-required',
    depth: 0,
    good: { ca: { add: [ext.policyConstraints(2, null)] } },
    bad: { ca: { add: [ext.policyConstraints(1, null)] } },
  },
  {
    title: 'an explicit policy that a CA demands one certificate later',
    reason: 'policy-required',
    depth: 0,
    // A self-issued CA does not use up the certificate that is skipped.
    good: {
      ca: { add: [ext.policyConstraints(2, null)] },
      sub: { subject: 'CN=ca', key: keyFor('ca, next key') },
    },
    bad: { ca: { add: [ext.policyConstraints(2, null)] }, sub: {} },
  },
  {
    title: 'an explicit policy that the leaf itself demands',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1]), ext.policyConstraints(0, null)] },
    },
    bad: { leaf: { add: [ext.policies([P1]), ext.policyConstraints(0, null)] } },
  },
  {
    title: 'an explicit policy that the anchor demands',
    reason: 'policy-required',
    depth: 1,
    good: {
      root: { add: [ext.policyConstraints(0, null)] },
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
    },
    bad: { root: { add: [ext.policyConstraints(0, null)] }, leaf: { add: [ext.policies([P1])] } },
  },
  {
    title: 'a policy that the anchor does not have',
    reason: 'policy-required',
    depth: 1,
    good: {
      root: { add: [ext.policies([P1])] },
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
      options: explicit,
    },
    bad: {
      root: { add: [ext.policies([P2])] },
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
      options: explicit,
    },
  },
  {
    title: 'anyPolicy after its inhibition',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1]), ext.inhibitAny(1)] },
      leaf: { add: [ext.policies([ANY_POLICY])] },
      options: explicit,
    },
    bad: {
      ca: { add: [ext.policies([P1]), ext.inhibitAny(0)] },
      leaf: { add: [ext.policies([ANY_POLICY])] },
      options: explicit,
    },
  },
  {
    title: 'anyPolicy that the caller inhibits',
    reason: 'policy-required',
    depth: 1,
    good: {
      ca: { add: [ext.policies([P1])] },
      leaf: { add: [ext.policies([P1])] },
      options: { policies: { requireExplicit: true, inhibitAny: true } },
    },
    bad: {
      ca: { add: [ext.policies([ANY_POLICY])] },
      leaf: { add: [ext.policies([P1])] },
      options: { policies: { requireExplicit: true, inhibitAny: true } },
    },
  },
  {
    title: 'a policy from before a mapping',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, acceptable: [P1] } },
    },
    bad: {
      ca: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P1])] },
      options: { policies: { requireExplicit: true, acceptable: [P1] } },
    },
  },
  {
    title: 'a mapped policy that is acceptable only by the name that it was mapped to',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, acceptable: [P1] } },
    },
    bad: {
      ca: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, acceptable: [P2] } },
    },
  },
  {
    title: 'a mapping through anyPolicy to another policy',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([ANY_POLICY]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, acceptable: [P1] } },
    },
    bad: {
      ca: { add: [ext.policies([ANY_POLICY]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, acceptable: [P3] } },
    },
  },
  {
    title: 'a mapping that the caller inhibits',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1, P2]), ext.mappings([[P1, P3]])] },
      leaf: { add: [ext.policies([P2])] },
      options: { policies: { requireExplicit: true, inhibitMapping: true } },
    },
    bad: {
      ca: { add: [ext.policies([P1, P2]), ext.mappings([[P1, P3]])] },
      leaf: { add: [ext.policies([P3])] },
      options: { policies: { requireExplicit: true, inhibitMapping: true } },
    },
  },
  {
    title: 'a mapping after its inhibition by a CA',
    reason: 'policy-required',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1]), ext.policyConstraints(0, 1)] },
      sub: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
    },
    bad: {
      ca: { add: [ext.policies([P1]), ext.policyConstraints(0, 0)] },
      sub: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] },
      leaf: { add: [ext.policies([P2])] },
    },
  },
  {
    title: 'a mapping from anyPolicy',
    reason: 'malformed-extension',
    depth: 1,
    good: { ca: { add: [ext.policies([P1]), ext.mappings([[P1, P2]])] } },
    bad: { ca: { add: [ext.policies([P1]), ext.mappings([[ANY_POLICY, P2]])] } },
  },
];

const features: Rule[] = [
  {
    title: 'a TLS feature of the CA that the leaf lacks',
    reason: 'feature-missing',
    depth: 0,
    good: { ca: { add: [ext.feature([5])] }, leaf: { add: [ext.feature([5, 17])] } },
    bad: { ca: { add: [ext.feature([5, 17])] }, leaf: { add: [ext.feature([5])] } },
  },
  {
    title: 'a TLS feature of the anchor that the CA lacks',
    reason: 'feature-missing',
    depth: 1,
    good: {
      root: { add: [ext.feature([5])] },
      ca: { add: [ext.feature([5])] },
      leaf: { add: [ext.feature([5])] },
    },
    bad: { root: { add: [ext.feature([5])] } },
  },
];

const stranger = issueCa('CN=stranger');

const ends: Rule[] = [
  {
    title: 'a self-signed leaf',
    reason: 'self-signed-leaf',
    depth: 0,
    bad: { leaf: { issuer: { subjectDer: nameDer('CN=leaf'), key: keyFor('CN=leaf') } } },
  },
  {
    title: 'a root that is sent and not trusted',
    reason: 'self-signed-in-chain',
    depth: 2,
    good: { bag: ({ ca, root }) => [ca.der, root.der] },
    bad: { bag: ({ ca, root }) => [ca.der, root.der], anchors: () => [stranger.der] },
  },
  {
    title: 'a leaf alone',
    reason: 'unknown-issuer',
    depth: 0,
    bad: { bag: () => [] },
  },
  {
    title: 'a CA whose issuer is not there',
    reason: 'unknown-issuer',
    depth: 1,
    bad: { anchors: () => [stranger.der] },
  },
  {
    title: 'no anchors',
    reason: 'unknown-issuer',
    depth: 1,
    bad: { anchors: () => [] },
  },
  {
    title: 'an anchor of that name with another key',
    reason: 'unknown-issuer',
    depth: 1,
    bad: { anchors: () => [issueCa('CN=root', { key: keyFor('another root') }).der] },
  },
  {
    title: 'another name',
    reason: 'name-mismatch',
    depth: 0,
    good: { options: { name: 'example.com' } },
    bad: { options: { name: 'example.org' } },
  },
];

const many = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => dns(`h${i}.example.com`));

const budgets: Rule[] = [
  {
    title: 'more certificates than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: { options: { budget: { certificates: 1 } } },
    bad: { sub: {}, options: { budget: { certificates: 1 } } },
  },
  {
    title: 'more bytes than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: { options: { budget: { bytes: 2000 } } },
    bad: { options: { budget: { bytes: 500 } } },
  },
  {
    title: 'more candidates than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: { sub: {}, options: { budget: { steps: 3 } } },
    bad: { sub: {}, options: { budget: { steps: 2 } } },
  },
  {
    title: 'more signatures than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: { sub: {}, options: { budget: { signatures: 3 } } },
    bad: { sub: {}, options: { budget: { signatures: 2 } } },
  },
  {
    title: 'signatures that cost more than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: { ca: { key: keyFor('ca', 'p384') }, options: { budget: { signatures: 6 } } },
    bad: { ca: { key: keyFor('ca', 'p384') }, options: { budget: { signatures: 5 } } },
  },
  {
    title: 'more names against constraints than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: {
      ...constrained(permitted(dns('example.com')), many(90)),
      options: { budget: { nameComparisons: 100 } },
    },
    bad: {
      ...constrained(permitted(dns('example.com')), many(110)),
      options: { budget: { nameComparisons: 100 } },
    },
  },
  {
    title: 'directory names of many parts against constraints of many parts',
    reason: 'budget-exceeded',
    depth: 0,
    good: {
      ...constrained(excluded(...Array.from({ length: 10 }, (_, i) => directory(`CN=${i}`))), [
        dns('a.example'),
      ]),
      options: { budget: { nameComparisons: 60 } },
    },
    bad: {
      ...constrained(
        excluded(...Array.from({ length: 10 }, (_, i) => directory(`${'O=x,'.repeat(9)}CN=${i}`))),
        [dns('a.example')],
      ),
      options: { budget: { nameComparisons: 60 } },
    },
  },
  {
    title: 'more policies than the budget',
    reason: 'budget-exceeded',
    depth: 0,
    good: {
      ca: { add: [ext.policies([P1, P2])] },
      leaf: { add: [ext.policies([P1])] },
      options: { ...explicit, budget: { policyNodes: 4 } },
    },
    bad: {
      ca: { add: [ext.policies([P1, P2, P3])] },
      leaf: { add: [ext.policies([P1])] },
      options: { ...explicit, budget: { policyNodes: 4 } },
    },
  },
];

export const pathRules: readonly Rule[] = [
  ...lengths,
  ...names,
  ...policies,
  ...features,
  ...ends,
  ...budgets,
];
