/**
 * What a server's application decides when a ClientHello is there, in the order of node:tls: SNICallback,
 * OCSPRequest, ALPNCallback.
 */
import type { Credential } from '../handshake/config.ts';
import type { SelectAnswer, SelectJob } from '../handshake/jobs.ts';
import { copyBytes, latin1 } from '../util/bytes.ts';
import { CodedTypeError, requireBytes } from './node-errors.ts';
import { SecureContext, type SecureContextLike } from './secure-context.ts';

export type SniCallback = (
  servername: string,
  done: (error: Error | null, context?: SecureContextLike) => void,
) => void;

export type AlpnCallback = (hello: { servername: string; protocols: string[] }) => string | undefined;

/** Emits `OCSPRequest`; `done` may come later. The response is DER. */
export type OcspCallback = (
  certificate: Buffer,
  issuer: Buffer | null,
  done: (error: Error | null, response?: Uint8Array | null) => void,
) => void;

/** The socket that is being set up. */
export interface SelectOwner {
  /** The error that the application gets. */
  refusal: Error | null;
  /** By setKeyCert(): whose certificates are shown instead of the context's. */
  readonly ownContext: SecureContext | null;
  /** The context that SNICallback chose. */
  chosenContext: SecureContext | null;
}

export interface ServerCallbacks {
  readonly sni: SniCallback | null;
  readonly ocsp: OcspCallback | null;
  readonly alpn: AlpnCallback | null;
  /** For connections that SNICallback gives no other. */
  readonly context: SecureContext;
  /** What a context brings beside its certificates. */
  readonly answerFor: (context: SecureContext) => SelectAnswer;
}

/** @throws {CodedTypeError} `ERR_TLS_INVALID_CONTEXT` for a context of node:tls, whose keys nobody can read. */
export function requireContext(value: SecureContextLike, name = 'context'): SecureContext {
  if (value instanceof SecureContext) return value;
  throw new CodedTypeError('ERR_TLS_INVALID_CONTEXT', `${name} must be a SecureContext`);
}

/** A callback as a promise, or as its value if it is called at once. */
function answered<T>(call: (done: (error: Error | null, value: T) => void) => void): T | Promise<T> {
  const answers: { readonly error: Error | null; readonly value: T }[] = [];
  let settle: (() => void) | null = null;
  call((error, value) => {
    // A second call changes nothing.
    if (answers.length > 0) return;
    answers.push({ error: error ?? null, value });
    settle?.();
  });
  const take = (): T => {
    const { error, value } = answers[0] as (typeof answers)[number];
    if (error !== null) throw error;
    return value;
  };
  if (answers.length > 0) return take();
  return new Promise<T>((resolve, reject) => {
    settle = () => {
      try {
        resolve(take());
      } catch (error) {
        reject(error);
      }
    };
  });
}

/** Answers a `select` job. What a callback throws, or gives as an error, is the connection's error. */
export function select(
  job: SelectJob,
  owner: SelectOwner,
  callbacks: ServerCallbacks,
): SelectAnswer | Promise<SelectAnswer> {
  const refuse = (error: unknown): never => {
    owner.refusal ??= error instanceof Error ? error : new Error(String(error));
    throw error;
  };
  try {
    const context = chooseContext(job, callbacks);
    if (!(context instanceof Promise)) {
      const answer = withContext(job, owner, callbacks, context);
      return answer instanceof Promise ? answer.catch(refuse) : answer;
    }
    return context.then((chosen) => withContext(job, owner, callbacks, chosen)).catch(refuse);
  } catch (error) {
    return refuse(error);
  }
}

/** Null: the default. */
function chooseContext(
  job: SelectJob,
  { sni }: ServerCallbacks,
): SecureContext | null | Promise<SecureContext | null> {
  const { serverName } = job;
  if (sni === null || serverName === null) return null;
  const chosen = answered<SecureContextLike | undefined>((done) => sni(serverName, done));
  const check = (context: SecureContextLike | null | undefined): SecureContext | null =>
    context === undefined || context === null ? null : requireContext(context);
  return chosen instanceof Promise ? chosen.then(check) : check(chosen);
}

function withContext(
  job: SelectJob,
  owner: SelectOwner,
  callbacks: ServerCallbacks,
  context: SecureContext | null,
): SelectAnswer | Promise<SelectAnswer> {
  owner.chosenContext = context;
  const { credentials } = context ?? callbacks.context;
  const leaf = credentials[0]?.chain[0];
  const { ocsp } = callbacks;
  let response: Uint8Array | null | undefined | Promise<Uint8Array | null | undefined> = null;
  if (ocsp !== null && job.wantsOcsp && leaf !== undefined) {
    const issuer = credentials[0]?.chain[1];
    response = answered((done) =>
      ocsp(Buffer.from(leaf), issuer === undefined ? null : Buffer.from(issuer), done),
    );
  }
  const finish = (staple: Uint8Array | null | undefined): SelectAnswer => {
    const alpn = chooseAlpn(job, owner, callbacks.alpn);
    const own = owner.ownContext;
    const shown = own?.credentials ?? credentials;
    return {
      ...(context === null ? {} : callbacks.answerFor(context)),
      ...(alpn === undefined ? {} : { alpn }),
      credentials: staple === null || staple === undefined ? shown : stapled(shown, staple),
    };
  };
  return response instanceof Promise ? response.then(finish) : finish(response);
}

/** The response is for the first certificate: that is whose issuer was asked. */
function stapled(credentials: readonly Credential[], response: Uint8Array): readonly Credential[] {
  requireBytes(response, 'response');
  const [first, ...rest] = credentials;
  return first === undefined ? [] : [{ ...first, ocspResponse: copyBytes(response) }, ...rest];
}

function chooseAlpn(
  job: SelectJob,
  owner: SelectOwner,
  callback: AlpnCallback | null,
): Uint8Array | 'refuse' | undefined {
  if (callback === null || job.alpn.length === 0) return undefined;
  const protocols = job.alpn.map(latin1);
  const chosen = callback.call(owner, { servername: job.serverName ?? '', protocols });
  if (chosen === undefined) return 'refuse';
  const at = protocols.indexOf(chosen);
  if (at >= 0) return job.alpn[at] as Uint8Array;
  throw new CodedTypeError(
    'ERR_TLS_ALPN_CALLBACK_INVALID_RESULT',
    `ALPN callback returned a value (${chosen}) that did not match any of the client's offered protocols (${protocols.join(', ')})`,
  );
}
