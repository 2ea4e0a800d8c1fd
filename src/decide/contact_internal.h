/* SPDX-License-Identifier: Apache-2.0 */
/* decide/contact_internal.h -- what contact.c and contact_history.c share. */
#ifndef DECIDE_CONTACT_INTERNAL_H
#define DECIDE_CONTACT_INTERNAL_H

#include "decide/contact.h"

/* Sorts by time, chains the contacts of each treatment and sets their bits. */
enum status contact_series_order(struct contact_history *history,
                                 struct contact_series *list) MUST_USE;
/* Forgets the judgements of another history or another moment. */
void contact_cache_clear(struct contact_history *history);

#endif
