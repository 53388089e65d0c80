/** Application data on contexts and connections (CRYPTO_get_ex_new_index(3)); sessions have their own. */

export type ExValues = unknown[];

interface ExIndex<T> {
  readonly argl: number;
  readonly argp: unknown;
  readonly onNew: ((parent: T, index: number, argl: number, argp: unknown) => unknown) | null;
  readonly onFree: ((parent: T, value: unknown, index: number, argl: number, argp: unknown) => void) | null;
}

export class ExDataClass<T> {
  /** Index 0 is the application data of SSL_set_app_data and is always there. */
  readonly #indexes: ExIndex<T>[] = [{ argl: 0, argp: null, onNew: null, onFree: null }];

  newIndex(argl: number, argp: unknown, onNew: ExIndex<T>['onNew'], onFree: ExIndex<T>['onFree']): number {
    return this.#indexes.push({ argl, argp, onNew, onFree }) - 1;
  }

  create(parent: T): ExValues {
    const values: ExValues = [];
    this.#indexes.forEach(({ onNew, argl, argp }, index) => {
      const value = onNew?.(parent, index, argl, argp);
      if (value !== undefined) values[index] = value;
    });
    return values;
  }

  /** CRYPTO_dup_ex_data without a dup callback: the values are shared. */
  copy(to: ExValues, from: ExValues): void {
    from.forEach((value, index) => {
      to[index] = value;
    });
  }

  release(parent: T, values: ExValues): void {
    const errors: unknown[] = [];
    this.#indexes.forEach(({ onFree, argl, argp }, index) => {
      try {
        onFree?.(parent, values[index] ?? null, index, argl, argp);
      } catch (error) {
        errors.push(error);
      }
    });
    values.length = 0;
    // Whoever frees has no use for the first error only; nothing is left undone for it either.
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several ex_data free callbacks threw');
  }

  set(values: ExValues, index: number, value: unknown): boolean {
    if (!Number.isInteger(index) || index < 0 || index >= this.#indexes.length) return false;
    values[index] = value;
    return true;
  }

  get(values: ExValues, index: number): unknown {
    return values[index] ?? null;
  }
}
