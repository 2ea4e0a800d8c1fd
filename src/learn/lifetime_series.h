/* SPDX-License-Identifier: Apache-2.0 */
/* learn/lifetime_series.h -- a lifetime model as it was fitted at one date after the other.
 *
 *   fits:  1 May     31 May     30 June     30 July
 *   t = 12 June ────────┘ is answered by the fit of 31 May
 *
 * A fit uses what was known at its date, and a question at t is answered by the newest fit that is
 * not later. So a trait of a training row reads nothing that was not known at its moment, although
 * the whole series was made today. The first dates, at which too few customers had ordered again,
 * have no fit, and t before the first fit has no answer.
 *
 * The file models/NAME@VERSION.model begins with "ATTLIFE1". Immutable once made. Any thread. */
#ifndef LEARN_LIFETIME_SERIES_H
#define LEARN_LIFETIME_SERIES_H

#include "base/file.h"
#include "learn/lifetime.h"

#define LIFETIME_FITS_MAX       60
#define LIFETIME_FORMAT_VERSION 1

struct dated_lifetime {
    int64_t as_of_ms;
    struct lifetime_fit orders; /* in days */
    bool has_spend;             /* else the model says no value */
    struct spend_fit spend;     /* in major units of `currency`, of days with an order */
    uint16_t currency;          /* 0: the value is a plain number */
    /* Customers who ordered again in another currency, too: they are not in `spend`. */
    uint64_t other_currency;
};
struct lifetime_series {
    uint32_t count;
    struct dated_lifetime fits[LIFETIME_FITS_MAX]; /* the oldest first */
};

/* Returns the fit that answers at t, or NULL. */
const struct dated_lifetime *lifetime_series_at(const struct lifetime_series *series, int64_t t_ms);
/* Is that the beginning of such a file? */
bool lifetime_series_is(struct text bytes);
/* Appends to `out`. */
enum status lifetime_series_encode(const struct lifetime_series *series,
                                   struct buffer *out) MUST_USE;
/* Decodes into one block, for memory_free. It trusts nothing: a wrong byte is STATUS_CORRUPT, a
 * newer program's file STATUS_VERSION. */
enum status lifetime_series_decode(struct lifetime_series **out, struct text bytes,
                                   struct error *error) MUST_USE;

#endif
