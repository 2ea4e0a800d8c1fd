/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/playbook/playbook_trial.h -- loads a playbook from text or from the source tree. */
#ifndef TESTS_UNIT_PLAYBOOK_PLAYBOOK_TRIAL_H
#define TESTS_UNIT_PLAYBOOK_PLAYBOOK_TRIAL_H

#include "support/unit.h"

#include "base/file.h"
#include "playbook/playbook.h"

static struct playbook_errors errors;

static inline void print_errors(const char *file) {
    for (uint32_t i = 0; i < errors.count; i++) {
        print_message("%s:%u:%u: %s\n", file, errors.item[i].place.line,
                      errors.item[i].place.column, errors.item[i].text);
    }
}

static inline struct symbols *new_symbols(void) {
    struct symbols *symbols;
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    return symbols;
}

/* The playbook must load; its errors are printed where it doesn't. */
static inline struct playbook *load(struct text bytes, struct symbols *symbols) {
    struct playbook *playbook;
    enum status status = playbook_load(&playbook, "playbook.yaml", bytes, symbols, &errors);
    if (status != STATUS_OK) print_errors("playbook.yaml");
    assert_int_equal(status, STATUS_OK);
    return playbook;
}

static inline void read_source_file(const char *path, struct buffer *out) {
    char full[1024];
    struct error error = {0};
    snprintf(full, sizeof full, "%s/%s", SOURCE_ROOT, path);
    buffer_clear(out);
    enum status status = file_read_all(file_system_os(), full, 1u << 20, out, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
}

#endif
