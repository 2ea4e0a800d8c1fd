/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a playbook or a list of errors, in file order, each inside the file. */
#include "fuzz.h"

#include "playbook/playbook.h"

static struct playbook_errors errors;

static void check_errors(void) {
    fuzz_check(errors.count > 0 && errors.count <= PLAYBOOK_ERRORS_MAX);
    for (uint32_t i = 0; i < errors.count; i++) {
        fuzz_check(errors.item[i].place.line > 0 && errors.item[i].place.column > 0 &&
                   errors.item[i].text[0] != 0);
        if (i > 0) fuzz_check(errors.item[i - 1].place.line <= errors.item[i].place.line);
    }
}

static void check_playbook(const struct playbook *playbook) {
    const struct lookup_table **none = calloc(playbook->lookup_count + 1, sizeof *none);
    struct treatment_set *set;
    struct error error;
    fuzz_check(none != NULL);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        uint32_t read[64], count = expr_traits(playbook->traits[i].program, read, 64);
        for (uint32_t k = 0; k < count && k < 64; k++) fuzz_check(read[k] < i);
    }
    fuzz_check(treatment_set_create(&set, playbook, none, &error) == STATUS_OK);
    treatment_set_destroy(set);
    free(none);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct symbols *symbols;
    struct playbook *playbook;
    fuzz_check(symbols_create(&symbols) == STATUS_OK);
    enum status status = playbook_load(
        &playbook, "f", (struct text){(const char *)bytes, (uint32_t)length}, symbols, &errors);
    if (status == STATUS_OK)
        check_playbook(playbook);
    else
        fuzz_check(status == STATUS_INVALID && playbook == NULL);
    if (status == STATUS_INVALID) check_errors();
    playbook_destroy(playbook);
    symbols_destroy(symbols);
    return 0;
}
