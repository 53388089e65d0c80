/**
 * A provider that protects nothing and always draws the same numbers: what a peer says can be recorded,
 * changed and played back, and reaches the parsers behind the encryption. For fuzzing alone.
 */

import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { AeadKey, CryptoProvider, KeyExchange } from '../../src/crypto/provider.ts';

const openAead: AeadKey = {
  sealInPlace(_nonce, _aad, buffer, _start, end) {
    buffer.fill(0, end, end + 16);
  },
  open(_nonce, _aad, sealed) {
    return sealed.length < 16 ? null : sealed.slice(0, sealed.length - 16);
  },
  destroy() {},
};

const SECRET = new Uint8Array(32).fill(7);

function exchange(group: number): KeyExchange {
  return {
    group,
    publicKey: new Uint8Array(group === 0x1d ? 32 : 97).fill(9),
    derive: (peer) => (peer.length === 32 || peer.length === 97 ? SECRET.slice() : null),
    destroy() {},
  };
}

export function openProvider(): CryptoProvider {
  let counter = 0;
  return {
    ...nodeProvider,
    name: 'open',
    groups: [0x1d, 0x18],
    random: (length) => {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        counter = (counter * 1103515245 + 12345) & 0x7fffffff;
        bytes[i] = counter >> 16;
      }
      return bytes;
    },
    digest: (hash, data) => nodeProvider.digest(hash, data),
    createHash: (hash) => nodeProvider.createHash(hash),
    hmacKey: (hash, key) => nodeProvider.hmacKey(hash, key),
    hmac: (hash, key, data) => nodeProvider.hmac(hash, key, data),
    supportsAead: () => true,
    aeadKey: () => openAead,
    generateKeyExchange: exchange,
    respondKeyExchange: (group, peer) =>
      exchange(group).derive(peer) === null
        ? null
        : { publicKey: exchange(group).publicKey, secret: SECRET.slice() },
    importPublicKey: (spki) => {
      const key = nodeProvider.importPublicKey(spki);
      return key === null ? null : { type: key.type, bits: key.bits, verify: () => true };
    },
    importPrivateKey: (key, passphrase) => nodeProvider.importPrivateKey(key, passphrase),
    cbcEncrypt: (key, iv, data) => nodeProvider.cbcEncrypt(key, iv, data),
    cbcDecrypt: (key, iv, data) => nodeProvider.cbcDecrypt(key, iv, data),
  };
}
