/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/expr.h"

#include "expr/check.h"
#include "expr/compile.h"
#include "expr/lexer.h"
#include "expr/parser.h"

static enum status compile(struct arena *arena, const struct expr_schema *schema,
                           struct text source, const struct selector *row,
                           struct expr_program **out, struct expr_error *error) {
    if (source.length > EXPR_TEXT_MAX) {
        return expr_fail(error, source, 0, STATUS_LIMIT,
                         "the expression is longer than %d bytes: make parts of it traits",
                         EXPR_TEXT_MAX);
    }
    if (!text_is_utf8(source))
        return expr_fail(error, source, 0, STATUS_INVALID, "the expression is not UTF-8");
    source = arena_text(arena, source);
    if (!source.at) return STATUS_NO_MEMORY;
    struct node *root;
    enum status status = expr_parse(arena, source, schema->zone, &root, error);
    if (status == STATUS_OK) status = expr_check(arena, schema, source, row, root, error);
    if (status == STATUS_OK) status = expr_emit(arena, schema, source, row, root, out, error);
    return status;
}

static enum status tell(enum status status, struct text source, struct expr_error *error) {
    if (status == STATUS_NO_MEMORY)
        return expr_fail(error, source, 0, status, "out of memory while compiling the expression");
    return status;
}

enum status expr_compile(struct arena *arena, const struct expr_schema *schema, struct text source,
                         struct expr_program **out, struct expr_error *error) {
    return tell(compile(arena, schema, source, NULL, out, error), source, error);
}

enum status expr_compile_row(struct arena *arena, const struct expr_schema *schema,
                             uint32_t event_type, struct text source, struct expr_program **out,
                             struct expr_error *error) {
    struct selector *row = arena_calloc(arena, 1, sizeof(*row));
    struct event_name *event = arena_calloc(arena, 1, sizeof(*event));
    if (!row || !event) return tell(STATUS_NO_MEMORY, source, error);
    event->type = event_type;
    *row = (struct selector){.kind = event_type == SYMBOL_NONE ? SELECT_ANY : SELECT_EVENTS,
                             .events = event,
                             .event_count = 1};
    return tell(compile(arena, schema, source, row, out, error), source, error);
}

enum value_type expr_type(const struct expr_program *program) {
    return program->type;
}
bool expr_uses_treatment(const struct expr_program *program) {
    return program->uses_treatment;
}
bool expr_uses_context(const struct expr_program *program) {
    return program->uses_context;
}
bool expr_uses_relation(const struct expr_program *program) {
    return program->uses_relation;
}
bool expr_is_constant(const struct expr_program *program) {
    return !program->reads_timeline && !program->uses_context;
}
int64_t expr_window_ms(const struct expr_program *program) {
    return program->window_ms;
}

uint32_t expr_uses(const struct expr_program *program, struct expr_use *out, uint32_t max) {
    for (uint32_t i = 0; i < program->use_count && i < max; i++) out[i] = program->uses[i];
    return program->use_count;
}

uint32_t expr_traits(const struct expr_program *program, uint32_t *out, uint32_t max) {
    for (uint32_t i = 0; i < program->trait_count && i < max; i++) out[i] = program->traits[i];
    return program->trait_count;
}

bool expr_uses_lookup(const struct expr_program *program, uint32_t lookup) {
    for (uint32_t i = 0; i < program->code_count; i++) {
        const struct operation *operation = &program->code[i];
        if (operation->code == CODE_LOOKUP && program->lookups[operation->index].lookup == lookup)
            return true;
    }
    return false;
}

bool expr_uses_hour(const struct expr_program *program) {
    for (uint32_t i = 0; i < program->code_count; i++) {
        const struct operation *operation = &program->code[i];
        if (operation->code == CODE_CALL && operation->small == FUNCTION_HOUR) return true;
    }
    return false;
}

void expr_needs(const struct expr_program *program, uint64_t *columns, uint32_t *needs) {
    for (uint32_t i = 0; i < COLUMN_WORDS; i++) columns[i] |= program->columns[i];
    *needs |= program->needs;
}
