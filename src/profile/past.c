/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/past.h"

void past_init(struct past *past, const struct customer_data *data) {
    *past = (struct past){.data = data};
}

void past_release(struct past *past) {
    if (past->reader != NULL) past->data->source->ops->reader_close(past->reader);
    past->reader = NULL;
}

void past_use(struct past *past, const struct timeline_request *request) {
    past->request = *request;
}

static bool look_through(const struct past *past, const struct timeline *today) {
    if (today->persona == NULL || past->data->customer_of_persona == NULL) return true;
    for (uint32_t row = 1; row < today->count; row++) {
        if (today->persona[row] != today->persona[0]) return false;
    }
    return true;
}

void past_begin(struct past *past, const struct timeline *today) {
    past->today = today;
    past->today_has_one = look_through(past, today);
}

static bool has_one_persona(const struct past *past, const struct timeline *today) {
    return past->today == today ? past->today_has_one : look_through(past, today);
}

static struct customer_id customer_then(const struct past *past, uint32_t persona, int64_t t_ms) {
    struct as_of as_of = {t_ms, past->request.as_of.position};
    return past->data->customer_of_persona(past->data->context, (struct persona_id){persona},
                                           as_of);
}

/* Adds the customer once. False where there is no room. */
static bool add_once(struct customer_id *list, uint32_t *count, struct customer_id customer) {
    uint32_t at = *count;
    while (at > 0 && list[at - 1].value > customer.value) at--;
    if (at > 0 && list[at - 1].value == customer.value) return true;
    if (*count == PAST_CUSTOMERS_MAX) return false;
    memmove(list + at + 1, list + at, (*count - at) * sizeof *list);
    list[at] = customer;
    (*count)++;
    return true;
}

uint32_t past_customers(struct past *past, const struct timeline *today, int64_t t_ms,
                        struct customer_id out[PAST_CUSTOMERS_MAX]) {
    out[0] = today->customer;
    past->cut = false;
    if (has_one_persona(past, today)) return 1;
    uint32_t count = 0, before = ID_NONE;
    uint32_t end = timeline_upper_bound(today, t_ms);
    for (uint32_t row = 0; row < end; row++) {
        if (today->persona[row] == before) continue;
        before = today->persona[row];
        if (!add_once(out, &count, customer_then(past, before, t_ms))) past->cut = true;
    }
    return count;
}

struct customer_id past_customer_of_row(const struct past *past, const struct timeline *today,
                                        uint32_t row, int64_t t_ms) {
    if (has_one_persona(past, today)) return today->customer;
    return customer_then(past, today->persona[row], t_ms);
}

enum status past_timeline(struct past *past, const struct timeline *today,
                          struct customer_id customer, int64_t t_ms, const struct timeline **out,
                          struct error *error) {
    *out = today;
    if (has_one_persona(past, today)) return STATUS_OK;
    struct timeline_source *source = past->data->source;
    enum status status = STATUS_OK;
    if (past->reader == NULL) status = source->ops->reader_open(source, &past->reader, error);
    if (status != STATUS_OK) return status;
    struct timeline_request request = past->request;
    request.as_of.t_ms = t_ms;
    *out = &past->timeline;
    return source->ops->read(past->reader, customer, &request, &past->timeline, error);
}
