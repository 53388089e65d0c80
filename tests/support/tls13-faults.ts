/** Handshakes of TLS 1.3 of which one message is changed on its way, and the one alert that must come of it. */
import { expect, test } from 'vitest';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { concatBytes, fromHex } from '../../src/util/bytes.ts';
import type { FailureReason } from '../../src/util/errors.ts';
import { Alert, type AlertName } from '../../src/util/registries.ts';
import { HandshakeType } from '../../src/wire/numbers.ts';
import { Memory, type PairOptions } from './engine-pair.ts';
import { type Edit13, editing13, only13, openPair } from './open-pair.ts';
import { fault } from './tls12.ts';
import { editExtensions, flip, having, without } from './wire.ts';

export interface Case {
  readonly what: string;
  readonly edit: Edit13;
  readonly reason: FailureReason;
  readonly alert: AlertName;
  readonly options?: PairOptions;
  /** Offer a session of an earlier connection under these. */
  readonly resumed?: { readonly client?: Partial<ClientConfig>; readonly server?: Partial<ServerConfig> };
}

export function check(direction: 'toClient' | 'toServer', cases: readonly Case[]): void {
  test.each(cases)('$what', ({ edit, reason, alert, options, resumed }) => {
    using memory = new Memory();
    let session: SessionCore | null = null;
    if (resumed !== undefined) {
      using first = openPair(resumed, memory).run();
      expect(first.client.error ?? first.server.error).toBeNull();
      session = first.client.sessions[0] as SessionCore;
      session.retain('test');
    }
    using pair = openPair(
      {
        ...options,
        client: { ...options?.client, session },
        between: { [direction]: editing13(edit) },
      },
      memory,
    );
    pair.run();
    session?.release('test');
    const [finder, other] =
      direction === 'toClient' ? [pair.client, pair.server] : [pair.server, pair.client];
    expect(fault(finder.error)).toEqual({ reason, alert: Alert[alert], origin: 'local' });
    expect(fault(other.error)).toEqual({ reason: null, alert: Alert[alert], origin: 'peer' });
    expect(finder.has('handshake')).toBe(false);
    // One alert, and nothing behind it.
    expect(finder.connection.hasOutput).toBe(false);
    expect(finder.events.at(-1)?.type).toBe('error');
  });
}

export const set =
  (at: number, ...bytes: number[]): ((body: Uint8Array) => Uint8Array) =>
  (body) => {
    const copy = body.slice();
    copy.set(bytes, at < 0 ? copy.length + at : at);
    return copy;
  };
export const longer = (body: Uint8Array): Uint8Array => concatBytes(body, new Uint8Array(1));
export const shorter = (body: Uint8Array): Uint8Array => body.slice(0, -1);
export const suiteAt = (body: Uint8Array): number => 35 + (body[34] as number);

const { client_hello, server_hello, encrypted_extensions, finished } = HandshakeType;
export const serverHello = (type: number, hex: string, nth = 0): Edit13 =>
  only13(server_hello, (body) => editExtensions(body, 'server', having(type, fromHex(hex))), nth);
export const serverWithout = (type: number, nth = 0): Edit13 =>
  only13(server_hello, (body) => editExtensions(body, 'server', without(type)), nth);
export const clientHello = (type: number, hex: string, nth = 0): Edit13 =>
  only13(client_hello, (body) => editExtensions(body, 'client', having(type, fromHex(hex))), nth);
export const clientWithout = (type: number, nth = 0): Edit13 =>
  only13(client_hello, (body) => editExtensions(body, 'client', without(type)), nth);
/** EncryptedExtensions with another extension behind its own. */
export const encrypted = (type: number, hex: string): Edit13 =>
  only13(encrypted_extensions, (body) => {
    const added = concatBytes(new Uint8Array([type >> 8, type & 0xff, 0, hex.length / 2]), fromHex(hex));
    const list = concatBytes(body.subarray(2), added);
    return concatBytes(new Uint8Array([list.length >> 8, list.length & 0xff]), list);
  });

export const retry: PairOptions = { server: { groups: [0x18] } };
export const earlyServer = { maxEarlyData: 1000, replayGuard: true };

/** What either end must find in the other's Finished. */
export const wrongFinished: readonly Case[] = [
  {
    what: 'a wrong Finished',
    edit: only13(finished, (body) => flip(body, -1)),
    reason: 'bad-finished',
    alert: 'decrypt_error',
  },
  {
    what: 'a Finished that is too short',
    edit: only13(finished, shorter),
    reason: 'decode-error',
    alert: 'decode_error',
  },
  {
    what: 'a Finished that is too long',
    edit: only13(finished, longer),
    reason: 'decode-error',
    alert: 'decode_error',
  },
];
