/**
 * The work that one validation may take. A peer chooses the certificates, so every loop over them counts
 * against a number here. With the defaults the worst bag stays below 50 ms where this was measured.
 */
export interface Budget {
  /** Certificates beside the leaf that are looked at; a longer bag is refused. */
  readonly certificates: number;
  /** Bytes of all certificates together. */
  readonly bytes: number;
  /** Candidate issuers tried, over all paths. */
  readonly steps: number;
  /** Signatures verified, in units of a P-256 verification (see `verificationCost`). */
  readonly signatures: number;
  /** Names held against name constraints. */
  readonly nameComparisons: number;
  /** Policies met in the policy graph, over all paths. */
  readonly policyNodes: number;
}

export const defaultBudget: Budget = Object.freeze({
  certificates: 128,
  bytes: 128 * 1024,
  steps: 2000,
  signatures: 100,
  nameComparisons: 100_000,
  policyNodes: 4096,
});

/** Thrown inside a validation when the budget is used up; never leaves it. */
export class BudgetExceeded extends Error {
  override get name(): string {
    return 'BudgetExceeded';
  }
}

export class BudgetMeter {
  readonly #limits: Budget;
  #steps = 0;
  #signatures = 0;
  #nameComparisons = 0;
  #policyNodes = 0;

  constructor(limits: Budget) {
    this.#limits = limits;
  }

  step(): void {
    if (++this.#steps > this.#limits.steps) throw new BudgetExceeded('too many candidate issuers');
  }

  signature(cost: number): void {
    this.#signatures += cost;
    if (this.#signatures > this.#limits.signatures) throw new BudgetExceeded('too many signatures');
  }

  names(count: number): void {
    this.#nameComparisons += count;
    if (this.#nameComparisons > this.#limits.nameComparisons) {
      throw new BudgetExceeded('too many names and name constraints');
    }
  }

  policies(count: number): void {
    this.#policyNodes += count;
    if (this.#policyNodes > this.#limits.policyNodes) throw new BudgetExceeded('too many policies');
  }
}
