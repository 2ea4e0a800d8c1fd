/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/live.h"

#include "base/memory.h"

void live_release(struct live *live) {
    memory_free(live->index);
    memory_free(live->route);
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
    if (live->index == NULL || live->route == NULL) return STATUS_NO_MEMORY;
    live->capacity = count;
    return STATUS_OK;
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
    live->count = 0;
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
        live->index[live->count] = i;
        live->route[live->count++] = contact_route(history, treatment);
    }
    live->serial = treatments->serial;
    return STATUS_OK;
}
