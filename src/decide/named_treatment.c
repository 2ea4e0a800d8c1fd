/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/named_treatment.h"

struct text named_treatment_key(const struct timeline *timeline, uint32_t row) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return (struct text){0};
    struct value key = packed_find(packed, PROPERTY_TREATMENT);
    return key.type == VALUE_TEXT ? key.text : (struct text){0};
}

enum status named_treatment(const struct customer_data *data, const struct timeline *timeline,
                            uint32_t row, int64_t by_ms, const struct treatment **out,
                            struct error *error) {
    struct text key = named_treatment_key(timeline, row);
    *out = NULL;
    if (key.length == 0) return STATUS_OK;
    return treatment_history_delivered(data->treatments, key, timeline->channel[row],
                                       timeline->time_ms[row] - 1, by_ms, out, error);
}
