/* SPDX-License-Identifier: Apache-2.0 */
/* attune data: what the fields hold, and what only the engine knows beside it. */
#include "engine/engine_internal.h"

static bool add_row_bytes(void *context, const struct stored_row *row) {
    ((struct data_report *)context)->dirty_bytes += row->raw.length;
    return true;
}

enum status engine_data_report(struct engine *engine, struct work *work, struct data_report *out,
                               struct error *error) {
    struct store_stats stats;
    struct identity_stats identity;
    const struct in_force *in_force = engine->own;
    enum status status = data_use_measure(&in_force->data, work, out, error);
    for (uint32_t i = 0; i < out->lookup_count; i++) {
        if (in_force_lookup(in_force, i, TIME_NEVER) != NULL)
            out->lookups[i].versions = in_force_lookup_versions(in_force, i);
    }
    if (status == STATUS_OK) status = store_visit_rows(engine->store, add_row_bytes, out, error);
    store_stats(engine->store, &stats);
    identity_stats(engine->identity, &identity);
    out->dirty_entries = stats.quarantined_row_count;
    if (status == STATUS_OK) status = engine_quarantine_rows(engine, &out->dirty_rows, error);
    out->disk_bytes =
        stats.log_bytes + stats.run_bytes + stats.links_bytes + stats.quarantine_bytes;
    out->persona_count = identity.persona_count;
    return status;
}
