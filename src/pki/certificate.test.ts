import { describe, expect, it } from 'vitest';
import { ascii, seq, tlv } from '../../tests/pki/der.ts';
import { ext, generalName, issue, issueCa, keyFor, NOW, nameDer, OIDS } from '../../tests/pki/make.ts';
import { toHex } from '../util/bytes.ts';
import { parseCertificate } from './certificate.ts';
import { KeyUsage, keyUsageNames } from './extensions.ts';
import { oidFromText } from './oid.ts';
import { CertificateError } from './reason.ts';

const root = issueCa('CN=root');
const made = issue({
  issuer: root,
  subject: 'O=x,CN=leaf',
  serial: 0x1234,
  notBefore: NOW,
  notAfter: NOW + 1000,
  names: [generalName.dns('a.example'), generalName.ip('192.0.2.1')],
});

describe('a certificate', () => {
  it('says what it holds', () => {
    const certificate = parseCertificate(made.der);
    expect(certificate).toMatchObject({
      version: 3,
      notBeforeMs: NOW,
      notAfterMs: NOW + 1000,
      isCa: false,
      isSelfIssued: false,
      hasCanonicalDates: true,
      hasUniqueIds: false,
      key: { type: 'ec-p256', bits: 256 },
      basicConstraints: null,
      nameConstraints: null,
      keyUsage: KeyUsage.digitalSignature,
      extendedKeyUsage: [oidFromText('1.3.6.1.5.5.7.3.1')],
      subjectAltNames: [
        { type: 'dns', value: 'a.example' },
        { type: 'ip', value: Uint8Array.of(192, 0, 2, 1) },
      ],
    });
    expect(toHex(certificate.serialNumber)).toBe('1234');
    expect([String(certificate.issuer), String(certificate.subject)]).toEqual(['CN=root', 'CN=leaf,O=x']);
    expect(certificate.authorityKeyIdentifier?.keyIdentifier).toEqual(root.key.id);
    expect(keyUsageNames(parseCertificate(root.der).keyUsage ?? 0)).toEqual(['keyCertSign', 'cRLSign']);
    expect(parseCertificate(root.der)).toMatchObject({ isCa: true, isSelfIssued: true });
  });

  it('is read without copies: everything is a view of what was given', () => {
    const bytes = made.der.slice();
    const certificate = parseCertificate(bytes);
    const { tbs, signature, signatureAlgorithm, serialNumber, spki } = certificate;
    const parts = [tbs, signature, signatureAlgorithm, serialNumber, spki, certificate.issuer.der];
    parts.push(certificate.subjectKeyIdentifier as Uint8Array);
    for (const part of parts) expect(part.buffer).toBe(bytes.buffer);
  });

  it('is read lazily: what is malformed hurts when it is asked for, each time, and not before', () => {
    const broken = parseCertificate(
      issue({
        issuer: root,
        subject: seq(tlv(0x31)),
        key: keyFor('leaf'),
        validity: seq(ascii('??')),
        add: [ext.raw(OIDS.san, false, ascii('?')), ext.raw(OIDS.usage, true, ascii('?'))],
      }).der,
    );
    for (let i = 0; i < 2; i++) {
      expect(() => broken.subject.key).toThrow(CertificateError);
      expect(() => broken.notAfterMs).toThrow();
      expect(() => broken.subjectAltNames).toThrow(CertificateError);
      expect(() => broken.keyUsage).toThrow(CertificateError);
    }
    expect(broken.extendedKeyUsage).toHaveLength(1);
    expect(String(broken.subject)).toBe('(malformed name)');
  });

  it('has no extensions in version 1, and says so with null', () => {
    const old = parseCertificate(
      issue({ version: 1, extensions: null, subject: nameDer('CN=old'), key: keyFor('old') }).der,
    );
    expect(old).toMatchObject({ version: 1, basicConstraints: null, keyUsage: null, subjectAltNames: null });
    expect(old.extensions.byOid.size).toBe(0);
  });
});
