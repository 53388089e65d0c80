/** Whom peers are verified by when `ca` is not given: Node's lists, which a program may replace. */
import { readFileSync } from 'node:fs';
import * as nodeTls from 'node:tls';
import { type AnchorSource, certificateBytes, TrustAnchors } from '../pki/anchors.ts';
import { toBase64 } from '../util/base64.ts';
import { copyBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { defaultsChanged } from './defaults.ts';
import { invalidArgType, invalidArgValue, requireString } from './node-errors.ts';
import { readOpensslStore, usesOpensslStore } from './openssl-store.ts';

/** Where a list comes from. `extra` is NODE_EXTRA_CA_CERTS. */
export type CaCertificateType = 'default' | 'system' | 'bundled' | 'extra';

type NodeLists = (type: CaCertificateType) => readonly string[];

/** Node 22.15 and later have it, with --use-system-ca and what else they know. */
const nodeLists = (nodeTls as { readonly getCACertificates?: NodeLists }).getCACertificates;

/** By setDefaultCACertificates(); null: Node's. */
let replaced: readonly (string | Uint8Array)[] | null = null;
let shared: TrustAnchors | null = null;
let extra: readonly string[] | null = null;

/** The certificates that come with Node, PEM. */
export const rootCertificates: readonly string[] = nodeTls.rootCertificates;

/**
 * PEM certificates, each in a text of its own, in a frozen list.
 * @throws {CodedTypeError} for another type; {UsageError} `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM` for `system`
 * before Node 22.15, which has no way to read it.
 */
export function getCACertificates(type: CaCertificateType = 'default'): readonly string[] {
  requireString(type, 'type');
  switch (type) {
    case 'default':
      if (replaced !== null) return Object.freeze(replaced.flatMap(asPem));
      return Object.freeze(withExtra(defaultList()));
    case 'bundled':
      return rootCertificates;
    case 'extra':
      return extraCertificates();
    case 'system':
      if (nodeLists !== undefined) return nodeLists('system');
      throw new UsageError(
        'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
        'the list of the system is read by Node 22.15 and later',
      );
    default:
      throw invalidArgValue('type', type);
  }
}

/**
 * Replaces what is trusted where `ca` is not given, for contexts that are made from now on, in this library
 * alone. PEM, or bytes of PEM or DER. @throws {CodedTypeError} for what is neither.
 */
export function setDefaultCACertificates(certificates: readonly (string | NodeJS.ArrayBufferView)[]): void {
  if (!Array.isArray(certificates)) throw invalidArgType('certs', 'an instance of Array', certificates);
  const list = certificates.map((certificate, i) => {
    if (typeof certificate === 'string') return certificate;
    if (!ArrayBuffer.isView(certificate)) {
      throw invalidArgType(`certs[${i}]`, 'of type string or an instance of ArrayBufferView', certificate);
    }
    return copyBytes(new Uint8Array(certificate.buffer, certificate.byteOffset, certificate.byteLength));
  });
  // What is no certificate is found now.
  TrustAnchors.from(list);
  replaced = list;
  shared = null;
  defaultsChanged();
}

/** What peers are verified by; read once, and again when it was replaced. */
export function defaultAnchors(): TrustAnchors {
  shared ??= TrustAnchors.from(defaultSources());
  return shared;
}

/** The same and more. */
export function defaultAnchorsWith(more: readonly AnchorSource[]): TrustAnchors {
  return TrustAnchors.from([...defaultSources(), ...more]);
}

function defaultSources(): readonly AnchorSource[] {
  return replaced ?? getCACertificates('default');
}

function defaultList(): readonly string[] {
  // Node does without a list of it, and gives an empty one.
  if (usesOpensslStore()) return readOpensslStore().map(toPem);
  return nodeLists === undefined ? rootCertificates : nodeLists('default');
}

function extraCertificates(): readonly string[] {
  extra ??= Object.freeze(readExtra());
  return extra;
}

function readExtra(): string[] {
  const path = process.env['NODE_EXTRA_CA_CERTS'];
  if (path === undefined || path === '') return [];
  try {
    return asPem(readFileSync(path));
  } catch (error) {
    process.emitWarning(`ignoring extra certs from \`${path}\`: ${(error as Error).message}`);
    return [];
  }
}

/** NODE_EXTRA_CA_CERTS is in Node's own list when it was set as the process began. */
function withExtra(list: readonly string[]): string[] {
  const key = (pem: string): string => pem.replaceAll(/\s/g, '');
  const known = new Set(list.map(key));
  return [...list, ...extraCertificates().filter((pem) => !known.has(key(pem)))];
}

function asPem(source: string | Uint8Array): string[] {
  return certificateBytes(source).map(toPem);
}

function toPem(der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
