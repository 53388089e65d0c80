import type { CryptoProvider } from '../crypto/provider.ts';
import { copyBytes, equalSecret } from '../util/bytes.ts';
import { TicketError } from './errors.ts';
import type { TicketFormat } from './sealer.ts';

export const KEY_NAME_LENGTH = 16;

/**
 * The keys of OpenSSL's ticket form: AES-CBC with the one, HMAC-SHA256 with the other. 32 bytes each, or 16
 * each (AES-128) in the layouts of 48 bytes.
 */
export interface OpensslTicketKey {
  readonly format: 'openssl';
  /** 16 bytes, in clear at the head of every ticket. */
  readonly name: Uint8Array;
  readonly aesKey: Uint8Array;
  readonly hmacKey: Uint8Array;
}

/** The key of tlsession's own form: AES-256-GCM. */
export interface AeadTicketKey {
  readonly format: 'aead';
  readonly name: Uint8Array;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export type TicketKeyMaterial = OpensslTicketKey | AeadTicketKey;

/** @throws {TicketError} `ERR_TICKET_KEY` */
export function checkKeyMaterial(material: TicketKeyMaterial): void {
  if (material.name.length !== KEY_NAME_LENGTH) {
    throw new TicketError('ERR_TICKET_KEY', `a ticket key's name is 16 bytes, not ${material.name.length}`);
  }
  if (material.format === 'aead') {
    if (material.key.length !== 32) {
      throw new TicketError('ERR_TICKET_KEY', `an AEAD ticket key is 32 bytes, not ${material.key.length}`);
    }
    return;
  }
  const { aesKey, hmacKey } = material;
  if ((aesKey.length !== 16 && aesKey.length !== 32) || hmacKey.length !== aesKey.length) {
    throw new TicketError(
      'ERR_TICKET_KEY',
      `the AES and the HMAC key of a ticket are 16 or 32 bytes each, not ${aesKey.length} and ${hmacKey.length}`,
    );
  }
}

/** @throws {TicketError} `ERR_TICKET_KEY` */
export function copyKeyMaterial(material: TicketKeyMaterial): TicketKeyMaterial {
  checkKeyMaterial(material);
  const name = copyBytes(material.name);
  return material.format === 'aead'
    ? { format: 'aead', name, key: copyBytes(material.key) }
    : {
        format: 'openssl',
        name,
        aesKey: copyBytes(material.aesKey),
        hmacKey: copyBytes(material.hmacKey),
      };
}

export function wipeKeyMaterial(material: TicketKeyMaterial): void {
  if (material.format === 'aead') {
    material.key.fill(0);
  } else {
    material.aesKey.fill(0);
    material.hmacKey.fill(0);
  }
}

export function sameKeyMaterial(a: TicketKeyMaterial, b: TicketKeyMaterial): boolean {
  if (!equalSecret(a.name, b.name)) return false;
  if (a.format === 'aead') return b.format === 'aead' && equalSecret(a.key, b.key);
  return b.format === 'openssl' && equalSecret(a.aesKey, b.aesKey) && equalSecret(a.hmacKey, b.hmacKey);
}

/** `opensslKeyBytes`: of each of the two keys in OpenSSL's form; 16 fits the layouts of 48 bytes. */
export function generateKeyMaterial(
  random: CryptoProvider['random'],
  format: TicketFormat,
  opensslKeyBytes: 16 | 32 = 32,
): TicketKeyMaterial {
  const name = random(KEY_NAME_LENGTH);
  return format === 'aead'
    ? { format, name, key: random(32) }
    : { format, name, aesKey: random(opensslKeyBytes), hmacKey: random(opensslKeyBytes) };
}

/** Whether `bytes` have `name` at `at`. The name is public: it leaves at the first difference. */
export function nameAt(bytes: Uint8Array, at: number, name: Uint8Array): boolean {
  for (let i = 0; i < KEY_NAME_LENGTH; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}
