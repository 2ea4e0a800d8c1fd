/* SPDX-License-Identifier: Apache-2.0 */
/* engine/claims.h -- what public sources claimed: listed, withdrawn as a whole, given back.
 *
 * identity/claims.h says what a claim is. A withdrawal holds from now on: answers as of an earlier
 * time see the claim, since it was believed then. */
#ifndef ENGINE_CLAIMS_H
#define ENGINE_CLAIMS_H

#include "engine/engine.h"
#include "identity/claims.h"

/* Which claims are meant: all for which everything holds that is said here. */
struct engine_claims_scope {
    /* "cookie:k1": what claims, or is claimed; "C12": for whom they count, or would. Empty: any. */
    struct text whose;
    struct text source;        /* empty: any */
    int64_t from_ms, until_ms; /* known in [from, until) */
};

/* Withdraws them, or with `restore` lets them count again. *count: how many have changed.
 * STATUS_NOT_FOUND where there is no such identifier, customer or source. Any thread. */
enum status engine_claims_withdraw(struct engine *engine, const struct engine_claims_scope *scope,
                                   bool restore, uint64_t *count, struct error *error) MUST_USE;

/* Calls visit for each, in order of arrival; false stops. Any thread. */
enum status engine_claims_visit(struct engine *engine, const struct engine_claims_scope *scope,
                                bool (*visit)(void *context, const struct identity_link *link),
                                void *context, struct error *error) MUST_USE;

#endif
