/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/consent.h"

static struct value state_as_yes_no(struct value state) {
    static const char *const yes[] = {"granted", "given", "yes", "true", "in"};
    static const char *const no[] = {"withdrawn", "denied", "no", "false", "out"};
    if (state.type == VALUE_YES_NO) return state;
    if (state.type != VALUE_TEXT) return value_unknown();
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (text_equal_ignoring_case(state.text, text_from(yes[i]))) return value_yes_no(true);
        if (text_equal_ignoring_case(state.text, text_from(no[i]))) return value_yes_no(false);
    }
    return value_unknown();
}

/* The newest event of `type` whose `property` is `name` decides. */
static struct value state_at(const struct timeline *timeline, int64_t t_ms, uint16_t type,
                             uint32_t property, struct text name) {
    for (uint32_t row = timeline_upper_bound(timeline, t_ms); row-- > 0;) {
        if (timeline->type[row] != type || !timeline_known(timeline, row, t_ms)) continue;
        struct text packed;
        if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return value_unknown();
        struct value about = packed_find(packed, property);
        if (about.type != VALUE_TEXT || !text_equal(about.text, name)) continue;
        return state_as_yes_no(packed_find(packed, PROPERTY_STATE));
    }
    return value_unknown();
}

struct value consent_at(const struct timeline *timeline, int64_t t_ms, struct text purpose) {
    return state_at(timeline, t_ms, EVENT_CONSENT_CHANGED, PROPERTY_PURPOSE, purpose);
}

struct value opt_in_at(const struct timeline *timeline, int64_t t_ms, struct text channel) {
    return state_at(timeline, t_ms, EVENT_OPT_IN_CHANGED, PROPERTY_CHANNEL, channel);
}
