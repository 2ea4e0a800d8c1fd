/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/treatment/treatment_history.h -- the treatments as known at a time.
 *
 *   offers    v1 ────────────── v2 ───────────────────────
 *   prices    v1 ─────────────────────────── v2 ──────────
 *   era         0               1             2             one treatment set each
 *
 * The tables that treatments are made of change: offers come and go, a discount is another one. A
 * decision at t has the treatments of the tables known at t, and a treatment is named across eras
 * by its key and channel. Versions change rarely and few of their eras are asked about, so a set is
 * made when first asked for, by whichever thread, and kept: finding it again is a search by time.
 * Sets and treatments live as long as the history does. Any thread, once created. */
#ifndef PLAYBOOK_TREATMENT_TREATMENT_HISTORY_H
#define PLAYBOOK_TREATMENT_TREATMENT_HISTORY_H

#include "playbook/playbook.h"

/* Returns the table of a lookup (by its index) as known at t, or NULL. Any thread; valid as long as
 * the history. */
struct lookup_versions {
    const struct lookup_table *(*at)(void *context, uint32_t lookup, int64_t t_ms);
    void *context;
};
/* Are treatments made of this lookup: does an action go over it or join it? */
bool treatments_read_lookup(const struct playbook *playbook, uint32_t lookup);

struct treatment_history;
/* changes_ms: the moments from which such a lookup has another version, in any order. The playbook
 * is borrowed, the times are copied. */
enum status treatment_history_create(struct treatment_history **out,
                                     const struct playbook *playbook,
                                     struct lookup_versions lookups, const int64_t *changes_ms,
                                     size_t change_count) MUST_USE;
void treatment_history_destroy(struct treatment_history *history);

/* Gives every treatment as known at t. */
enum status treatment_history_at(struct treatment_history *history, int64_t t_ms,
                                 const struct treatment_set **out, struct error *error) MUST_USE;

/* Finds the treatment that an event just after t names, as it was described when it went out. *out
 * is NULL where nothing known by by_ms (t or later) describes it. The description known at t
 * counts. Where there is none, the last one before t counts (the row had gone, but its letter was
 * still on its way), else the first one after t (the letter was faster than its table): what was
 * delivered existed, whenever its row was loaded. A channel in which it does not exist counts as
 * any channel. */
enum status treatment_history_delivered(struct treatment_history *history, struct text key,
                                        uint32_t channel, int64_t t_ms, int64_t by_ms,
                                        const struct treatment **out, struct error *error) MUST_USE;

#endif
