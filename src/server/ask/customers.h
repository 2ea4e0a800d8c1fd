/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/customers.h -- handlers of what is asked about one customer (ask_routes.h). */
#ifndef SERVER_ASK_CUSTOMERS_H
#define SERVER_ASK_CUSTOMERS_H

#include "server/http/http.h"

void customers_get(struct http_call *call);
void customers_traits(struct http_call *call);
void customers_why_not(struct http_call *call);
void customers_timeline(struct http_call *call);

#endif
