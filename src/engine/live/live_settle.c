/* SPDX-License-Identifier: Apache-2.0 */
/* The applier looks at a proposed decision again: does it still stand? */
#include "base/memory.h"
#include "engine/answer/pool.h"
#include "engine/live/live_internal.h"

#define PERSONAS_MAX 128 /* of a customer with more, something is taken to have moved */

/* Who bears the persona by all that is written. */
static struct customer_id customer_now(const struct engine *engine, struct persona_id persona) {
    const struct customer_directory *directory = identity_directory(engine->identity);
    struct as_of now = {INT64_MAX, store_position(engine->store)};
    if (persona.value == ID_NONE) return (struct customer_id){ID_NONE};
    return directory->ops->customer_of(directory, persona, now);
}

/* Has anything reached the customer's timeline since the decision looked at it? Costs a look at the
 * newest row of each of the customer's personas. */
static bool has_moved(struct engine *engine, const struct live_pending *pending,
                      struct customer_id customer) {
    const struct customer_directory *directory = identity_directory(engine->identity);
    struct as_of now = {INT64_MAX, store_position(engine->store)},
                 then = {INT64_MAX, pending->position};
    struct persona_id personas[PERSONAS_MAX];
    if (customer.value != pending->customer.value || pending->position < engine->moved_position ||
        pending->in_force != engine->own->hash ||
        pending->holds != atomic_load(&engine->holds.changes))
        return true;
    uint32_t count = directory->ops->personas_of(directory, customer, now, personas, PERSONAS_MAX);
    if (count > PERSONAS_MAX ||
        count != directory->ops->personas_of(directory, customer, then, NULL, 0))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (store_has_since(engine->store, personas[i], pending->position)) return true;
    return false;
}

/* Who it is by now; ID_NONE where the identifiers stand for nobody. */
static enum status find_or_begin(struct live_pending *pending, struct engine_view *view,
                                 struct customer_id *out, struct error *error) {
    enum status status = live_find_customer(view, &pending->ask, out, error);
    if (status != STATUS_OK || out->value != ID_NONE) return status;
    struct buffer identifiers;
    buffer_init(&identifiers);
    status = live_write_identifiers(view, &pending->ask, &identifiers);
    if (status == STATUS_OK)
        status = live_begin_customer(pending->engine, buffer_text(&identifiers), view->t_ms, error);
    buffer_release(&identifiers);
    if (status == STATUS_OK) status = engine_view_renew(view, view->t_ms, error);
    if (status == STATUS_OK) status = live_find_customer(view, &pending->ask, out, error);
    pending->is_new_customer = status == STATUS_OK && out->value != ID_NONE;
    return status;
}

/* ---- settling ---- */

/* The applier never waits for base rates, nor for a count of what budgets have left: after another
 * playbook was put in force, whoever asks next has them measured in a thread of their own. */
static enum status check_rates(const struct engine_view *view, struct error *error) {
    if (view->in_force->rates != NULL && budgets_are_counted(view)) return STATUS_OK;
    return error_set(error, STATUS_BUSY,
                     "another playbook was put in force while this was decided: ask again");
}

static enum status decide_again(struct live_pending *pending, struct engine_view *view,
                                struct customer_id customer, struct error *error) {
    struct engine *engine = pending->engine;
    struct buffer proposed;
    enum status status = STATUS_OK;
    buffer_init(&proposed);
    if (pending->batch.event_count > 0) {
        const struct event *event = &pending->batch.events[0];
        status = buffer_append_text(&proposed, event_batch_text(&pending->batch, event->properties,
                                                                event->properties_length));
        atomic_fetch_add(&engine->live->decided_twice, 1);
    }
    if (status == STATUS_OK)
        status = live_decide_by(pending, view, customer, buffer_text(&proposed), error);
    buffer_release(&proposed);
    return status;
}

enum status live_settle(struct engine *engine, struct change *change, const struct settled *settled,
                        struct error *error) {
    struct live_pending *pending = (struct live_pending *)(void *)change;
    struct engine_view *view;
    struct customer_id customer = {ID_NONE};
    bool is_new = pending->is_new;
    if (!is_new) {
        customer = customer_now(engine, pending->persona);
        change->about = customer;
        if (customer.value == ID_NONE)
            return error_set(error, STATUS_NOT_FOUND,
                             "the customer was erased while this was decided");
        if (settled_has(settled, customer)) return STATUS_EXISTS;
        if (!has_moved(engine, pending, customer) && budgets_take(engine, &pending->takes, false))
            return STATUS_OK;
    }
    int64_t t_ms = pending->ask.t_ms != 0 ? pending->ask.t_ms : live_now_ms(engine);
    enum status status = engine_view_take(engine, ENGINE_VIEW_DECIDING, t_ms, &view, error);
    if (status != STATUS_OK) return status;
    status = check_rates(view, error);
    if (status == STATUS_OK && is_new) status = find_or_begin(pending, view, &customer, error);
    change->about = customer;
    if (status == STATUS_OK && customer.value != ID_NONE && settled_has(settled, customer))
        status = STATUS_EXISTS;
    if (status == STATUS_OK) status = decide_again(pending, view, customer, error);
    if (status == STATUS_OK) (void)budgets_take(engine, &pending->takes, true);
    engine_view_give(view);
    return status;
}
