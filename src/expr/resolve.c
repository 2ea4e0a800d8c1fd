/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/time.h"
#include "expr/check.h"
#include "expr/lexer.h"

#define NAMES_MAX 2048

/* Returns how many event types a selector means; any event is SYMBOL_NONE. */
static uint32_t event_count(const struct selector *row) {
    return row->kind == SELECT_EVENTS ? row->event_count : 1;
}
static uint32_t event_at(const struct selector *row, uint32_t i) {
    return row->kind == SELECT_EVENTS ? row->events[i].type : SYMBOL_NONE;
}

/* ---- suggestions ---- */

/* Collects names of a kind, for each event of the row where there is one; NULL without memory. */
static struct text *collect_names(struct checker *checker, char kind, const struct selector *row,
                                  size_t *count) {
    struct text *names = arena_alloc(&checker->names, NAMES_MAX * sizeof(*names));
    *count = 0;
    if (!names || !checker->schema->names) return names;
    uint32_t events = row ? event_count(row) : 1;
    for (uint32_t i = 0; i < events && *count < NAMES_MAX; i++) {
        size_t left = NAMES_MAX - *count;
        size_t got =
            checker->schema->names(checker->schema->context, kind,
                                   row ? event_at(row, i) : SYMBOL_NONE, names + *count, left);
        *count += got < left ? got : left;
    }
    return names;
}

static struct text nearest(struct checker *checker, const char *kinds, const struct selector *row,
                           struct text name) {
    for (const char *kind = kinds; *kind; kind++) {
        size_t count;
        struct text *names = collect_names(checker, *kind, row, &count);
        struct text near = names && count ? text_nearest(name, names, count) : (struct text){0};
        if (near.length) return near;
    }
    return (struct text){0};
}

/* Fails with "…: did you mean X?", or with the sentence and what else helps. */
static enum status not_found(struct checker *checker, uint32_t at, const char *what,
                             struct text name, const char *kinds, const struct selector *row,
                             const char *otherwise) {
    struct text near = nearest(checker, kinds, row, name);
    if (near.length)
        return CHECK_FAIL(checker, at, "%s '%.*s': did you mean '%.*s'?", what, TEXT_ARG(name),
                          TEXT_ARG(near));
    return CHECK_FAIL(checker, at, "%s '%.*s'%s%s", what, TEXT_ARG(name), *otherwise ? ": " : "",
                      otherwise);
}

/* ---- properties ---- */

/* STATUS_OK; STATUS_NOT_FOUND; STATUS_INVALID where two of the events give it different types. */
static enum status find_property(const struct checker *checker, const struct selector *row,
                                 struct text name, uint32_t at, struct expr_name *out) {
    bool found = false;
    for (uint32_t i = 0; i < event_count(row); i++) {
        struct expr_name one;
        enum status status =
            checker->schema->property(checker->schema->context, event_at(row, i), name, &one);
        if (status == STATUS_NOT_FOUND) continue;
        if (status != STATUS_OK) return status;
        if (found && (one.type != out->type || one.index != out->index)) {
            return CHECK_FAIL(
                checker, at,
                "'%.*s' is %s in one of these events and %s in another: ask for them one by one",
                TEXT_ARG(name), value_type_name(out->type), value_type_name(one.type));
        }
        *out = one;
        found = true;
    }
    return found ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status find_list_field(const struct checker *checker, const struct selector *row,
                                   struct text name, struct expr_name *out) {
    if (!row->iterates || row->property_type != VALUE_LIST) return STATUS_NOT_FOUND;
    for (uint32_t i = 0; i < event_count(row); i++) {
        enum status status = checker->schema->list_field(checker->schema->context, event_at(row, i),
                                                         row->property_symbol, name, out);
        if (status != STATUS_NOT_FOUND) return status;
    }
    return STATUS_NOT_FOUND;
}

static enum status add_column(const struct checker *checker, const struct expr_name *property,
                              uint32_t at, uint32_t *column) {
    struct column_set *set = checker->schema->columns;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->columns[i].property == property->index && set->columns[i].type == property->type) {
            *column = i;
            return STATUS_OK;
        }
    }
    if (set->count == TIMELINE_COLUMNS_MAX) {
        return expr_fail(checker->error, checker->source, at, STATUS_LIMIT,
                         "the playbook's expressions use more than %d properties",
                         TIMELINE_COLUMNS_MAX);
    }
    *column = set->count;
    set->columns[set->count++] = (struct column){property->index, property->type};
    return STATUS_OK;
}

/* ---- names ---- */

/* Resolves a field of the list's items, or a property of the row. STATUS_NOT_FOUND where it is
 * neither. */
static enum status resolve_in_row(struct checker *checker, struct node *node, struct text name) {
    struct expr_name found;
    enum status status = find_list_field(checker, checker->row, name, &found);
    if (status == STATUS_OK) {
        node->reference = REFERENCE_ITEM;
        node->index = found.index;
        node->type = (uint8_t)found.type;
    }
    if (status != STATUS_NOT_FOUND) return status;
    status = find_property(checker, checker->row, name, node->start, &found);
    if (status != STATUS_OK) return status;
    node->reference = REFERENCE_PROPERTY;
    node->type = (uint8_t)found.type;
    return add_column(checker, &found, node->start, &node->index);
}

/* Resolves what every event has, unless one of its properties has the name. */
static enum status resolve_built_in(struct node *node, struct text name) {
    static const struct {
        const char *name;
        enum reference reference;
        enum value_type type;
    } built_in[] = {{"time", REFERENCE_TIME, VALUE_TIME},
                    {"channel", REFERENCE_CHANNEL, VALUE_TEXT},
                    {"event", REFERENCE_EVENT, VALUE_TEXT},
                    {"source", REFERENCE_SOURCE, VALUE_TEXT}};
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        if (!text_equal(name, text_from(built_in[i].name))) continue;
        node->reference = (uint8_t)built_in[i].reference;
        node->type = (uint8_t)built_in[i].type;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

/* Collects names by which a lookup could be joined: fields of the items first, then properties. */
static struct text *collect_keys(struct checker *checker, uint32_t *count) {
    size_t fields, properties;
    struct text *first = collect_names(checker, 'f', checker->row, &fields);
    struct text *second = collect_names(checker, 'p', checker->row, &properties);
    *count = 0;
    struct text *all = first && second
                           ? arena_alloc(&checker->names, (fields + properties + 1) * sizeof(*all))
                           : NULL;
    if (!all) return NULL;
    struct expr_name ignored;
    for (size_t i = 0; i < fields; i++) {
        if (find_list_field(checker, checker->row, first[i], &ignored) == STATUS_OK)
            all[(*count)++] = first[i];
    }
    for (size_t i = 0; i < properties; i++) all[(*count)++] = second[i];
    return all;
}

/* Resolves a field of reference data that one field or property of the row joins. */
static enum status resolve_lookup(struct checker *checker, struct node *node, struct text lookup,
                                  struct text field) {
    if (!checker->schema->lookup) return STATUS_NOT_FOUND;
    uint32_t count;
    struct text *available = collect_keys(checker, &count);
    if (!available) return STATUS_NO_MEMORY;
    struct expr_name found;
    struct text key = {0};
    enum status status = checker->schema->lookup(checker->schema->context, lookup, field, available,
                                                 count, &node->index, &key, &found);
    if (status == STATUS_EXISTS) {
        return CHECK_FAIL(checker, node->start,
                          "'%.*s' is a field of several lookups: write which, as LOOKUP.%.*s",
                          TEXT_ARG(field), TEXT_ARG(field));
    }
    if (status != STATUS_OK) return status;
    struct node *child = arena_calloc(checker->arena, 1, sizeof(*child));
    if (!child) return STATUS_NO_MEMORY;
    *child = (struct node){.kind = NODE_NAME,
                           .start = node->start,
                           .end = node->end,
                           .place = node->place,
                           .name = key};
    status = resolve_in_row(checker, child, key);
    if (status != STATUS_OK) return status;
    node->reference = REFERENCE_LOOKUP;
    node->first = child;
    node->lookup_field = found.index;
    node->type = (uint8_t)found.type;
    return STATUS_OK;
}

static enum status resolve_trait(const struct checker *checker, struct node *node) {
    struct expr_name found;
    struct expr_trait reads = {0};
    if (!checker->schema->trait) return STATUS_NOT_FOUND;
    enum status status =
        checker->schema->trait(checker->schema->context, node->name, &found, &reads);
    if (status != STATUS_OK) return status;
    if (reads.of_context && checker->schema->context_refused != NULL)
        return CHECK_FAIL(checker, node->start, "'%.*s' reads context, which can't stand here: %s",
                          TEXT_ARG(node->name), checker->schema->context_refused);
    node->reference = REFERENCE_TRAIT;
    node->index = found.index;
    node->type = (uint8_t)found.type;
    node->op = (uint8_t)((reads.of_treatment ? TRAIT_OF_TREATMENT : 0) |
                         (reads.of_context ? TRAIT_OF_CONTEXT : 0));
    return STATUS_OK;
}

static enum status unknown_name(struct checker *checker, const struct node *node) {
    if (checker->row) {
        return not_found(checker, node->start,
                         "neither these events, nor a lookup joined by them, nor a trait has",
                         node->name, "fpt", checker->row,
                         "is it spelt as in the source's properties?");
    }
    struct text near = nearest(checker, "t", NULL, node->name);
    struct expr_name property;
    if (near.length == 0 && checker->schema->property(checker->schema->context, SYMBOL_NONE,
                                                      node->name, &property) == STATUS_OK) {
        return CHECK_FAIL(
            checker, node->start,
            "'%.*s' is a property of events, not a trait: write last(\"Some Event\".%.*s)",
            TEXT_ARG(node->name), TEXT_ARG(node->name));
    }
    return not_found(checker, node->start, "there is no trait", node->name, "t", NULL,
                     "text stands in quotes");
}

static enum status resolve_attribute(struct checker *checker, struct node *node) {
    struct expr_name found;
    enum status status = STATUS_NOT_FOUND;
    if (checker->schema->attribute)
        status = checker->schema->attribute(checker->schema->context, node->field, &found);
    if (status == STATUS_NOT_FOUND)
        return not_found(checker, node->place, "no action has the attribute", node->field, "a",
                         NULL, "");
    if (status != STATUS_OK) return status;
    node->reference = REFERENCE_ATTRIBUTE;
    node->index = found.index;
    node->type = (uint8_t)found.type;
    return STATUS_OK;
}

/* STATUS_NOT_FOUND where the playbook declares no context. */
static enum status resolve_context(struct checker *checker, struct node *node) {
    const struct expr_schema *schema = checker->schema;
    struct expr_name found;
    struct text any;
    bool has_some = schema->context_property && schema->names &&
                    schema->names(schema->context, 'c', SYMBOL_NONE, &any, 1) > 0;
    if (!has_some) return STATUS_NOT_FOUND;
    enum status status = schema->context_property(schema->context, node->field, &found);
    if (status == STATUS_NOT_FOUND)
        return not_found(checker, node->place, "the playbook's context has no", node->field, "c",
                         NULL, "declare it under 'context:'");
    if (status != STATUS_OK) return status;
    if (schema->context_refused != NULL)
        return CHECK_FAIL(checker, node->start, "'context.%.*s' can't stand here: %s",
                          TEXT_ARG(node->field), schema->context_refused);
    node->reference = REFERENCE_CONTEXT;
    node->index = found.index;
    node->type = (uint8_t)found.type;
    return STATUS_OK;
}

static enum status resolve_path(struct checker *checker, struct node *node) {
    if (text_equal(node->name, TEXT("action"))) return resolve_attribute(checker, node);
    if (text_equal(node->name, TEXT("context"))) {
        enum status status = resolve_context(checker, node);
        if (status != STATUS_NOT_FOUND) return status;
        if (!checker->row)
            return CHECK_FAIL(checker, node->start,
                              "the playbook declares no context: write context: { %.*s: text } at "
                              "its top level",
                              TEXT_ARG(node->field));
    }
    if (!checker->row) {
        return CHECK_FAIL(checker, node->start,
                          "'%.*s.%.*s' needs an event to start from: it can stand behind 'where'; "
                          "properties are read as last(\"Some Event\".%.*s)",
                          TEXT_ARG(node->name), TEXT_ARG(node->field), TEXT_ARG(node->field));
    }
    enum status status = resolve_lookup(checker, node, node->name, node->field);
    if (status != STATUS_NOT_FOUND) return status;
    struct text near = nearest(checker, "l", NULL, node->name);
    if (near.length && !text_equal(near, node->name)) {
        return CHECK_FAIL(checker, node->start, "there is no lookup '%.*s': did you mean '%.*s'?",
                          TEXT_ARG(node->name), TEXT_ARG(near));
    }
    return CHECK_FAIL(checker, node->start,
                      "no lookup '%.*s' with a field '%.*s' can be joined here: its key must be a "
                      "property of the event",
                      TEXT_ARG(node->name), TEXT_ARG(node->field));
}

enum status resolve_name(struct checker *checker, struct node *node) {
    enum status status = STATUS_NOT_FOUND;
    if (node->field.length) {
        status = resolve_path(checker, node);
    } else {
        if (checker->row) {
            status = resolve_in_row(checker, node, node->name);
            if (status == STATUS_NOT_FOUND) status = resolve_built_in(node, node->name);
            if (status == STATUS_NOT_FOUND)
                status = resolve_lookup(checker, node, (struct text){0}, node->name);
        }
        if (status == STATUS_NOT_FOUND) status = resolve_trait(checker, node);
        if (status == STATUS_NOT_FOUND) status = unknown_name(checker, node);
    }
    if (status == STATUS_OK && (node->type == VALUE_UNKNOWN || node->type >= VALUE_TYPE_COUNT)) {
        return CHECK_FAIL(checker, node->start,
                          "the type of '%.*s' is not declared: declare it in the playbook",
                          TEXT_ARG(source_of(checker, node)));
    }
    return status;
}

/* ---- selectors ---- */

static enum status resolve_events(struct checker *checker, struct selector *selector) {
    if (selector->kind != SELECT_EVENTS) return STATUS_OK;
    for (uint32_t i = 0; i < selector->event_count; i++) {
        struct event_name *event = &selector->events[i];
        enum status status =
            checker->schema->event(checker->schema->context, event->name, &event->type);
        if (status == STATUS_NOT_FOUND) {
            return not_found(checker, event->start, "there is no event", event->name, "e", NULL,
                             "name it under 'events:' or map it from a source");
        }
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status resolve_field(struct checker *checker, struct selector *selector) {
    if (selector->property_type != VALUE_LIST) {
        return CHECK_FAIL(checker, selector->field_start, "'%.*s' is %s and has no fields",
                          TEXT_ARG(selector->property), type_with_article(selector->property_type));
    }
    struct expr_name found;
    enum status status = find_list_field(checker, selector, selector->field, &found);
    if (status == STATUS_NOT_FOUND) {
        return not_found(checker, selector->field_start, "the items of this list have no field",
                         selector->field, "f", selector, "");
    }
    if (status != STATUS_OK) return status;
    selector->field_symbol = found.index;
    selector->value_type = found.type;
    return STATUS_OK;
}

enum status resolve_selector(struct checker *checker, struct node *node) {
    struct selector *selector = node->selector;
    enum status status = resolve_events(checker, selector);
    if (status != STATUS_OK || selector->property.length == 0) return status;
    struct expr_name found;
    status = find_property(checker, selector, selector->property, selector->property_start, &found);
    if (status == STATUS_NOT_FOUND) {
        return not_found(checker, selector->property_start,
                         selector->event_count > 1 ? "none of these events has a property"
                                                   : "this event has no property",
                         selector->property, "p", selector,
                         "declare it under 'events:' or map it from a source");
    }
    if (status != STATUS_OK) return status;
    selector->property_symbol = found.index;
    selector->property_type = found.type;
    selector->value_type = found.type;
    status = add_column(checker, &found, selector->property_start, &selector->column);
    return status == STATUS_OK && selector->field.length ? resolve_field(checker, selector)
                                                         : status;
}

enum status resolve_relation(struct checker *checker, struct node *node) {
    enum status status = STATUS_NOT_FOUND;
    if (checker->schema->relation)
        status = checker->schema->relation(checker->schema->context, node->name, &node->index);
    if (status != STATUS_NOT_FOUND) return status;
    return not_found(checker, node->place, "there is no relation", node->name, "r", NULL,
                     "name it under 'relations:'");
}

enum status resolve_lifetime(struct checker *checker, struct node *node) {
    const struct expr_schema *schema = checker->schema;
    struct selector *selector = node->selector;
    struct expr_lifetime found = {0};
    const char *function = aggregate_names[node->op];
    enum status status = STATUS_NOT_FOUND;
    if (schema->lifetime) status = schema->lifetime(schema->context, node->name, &found);
    if (status == STATUS_EXISTS)
        return CHECK_FAIL(checker, selector->start,
                          "the playbook has several lifetime models: write which, as %s(NAME%s)",
                          function, node->op == AGGREGATE_ALIVE ? "" : ", 180d");
    if (status == STATUS_NOT_FOUND && node->name.length == 0)
        return CHECK_FAIL(checker, node->start,
                          "%s needs a lifetime model: write lifetime: { shop: { orders: Order "
                          "Completed, value: revenue } } at the playbook's top level",
                          function);
    if (status == STATUS_NOT_FOUND)
        return not_found(checker, selector->start, "there is no lifetime model", node->name, "m",
                         NULL, "name it under 'lifetime:'");
    if (status != STATUS_OK) return status;
    if (node->op == AGGREGATE_EXPECTED_VALUE && found.value.length == 0)
        return CHECK_FAIL(checker, node->start,
                          "the lifetime model knows no value of an order: write value: and the "
                          "property of the event that says it");
    node->index = found.index;
    node->name = found.name;
    selector->events->name = found.event;
    selector->events->start = selector->property_start = selector->start;
    if (node->op == AGGREGATE_EXPECTED_VALUE) selector->property = found.value;
    return resolve_selector(checker, node);
}
