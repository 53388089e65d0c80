/**
 * OpenSSL's session functions: what `tlsession/openssl` promises to have, by the part of the subsystem that
 * each belongs to. A function that is missing here was forgotten; one that is here and not there fails a test.
 */
const each = (prefix: string, names: string): string[] => names.split(' ').map((name) => prefix + name);
/** The context's function and the connection's of the same name. */
const both = (names: string): string[] => [...each('SSL_CTX_', names), ...each('SSL_', names)];

export const SESSION_FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  references: each('SSL_SESSION_', 'new dup up_ref free'),
  times: [
    ...each('SSL_SESSION_', 'get_time_ex set_time_ex get_time set_time get_timeout set_timeout'),
    ...each('SSL_', 'get_time set_time get_timeout set_timeout'),
  ],
  'what was negotiated': each(
    'SSL_SESSION_',
    'get_protocol_version set_protocol_version get0_cipher set_cipher get0_hostname set1_hostname ' +
      'get0_alpn_selected set1_alpn_selected get_compress_id get_max_fragment_length',
  ),
  'tickets and early data of a session': each(
    'SSL_SESSION_',
    'has_ticket get_ticket_lifetime_hint get0_ticket get_max_early_data set_max_early_data ' +
      'get0_ticket_appdata set1_ticket_appdata',
  ),
  peer: each('SSL_SESSION_', 'get0_peer get0_peer_rpk'),
  'identity and secret': each(
    'SSL_SESSION_',
    'get_id set1_id get0_id_context set1_id_context is_resumable get_master_key set1_master_key',
  ),
  words: each('SSL_SESSION_', 'print print_fp print_keylog'),
  ex_data: each('SSL_SESSION_', 'get_ex_new_index set_ex_data get_ex_data set_app_data get_app_data'),
  DER: [
    'i2d_SSL_SESSION',
    'd2i_SSL_SESSION',
    'd2i_SSL_SESSION_ex',
    'i2d_SSL_SESSION_bio',
    'd2i_SSL_SESSION_bio',
  ],
  PEM: each('PEM_', 'read_SSL_SESSION write_SSL_SESSION read_bio_SSL_SESSION write_bio_SSL_SESSION'),
  'the session of a connection': each(
    'SSL_',
    'get_session get0_session get1_session set_session session_reused cache_hit copy_session_id ' +
      'has_matching_session_id client_hello_get0_session_id',
  ),
  ids: both('set_generate_session_id set_session_id_context'),
  'the cache of a context': each(
    'SSL_CTX_',
    'add_session remove_session flush_sessions_ex flush_sessions sessions set_session_cache_mode ' +
      'get_session_cache_mode sess_set_cache_size sess_get_cache_size set_timeout get_timeout',
  ),
  'its default': ['SSL_get_default_timeout'],
  counters: each(
    'SSL_CTX_sess_',
    'number connect connect_good connect_renegotiate accept accept_good accept_renegotiate hits cb_hits ' +
      'misses timeouts cache_full',
  ),
  callbacks: [
    ...each('SSL_CTX_sess_', 'set_new_cb get_new_cb set_remove_cb get_remove_cb set_get_cb get_get_cb'),
    ...both('set_not_resumable_session_callback'),
  ],
  tickets: [
    ...each(
      'SSL_CTX_',
      'set_tlsext_ticket_keys get_tlsext_ticket_keys set_tlsext_ticket_key_evp_cb set_session_ticket_cb',
    ),
    ...both('set_num_tickets get_num_tickets'),
    'SSL_new_session_ticket',
  ],
  'early data': [
    ...both(
      'set_max_early_data get_max_early_data set_recv_max_early_data get_recv_max_early_data ' +
        'set_allow_early_data_cb',
    ),
    ...each('SSL_', 'write_early_data read_early_data get_early_data_status'),
  ],
  'pre-shared keys': both(
    'set_psk_use_session_callback set_psk_find_session_callback set_psk_client_callback set_psk_server_callback',
  ),
  cookies: [
    ...each('SSL_CTX_', 'set_stateless_cookie_generate_cb set_stateless_cookie_verify_cb'),
    'SSL_stateless',
  ],
  'what a program needs around it': [
    ...each('SSL_CTX_', 'new free up_ref set_ex_data get_ex_data get_ex_new_index'),
    ...each(
      'SSL_',
      'new free clear dup connect accept do_handshake read write shutdown get_error set_ex_data get_ex_data ' +
        'get_ex_new_index',
    ),
  ],
};

/** OpenSSL's own tests of its sessions: under these names they are in `upstream/`. */
export const UPSTREAM_TESTS: readonly string[] = [
  'test_session_with_only_int_cache',
  'test_session_with_only_ext_cache',
  'test_session_with_both_cache',
  'test_session_timeout',
  'test_session_cache_overflow',
  'test_multi_resume',
  'test_stateful_tickets',
  'test_stateless_tickets',
  'test_psk_tickets',
  'test_extra_tickets',
  'test_ticket_callbacks',
  'test_ticket_abort_session_leak',
  'test_ticket_lifetime',
  'test_early_data_read_write',
  'test_early_data_replay',
  'test_early_data_skip',
  'test_early_data_skip_hrr',
  'test_early_data_skip_hrr_fail',
  'test_early_data_skip_abort',
  'test_early_data_not_sent',
  'test_early_data_psk',
  'test_early_data_psk_with_all_ciphers',
  'test_early_data_not_expected',
  'test_early_data_tls1_2',
  'test_ciphersuite_change',
  'test_tls13_psk',
  'test_tls13_no_dhe_kex',
  'test_stateless',
  'test_servername',
  'test_ssl_clear',
  'tls13tickettest',
  'test_tls12_psk_resume_sessid_mismatch',
  'test_tls12_psk_resume_ticket_mismatch',
  '06-sni-ticket',
  '10-resumption',
  '27-ticket-appdata',
  '70-test_sslsessiontick',
  '70-test_tls13psk',
  '70-test_tls13kexmodes',
  '70-test_tlsextms',
  '70-test_tls13messages',
  '70-test_sslmessages',
];
