import { toHex } from '../util/bytes.ts';

/** The labels of the NSS key log format (RFC 9850) that TLS 1.2 and 1.3 without ECH have. */
export type KeyLogLabel =
  | 'CLIENT_RANDOM'
  | 'CLIENT_EARLY_TRAFFIC_SECRET'
  | 'EARLY_EXPORTER_SECRET'
  | 'CLIENT_HANDSHAKE_TRAFFIC_SECRET'
  | 'SERVER_HANDSHAKE_TRAFFIC_SECRET'
  | 'CLIENT_TRAFFIC_SECRET_0'
  | 'SERVER_TRAFFIC_SECRET_0'
  | 'EXPORTER_SECRET';

/** Told of each secret as it is made. `secret` is borrowed: it is wiped after the call. */
export type KeyLogSink = (label: KeyLogLabel, secret: Uint8Array) => void;

/** One line of a key log file, without the line's end. The one place where secrets become text: by demand. */
export function keyLogLine(label: KeyLogLabel, clientRandom: Uint8Array, secret: Uint8Array): string {
  return `${label} ${toHex(clientRandom)} ${toHex(secret)}`;
}
