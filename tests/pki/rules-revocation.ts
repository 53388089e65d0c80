/** Rules about revocation: lists, stapled answers, must-staple. */
import { RevocationLists } from '../../src/pki/crl.ts';
import type { PathOptions } from '../../src/pki/result.ts';
import { nil } from './der.ts';
import {
  algorithms,
  DAY,
  EKU,
  ext,
  issue,
  issueCa,
  keyFor,
  NOW,
  OIDS,
  type TestCertificate,
} from './make.ts';
import { type CrlSpec, crlExt, issueCrl, issueOcsp, type OcspSpec } from './make-status.ts';
import type { Cast, Rule, World } from './world.ts';

type CrlChange = Omit<CrlSpec, 'issuer'> & { readonly issuer?: CrlSpec['issuer'] };

/** A list of the CA's, by default an honest one without entries. */
function withCrl(
  change: (cast: Cast) => CrlChange | readonly CrlChange[],
  options: Partial<PathOptions> = {},
): World {
  return {
    more: (cast) => {
      const changes = change(cast);
      const list: readonly CrlChange[] = Array.isArray(changes) ? changes : [changes as CrlChange];
      return {
        crls: RevocationLists.from(list.map((spec) => issueCrl({ issuer: cast.ca, ...spec }))),
        ...options,
      };
    },
  };
}

const revokesLeaf = ({ leaf }: Cast): CrlChange => ({ revoked: [{ serial: leaf.serial }] });
const honest = withCrl(() => ({}));
const URL = 'http://ca.example/1.crl';
const withPoint = { leaf: { add: [ext.crlPoint(URL)] } };

const crl = (title: string, reason: Rule['reason'], bad: World, good: World = honest, depth = 0): Rule => ({
  title,
  reason,
  depth,
  good,
  bad,
});

const lists: Rule[] = [
  crl(
    'a leaf that the list revokes',
    'revoked',
    withCrl(revokesLeaf),
    withCrl(() => ({ revoked: [{ serial: Uint8Array.of(99) }] })),
  ),
  crl(
    'a CA that the root’s list revokes',
    'revoked',
    {
      more: ({ root, ca }) => ({
        crls: RevocationLists.from(issueCrl({ issuer: root, revoked: [{ serial: ca.serial, reason: 2 }] })),
      }),
    },
    {
      more: ({ root, leaf }) => ({
        crls: RevocationLists.from(issueCrl({ issuer: root, revoked: [{ serial: leaf.serial }] })),
      }),
    },
    1,
  ),
  crl(
    'a certificate on hold',
    'revoked',
    withCrl(({ leaf }) => ({ revoked: [{ serial: leaf.serial, reason: 6 }] })),
  ),
  crl(
    'a list that a newer one does not repeal',
    'revoked',
    withCrl((cast) => [revokesLeaf(cast), { thisUpdate: NOW - 1000, number: 8 }]),
  ),
  crl(
    'a list for some reasons only',
    'revoked',
    withCrl((cast) => [{ ...revokesLeaf(cast), add: [crlExt.scope(null, [3])] }]),
  ),
  crl(
    'a list for the certificate’s distribution point',
    'revoked',
    { ...withPoint, ...withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope(URL)] })) },
    {
      ...withPoint,
      ...withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope('http://ca.example/2.crl')] })),
    },
  ),
  crl(
    'a list for end entities',
    'revoked',
    withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope(null, [1])] })),
    withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope(null, [2])] })),
  ),
  crl(
    'a list that is not about attribute certificates',
    'revoked',
    withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope(null)] })),
    withCrl((cast) => ({ ...revokesLeaf(cast), add: [crlExt.scope(null, [5])] })),
  ),
  crl(
    'a list of the same name by the same key',
    'revoked',
    withCrl(revokesLeaf),
    withCrl(({ ca, leaf }) => ({
      issuer: { subjectDer: ca.subjectDer, key: keyFor('namesake') },
      revoked: [{ serial: leaf.serial }],
    })),
  ),
  crl(
    'a delta that continues its list',
    'revoked',
    withCrl((cast) => [{ number: 7 }, { ...revokesLeaf(cast), number: 8, add: [crlExt.delta(7)] }]),
  ),
  crl(
    'a delta that takes back a revocation by its complete list',
    'revoked',
    withCrl((cast) => [
      revokesLeaf(cast),
      { number: 8, add: [crlExt.delta(7)], revoked: [{ serial: cast.leaf.serial, reason: 8 }] },
    ]),
    withCrl(({ leaf }) => [
      { number: 7 },
      { number: 8, add: [crlExt.delta(7)], revoked: [{ serial: leaf.serial, reason: 8 }] },
    ]),
  ),
  crl(
    'a delta alone',
    'crl-malformed',
    withCrl(() => ({ number: 8, add: [crlExt.delta(7)] })),
    withCrl(() => [{ number: 7 }, { number: 8, add: [crlExt.delta(7)] }]),
  ),
  crl(
    'a delta of a list that is newer than the complete one',
    'crl-malformed',
    withCrl(() => [{ number: 7 }, { number: 9, add: [crlExt.delta(8)] }]),
    withCrl(() => [{ number: 300 }, { number: 301, add: [crlExt.delta(129)] }]),
  ),
  crl(
    'an unknown critical extension of the list',
    'crl-malformed',
    withCrl(() => ({ add: [ext.raw('1.2.3.4', true, nil())] })),
    withCrl(() => ({ add: [ext.raw('1.2.3.4', false, nil())] })),
  ),
  crl(
    'a critical list number',
    'crl-malformed',
    withCrl(() => ({ number: null, add: [ext.raw('2.5.29.20', true, Uint8Array.of(2, 1, 7))] })),
  ),
  crl(
    'an unknown critical extension of an entry of somebody else’s',
    'crl-malformed',
    withCrl(() => ({
      revoked: [{ serial: Uint8Array.of(99), extensions: [ext.raw('1.2.3.4', true, nil())] }],
    })),
    withCrl(() => ({
      revoked: [{ serial: Uint8Array.of(99), extensions: [ext.raw('1.2.3.4', false, nil())] }],
    })),
  ),
  crl(
    'an entry of an indirect list',
    'crl-malformed',
    withCrl(() => ({
      revoked: [{ serial: Uint8Array.of(99), extensions: [ext.raw('2.5.29.29', true, nil())] }],
    })),
  ),
  crl(
    'a list signed with SHA-1',
    'crl-malformed',
    withCrl(() => ({ algorithm: algorithms.ecdsaSha1 })),
  ),
  crl(
    'a list with two signature algorithms',
    'crl-malformed',
    withCrl(() => ({ innerAlgorithm: algorithms.ecdsaSha512.der })),
  ),
  crl(
    'a list whose signature is broken',
    'crl-signature',
    withCrl(() => ({ breakSignature: true })),
  ),
  crl(
    'a list by another key of that name',
    'crl-signature',
    withCrl(({ ca }) => ({ issuer: { subjectDer: ca.subjectDer, key: keyFor('namesake') }, omitAki: true })),
  ),
  crl(
    'a list by a CA that may not sign lists',
    'crl-signature',
    { ca: { add: [ext.usage(['keyCertSign'])] }, ...honest },
    { ca: { omit: [OIDS.usage] }, ...honest },
  ),
  crl(
    'a list that is not valid yet',
    'crl-not-yet-valid',
    withCrl(() => ({ thisUpdate: NOW + 1000 })),
    withCrl(() => ({ thisUpdate: NOW })),
  ),
  crl(
    'a list that has expired',
    'crl-expired',
    withCrl(() => ({ nextUpdate: NOW - 1000 })),
    withCrl(() => ({ nextUpdate: NOW })),
  ),
  crl(
    'no list where one for the leaf is required',
    'crl-missing',
    { options: { requireCrl: 'leaf' } },
    withCrl(() => ({}), { requireCrl: 'leaf' }),
  ),
  crl(
    'no list for the CA where lists for all are required',
    'crl-missing',
    withCrl(() => ({}), { requireCrl: 'chain' }),
    {
      more: ({ root, ca }) => ({
        requireCrl: 'chain',
        crls: RevocationLists.from([issueCrl({ issuer: root }), issueCrl({ issuer: ca })]),
      }),
    },
    1,
  ),
  crl(
    'an indirect list where a list is required',
    'crl-missing',
    withCrl(() => ({ add: [crlExt.scope(null, [4])] }), { requireCrl: 'leaf' }),
    withCrl(() => ({ add: [crlExt.scope(null, [])] }), { requireCrl: 'leaf' }),
  ),
  crl(
    'a list for some reasons where a list is required',
    'crl-missing',
    withCrl(() => ({ add: [crlExt.scope(null, [3])] }), { requireCrl: 'leaf' }),
    withCrl(() => ({}), { requireCrl: 'leaf' }),
  ),
  {
    title: 'a list without a number',
    reason: 'profile-violation',
    relaxation: 'crl-number',
    depth: 0,
    good: honest,
    bad: withCrl(() => ({ number: null })),
  },
  {
    title: 'a list without the date of the next',
    reason: 'profile-violation',
    relaxation: 'crl-number',
    depth: 0,
    good: honest,
    bad: withCrl(() => ({ nextUpdate: null })),
  },
  {
    title: 'a list of version 1',
    reason: 'profile-violation',
    relaxation: 'crl-number',
    depth: 0,
    good: honest,
    bad: withCrl(() => ({ version: 1 })),
  },
];

type OcspChange = Partial<OcspSpec>;

function stapled(change: (cast: Cast) => OcspChange = () => ({}), world: World = {}): World {
  return {
    ...world,
    more: (cast) => ({
      ocsp: issueOcsp({ certificate: cast.leaf, issuer: cast.sub ?? cast.ca, ...change(cast) }),
    }),
  };
}

/** A responder that the CA certified. */
function delegate({ ca }: Cast, spec: Parameters<typeof issue>[0] = {}): TestCertificate {
  return issue({ subject: 'CN=responder', issuer: ca, purposes: [EKU.ocsp], names: [], ...spec });
}

const ocsp = (title: string, reason: Rule['reason'], bad: World, good: World = stapled()): Rule => ({
  title,
  reason,
  depth: 0,
  good,
  bad,
});

const byDelegate = (spec: Parameters<typeof issue>[0]): World =>
  stapled((cast) => ({ responder: delegate(cast, spec) }));

const answers: Rule[] = [
  ocsp(
    'an answer that says revoked',
    'revoked',
    stapled(() => ({ status: 'revoked' })),
  ),
  ocsp(
    'the newer of two answers',
    'revoked',
    stapled((cast) => ({
      status: 'revoked',
      thisUpdate: NOW - 1000,
      others: [{ certificate: cast.leaf, issuer: cast.ca }],
    })),
    stapled((cast) => ({
      thisUpdate: NOW - 1000,
      others: [{ certificate: cast.leaf, issuer: cast.ca, status: 'revoked' }],
    })),
  ),
  ocsp(
    'an answer that says unknown',
    'ocsp-unknown',
    stapled(() => ({ status: 'unknown' })),
  ),
  ocsp(
    'an answer that is out of date',
    'ocsp-expired',
    stapled(() => ({ nextUpdate: NOW - 1000 })),
    stapled(() => ({ nextUpdate: NOW })),
  ),
  ocsp(
    'an answer without a next date that is more than a day old',
    'ocsp-expired',
    stapled(() => ({ nextUpdate: null, thisUpdate: NOW - DAY - 1000 })),
    stapled(() => ({ nextUpdate: null, thisUpdate: NOW - DAY })),
  ),
  ocsp(
    'an answer from more than five minutes ahead',
    'ocsp-invalid',
    stapled(() => ({ thisUpdate: NOW + 301_000 })),
    stapled(() => ({ thisUpdate: NOW + 300_000 })),
  ),
  ocsp(
    'an answer made more than five minutes ahead',
    'ocsp-invalid',
    stapled(() => ({ producedAt: NOW + 301_000 })),
    stapled(() => ({ producedAt: NOW + 300_000 })),
  ),
  ocsp(
    'an answer about another serial number',
    'ocsp-invalid',
    stapled(() => ({ serial: Uint8Array.of(5) })),
    stapled(() => ({ hash: 'sha256' })),
  ),
  ocsp(
    'an answer about another issuer’s certificate of that number',
    'ocsp-invalid',
    stapled(({ ca }) => ({ issuer: issueCa('CN=other'), responder: ca })),
    stapled(() => ({ hash: 'sha384' })),
  ),
  ocsp(
    'an answer whose signature is broken',
    'ocsp-invalid',
    stapled(() => ({ breakSignature: true })),
    stapled(() => ({ byKey: true })),
  ),
  ocsp(
    'an answer signed with SHA-1',
    'ocsp-invalid',
    stapled(() => ({ algorithm: algorithms.ecdsaSha1 })),
  ),
  ocsp(
    'no answer: try later',
    'ocsp-invalid',
    stapled(() => ({ responseStatus: 3 })),
  ),
  ocsp(
    'no answer, and one beside it',
    'ocsp-invalid',
    stapled(() => ({ responseStatus: 3, answerAnyway: true })),
  ),
  ocsp(
    'a time of another type',
    'ocsp-invalid',
    stapled(() => ({ utcTime: true })),
  ),
  ocsp(
    'a good status with contents',
    'ocsp-invalid',
    stapled(() => ({ goodContents: Uint8Array.of(5, 0) })),
  ),
  ocsp(
    'an answer of more than 64 KiB',
    'ocsp-invalid',
    stapled(() => ({ extensions: [ext.raw('1.2.3.4', false, new Uint8Array(65_536))] })),
    stapled(() => ({ extensions: [ext.raw('1.2.3.4', false, new Uint8Array(60_000))] })),
  ),
  ocsp(
    'more than eight certificates',
    'ocsp-invalid',
    stapled(({ ca }) => ({ certificates: Array.from({ length: 9 }, () => ca.der) })),
    stapled(({ ca }) => ({ certificates: Array.from({ length: 8 }, () => ca.der) })),
  ),
  ocsp(
    'more than sixty-four answers',
    'ocsp-invalid',
    stapled((cast) => ({
      others: Array.from({ length: 64 }, () => ({ certificate: cast.ca, issuer: cast.root })),
    })),
    stapled((cast) => ({
      others: Array.from({ length: 63 }, () => ({ certificate: cast.ca, issuer: cast.root })),
    })),
  ),
  ocsp(
    'an answer of another type',
    'ocsp-invalid',
    stapled(() => ({ type: '1.2.3.4' })),
  ),
  ocsp(
    'an answer that is no DER',
    'ocsp-invalid',
    { options: { ocsp: Uint8Array.of(1, 2, 3) } },
    { options: { ocsp: new Uint8Array(0) } },
  ),
  ocsp(
    'a critical extension of the answer',
    'ocsp-invalid',
    stapled(() => ({ extensions: [ext.raw('1.2.3.4', true, nil())] })),
    stapled(() => ({ extensions: [ext.raw('1.2.3.4', false, nil())] })),
  ),
  ocsp(
    'a critical extension of the single answer',
    'ocsp-invalid',
    stapled(() => ({ singleExtensions: [ext.raw('1.2.3.4', true, nil())] })),
    stapled(() => ({ singleExtensions: [ext.raw('1.2.3.4', false, nil())] })),
  ),
  ocsp(
    'a responder that nobody certified',
    'ocsp-invalid',
    stapled(() => ({ responder: issue({ subject: 'CN=responder', purposes: [EKU.ocsp] }) })),
    byDelegate({}),
  ),
  ocsp(
    'a responder that is not for OCSP',
    'ocsp-invalid',
    byDelegate({ purposes: [EKU.server] }),
    stapled((cast) => ({ responder: delegate(cast), byKey: true })),
  ),
  ocsp(
    'a responder without an extended key usage',
    'ocsp-invalid',
    byDelegate({ omit: [OIDS.eku] }),
    byDelegate({ purposes: [EKU.server, EKU.ocsp] }),
  ),
  ocsp(
    'a responder whose certificate is not sent',
    'ocsp-invalid',
    stapled((cast) => ({ responder: delegate(cast), certificates: [] })),
    byDelegate({}),
  ),
  ocsp(
    'a responder whose certificate has expired',
    'ocsp-invalid',
    byDelegate({ notAfter: NOW - 1000 }),
    byDelegate({ notAfter: NOW }),
  ),
  ocsp(
    'a responder whose certificate’s signature is broken',
    'ocsp-invalid',
    byDelegate({ breakSignature: true }),
    byDelegate({}),
  ),
  ocsp(
    'a responder whose key is not for signatures',
    'ocsp-invalid',
    byDelegate({ add: [ext.usage(['keyAgreement'])] }),
    byDelegate({ omit: [OIDS.usage] }),
  ),
  ocsp(
    'a responder with an unknown critical extension',
    'ocsp-invalid',
    byDelegate({ add: [ext.raw('1.2.3.4', true, nil())] }),
    byDelegate({ add: [ext.raw('1.2.3.4', false, nil())] }),
  ),
  ocsp(
    'a responder with a weak key',
    'ocsp-invalid',
    byDelegate({ key: keyFor('responder', 'rsa1024') }),
    byDelegate({ key: keyFor('responder', 'rsa2048') }),
  ),
  ocsp(
    'a responder that the root certified',
    'ocsp-invalid',
    stapled((cast) => ({
      responder: issue({ subject: 'CN=responder', issuer: cast.root, purposes: [EKU.ocsp] }),
    })),
    byDelegate({}),
  ),
  ocsp(
    'must-staple without a staple',
    'staple-required',
    { leaf: { add: [ext.feature([5])] }, options: { ocsp: null } },
    stapled(() => ({}), { leaf: { add: [ext.feature([5])] } }),
  ),
  ocsp(
    'must-staple with an empty staple',
    'staple-required',
    { leaf: { add: [ext.feature([5])] }, options: { ocsp: new Uint8Array(0) } },
    { leaf: { add: [ext.feature([17])] }, options: { ocsp: null } },
  ),
];

export const revocationRules: readonly Rule[] = [...lists, ...answers];
