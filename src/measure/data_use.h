/* SPDX-License-Identifier: Apache-2.0 */
/* measure/data_use.h -- what every source and field holds, what it costs, and what uses it.
 *
 * One walk over all events of all times. A field that no trait, goal, scenario or stage of the
 * funnel reads is *dark*, and so is a lookup that nothing joins, offers or looks into. Names that
 * nobody declared are counted in bounded memory (measure/dark_names.h). */
#ifndef MEASURE_DATA_USE_H
#define MEASURE_DATA_USE_H

#include "base/arena.h"
#include "base/work.h"
#include "profile/profile.h"

struct field_usage {
    uint64_t order;                   /* by source and event, … */
    uint32_t place;                   /* … and within an event: itself, then its fields */
    struct text source, event, field; /* empty field: the event itself */
    uint64_t count;                   /* events that have it */
    uint64_t bytes;                   /* packed, before compression */
    enum value_type type;
    struct text used_by; /* "trait spend_365d, model redeem", or empty: dark */
};
struct lookup_usage {
    struct text name;
    uint64_t rows, bytes; /* of the version in force, in memory */
    uint32_t versions;    /* how many are kept; the engine fills it in */
    struct text used_by;  /* "source contacts, action mail_campaign", or empty: dark */
};
struct data_report {
    struct arena arena;
    struct lookup_usage *lookups;
    size_t lookup_count;
    const struct field_usage *fields;
    size_t field_count;
    uint64_t event_count, clean_bytes, dark_fields, dark_bytes, customer_count;
    /* What only the engine knows; it fills these in. */
    uint64_t dirty_rows, dirty_bytes, disk_bytes, persona_count;
    uint64_t dirty_entries; /* the rows of one event wait together */
};
/* Also before the first playbook: then data->playbook is NULL, and everything is dark. `work` may
 * be NULL. Release `out` also after a failure. */
enum status data_use_measure(const struct customer_data *data, struct work *work,
                             struct data_report *out, struct error *error) MUST_USE;
void data_report_release(struct data_report *report);

#endif
