/**
 * The oracle: which messages may come in which state, by RFC 8446 (section 4 and appendix A) and RFC 5246 (section
 * 7.3), with RFC 5077 (section 3.3), RFC 6066 (section 8) and RFC 8879. It is written from the texts and not
 * from the engine: whatever a state does not list must end in `unexpected_message`.
 */

/** What can arrive: a handshake message by its name, or a record that is not one. */
export const arrivals = [
  'hello_request',
  'client_hello',
  'server_hello',
  'hello_retry_request',
  'new_session_ticket',
  'end_of_early_data',
  'encrypted_extensions',
  'certificate',
  'compressed_certificate',
  'server_key_exchange',
  'certificate_request',
  'server_hello_done',
  'certificate_verify',
  'client_key_exchange',
  'finished',
  'certificate_status',
  'key_update',
  'message_hash',
  'unknown_message',
  'change_cipher_spec',
  'application_data',
] as const;

export type Arrival = (typeof arrivals)[number];

/** One step of a legal sequence: what comes, and what else might have come instead of it. */
export interface Step {
  readonly arrival: Arrival;
  /** Other arrivals that are legal at this point: not tried as illegal ones. */
  readonly or?: readonly Arrival[];
}

/** One legal handshake as its receiver sees it. */
export interface Flow {
  readonly name: string;
  readonly version: 0x0303 | 0x0304;
  readonly receiver: 'client' | 'server';
  /** How the two ends must be set up for it. */
  readonly setup: {
    readonly resumed?: boolean;
    readonly clientCertificate?: 'asked' | 'sent';
    readonly helloRetry?: boolean;
    readonly earlyData?: boolean;
    /** Early data is offered, and the server does not take it. */
    readonly earlyDataRefused?: boolean;
    /** The server asks for a certificate after the handshake. */
    readonly lateCertificate?: 'asked' | 'sent';
    readonly statefulTickets?: boolean;
    /** A resumption without key exchange (psk_ke). */
    readonly pskKe?: boolean;
    readonly tickets?: boolean;
    /** A ticket is sent with the resumption (RFC 5077, figure 2). */
    readonly renewed?: boolean;
    readonly stapled?: boolean;
    readonly compressed?: boolean;
  };
  readonly steps: readonly Step[];
  /** What may come when the handshake is over. */
  readonly after: readonly Arrival[];
}

type Steps = Omit<Flow, 'version' | 'receiver' | 'after'>;

/**
 * A ChangeCipherSpec may come anywhere between the first ClientHello and the peer's Finished in TLS 1.3 and is
 * dropped (RFC 8446, section 5); before it and after it is `unexpected_message`.
 */
const DROPPED: readonly Arrival[] = ['change_cipher_spec'];

const sh13: Step = { arrival: 'server_hello', or: ['hello_retry_request', ...DROPPED] };
const sh13Second: Step = { arrival: 'server_hello', or: DROPPED };
const hrr: Step = { arrival: 'hello_retry_request', or: ['server_hello', ...DROPPED] };
const ee: Step = { arrival: 'encrypted_extensions', or: DROPPED };
const certificateOrRequest: Step = { arrival: 'certificate', or: ['certificate_request', ...DROPPED] };
const compressedOrRequest: Step = {
  arrival: 'compressed_certificate',
  or: ['certificate', 'certificate_request', ...DROPPED],
};
const request13: Step = { arrival: 'certificate_request', or: ['certificate', ...DROPPED] };
const certificate13: Step = { arrival: 'certificate', or: DROPPED };
const verify13: Step = { arrival: 'certificate_verify', or: DROPPED };
const finished13: Step = { arrival: 'finished', or: DROPPED };

/** RFC 8446, A.1: what a client receives. */
const client13: readonly Steps[] = [
  {
    name: 'full handshake',
    setup: {},
    steps: [sh13, ee, certificateOrRequest, verify13, finished13],
  },
  {
    name: 'HelloRetryRequest',
    setup: { helloRetry: true },
    steps: [hrr, sh13Second, ee, certificateOrRequest, verify13, finished13],
  },
  {
    name: 'client certificate',
    setup: { clientCertificate: 'sent' },
    steps: [sh13, ee, request13, certificate13, verify13, finished13],
  },
  {
    name: 'compressed certificate',
    setup: { compressed: true },
    steps: [sh13, ee, compressedOrRequest, verify13, finished13],
  },
  {
    name: 'resumption',
    setup: { resumed: true },
    steps: [sh13, ee, finished13],
  },
  {
    name: 'resumption with HelloRetryRequest',
    setup: { resumed: true, helloRetry: true },
    steps: [hrr, sh13Second, ee, finished13],
  },
  {
    name: 'client certificate with HelloRetryRequest and compression',
    setup: { clientCertificate: 'sent', helloRetry: true, compressed: true },
    steps: [
      hrr,
      sh13Second,
      ee,
      { arrival: 'certificate_request', or: ['certificate', 'compressed_certificate', ...DROPPED] },
      { arrival: 'compressed_certificate', or: ['certificate', ...DROPPED] },
      verify13,
      finished13,
    ],
  },
  {
    name: 'stapled status',
    setup: { stapled: true },
    steps: [sh13, ee, certificateOrRequest, verify13, finished13],
  },
  { name: 'early data', setup: { resumed: true, earlyData: true }, steps: [sh13, ee, finished13] },
  {
    name: 'early data refused',
    setup: { resumed: true, earlyDataRefused: true },
    steps: [sh13, ee, finished13],
  },
  {
    name: 'early data refused by HelloRetryRequest',
    setup: { resumed: true, earlyDataRefused: true, helloRetry: true },
    steps: [hrr, sh13Second, ee, finished13],
  },
  {
    name: 'resumption by stateful ticket',
    setup: { resumed: true, statefulTickets: true },
    steps: [sh13, ee, finished13],
  },
  {
    name: 'resumption without key exchange',
    setup: { resumed: true, pskKe: true },
    steps: [sh13, ee, finished13],
  },
];

/** A client that said it would answer may be asked for a certificate at any time (RFC 8446, 4.6.2). */
const lateClient13: readonly Steps[] = [
  {
    name: 'a certificate asked for after the handshake',
    setup: { lateCertificate: 'sent' },
    steps: [
      sh13,
      ee,
      certificateOrRequest,
      verify13,
      finished13,
      // Two tickets come behind the handshake, and are no steps of it.
      { arrival: 'new_session_ticket', or: ['certificate_request', 'key_update', 'application_data'] },
      { arrival: 'new_session_ticket', or: ['certificate_request', 'key_update', 'application_data'] },
      { arrival: 'certificate_request', or: ['new_session_ticket', 'key_update', 'application_data'] },
    ],
  },
];

/** Before the first ClientHello there is nothing that a ChangeCipherSpec could belong to. */
const ch13: Step = { arrival: 'client_hello' };
const ch13Second: Step = { arrival: 'client_hello', or: DROPPED };

/** RFC 8446, A.2: what a server receives. */
const server13: readonly Steps[] = [
  { name: 'full handshake', setup: {}, steps: [ch13, finished13] },
  { name: 'HelloRetryRequest', setup: { helloRetry: true }, steps: [ch13, ch13Second, finished13] },
  {
    name: 'client certificate asked for, none sent',
    setup: { clientCertificate: 'asked' },
    steps: [ch13, certificate13, finished13],
  },
  {
    name: 'client certificate',
    setup: { clientCertificate: 'sent' },
    steps: [ch13, certificate13, verify13, finished13],
  },
  { name: 'resumption', setup: { resumed: true }, steps: [ch13, finished13] },
  {
    name: 'early data',
    setup: { resumed: true, earlyData: true },
    // Early data itself is application data that may come until EndOfEarlyData (RFC 8446, 4.5).
    steps: [ch13, { arrival: 'end_of_early_data', or: ['application_data', ...DROPPED] }, finished13],
  },
  { name: 'early data refused', setup: { resumed: true, earlyDataRefused: true }, steps: [ch13, finished13] },
  {
    name: 'early data refused by HelloRetryRequest',
    setup: { resumed: true, earlyDataRefused: true, helloRetry: true },
    // What is still on its way is skipped by its outer type until the second hello (RFC 8446, 4.2.10).
    steps: [ch13, { arrival: 'client_hello', or: ['application_data', ...DROPPED] }, finished13],
  },
  {
    name: 'client certificate with HelloRetryRequest and compression',
    setup: { clientCertificate: 'sent', helloRetry: true, compressed: true },
    steps: [
      ch13,
      ch13Second,
      { arrival: 'compressed_certificate', or: ['certificate', ...DROPPED] },
      verify13,
      finished13,
    ],
  },
  {
    name: 'resumption with HelloRetryRequest',
    setup: { resumed: true, helloRetry: true },
    steps: [ch13, ch13Second, finished13],
  },
  {
    name: 'resumption by stateful ticket',
    setup: { resumed: true, statefulTickets: true },
    steps: [ch13, finished13],
  },
  {
    name: 'resumption without key exchange',
    setup: { resumed: true, pskKe: true },
    steps: [ch13, finished13],
  },
];

/** What may stand between the messages of an answer that comes after the handshake: data that was on its way. */
const BETWEEN: readonly Arrival[] = ['application_data'];

/** RFC 8446, 4.6.2: the answer's messages stand together. */
const lateServer13: readonly Steps[] = [
  {
    name: 'a certificate asked for after the handshake',
    setup: { lateCertificate: 'sent' },
    steps: [
      ch13,
      finished13,
      { arrival: 'certificate', or: ['key_update', ...BETWEEN] },
      { arrival: 'certificate_verify', or: BETWEEN },
      { arrival: 'finished', or: BETWEEN },
    ],
  },
  {
    name: 'a certificate asked for after the handshake, none sent',
    setup: { lateCertificate: 'asked' },
    steps: [
      ch13,
      finished13,
      { arrival: 'certificate', or: ['key_update', ...BETWEEN] },
      { arrival: 'finished', or: BETWEEN },
    ],
  },
];

/** A HelloRequest is ignored by a client that is negotiating (RFC 5246, 7.4.1.1). */
const IGNORED: readonly Arrival[] = ['hello_request'];

/** A HelloRetryRequest is a ServerHello to whoever does not negotiate TLS 1.3: its fault is not one of order. */
const sh12: Step = { arrival: 'server_hello', or: ['hello_retry_request', ...IGNORED] };
const certificate12: Step = { arrival: 'certificate', or: IGNORED };
const status12: Step = { arrival: 'certificate_status', or: ['server_key_exchange', ...IGNORED] };
const ske12: Step = { arrival: 'server_key_exchange', or: IGNORED };
const request12: Step = { arrival: 'certificate_request', or: ['server_hello_done', ...IGNORED] };
const done12: Step = { arrival: 'server_hello_done', or: IGNORED };
const doneOrRequest12: Step = { arrival: 'server_hello_done', or: ['certificate_request', ...IGNORED] };
const ticket12: Step = { arrival: 'new_session_ticket', or: IGNORED };
const ccs12: Step = { arrival: 'change_cipher_spec', or: IGNORED };
const finished12: Step = { arrival: 'finished', or: IGNORED };
const clientFinished12: Step = { arrival: 'finished' };

/** RFC 5246, 7.3, figures 1 and 2; RFC 5077, figures 1 to 4: what a client receives. */
const client12: readonly Steps[] = [
  {
    name: 'full handshake',
    setup: {},
    steps: [sh12, certificate12, ske12, doneOrRequest12, ccs12, finished12],
  },
  {
    name: 'full handshake with a ticket',
    setup: { tickets: true },
    steps: [sh12, certificate12, ske12, doneOrRequest12, ticket12, ccs12, finished12],
  },
  {
    name: 'stapled status',
    setup: { stapled: true },
    steps: [sh12, certificate12, status12, ske12, doneOrRequest12, ccs12, finished12],
  },
  {
    name: 'client certificate',
    setup: { clientCertificate: 'sent' },
    steps: [sh12, certificate12, ske12, request12, done12, ccs12, finished12],
  },
  {
    name: 'client certificate, stapled status and ticket',
    setup: { clientCertificate: 'sent', stapled: true, tickets: true },
    steps: [sh12, certificate12, status12, ske12, request12, done12, ticket12, ccs12, finished12],
  },
  { name: 'resumption by id', setup: { resumed: true }, steps: [sh12, ccs12, finished12] },
  {
    name: 'resumption by ticket',
    setup: { resumed: true, tickets: true },
    steps: [sh12, ccs12, finished12],
  },
  {
    name: 'resumption with a new ticket',
    setup: { resumed: true, tickets: true, renewed: true },
    steps: [sh12, ticket12, ccs12, finished12],
  },
];

const ch12: Step = { arrival: 'client_hello' };
const clientCertificate12: Step = { arrival: 'certificate' };
const cke12: Step = { arrival: 'client_key_exchange' };
const verify12: Step = { arrival: 'certificate_verify' };
const clientCcs12: Step = { arrival: 'change_cipher_spec' };

/** RFC 5246, 7.3: what a server receives. */
const server12: readonly Steps[] = [
  { name: 'full handshake', setup: {}, steps: [ch12, cke12, clientCcs12, clientFinished12] },
  {
    name: 'client certificate asked for, none sent',
    setup: { clientCertificate: 'asked' },
    steps: [ch12, clientCertificate12, cke12, clientCcs12, clientFinished12],
  },
  {
    name: 'client certificate',
    setup: { clientCertificate: 'sent' },
    steps: [ch12, clientCertificate12, cke12, verify12, clientCcs12, clientFinished12],
  },
  { name: 'resumption', setup: { resumed: true }, steps: [ch12, clientCcs12, clientFinished12] },
  {
    name: 'resumption by ticket',
    setup: { resumed: true, tickets: true },
    steps: [ch12, clientCcs12, clientFinished12],
  },
  {
    name: 'resumption with a new ticket',
    setup: { resumed: true, tickets: true, renewed: true },
    steps: [ch12, clientCcs12, clientFinished12],
  },
  {
    name: 'client certificate and ticket',
    setup: { clientCertificate: 'sent', tickets: true },
    steps: [ch12, clientCertificate12, cke12, verify12, clientCcs12, clientFinished12],
  },
];

function complete(
  version: Flow['version'],
  receiver: Flow['receiver'],
  after: readonly Arrival[],
  all: readonly Steps[],
): Flow[] {
  return all.map((flow) => ({ ...flow, version, receiver, after }));
}

export const flows: readonly Flow[] = [
  ...complete(0x0304, 'client', ['new_session_ticket', 'key_update', 'application_data'], client13),
  ...complete(
    0x0304,
    'client',
    ['new_session_ticket', 'key_update', 'certificate_request', 'application_data'],
    lateClient13,
  ),
  ...complete(0x0304, 'server', ['key_update', 'application_data'], [...server13, ...lateServer13]),
  // A HelloRequest, and a ClientHello, is renegotiation here: refused, but with `no_renegotiation`, and so not
  // an error of order.
  ...complete(0x0303, 'client', ['hello_request', 'application_data'], client12),
  ...complete(0x0303, 'server', ['client_hello', 'application_data'], server12),
];
