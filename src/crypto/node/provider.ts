import { groupName, NamedGroup } from '../../util/registries.ts';
import { generateHybrid, respondHybrid } from '../ml-kem.ts';
import type { CryptoProvider, KeyExchange } from '../provider.ts';
import { NodeAeadKey, nodeCbcDecrypt, nodeCbcEncrypt, nodeSupportsAead } from './aead.ts';
import { isNistGroup, NodeEcdh } from './ecdh.ts';
import { NodeHashState, NodeHmacKey, nodeDigest, nodeHmac } from './hash.ts';
import { detectNodeMlKem } from './ml-kem.ts';
import { RandomPool } from './random.ts';
import { importNodePrivateKey, importNodePublicKey } from './signature.ts';
import { NodeX25519 } from './x25519.ts';

const pool = new RandomPool();
const mlKem = detectNodeMlKem();

const groups: readonly number[] = Object.freeze([
  ...(mlKem === null ? [] : [NamedGroup.x25519mlkem768]),
  NamedGroup.x25519,
  NamedGroup.secp256r1,
  NamedGroup.secp384r1,
  NamedGroup.secp521r1,
]);

function generateKeyExchange(group: number): KeyExchange {
  if (group === NamedGroup.x25519) return NodeX25519.generate();
  if (isNistGroup(group)) return NodeEcdh.generate(group);
  if (group === NamedGroup.x25519mlkem768 && mlKem !== null) return generateHybrid(mlKem, nodeProvider);
  throw new TypeError(`no key exchange in the group ${groupName(group)} here`);
}

function respondKeyExchange(
  group: number,
  peer: Uint8Array,
): { publicKey: Uint8Array; secret: Uint8Array } | null {
  if (group === NamedGroup.x25519mlkem768 && mlKem !== null) return respondHybrid(mlKem, nodeProvider, peer);
  const own = generateKeyExchange(group);
  const secret = own.derive(peer);
  return secret === null ? null : { publicKey: own.publicKey, secret };
}

/** The default provider: node:crypto, with what it lacks or does slowly on some version made up for. */
export const nodeProvider: CryptoProvider = Object.freeze({
  name: 'node',
  random: (length: number) => pool.take(length),
  digest: nodeDigest,
  createHash: NodeHashState.create,
  hmacKey: (hash, key) => new NodeHmacKey(hash, key),
  hmac: nodeHmac,
  aeadKey: (aead, key) => new NodeAeadKey(aead, key),
  supportsAead: nodeSupportsAead,
  cbcEncrypt: nodeCbcEncrypt,
  cbcDecrypt: nodeCbcDecrypt,
  groups,
  generateKeyExchange,
  respondKeyExchange,
  importPublicKey: importNodePublicKey,
  importPrivateKey: importNodePrivateKey,
} satisfies CryptoProvider);
