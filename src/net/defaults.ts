/**
 * The defaults that node:tls lets a program change: `tls.DEFAULT_MIN_VERSION = 'TLSv1.3'`. They begin as
 * node:tls has them, so command line options such as --tls-min-v1.3 and --tls-cipher-list count.
 */
import * as nodeTls from 'node:tls';

export type SecureVersion = 'TLSv1.3' | 'TLSv1.2' | 'TLSv1.1' | 'TLSv1';

/** Changed through the default export alone; what is imported by name follows. */
export let DEFAULT_CIPHERS: string = nodeTls.DEFAULT_CIPHERS;
export let DEFAULT_ECDH_CURVE: string = nodeTls.DEFAULT_ECDH_CURVE;
export let DEFAULT_MIN_VERSION: SecureVersion = nodeTls.DEFAULT_MIN_VERSION;
export let DEFAULT_MAX_VERSION: SecureVersion = nodeTls.DEFAULT_MAX_VERSION;

/** @internal Grows whenever a default changes: contexts that were made before are not shared any more. */
export let defaultsVersion = 0;

/** @internal */
export function defaultsChanged(): void {
  defaultsVersion++;
}

/** @internal */
export function setDefault(name: 'ciphers' | 'curve' | 'min' | 'max', value: string): void {
  if (name === 'ciphers') DEFAULT_CIPHERS = value;
  else if (name === 'curve') DEFAULT_ECDH_CURVE = value;
  else if (name === 'min') DEFAULT_MIN_VERSION = value as SecureVersion;
  else DEFAULT_MAX_VERSION = value as SecureVersion;
  defaultsChanged();
}
