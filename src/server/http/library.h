/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/library.h -- libmicrohttpd, loaded when a server starts and not before.
 *
 * It brings ten libraries along (GnuTLS among them), and to load and link these costs every command
 * of the program some 3 ms, though only `serve` needs them. So the program names none of it; its
 * functions are found by name, with the types of its header. */
#ifndef SERVER_HTTP_LIBRARY_H
#define SERVER_HTTP_LIBRARY_H

#include <microhttpd.h>

#include "base/status.h"

#define HTTP_LIBRARY_FUNCTIONS(X)                                                                  \
    X(add_response_header)                                                                         \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_callback)                                                               \
    X(destroy_response)                                                                            \
    X(get_connection_info)                                                                         \
    X(get_connection_values_n)                                                                     \
    X(lookup_connection_value_n)                                                                   \
    X(queue_response)                                                                              \
    X(quiesce_daemon)                                                                              \
    X(resume_connection)                                                                           \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(suspend_connection)

struct http_library {
#define X(name) __typeof__(&MHD_##name) name;
    HTTP_LIBRARY_FUNCTIONS(X)
#undef X
};
/* Written once, by http_library_load; any thread reads it afterwards. */
extern struct http_library http_library;
/* STATUS_NOT_FOUND, with what to install, where it is not there. The first call loads it; later
 * ones do nothing. */
enum status http_library_load(struct error *error) MUST_USE;

#endif
