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

  release(parent: T, values: ExValues): void {
    this.#indexes.forEach(({ onFree, argl, argp }, index) => {
      onFree?.(parent, values[index] ?? null, index, argl, argp);
    });
    values.length = 0;
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
