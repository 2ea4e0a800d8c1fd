/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/where.h"

/* Nothing is known of the customer. */
static void anywhere(struct where *where) {
    const struct playbook *playbook = where->playbook;
    where->name = (struct text){0};
    const struct time_zone *const *own = (const struct time_zone *const *)&playbook->zone;
    bool listed = playbook->customer_zone_count > 0;
    where->zones = listed ? (const struct time_zone *const *)playbook->customer_zones : own;
    where->count = listed ? playbook->customer_zone_count : 1;
    where->day_zones = where->book != NULL ? where->zones : own;
    where->day_count = where->book != NULL ? where->count : 1;
}

enum status where_init(struct where *where, const struct playbook *playbook) {
    enum status status = STATUS_OK;
    *where = (struct where){.playbook = playbook};
    if (playbook->zone_from != NULL || playbook->zone_country != NULL)
        status = zone_book_create(&where->book, NULL);
    anywhere(where);
    return status;
}

void where_release(struct where *where) {
    zone_book_destroy(where->book);
    where->book = NULL;
}

static struct text text_of(struct profile *profile, const struct expr_program *program) {
    struct value value = program != NULL ? profile_eval(profile, program) : value_unknown();
    return value.type == VALUE_TEXT ? text_trim(value.text) : (struct text){0};
}

void where_find(struct where *where, struct profile *profile) {
    const struct playbook *playbook = where->playbook;
    if (where->book == NULL) return;
    anywhere(where);
    struct text name = text_of(profile, playbook->zone_from);
    uint32_t count = zone_book_find(where->book, name, &where->found[0]) ? 1 : 0;
    if (count == 0)
        count =
            zone_book_country(where->book, text_of(profile, playbook->zone_country), where->found);
    if (count == 0) return;
    where->zones = where->day_zones = where->found;
    where->count = where->day_count = count;
    if (count == 1) where->name = zone_book_name(where->book, where->found[0]);
}
