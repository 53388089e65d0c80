import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { NamedGroup } from '../../util/registries.ts';
import type { KeyExchange } from '../provider.ts';
import { plain } from './plain.ts';

const LENGTH = 32;
const PKCS8_PREFIX = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32);

/**
 * The public key leaves as a JWK *during* generation, never by `export` afterwards: on Node 20 that call
 * holds the key's lock while it allocates, and a garbage collection at that moment waits for the same lock
 * to release the finished generator. The process then hangs for good (seen within 20,000 exports).
 */
const GENERATE = Object.freeze({ publicKeyEncoding: Object.freeze({ format: 'jwk' as const }) });

interface GeneratedX25519 {
  readonly publicKey: { readonly x: string };
  readonly privateKey: KeyObject;
}

type Import = (publicKey: Uint8Array) => KeyObject;

function importAsJwk(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey.buffer, publicKey.byteOffset, LENGTH).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

function importAsRaw(publicKey: Uint8Array): KeyObject {
  // Known to Node from 24.21 and 26 on; the type declarations are those of Node 20.
  const input = { key: publicKey, format: 'raw-public', asymmetricKeyType: 'x25519' };
  return createPublicKey(input as unknown as Parameters<typeof createPublicKey>[0]);
}

function fastestImport(): Import {
  try {
    importAsRaw(new Uint8Array(LENGTH).fill(9));
    return importAsRaw;
  } catch {
    return importAsJwk;
  }
}

let importKey: Import | null = null;

/** Null when the length is wrong or the result is the all-zero value (RFC 7748, 6.1; RFC 8446, 7.4.2). */
function agree(privateKey: KeyObject, peer: Uint8Array): Uint8Array | null {
  if (peer.length !== LENGTH) return null;
  importKey ??= fastestImport();
  let secret: Uint8Array;
  try {
    secret = plain(diffieHellman({ privateKey, publicKey: importKey(peer) }));
  } catch {
    return null;
  }
  let any = 0;
  for (const byte of secret) any |= byte;
  return any === 0 ? null : secret;
}

export class NodeX25519 implements KeyExchange {
  readonly group: number = NamedGroup.x25519;
  readonly publicKey: Uint8Array;
  #privateKey: KeyObject | null;

  private constructor(privateKey: KeyObject, publicKey: Uint8Array) {
    this.#privateKey = privateKey;
    this.publicKey = publicKey;
  }

  static generate(): NodeX25519 {
    // The declarations for Node 20 do not know an encoding for one half only.
    const pair = generateKeyPairSync('x25519', GENERATE as never) as unknown as GeneratedX25519;
    const publicKey = new Uint8Array(LENGTH);
    publicKey.set(Buffer.from(pair.publicKey.x, 'base64url'));
    return new NodeX25519(pair.privateKey, publicKey);
  }

  /** From a private key that is known: for tests against recorded traces. */
  static fromPrivate(raw: Uint8Array): NodeX25519 {
    if (raw.length !== LENGTH) throw new RangeError('an X25519 private key is 32 bytes');
    const der = new Uint8Array(PKCS8_PREFIX.length + LENGTH);
    der.set(PKCS8_PREFIX);
    der.set(raw, PKCS8_PREFIX.length);
    const privateKey = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
    der.fill(0);
    const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    const publicKey = new Uint8Array(LENGTH);
    publicKey.set(spki.subarray(spki.length - LENGTH));
    return new NodeX25519(privateKey, publicKey);
  }

  derive(peer: Uint8Array): Uint8Array | null {
    const privateKey = this.#privateKey;
    if (privateKey === null) throw new TypeError('the key exchange was already used');
    this.#privateKey = null;
    return agree(privateKey, peer);
  }

  destroy(): void {
    this.#privateKey = null;
  }
}
