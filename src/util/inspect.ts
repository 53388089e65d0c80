const CUSTOM_INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/**
 * Gives a class the text that `util.inspect` and `console.log` show for it, on platforms that ask. Called
 * from a static block, since a computed method name stands in the way of isolated declarations:
 *
 *     static { inspectAs(Secret, (secret) => `Secret(${secret.length} bytes)`); }
 *
 * What holds secrets shows lengths.
 */
export function inspectAs<T extends object>(
  type: { readonly prototype: T },
  text: (self: T) => string,
): void {
  Object.defineProperty(type.prototype, CUSTOM_INSPECT, {
    configurable: true,
    value(this: T): string {
      return text(this);
    },
  });
}
