/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/live.h"

#include "base/memory.h"

void live_release(struct live *live) {
    memory_free(live->index);
    memory_free(live->route);
    memory_free(live->bit);
    memory_free(live->runs);
    *live = (struct live){0};
}

/* The list holds no longer than until the next change of a treatment that begins or ends. */
static void narrow(struct live *live, int64_t change_ms, int64_t t_ms) {
    if (change_ms <= t_ms && change_ms > live->from_ms) live->from_ms = change_ms;
    if (change_ms > t_ms && change_ms < live->until_ms) live->until_ms = change_ms;
}

static enum status make_room(struct live *live, uint32_t count) {
    if (count <= live->capacity) return STATUS_OK;
    live_release(live);
    live->index = memory_alloc((size_t)count * sizeof *live->index);
    live->route = memory_alloc((size_t)count * sizeof *live->route);
    live->bit = memory_alloc((size_t)count * sizeof *live->bit);
    live->runs = memory_alloc((size_t)count * sizeof *live->runs);
    if (live->index == NULL || live->route == NULL || live->bit == NULL || live->runs == NULL)
        return STATUS_NO_MEMORY;
    live->capacity = count;
    return STATUS_OK;
}

static void add(struct live *live, const struct treatment *treatment, uint32_t index,
                uint32_t route) {
    struct live_run *last = live->run_count > 0 ? &live->runs[live->run_count - 1] : NULL;
    uint32_t at = live->count++;
    live->index[at] = index;
    live->route[at] = route;
    live->bit[at] = (uint16_t)contact_bit(treatment->key_hash);
    if (last != NULL && last->route == route && last->has_span == treatment->has_span)
        last->count++;
    else
        live->runs[live->run_count++] = (struct live_run){at, 1, route, treatment->has_span};
}

enum status live_at(struct live *live, const struct contact_history *history,
                    const struct treatment_set *treatments, int64_t t_ms) {
    bool holds =
        live->serial == treatments->serial && live->from_ms <= t_ms && t_ms < live->until_ms;
    if (holds) return STATUS_OK;
    enum status status = make_room(live, treatments->count);
    live->serial = 0;
    if (status != STATUS_OK) return status;
    live->from_ms = INT64_MIN;
    live->until_ms = INT64_MAX;
    live->count = live->run_count = 0;
    live->asks = false;
    for (uint32_t i = 0; i < treatments->count; i++) {
        const struct treatment *treatment = &treatments->treatments[i];
        const struct expr_program *available = treatment->action->available;
        if (treatment->has_span) {
            narrow(live, treatment->from_ms, t_ms);
            narrow(live, treatment->until_ms, t_ms);
            if (t_ms < treatment->from_ms || t_ms >= treatment->until_ms) continue;
        } else if (available != NULL && expr_is_constant(available)) {
            live->asks = true;
        }
        add(live, treatment, i, contact_route(history, treatment));
    }
    live->serial = treatments->serial;
    return STATUS_OK;
}
