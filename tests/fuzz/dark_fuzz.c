/* SPDX-License-Identifier: Apache-2.0 */
/* Dark text of an event, and the arrays in it: every byte string ends. Input is taken as an event's
 * packed properties, and as an array. */
#include "fuzz.h"

#include "event/dark.h"

static void walk_items(const struct symbols *symbols, struct value list, struct value array) {
    struct item_walk items;
    struct text name;
    struct value value;
    bool is_record;
    uint32_t steps = 0;
    item_walk_begin(&items, symbols, list, array);
    while (item_walk_next(&items, &is_record, &value)) {
        while (item_walk_field(&items, &name, &value)) steps++;
        fuzz_check(++steps < 10000000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct symbols *symbols;
    static uint32_t declared;
    struct text packed = {(const char *)bytes, (uint32_t)length};
    struct property_walk walk;
    struct text name;
    struct value value, array;
    struct dark_scratch scratch;
    bool made;
    if (symbols == NULL) {
        fuzz_check(symbols_create(&symbols) == STATUS_OK);
        fuzz_check(symbol_add(symbols, SYMBOL_PROPERTY, TEXT("a"), &declared) == STATUS_OK);
    }
    if (length > PACKED_BYTES_MAX) return 0;
    dark_scratch_init(&scratch);
    property_walk_begin(&walk, symbols, packed);
    while (property_walk_next(&walk, &name, &value, &array)) walk_items(symbols, value, array);
    walk_items(symbols, value_unknown(), value_text(packed));
    for (int type = VALUE_NUMBER; type < VALUE_TYPE_COUNT; type++) {
        struct column column = {declared, (enum value_type)type};
        (void)dark_find(packed, symbols, UINT32_MAX, column, &scratch, &made);
    }
    (void)dark_find_named(packed, symbols, TEXT("a"));
    (void)dark_event_type(symbols, packed);
    (void)dark_channel(symbols, packed);
    dark_scratch_release(&scratch);
    return 0;
}
