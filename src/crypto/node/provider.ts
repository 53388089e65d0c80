import { getFips } from 'node:crypto';
import { groupName, type HashName, NamedGroup } from '../../util/registries.ts';
import { generateHybrid, respondHybrid } from '../ml-kem.ts';
import type { CryptoProvider, KeyExchange } from '../provider.ts';
import { ShortHash } from '../short-hash/short-hash.ts';
import { NodeAeadKey, nodeCbcDecrypt, nodeCbcEncrypt, nodeSupportsAead } from './aead.ts';
import { NodeCcmKey } from './ccm.ts';
import { isNistGroup, NodeEcdh } from './ecdh.ts';
import { type HashFunctions, mixedHashes, nativeHashes } from './hash.ts';
import { detectNodeMlKem } from './ml-kem.ts';
import { RandomPool } from './random.ts';
import { importNodePrivateKey, importNodePublicKey } from './signature.ts';
import { NodeX25519 } from './x25519.ts';

export interface NodeProviderOptions {
  /**
   * Do short inputs by this library's WebAssembly modules instead of node:crypto: hashes some three times as fast, short
   * records under AES-GCM (over node:crypto's AES) and ChaCha20-Poly1305 at a third and a tenth of the cost. By default
   * true, but in FIPS mode. Where WebAssembly is missing node:crypto does it all.
   */
  readonly short?: boolean;
}

const pool = new RandomPool();
const mlKem = detectNodeMlKem();

const groups: readonly number[] = Object.freeze([
  ...(mlKem === null ? [] : [NamedGroup.x25519mlkem768]),
  NamedGroup.x25519,
  NamedGroup.secp256r1,
  NamedGroup.secp384r1,
  NamedGroup.secp521r1,
]);

const ecdhe = { generateKeyExchange, respondKeyExchange };

function generateKeyExchange(group: number): KeyExchange {
  if (group === NamedGroup.x25519) return NodeX25519.generate();
  if (isNistGroup(group)) return NodeEcdh.generate(group);
  if (group === NamedGroup.x25519mlkem768 && mlKem !== null) return generateHybrid(mlKem, ecdhe);
  throw new TypeError(`no key exchange in the group ${groupName(group)} here`);
}

function respondKeyExchange(
  group: number,
  peer: Uint8Array,
): { publicKey: Uint8Array; secret: Uint8Array } | null {
  if (group === NamedGroup.x25519mlkem768 && mlKem !== null) return respondHybrid(mlKem, ecdhe, peer);
  const own = generateKeyExchange(group);
  const secret = own.derive(peer);
  return secret === null ? null : { publicKey: own.publicKey, secret };
}

let mixed: HashFunctions | null = null;

/** The module is compiled when a hash is first asked for. */
function fastHashes(): HashFunctions {
  if (mixed === null) {
    const short = ShortHash.load();
    mixed = short === null ? nativeHashes : mixedHashes(short);
  }
  return mixed;
}

const lazyHashes: HashFunctions = {
  digest: (hash: HashName, data: Uint8Array) => (mixed ?? fastHashes()).digest(hash, data),
  createHash: (hash: HashName) => (mixed ?? fastHashes()).createHash(hash),
  hmacKey: (hash: HashName, key: Uint8Array) => (mixed ?? fastHashes()).hmacKey(hash, key),
  hmac: (hash: HashName, key: Uint8Array, data: Uint8Array) => (mixed ?? fastHashes()).hmac(hash, key, data),
};

/** A provider over node:crypto, with what it lacks or does slowly on some version made up for. */
export function createNodeProvider(options: NodeProviderOptions = {}): CryptoProvider {
  // In FIPS mode only what OpenSSL's validated module does is wanted.
  const { short = getFips() === 0 } = options;
  return Object.freeze({
    name: short ? 'node' : 'node-native',
    random: (length: number) => pool.take(length),
    ...(short ? lazyHashes : nativeHashes),
    aeadKey: (aead, key) =>
      aead === 'aes-128-ccm' || aead === 'aes-128-ccm-8'
        ? new NodeCcmKey(aead, key)
        : new NodeAeadKey(aead, key, short),
    supportsAead: nodeSupportsAead,
    cbcEncrypt: nodeCbcEncrypt,
    cbcDecrypt: nodeCbcDecrypt,
    groups,
    generateKeyExchange,
    respondKeyExchange,
    importPublicKey: importNodePublicKey,
    importPrivateKey: importNodePrivateKey,
  } satisfies CryptoProvider);
}

/** The default provider. */
export const nodeProvider: CryptoProvider = createNodeProvider();
