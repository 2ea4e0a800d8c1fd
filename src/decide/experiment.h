/* SPDX-License-Identifier: Apache-2.0 */
/* decide/experiment.h -- which arms of which experiments is this customer in, and what do these
 * change?
 *
 *   layer's hash   0 ├── voucher_size ──┤├──── quiet_week ────┤            ┤ 1
 *   own hash         │ control │ large │
 *
 * A customer takes part where the salted hash of their id lies in the experiment's part of its
 * layer, the experiment is under way, and `who` says yes; another hash, by the experiment's own
 * salt, draws the arm. So no two experiments of a layer share a customer, and arms of different
 * layers are independent. The arm is recorded with the decision (Decision Made: `experiments`, a
 * list of {experiment, arm, salt}). From then on the first record counts, whatever `who` says
 * later, also where customers are merged and the id changes; whoever has a record in another
 * experiment of the layer, which is still in the playbook, does not come in. Records under another
 * salt were another experiment. Nobody who is unknown (ID_NONE) takes part.
 *
 * The holdout takes part, too: its decisions are ghosts of what it would have had.
 *
 * An arm takes actions away (`without`), and adds to their levers. Pure: same (timeline, playbook,
 * t), same arms. */
#ifndef DECIDE_EXPERIMENT_H
#define DECIDE_EXPERIMENT_H

#include "profile/profile.h"

struct experiment_symbols {
    uint32_t experiments, experiment, arm, salt; /* SYMBOL_PROPERTY */
};
enum status experiment_symbols_add(struct symbols *symbols,
                                   struct experiment_symbols *out) MUST_USE;

struct experiment_seat {
    uint32_t experiment, arm; /* indexes in the playbook, and in its arms */
};
struct experiment_seats { /* in the order of the playbook */
    uint32_t count;
    struct experiment_seat items[EXPERIMENTS_MAX];
};
/* As known at t; the profile stands at t, and the timeline needs TIMELINE_PACKED. */
void experiment_seats_at(const struct playbook *playbook, const struct experiment_symbols *symbols,
                         struct profile *profile, const struct timeline *timeline, int64_t t_ms,
                         struct experiment_seats *out);

/* The first experiment whose arm takes the action (by its index) away; NULL: none. */
const struct experiment *experiment_without(const struct playbook *playbook,
                                            const struct experiment_seats *seats, uint32_t action,
                                            const struct experiment_arm **arm);
/* Percent that the arms add to the action's lever together. */
double experiment_lever(const struct playbook *playbook, const struct experiment_seats *seats,
                        uint32_t action);

/* What one record says. `packed`: of a Decision Made; calls `visit` for each entry. */
void experiment_records_read(struct text packed, const struct experiment_symbols *symbols,
                             void (*visit)(void *context, struct text experiment, struct text arm,
                                           struct text salt),
                             void *context);
/* Adds the property; nothing where there are no seats. */
enum status experiment_seats_pack(const struct playbook *playbook,
                                  const struct experiment_symbols *symbols,
                                  const struct experiment_seats *seats, struct packed_list *list,
                                  struct packed_writer *writer) MUST_USE;

#endif
