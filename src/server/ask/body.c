/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/body.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/server.h"

#define MEMBERS_MAX 32

/* ---- one parser a thread ---- */

static pthread_key_t parser_key;
static pthread_once_t parser_once = PTHREAD_ONCE_INIT;

static void destroy_parser(void *parser) {
    json_parser_destroy(parser);
}

static void make_key(void) {
    (void)pthread_key_create(&parser_key, destroy_parser);
}

static struct json_parser *thread_parser(void) {
    (void)pthread_once(&parser_once, make_key);
    struct json_parser *parser = pthread_getspecific(parser_key);
    if (parser != NULL) return parser;
    if (json_parser_create(&parser, SERVER_BODY_INFLATED) != STATUS_OK) return NULL;
    if (pthread_setspecific(parser_key, parser) == 0) return parser;
    json_parser_destroy(parser);
    return NULL;
}

bool body_parse(struct http_call *call, struct json_node *root) {
    struct error error = {0};
    struct json_parser *parser = thread_parser();
    enum status status =
        parser == NULL ? STATUS_NO_MEMORY : json_parse(parser, http_body(call), root, &error);
    if (status == STATUS_INVALID)
        http_problem(call, 400, "invalid", "the body is no JSON: %s", error.text);
    else if (status != STATUS_OK)
        http_problem_of(call, status, &error);
    else if (json_type(*root) != JSON_OBJECT)
        http_problem(call, 400, "invalid", "the body must be one JSON object: {…}");
    else
        return true;
    return false;
}

static const char *type_words(enum json_type type) {
    static const char *const words[] = {
        [JSON_NULL] = "null",   [JSON_YES_NO] = "true or false", [JSON_NUMBER] = "a number",
        [JSON_TEXT] = "a text", [JSON_ARRAY] = "a list",         [JSON_OBJECT] = "an object"};
    return words[type];
}

static bool refuse_unknown(struct http_call *call, struct text key, const char *where,
                           const struct body_member *members, size_t count) {
    struct text known[MEMBERS_MAX];
    struct text nearest = {0};
    size_t names = count < MEMBERS_MAX ? count : MEMBERS_MAX;
    for (size_t i = 0; i < names; i++) known[i] = text_from(members[i].name);
    nearest = text_nearest(key, known, names);
    if (nearest.length > 0)
        http_problem(call, 400, "unknown-member", "%s%.*s is no member; did you mean %.*s?", where,
                     TEXT_ARG(key), TEXT_ARG(nearest));
    else
        http_problem(call, 400, "unknown-member",
                     "%sa member is unknown; /openapi.json lists those there are", where);
    return false;
}

static bool take_member(struct http_call *call, struct json_node node, const char *where,
                        const struct body_member *member) {
    enum json_type type = json_type(node);
    if (type == JSON_NULL) return true;
    if (type != member->type) {
        http_problem(call, 400, "invalid", "%s%s must be %s", where, member->name,
                     type_words(member->type));
        return false;
    }
    *member->out = node;
    if (member->is_there != NULL) *member->is_there = true;
    return true;
}

bool body_read(struct http_call *call, struct json_node object, const char *where,
               const struct body_member *members, size_t count) {
    uint32_t seen = 0;
    struct json_iterator it = json_begin(object);
    while (json_next(&it)) {
        size_t i = 0;
        while (i < count && !text_equal(it.key, text_from(members[i].name))) i++;
        if (i == count) return refuse_unknown(call, it.key, where, members, count);
        if (!take_member(call, it.node, where, &members[i])) return false;
        if (json_type(it.node) != JSON_NULL) seen |= 1u << i;
    }
    for (size_t i = 0; i < count; i++) {
        if (!members[i].is_required || (seen & (1u << i)) != 0) continue;
        http_problem(call, 400, "invalid", "%s%s is missing; it must be %s", where, members[i].name,
                     type_words(members[i].type));
        return false;
    }
    return true;
}

static bool count_items(struct http_call *call, struct json_node list, uint32_t max,
                        struct body_items *out) {
    const char *name = out->name;
    for (struct json_iterator it = json_begin(list); json_next(&it); out->count++) {
        if (json_type(it.node) == JSON_OBJECT) continue;
        http_problem(call, 400, "invalid", "%s[%u] must be an object", name, out->count);
        return false;
    }
    if (out->count >= 1 && out->count <= max) return true;
    http_problem(call, 400, "invalid", "%s must hold from 1 to %u objects", name, max);
    return false;
}

bool body_items(struct http_call *call, const char *name, uint32_t max, struct body_items *out) {
    struct json_node list;
    *out = (struct body_items){.name = name};
    if (!body_parse(call, &out->root)) return false;
    out->is_list = json_get(out->root, text_from(name), &list);
    if (!out->is_list) {
        out->count = 1;
        return true;
    }
    const struct body_member members[] = {{name, JSON_ARRAY, true, &list, NULL}};
    if (!body_read(call, out->root, "", members, 1)) return false;
    out->list = json_begin(list);
    return count_items(call, list, max, out);
}

bool body_items_next(struct body_items *items, struct json_node *out) {
    if (items->number == items->count) return false;
    *out = items->root;
    if (items->is_list) {
        (void)json_next(&items->list);
        *out = items->list.node;
        snprintf(items->where, sizeof items->where, "%s[%u].", items->name, items->number);
    }
    items->number++;
    return true;
}

bool body_keep(struct http_call *call, struct text text, struct text *out) {
    char *copy = arena_alloc(http_arena(call), (size_t)text.length + 1);
    if (copy == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return false;
    }
    if (text.length > 0) memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    *out = (struct text){copy, text.length};
    return true;
}
