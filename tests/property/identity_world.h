/* SPDX-License-Identifier: Apache-2.0 */
/* tests/property/identity_world.h -- a small world of events, and the naive model of who is who in
 * it.
 *
 * The model knows no batches, no ids, no forest: it takes every link of every event that counts as
 * of (t, position), sorts, and judges one after the other with plain arrays. */
#ifndef TESTS_PROPERTY_IDENTITY_WORLD_H
#define TESTS_PROPERTY_IDENTITY_WORLD_H

#include "base/random.h"
#include "identity/identity.h"

#define WORLD_TYPES           4
#define WORLD_VALUES          6 /* a type */
#define WORLD_IDENTIFIERS     (WORLD_TYPES * WORLD_VALUES)
#define WORLD_EVENTS_MAX      96
#define WORLD_WITHDRAWALS_MAX 8
#define WORLD_RULINGS_MAX     4
#define WORLD_TIME_MAX        4000

struct world_event {
    uint32_t identifiers[3]; /* of WORLD_IDENTIFIERS: type * WORLD_VALUES + value; may repeat */
    uint32_t count;
    /* From this one on they are names: they count where an identifier is known by them, whenever.
     * */
    uint32_t first_name;
    int64_t known_ms;
    uint64_t position; /* UINT64_MAX: has not arrived */
    struct persona_id persona;
    int64_t gone_ms;        /* when it was known that its row was corrected */
    uint64_t gone_position; /* UINT64_MAX: it stands */
};
struct world_withdrawal {
    uint32_t a, b;
    int64_t known_ms;
    uint64_t position;
    bool restore;
};
struct world_ruling { /* other rules, from known_ms on */
    struct identifier_rule rules[WORLD_TYPES];
    bool linked[WORLD_TYPES]; /* was anything of the type linked when it came? */
    int64_t known_ms;
    uint64_t position;
};
struct identity_world {
    bool with_names; /* else names are identifiers like any other */
    struct random random;
    struct identifier_rule rules[WORLD_TYPES];
    struct world_event events[WORLD_EVENTS_MAX];
    uint32_t event_count;
    struct world_withdrawal withdrawals[WORLD_WITHDRAWALS_MAX];
    uint32_t withdrawal_count;
    struct world_ruling rulings[WORLD_RULINGS_MAX];
    uint32_t ruling_count;
    uint64_t erased_at[WORLD_IDENTIFIERS]; /* position; UINT64_MAX: never */
};

void world_make(struct identity_world *world, uint64_t seed);
struct text world_value(uint32_t identifier, char out[16]);
enum status world_batch(const struct identity_world *world, const uint32_t *order, uint32_t count,
                        struct event_batch *batch) MUST_USE;
/* The rules in force as of then. */
void world_rules(const struct identity_world *world, struct as_of as_of,
                 struct identifier_rule rules[WORLD_TYPES]);
/* Is anything of each type linked now? */
void world_linked(const struct identity_world *world, bool linked[WORLD_TYPES]);
/* group[i] = group[j] iff i and j are one customer as of then. */
void world_partition(const struct identity_world *world, struct as_of as_of,
                     uint32_t group[WORLD_IDENTIFIERS]);
/* Has an event with this identifier arrived below the position, and has nobody erased it? */
bool world_is_there(const struct identity_world *world, uint32_t identifier, uint64_t position);

#endif
