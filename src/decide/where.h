/* SPDX-License-Identifier: Apache-2.0 */
/* decide/where.h -- in which time zones a customer may be, as known at t.
 *
 *   customer: zone: from     names one            ──► that zone
 *                   country  has one zone         ──► that zone
 *                            has several          ──► any of them
 *   neither is known, or the playbook asks neither ──► customer: zones, else the playbook's zone
 *
 * Quiet times must be over in each of them, and a calendar day's cap holds while it does in any.
 * Where the playbook does not say how to find the zone, calendar days are those of its own. */
#ifndef DECIDE_WHERE_H
#define DECIDE_WHERE_H

#include "base/zone_book.h"
#include "profile/profile.h"

struct where {
    const struct playbook *playbook;
    struct zone_book *book;               /* NULL where the playbook does not say how to find it */
    const struct time_zone *const *zones; /* NULL entries: UTC */
    uint32_t count;                       /* 1 or more */
    struct text name;                     /* of the one zone that was found; else empty */
    /* Calendar days: those of `zones`, or of the playbook's zone alone. */
    const struct time_zone *const *day_zones;
    uint32_t day_count;
    const struct time_zone *found[ZONE_BOOK_COUNTRY_MAX];
};
enum status where_init(struct where *where, const struct playbook *playbook) MUST_USE;
void where_release(struct where *where);
/* Of the customer at whom the profile stands (profile_at). */
void where_find(struct where *where, struct profile *profile);

/* The zone whose calendar days tell messages apart: the customer's own where it is known. */
static inline const struct time_zone *where_day_zone(const struct where *where) {
    return where->day_count == 1 ? where->day_zones[0] : where->playbook->zone;
}

#endif
