/** Verifies signatures within one validation: each pair of a signed thing and a key once, within the budget. */
import type { CryptoProvider, PublicKey } from '../crypto/provider.ts';
import { equalBytes } from '../util/bytes.ts';
import { readSignatureAlgorithm, verificationCost } from './algorithm.ts';
import { TrustAnchor } from './anchors.ts';
import type { BudgetMeter } from './budget.ts';
import type { Certificate } from './certificate.ts';
import { type Fault, fault } from './fault.ts';

/** What validation needs of a crypto provider. */
export type PathProvider = Pick<CryptoProvider, 'importPublicKey' | 'digest'>;

/** A certificate, a revocation list, an OCSP answer. */
export interface Signed {
  /** The bytes that are signed. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier, encoded. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

export class SignatureChecker {
  readonly #provider: PathProvider;
  readonly #meter: BudgetMeter;
  readonly #keys = new Map<Certificate, PublicKey | null>();
  readonly #verified = new Map<Signed, { spki: Uint8Array; ok: boolean }[]>();

  constructor(provider: PathProvider, meter: BudgetMeter) {
    this.#provider = provider;
    this.#meter = meter;
  }

  /** What was found out before, or null. */
  known(signed: Signed, spki: Uint8Array): boolean | null {
    return this.#verified.get(signed)?.find((entry) => equalBytes(entry.spki, spki))?.ok ?? null;
  }

  /**
   * Null when `issuer`'s key made the signature. Whether the policy allows key and algorithm was decided
   * before; a fault of `key-not-allowed` is the issuer's.
   */
  check(signed: Signed, issuer: Certificate | TrustAnchor): Fault | null {
    let ok = this.known(signed, issuer.spki);
    if (ok === null) {
      const key = issuer.key;
      if (typeof key === 'string') return fault('key-not-allowed', key);
      const algorithm = readSignatureAlgorithm(signed.signatureAlgorithm);
      if (typeof algorithm === 'string') return fault('signature-algorithm-not-allowed', algorithm);
      this.#meter.signature(verificationCost(key));
      const publicKey = this.#publicKey(issuer);
      if (publicKey === null) return fault('key-not-allowed', 'a key that cannot be used');
      const scheme = algorithm.schemes[key.type];
      ok = scheme !== undefined && publicKey.verify(scheme, signed.tbs, signed.signature);
      const list = this.#verified.get(signed);
      if (list === undefined) this.#verified.set(signed, [{ spki: issuer.spki, ok }]);
      else list.push({ spki: issuer.spki, ok });
    }
    return ok ? null : fault('bad-signature', 'the signature is not by the key of the issuer’s name');
  }

  #publicKey(issuer: Certificate | TrustAnchor): PublicKey | null {
    if (issuer instanceof TrustAnchor) return issuer.publicKey(this.#provider);
    let key = this.#keys.get(issuer);
    if (key === undefined) {
      key = this.#provider.importPublicKey(issuer.spki);
      this.#keys.set(issuer, key);
    }
    return key;
  }
}
