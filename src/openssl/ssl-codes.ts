/** The numbers that connections answer with. */

// SSL_get_error(3).
export const SSL_ERROR_NONE = 0;
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;
export const SSL_ERROR_WANT_ASYNC = 9;
export const SSL_ERROR_WANT_CLIENT_HELLO_CB = 11;

// SSL_get_shutdown(3).
export const SSL_SENT_SHUTDOWN = 1;
export const SSL_RECEIVED_SHUTDOWN = 2;

// SSL_get_early_data_status(3) and SSL_read_early_data(3).
export const SSL_EARLY_DATA_NOT_SENT = 0;
export const SSL_EARLY_DATA_REJECTED = 1;
export const SSL_EARLY_DATA_ACCEPTED = 2;
export const SSL_READ_EARLY_DATA_ERROR = 0;
export const SSL_READ_EARLY_DATA_SUCCESS = 1;
export const SSL_READ_EARLY_DATA_FINISH = 2;
