/** What is used here of WebAssembly, which is in no library that a Node project's types include. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** What `make` makes of a module; null where WebAssembly is missing or forbidden. */
export function ifAllowed<T>(make: () => T): T | null {
  try {
    return make();
  } catch {
    return null;
  }
}

/**
 * An instance of the module that `text` is in base64: its exports.
 * @throws if the environment forbids WebAssembly or has none.
 */
export function instantiate(text: string): unknown {
  const api = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly;
  if (api === undefined) throw new TypeError('no WebAssembly here');
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new api.Instance(new api.Module(bytes)).exports;
}
