/**
 * Why a session was not resumed, and why early data was not taken: two closed lists. Each reason is what a
 * connection reports, what a cache counts and what a diagnostics event carries; the sentence is for people.
 */

const RESUMPTION = {
  // Nothing to resume from.
  'no-session-offered': 'the client offered no session',
  'no-session-saved': 'no session was saved for this peer',
  'resumption-disabled': 'resumption is turned off here',
  declined: 'the server did not take the session that was offered, and does not say why',
  // What a ticket can say.
  'empty-ticket': 'the client asked for a ticket and has none',
  'unknown-key': 'no key here opens this ticket: its key is retired, or it was made elsewhere',
  'bad-ticket': 'the ticket is damaged: its key is known, but it does not authenticate or decode',
  // What a look-up can say.
  'not-found': 'no session is kept under this id',
  replayed: 'the session may be used once, and was used before',
  'store-slow': 'the session store did not answer in time',
  'store-busy': 'too many look-ups are waiting for the session store',
  'store-failed': 'the session store failed',
  'store-down': 'the session store failed lately, and is left alone for a while',
  'bad-stored-session': 'what the session store returned is damaged, or was kept for another place',
  'stored-unknown-key': 'what the session store returned is sealed under a key that is not known here',
  'stored-other-version': 'what the session store returned is of a form that is not known here',
  'stored-truncated': 'what the session store returned breaks off',
  'stored-tampered':
    'what the session store returned does not authenticate: changed, or moved to another name',
  'refused-by-callback': "the application's callback refused the session",
  'not-resumable': 'the session is marked as not to be resumed',
  // Age.
  expired: 'the session has expired',
  'keying-material-too-old': 'the chain of resumptions that this session continues has lasted too long',
  'peer-certificate-invalid': "the peer's certificate is not valid any more",
  // What the session is bound to.
  'other-version': 'the session was made with another protocol version',
  'other-context': 'the session was made in another session-id context',
  'other-name': 'the session was made for another host name',
  'other-port': 'the session was made for another port',
  'other-alpn': 'the session was made for another application protocol',
  'other-trust': 'the session was made under other trust anchors or another verification policy',
  'other-client-auth': 'the session was made under another client-certificate policy',
  unbound: 'the session does not say what it is bound to, and its peer cannot be checked again',
  'extended-master-secret': 'the session and this handshake differ in extended master secret',
  'other-hash': "the session's hash is not that of the cipher suite chosen",
  'other-cipher': "the session's cipher suite may not be used in this handshake",
  'other-id': 'the session id of the hello is not that of the session',
  'psk-mode': 'the client offered no key-exchange mode for pre-shared keys that is accepted here',
  'too-many-identities': 'the session was not among the first pre-shared keys, which alone are looked at',
} as const;

/** Why a handshake was a full one: the closed list, for both ends. */
export type ResumptionReason = keyof typeof RESUMPTION;

export const resumptionReasons: readonly ResumptionReason[] = Object.freeze(
  Object.keys(RESUMPTION) as ResumptionReason[],
);

/** The sentence for a reason. */
export function resumptionReasonText(reason: ResumptionReason): string {
  return RESUMPTION[reason];
}

const EARLY_DATA = {
  'early-data-not-offered': 'the client sent no early data',
  'early-data-disabled': 'early data is turned off here: it is on only once a replay guard is given',
  'early-data-not-allowed': 'the session does not allow early data',
  'early-data-not-resumed': 'the session was not resumed, and early data is only for resumed ones',
  'early-data-not-first': 'another pre-shared key than the first was chosen',
  'early-data-hello-retry': 'a HelloRetryRequest was necessary',
  'early-data-ticket-age':
    'the ticket age does not fit: the hello was made too long ago, or a clock is wrong',
  'early-data-other-version': 'another protocol version was negotiated than the session had',
  'early-data-other-cipher': 'another cipher suite was chosen than the session had',
  'early-data-other-alpn': 'another application protocol was chosen than the session had',
  'early-data-other-name': 'the session was made for another host name',
  'early-data-replayed': 'this hello has been seen before',
  'early-data-guard-starting': 'the replay guard has not been up long enough to know what came before it',
  'early-data-guard-full': 'the replay guard holds as many hellos as it may',
  'early-data-guard-slow': 'the replay guard did not answer in time',
  'early-data-guard-failed': 'the replay guard failed',
  'early-data-refused-by-callback': "the application's callback refused early data",
  'early-data-declined': 'the server did not take the early data, and does not say why',
} as const;

/** Why early data was not taken: the closed list, for both ends. */
export type EarlyDataReason = keyof typeof EARLY_DATA;

export const earlyDataReasons: readonly EarlyDataReason[] = Object.freeze(
  Object.keys(EARLY_DATA) as EarlyDataReason[],
);

/** The sentence for a reason. */
export function earlyDataReasonText(reason: EarlyDataReason): string {
  return EARLY_DATA[reason];
}
