/* SPDX-License-Identifier: Apache-2.0 */
#include "store/run/run_narrow.h"

#include <string.h>

static uint32_t width_of(uint64_t range) {
    return range == 0            ? 0
           : range <= UINT8_MAX  ? 1
           : range <= UINT16_MAX ? 2
           : range <= UINT32_MAX ? 4
                                 : 8;
}

struct run_narrow_form run_narrow_form_of(const int64_t *values, uint32_t count) {
    int64_t low = values[0], high = values[0];
    for (uint32_t i = 1; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    return (struct run_narrow_form){low, width_of((uint64_t)high - (uint64_t)low)};
}

/* One loop a width, so that the compiler knows how many bytes it copies. */
#define WRITE_LOOP(type)                                                                           \
    for (uint32_t i = 0; i < count; i++) {                                                         \
        type above = (type)((uint64_t)values[i] - (uint64_t)form.base);                            \
        memcpy((char *)at + (size_t)i * sizeof above, &above, sizeof above);                       \
    }

void run_narrow_write(void *at, struct run_narrow_form form, const int64_t *values,
                      uint32_t count) {
    switch (form.width) {
    case 1: WRITE_LOOP(uint8_t) break;
    case 2: WRITE_LOOP(uint16_t) break;
    case 4: WRITE_LOOP(uint32_t) break;
    case 8: WRITE_LOOP(uint64_t) break;
    default: break;
    }
}
