import { describe, expect, it } from 'vitest';
import { checkCertificate } from '../../src/connection/certificate-check.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { Credential } from '../../src/handshake/config.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert, ProtocolVersion } from '../../src/util/registries.ts';
import { type Answerer, Pair, USUAL } from '../support/engine-pair.ts';
import { ext, generalName, issue, issueCa, NOW } from './make.ts';
import { issueOcsp } from './make-status.ts';

const root = issueCa('CN=root');
const leaf = issue({ issuer: root, names: [generalName.dns('localhost')], add: [ext.feature([5])] });
const key = nodeProvider.importPrivateKey(
  leaf.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
);
const good = issueOcsp({ certificate: leaf, issuer: root });
const bad = issueOcsp({ certificate: leaf, issuer: root, status: 'revoked' });
const broken = issueOcsp({ certificate: leaf, issuer: root, breakSignature: true });

const judge: Answerer = (job) =>
  job.kind === 'verify-certificate'
    ? checkCertificate(job, {
        provider: nodeProvider,
        clock: { wallMs: () => NOW, monotonicMs: () => 0 },
        anchors: TrustAnchors.from(root.der),
        paths: null,
        reject: true,
        checkName: true,
      })
    : USUAL;

/** What became of a handshake with a server that staples this: the alert that the client sent, or null. */
function handshake(version: 0x0303 | 0x0304, requestOcsp: boolean, staple: Uint8Array | null): number | null {
  const credential: Credential = {
    chain: [leaf.der],
    keyType: key.type,
    keyBits: key.bits,
    key,
    ...(staple === null ? {} : { ocspResponse: staple }),
  };
  const versions = { minVersion: version, maxVersion: version } as const;
  using pair = new Pair(credential, { client: { ...versions, requestOcsp }, clientAnswer: judge }).run();
  const { error } = pair.client;
  if (error === null) return null;
  expect(error).toBeInstanceOf(TlsAlertError);
  return (error as TlsAlertError).alert;
}

describe.each([ProtocolVersion.TLS1_2, ProtocolVersion.TLS1_3])(
  'a must-staple certificate, version %i',
  (version) => {
    it.each([
      ['a good status', true, good, null],
      ['no status, though it was asked for', true, null, Alert.bad_certificate_status_response],
      ['no status, and nobody asked', false, null, null],
      ['a status that says revoked', true, bad, Alert.certificate_revoked],
      ['a status that nobody signed', true, broken, Alert.bad_certificate_status_response],
    ] as const)('with %s', (_, asked, staple, alert) => {
      expect(handshake(version, asked, staple)).toBe(alert);
    });
  },
);
