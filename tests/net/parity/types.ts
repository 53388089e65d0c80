/**
 * The declarations of @types/node for `tls`, satisfied where a name exists in both: for the compiler alone, as
 * part of `npm run typecheck`. What is left out stands in the lists at the end, which are checked both ways.
 */
import type * as theirs from 'node:tls';
import type * as ours from '../../../src/entry/index.ts';
import type theDefault from '../../../src/entry/index.ts';

type Ours = typeof ours;
type Theirs = typeof theirs;

/** Fails to compile unless it is given `true`. */
type Holds<Fact extends true> = Fact;
type Same<A, B> = [A, B] extends [B, A] ? true : false;

/** Names of both that cannot stand where node:tls's is expected. */
type Wrong<O, T> = { [K in keyof T & keyof O]: O[K] extends T[K] ? never : K }[keyof T & keyof O];
/** Options of both that do not take all that node:tls's take. */
type TooNarrow<O, T> = { [K in keyof T & keyof O]-?: T[K] extends O[K] ? never : K }[keyof T & keyof O];
type Missing<O, T> = Exclude<keyof T, keyof O>;

export type Checks = [
  // Name by name: functions, classes with their constructors, constants.
  Holds<Same<Wrong<Ours, Theirs>, never>>,
  Holds<Same<Missing<Ours, Theirs>, 'createSecurePair'>>,
  Holds<Same<Wrong<typeof theDefault, Theirs>, never>>,
  Holds<Same<Missing<typeof theDefault, Theirs>, 'createSecurePair'>>,
  // Member by member, with everything of net.Socket and net.Server.
  Holds<Same<Wrong<ours.TLSSocket, theirs.TLSSocket>, never>>,
  Holds<Same<Missing<ours.TLSSocket, theirs.TLSSocket>, never>>,
  Holds<Same<Wrong<ours.Server, theirs.Server>, never>>,
  Holds<Same<Missing<ours.Server, theirs.Server>, never>>,
  Holds<Same<Wrong<ours.SecureContext, theirs.SecureContext>, never>>,
  // As wholes.
  Holds<ours.TLSSocket extends theirs.TLSSocket ? true : false>,
  Holds<ours.Server extends theirs.Server ? true : false>,
  // Options: ours take whatever theirs take.
  Holds<Same<TooNarrow<ours.ConnectOptions, theirs.ConnectionOptions>, never>>,
  Holds<Same<Missing<ours.ConnectOptions, theirs.ConnectionOptions>, never>>,
  Holds<Same<TooNarrow<ours.ServerOptions, theirs.TlsOptions>, never>>,
  Holds<Same<Missing<ours.ServerOptions, theirs.TlsOptions>, never>>,
  Holds<Same<TooNarrow<ours.TLSSocketOptions, theirs.TLSSocketOptions>, never>>,
  Holds<Same<Missing<ours.TLSSocketOptions, theirs.TLSSocketOptions>, never>>,
  Holds<Same<TooNarrow<ours.SecureContextOptions, theirs.SecureContextOptions>, never>>,
  // A server's, which createSecureContext() of node:tls passes over as well.
  Holds<Same<Missing<ours.SecureContextOptions, theirs.SecureContextOptions>, 'ALPNCallback'>>,
];

// That the checks can fail.
type WithoutCipher = Omit<ours.TLSSocket, 'getCipher'>;
type WithNumber = Omit<ours.TLSSocket, 'getCipher'> & { getCipher(): number };
export type Refused = [
  Holds<Same<Missing<WithoutCipher, theirs.TLSSocket>, 'getCipher'>>,
  Holds<Same<Wrong<WithNumber, theirs.TLSSocket>, 'getCipher'>>,
  // @ts-expect-error one that lacks a method is none
  Holds<WithoutCipher extends theirs.TLSSocket ? true : false>,
  // @ts-expect-error a name that is not in the list of what is left out
  Holds<Same<Missing<Ours, Theirs>, never>>,
];

// Listeners know what they are given, of node:tls's events and of those that only this library has.
export function heard(socket: ours.TLSSocket, server: ours.Server): void {
  socket.on('earlyDataStatus', (accepted, reason) => {
    void (accepted satisfies boolean);
    // @ts-expect-error it is not any
    void (reason satisfies number);
  });
  // @ts-expect-error likewise
  socket.once('earlyData', (data) => void (data satisfies number));
  // @ts-expect-error likewise
  socket.on('session', (session) => void (session satisfies number));
  // @ts-expect-error likewise
  server.on('earlyConnection', (early) => void (early satisfies number));
  server.on('tlsClientError', (error, failed) => void [error.message, failed.earlyBytes]);
  server.on('resumeSession', (id, done) => done(null, id));
  // What has no type is taken as it comes.
  socket.on('another', (value: string) => void value).getSession();
}
