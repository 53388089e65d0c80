/** A small memory of what was computed from public bytes: the `limit` used last are kept. */
export class Recent<Value> {
  readonly #limit: number;
  /** In order of use, the latest last. */
  readonly #values: Map<string, Value> = new Map();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.#limit) return;
    const oldest = this.#values.keys().next();
    if (!oldest.done) this.#values.delete(oldest.value);
  }

  get size(): number {
    return this.#values.size;
  }
}
