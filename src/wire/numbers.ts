/** The numbers of the protocol that are not in `util/registries`: they mean something on the wire only. */

/** ContentType (RFC 8446, 5.1). */
export const ContentType = {
  change_cipher_spec: 20,
  alert: 21,
  handshake: 22,
  application_data: 23,
} as const;

/** AlertLevel (RFC 8446, 6). */
export const AlertLevel = { warning: 1, fatal: 2 } as const;

/** HandshakeType (RFC 8446, 4; RFC 5246, 7.4; RFC 6066; RFC 8879). */
export const HandshakeType = {
  hello_request: 0,
  client_hello: 1,
  server_hello: 2,
  new_session_ticket: 4,
  end_of_early_data: 5,
  encrypted_extensions: 8,
  certificate: 11,
  server_key_exchange: 12,
  certificate_request: 13,
  server_hello_done: 14,
  certificate_verify: 15,
  client_key_exchange: 16,
  finished: 20,
  certificate_status: 22,
  key_update: 24,
  compressed_certificate: 25,
  message_hash: 254,
} as const;

const MESSAGE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(HandshakeType).map(([name, value]) => [value, name]),
);

export function messageName(type: number): string {
  return MESSAGE_NAMES.get(type) ?? `handshake message ${type}`;
}

/** ExtensionType (RFC 8446, 4.2, and the RFCs named in `extension/`). */
export const ExtensionType = {
  server_name: 0,
  status_request: 5,
  supported_groups: 10,
  ec_point_formats: 11,
  signature_algorithms: 13,
  application_layer_protocol_negotiation: 16,
  signed_certificate_timestamp: 18,
  padding: 21,
  extended_master_secret: 23,
  compress_certificate: 27,
  record_size_limit: 28,
  session_ticket: 35,
  pre_shared_key: 41,
  early_data: 42,
  supported_versions: 43,
  cookie: 44,
  psk_key_exchange_modes: 45,
  certificate_authorities: 47,
  post_handshake_auth: 49,
  signature_algorithms_cert: 50,
  key_share: 51,
  renegotiation_info: 0xff01,
} as const;

const EXTENSION_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ExtensionType).map(([name, value]) => [value, name]),
);

export function isKnownExtension(type: number): boolean {
  return EXTENSION_NAMES.has(type);
}

export function extensionName(type: number): string {
  return EXTENSION_NAMES.get(type) ?? `extension ${type}`;
}

/** PskKeyExchangeMode (RFC 8446, 4.2.9). */
export const PskMode = { psk_ke: 0, psk_dhe_ke: 1 } as const;
