/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is said of a moment, what is kept of it is short, declared, and read the same again. */
#include "fuzz.h"

#include "base/json.h"
#include "decide/decide.h"

static const char playbook_text[] =
    "attune: 1\n"
    "context: { page: text, cart: money, items: number, member: yes/no, left: duration, since: "
    "time }\n";

static struct playbook *load(struct symbols **symbols) {
    static struct playbook_errors errors;
    struct playbook *playbook;
    fuzz_check(symbols_create(symbols) == STATUS_OK);
    fuzz_check(playbook_load(&playbook, "f", text_from(playbook_text), *symbols, &errors) ==
               STATUS_OK);
    return playbook;
}

static void check_read(const struct playbook *playbook, struct text kept) {
    struct json_parser *parser = NULL;
    struct arena arena;
    struct value values[CONTEXT_PROPERTIES_MAX];
    arena_init(&arena, 1 << 20);
    fuzz_check(decision_context_read(playbook, kept, &parser, &arena, values) == STATUS_OK);
    uint32_t known = 0;
    for (uint32_t i = 0; i < playbook->context_count; i++) {
        if (!value_is_known(values[i])) continue;
        known++;
        fuzz_check(values[i].type == playbook->context[i].type);
        fuzz_check(values[i].type != VALUE_TEXT || text_is_utf8(values[i].text));
    }
    fuzz_check((known > 0) == (kept.length > 0));
    json_parser_destroy(parser);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct playbook *playbook;
    static struct symbols *symbols;
    struct buffer kept, again, left_out;
    struct error error = {0};
    if (playbook == NULL) playbook = load(&symbols);
    buffer_init(&kept);
    buffer_init(&again);
    buffer_init(&left_out);
    struct text sent = {(const char *)bytes, (uint32_t)length};
    enum status status = decision_context_keep(playbook, sent, &kept, &left_out, &error);
    if (status == STATUS_OK) {
        fuzz_check(kept.length <= DECISION_CONTEXT_BYTES_MAX);
        fuzz_check(text_is_utf8(buffer_text(&left_out)));
        check_read(playbook, buffer_text(&kept));
        fuzz_check(decision_context_keep(playbook, buffer_text(&kept), &again, &left_out, NULL) ==
                   STATUS_OK);
        fuzz_check(left_out.length == 0);
        fuzz_check(text_equal(buffer_text(&kept), buffer_text(&again)));
    } else {
        fuzz_check(status == STATUS_INVALID || status == STATUS_LIMIT);
        fuzz_check(error.text[0] != '\0');
    }
    check_read(playbook, status == STATUS_OK ? buffer_text(&kept) : (struct text){0});
    buffer_release(&kept);
    buffer_release(&again);
    buffer_release(&left_out);
    return 0;
}
