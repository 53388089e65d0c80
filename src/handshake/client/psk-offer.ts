/** Pre-shared keys that a client offers, with what it takes to bind them to a hello. */
import { EarlySecret } from '../../schedule/tls13.ts';
import { Field } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import { copyBytes } from '../../util/bytes.ts';
import { UsageError } from '../../util/errors.ts';
import { cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import type { ClientConfig, ExternalPsk } from '../config.ts';
import type { Host } from '../host.ts';
import type { Offer } from './start.ts';

export interface PskOffer {
  readonly kind: 'ticket' | 'external';
  /** One library reference of the offer's own. */
  readonly session: SessionCore;
  readonly hash: 'sha256' | 'sha384';
  readonly early: EarlySecret;
  readonly identity: Uint8Array;
  readonly obfuscatedAge: number;
  readonly binderLength: number;
}

export function ticketOffer(host: Host<ClientConfig>, session: SessionCore): PskOffer {
  const body = session.body('connection');
  // Two connections with one ticket could be told to be one client's (RFC 8446, C.4).
  body.wasOffered = true;
  const ageMs = Math.max(0, Math.floor(host.nowMs() - session.timeMs('connection')));
  // Addition modulo 2^32 (RFC 8446, 4.2.11.1).
  const obfuscatedAge = ((ageMs >>> 0) + body.ticketAgeAdd) >>> 0;
  return makeOffer(host, 'ticket', session, body.copy(Field.ticket), obfuscatedAge);
}

export function externalOffer(host: Host<ClientConfig>, psk: ExternalPsk): PskOffer {
  if (psk.identity.length === 0 || psk.identity.length > 0xffff) {
    throw new UsageError('ERR_TLS_PSK_IDENTITY', 'a PSK identity has 1 to 65,535 bytes');
  }
  return makeOffer(host, 'external', psk.session, copyBytes(psk.identity), 0);
}

function makeOffer(
  host: Host<ClientConfig>,
  kind: 'ticket' | 'external',
  session: SessionCore,
  identity: Uint8Array,
  obfuscatedAge: number,
): PskOffer {
  const body = session.body('connection');
  const suite = cipherSuites.get(body.cipher);
  if (suite === undefined || suite.version !== ProtocolVersion.TLS1_3) {
    throw new UsageError('ERR_TLS_PSK_CIPHER', 'a PSK needs a TLS 1.3 cipher suite for its hash');
  }
  host.hold(session);
  const early = host.track(
    EarlySecret.create(host.provider, suite.hash, body.view(Field.masterKey), host.keyLog),
  );
  return {
    kind,
    session,
    hash: suite.hash,
    early,
    identity,
    obfuscatedAge,
    binderLength: suite.hash === 'sha256' ? 32 : 48,
  };
}

/**
 * Fills in the binders at the end of `hello`: each over the transcript before it and the hello up to its
 * list of binders (RFC 8446, 4.2.11.2).
 */
export function fillBinders(offer: Offer, hello: Uint8Array): void {
  const truncated = hello.subarray(0, hello.length - offer.written.bindersLength);
  let at = truncated.length + 2;
  for (const psk of offer.psks) {
    const hash = offer.transcript.peekWith(psk.hash, truncated);
    const binder = psk.early.binder(psk.kind === 'ticket' ? 'resumption' : 'external', hash);
    hello.set(binder, at + 1);
    at += 1 + binder.length;
  }
}

export function releaseOffers(host: Host<ClientConfig>, psks: readonly PskOffer[]): void {
  for (const psk of psks) {
    psk.early.destroy();
    host.letGo(psk.session);
  }
}
