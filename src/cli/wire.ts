/**
 * What was really on the wire: the server's handshake messages of a TLS 1.3 connection, read from the bytes
 * that passed and the key log, without asking either end.
 */
import type { Duplex } from 'node:stream';
import { nodeProvider } from '../crypto/node/index.ts';
import { MessageJoiner } from '../record/message-joiner.ts';
import { RecordProtection } from '../record/protection.ts';
import { RecordReader } from '../record/record-reader.ts';
import { expandLabel, Label } from '../schedule/hkdf.ts';
import { EMPTY, fromHex } from '../util/bytes.ts';
import { DEFAULT_LIMITS } from '../util/limits.ts';
import { aeadKeyLength, cipherSuites, ProtocolVersion } from '../util/registries.ts';
import { readServerHello } from '../wire/message/server-hello.ts';
import { ContentType, HandshakeType, messageName } from '../wire/numbers.ts';

/** Both directions of a transport, as its owner reads and writes. */
export interface Tap {
  readonly received: Uint8Array[];
  readonly sent: Uint8Array[];
}

/** Copies all that passes through `transport` from now on. */
export function tap(transport: Duplex): Tap {
  const received: Uint8Array[] = [];
  const sent: Uint8Array[] = [];
  transport.prependListener('data', (chunk: Uint8Array) => received.push(chunk.slice()));
  const write = transport.write.bind(transport) as (...args: unknown[]) => boolean;
  transport.write = ((...args: unknown[]) => {
    sent.push((args[0] as Uint8Array).slice());
    return write(...args);
  }) as typeof transport.write;
  return { received, sent };
}

const KEY = new Label('key');
const IV = new Label('iv');

/**
 * The names of a server's handshake messages up to its Finished. `bytes` is what it sent; `keyLog` the lines
 * of that connection. @throws what a record that does not open throws.
 */
export function serverMessages(bytes: readonly Uint8Array[], keyLog: readonly string[]): string[] {
  const reader = new RecordReader(DEFAULT_LIMITS);
  const joiner = new MessageJoiner(DEFAULT_LIMITS);
  const names: string[] = [];
  reader.version = ProtocolVersion.TLS1_3;
  reader.ignoreChangeCipherSpec = true;
  reader.push(Buffer.concat(bytes));
  while (reader.next()) {
    if (reader.type !== ContentType.handshake) continue;
    joiner.push(reader.payload);
    while (joiner.next()) {
      const type = joiner.message[0] as number;
      names.push(messageName(type));
      if (type === HandshakeType.finished) return names;
      if (type !== HandshakeType.server_hello) continue;
      const hello = readServerHello(joiner.message.subarray(4));
      if (!hello.isHelloRetryRequest) reader.setProtection(protectionFor(hello.cipherSuite, keyLog));
    }
    joiner.keepRest();
  }
  return names;
}

function protectionFor(cipherSuite: number, keyLog: readonly string[]): RecordProtection {
  const suite = cipherSuites.get(cipherSuite);
  const line = keyLog.find((text) => text.startsWith('SERVER_HANDSHAKE_TRAFFIC_SECRET '));
  const secret = line?.trim().split(' ')[2];
  if (suite === undefined || secret === undefined)
    throw new Error('the key log has no server handshake secret');
  const key = nodeProvider.hmacKey(suite.hash, fromHex(secret));
  return new RecordProtection(
    ProtocolVersion.TLS1_3,
    suite,
    nodeProvider.aeadKey(suite.aead, expandLabel(key, KEY, EMPTY, aeadKeyLength(suite.aead))),
    expandLabel(key, IV, EMPTY, 12),
  );
}
