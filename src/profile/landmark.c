/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/landmark.h"

bool landmark_was_active(const struct customer_data *data, const struct timeline *timeline,
                         int64_t t_ms) {
    const struct expr_schema *schema = &data->playbook->schema;
    int64_t from_ms = t_ms - data->playbook->landmarks.active_within_ms;
    for (uint32_t row = timeline_upper_bound(timeline, t_ms); row-- > 0;) {
        if (timeline->time_ms[row] <= from_ms) return false;
        if (!timeline_known(timeline, row, t_ms)) continue;
        bool counts = data->playbook->landmarks.visits_only
                          ? schema->is_visit(schema->context, timeline->type[row])
                          : timeline->type[row] >= EVENT_RESERVED_COUNT;
        if (counts) return true;
    }
    return false;
}
