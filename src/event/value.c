/* SPDX-License-Identifier: Apache-2.0 */
#include "event/value.h"

const char *value_type_name(enum value_type type) {
    static const char *const names[VALUE_TYPE_COUNT] = {
        [VALUE_UNKNOWN] = "unknown", [VALUE_NUMBER] = "number",     [VALUE_TEXT] = "text",
        [VALUE_TIME] = "time",       [VALUE_DURATION] = "duration", [VALUE_YES_NO] = "yes/no",
        [VALUE_MONEY] = "money",     [VALUE_LIST] = "list",
    };
    return (unsigned)type < VALUE_TYPE_COUNT ? names[type] : "?";
}

bool value_equal(struct value a, struct value b) {
    if (a.type != b.type) return false;
    switch ((enum value_type)a.type) {
    case VALUE_NUMBER: return !(a.number < b.number) && !(a.number > b.number);
    case VALUE_TEXT:
    case VALUE_LIST: return text_equal(a.text, b.text);
    case VALUE_TIME: return a.time_ms == b.time_ms;
    case VALUE_DURATION: return a.duration_ms == b.duration_ms;
    case VALUE_YES_NO: return a.yes == b.yes;
    case VALUE_MONEY: return a.minor == b.minor && a.currency == b.currency;
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
    return true;
}

static int compare_int64(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

int value_compare(struct value a, struct value b) {
    if (a.type != b.type) return compare_int64(a.type, b.type);
    switch ((enum value_type)a.type) {
    case VALUE_NUMBER: return (a.number > b.number) - (a.number < b.number);
    case VALUE_TEXT:
    case VALUE_LIST: return text_compare(a.text, b.text);
    case VALUE_TIME: return compare_int64(a.time_ms, b.time_ms);
    case VALUE_DURATION: return compare_int64(a.duration_ms, b.duration_ms);
    case VALUE_YES_NO: return (int)a.yes - (int)b.yes;
    case VALUE_MONEY: return compare_int64(a.minor, b.minor);
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
    return 0;
}
