/* SPDX-License-Identifier: Apache-2.0 */
/* docs/playbook.schema.json against the parser: the same keys, and every example and the starter
 * are valid by it. The validator knows the part of JSON Schema 2020-12 that the file uses, and
 * fails on a keyword that it doesn't know. */
#include "playbook_trial.h"

#include <regex.h>

#include "base/json.h"
#include "base/yaml.h"
#include "playbook/read/keys.h"

static struct json_parser *parser;
static struct json_node schema;
static struct buffer schema_bytes;

static int set_up(void **state) {
    struct error error = {0};
    (void)state;
    read_source_file("docs/playbook.schema.json", &schema_bytes);
    assert_int_equal(json_parser_create(&parser, 1 << 20), STATUS_OK);
    enum status status = json_parse(parser, buffer_text(&schema_bytes), &schema, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    return status == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    json_parser_destroy(parser);
    buffer_release(&schema_bytes);
    return 0;
}

static bool get(struct json_node node, const char *key, struct json_node *out) {
    return json_type(node) == JSON_OBJECT && json_get(node, text_from(key), out);
}

/* ---- the keys ---- */

static struct json_node definition(const char *name) {
    struct json_node definitions, found = schema;
    if (strcmp(name, "top") == 0) return schema;
    assert_true(get(schema, "$defs", &definitions));
    if (!get(definitions, name, &found)) fail_msg("the schema has no definition \"%s\"", name);
    return found;
}

static bool parser_knows(const struct key_set *set, struct text key) {
    for (uint32_t i = 0; i < set->count; i++) {
        if (text_equal(key, text_from(set->keys[i]))) return true;
    }
    return false;
}

static void test_same_keys(void **state) {
    (void)state;
    uint32_t wrong = 0;
    for (uint32_t s = 0; s < playbook_key_set_count; s++) {
        const struct key_set *set = playbook_key_sets[s];
        struct json_node properties, ignored;
        assert_true(get(definition(set->name), "properties", &properties));
        for (uint32_t i = 0; i < set->count; i++) {
            if (get(properties, set->keys[i], &ignored)) continue;
            print_message("%s.%s is read, and not in the schema\n", set->name, set->keys[i]);
            wrong++;
        }
        for (struct json_iterator it = json_begin(properties); json_next(&it);) {
            if (parser_knows(set, it.key)) continue;
            print_message("%s.%.*s is in the schema, and not read\n", set->name, TEXT_ARG(it.key));
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* A key is explained where it stands in code marks: `row_key`, or as a heading's. */
static void test_every_key_is_explained(void **state) {
    struct buffer page;
    uint32_t missing = 0;
    (void)state;
    buffer_init(&page);
    read_source_file("docs/playbook.md", &page);
    for (uint32_t s = 0; s < playbook_key_set_count; s++) {
        for (uint32_t i = 0; i < playbook_key_sets[s]->count; i++) {
            char marked[64];
            snprintf(marked, sizeof marked, "`%s`", playbook_key_sets[s]->keys[i]);
            if (text_contains(buffer_text(&page), text_from(marked))) continue;
            print_message("docs/playbook.md says nothing of %s.%s\n", playbook_key_sets[s]->name,
                          playbook_key_sets[s]->keys[i]);
            missing++;
        }
    }
    buffer_release(&page);
    assert_int_equal(missing, 0);
}

/* Every closed object of the schema belongs to a key set of the parser. */
static void test_no_other_objects(void **state) {
    struct json_node definitions, closed;
    (void)state;
    assert_true(get(schema, "$defs", &definitions));
    for (struct json_iterator it = json_begin(definitions); json_next(&it);) {
        if (!get(it.node, "additionalProperties", &closed) || json_type(closed) != JSON_YES_NO)
            continue;
        bool known = false;
        for (uint32_t s = 0; s < playbook_key_set_count; s++) {
            known = known || text_equal(it.key, text_from(playbook_key_sets[s]->name));
        }
        if (!known) fail_msg("the parser has no keys called \"%.*s\"", TEXT_ARG(it.key));
    }
}

/* ---- the validator ---- */

static bool is_valid(struct json_node rule, const struct yaml_node *node);

static bool is_one_of(struct text text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(text, text_from(words[i]))) return true;
    }
    return false;
}

/* What an editor takes a plain scalar for. */
static bool is_null(const struct yaml_node *node) {
    static const char *const words[] = {"", "~", "null"};
    return node->type == YAML_SCALAR && !node->quoted && is_one_of(node->text, words, 3);
}
static bool is_boolean(const struct yaml_node *node) {
    static const char *const words[] = {"yes", "no", "true", "false"};
    return node->type == YAML_SCALAR && !node->quoted && is_one_of(node->text, words, 4);
}
static bool is_number(const struct yaml_node *node, double *number) {
    return node->type == YAML_SCALAR && !node->quoted &&
           text_to_double(node->text, number) == STATUS_OK;
}

static bool has_type(const struct yaml_node *node, struct text type) {
    double number = 0;
    if (text_equal(type, TEXT("object"))) return node->type == YAML_MAP;
    if (text_equal(type, TEXT("array"))) return node->type == YAML_LIST;
    if (text_equal(type, TEXT("null"))) return is_null(node);
    if (text_equal(type, TEXT("boolean"))) return is_boolean(node);
    if (text_equal(type, TEXT("number"))) return is_number(node, &number);
    if (text_equal(type, TEXT("integer")))
        return is_number(node, &number) && number == (double)(int64_t)number;
    if (text_equal(type, TEXT("string"))) {
        return node->type == YAML_SCALAR && !is_null(node) && !is_boolean(node) &&
               !is_number(node, &number);
    }
    fail_msg("a type that this test doesn't know: %.*s", TEXT_ARG(type));
    return false;
}

static bool check_type(struct json_node types, const struct yaml_node *node) {
    if (json_type(types) == JSON_TEXT) return has_type(node, json_text(types));
    for (struct json_iterator it = json_begin(types); json_next(&it);) {
        if (has_type(node, json_text(it.node))) return true;
    }
    return false;
}

static bool check_pattern(struct text pattern, struct text text) {
    char source[512], subject[4096];
    regex_t regex;
    assert_true(pattern.length < sizeof source && text.length < sizeof subject);
    snprintf(source, sizeof source, "%.*s", TEXT_ARG(pattern));
    snprintf(subject, sizeof subject, "%.*s", TEXT_ARG(text));
    assert_int_equal(regcomp(&regex, source, REG_EXTENDED | REG_NOSUB), 0);
    bool matches = regexec(&regex, subject, 0, NULL, 0) == 0;
    regfree(&regex);
    return matches;
}

static bool check_enum(struct json_node values, const struct yaml_node *node) {
    double number;
    for (struct json_iterator it = json_begin(values); json_next(&it);) {
        bool is_text = json_type(it.node) == JSON_TEXT;
        if (is_text && node->type == YAML_SCALAR && text_equal(json_text(it.node), node->text))
            return true;
        if (!is_text && is_number(node, &number) && number == json_number(it.node)) return true;
    }
    return false;
}

static uint32_t count_valid(struct json_node rules, const struct yaml_node *node) {
    uint32_t count = 0;
    for (struct json_iterator it = json_begin(rules); json_next(&it);)
        count += is_valid(it.node, node);
    return count;
}

static bool check_required(struct json_node keys, const struct yaml_node *node) {
    for (struct json_iterator it = json_begin(keys); json_next(&it);) {
        bool found = node->type != YAML_MAP;
        for (uint32_t i = 0; !found && i < node->count; i++)
            found = text_equal(node->keys[i]->text, json_text(it.node));
        if (!found) return false;
    }
    return true;
}

static bool check_members(struct json_node rule, const struct yaml_node *node) {
    struct json_node properties, additional, names, member;
    bool has_properties = get(rule, "properties", &properties),
         has_names = get(rule, "propertyNames", &names);
    bool has_additional = get(rule, "additionalProperties", &additional);
    for (uint32_t i = 0; node->type == YAML_MAP && i < node->count; i++) {
        struct text key = node->keys[i]->text;
        if (has_names && !is_valid(names, node->keys[i])) return false;
        if (has_properties && json_get(properties, key, &member)) {
            if (!is_valid(member, node->items[i])) return false;
        } else if (has_additional && json_type(additional) == JSON_YES_NO) {
            if (!json_yes(additional)) return false;
        } else if (has_additional && !is_valid(additional, node->items[i])) {
            return false;
        }
    }
    return true;
}

static bool check_items(struct json_node rule, const struct yaml_node *node) {
    for (uint32_t i = 0; node->type == YAML_LIST && i < node->count; i++) {
        if (!is_valid(rule, node->items[i])) return false;
    }
    return true;
}

static bool follow(struct text pointer, const struct yaml_node *node) {
    char name[64];
    assert_true(text_starts_with(pointer, TEXT("#/$defs/")));
    snprintf(name, sizeof name, "%.*s", (int)pointer.length - 8, pointer.at + 8);
    return is_valid(definition(name), node);
}

static bool check_bound(struct text keyword, double bound, const struct yaml_node *node) {
    double number = 0;
    if (text_equal(keyword, TEXT("minimum"))) return !is_number(node, &number) || number >= bound;
    if (text_equal(keyword, TEXT("maximum"))) return !is_number(node, &number) || number <= bound;
    if (text_equal(keyword, TEXT("minLength")))
        return node->type != YAML_SCALAR || node->text.length >= bound;
    if (text_equal(keyword, TEXT("minItems")))
        return node->type != YAML_LIST || node->count >= bound;
    if (text_equal(keyword, TEXT("maxItems")))
        return node->type != YAML_LIST || node->count <= bound;
    if (text_equal(keyword, TEXT("minProperties")))
        return node->type != YAML_MAP || node->count >= bound;
    if (text_equal(keyword, TEXT("maxProperties")))
        return node->type != YAML_MAP || node->count <= bound;
    fail_msg("a keyword that this test doesn't know: %.*s", TEXT_ARG(keyword));
    return false;
}

static bool check_keyword(struct json_node rule, struct text keyword, struct json_node value,
                          const struct yaml_node *node) {
    static const char *const no_rules[] = {"description", "title", "$schema", "$defs"};
    static const char *const members[] = {"properties", "additionalProperties", "propertyNames"};
    if (is_one_of(keyword, no_rules, 4)) return true;
    if (is_one_of(keyword, members, 3)) return check_members(rule, node);
    if (text_equal(keyword, TEXT("type"))) return check_type(value, node);
    if (text_equal(keyword, TEXT("enum"))) return check_enum(value, node);
    if (text_equal(keyword, TEXT("$ref"))) return follow(json_text(value), node);
    if (text_equal(keyword, TEXT("anyOf"))) return count_valid(value, node) > 0;
    if (text_equal(keyword, TEXT("oneOf"))) return count_valid(value, node) == 1;
    if (text_equal(keyword, TEXT("required"))) return check_required(value, node);
    if (text_equal(keyword, TEXT("items"))) return check_items(value, node);
    if (text_equal(keyword, TEXT("pattern")))
        return node->type != YAML_SCALAR || check_pattern(json_text(value), node->text);
    return check_bound(keyword, json_number(value), node);
}

static bool is_valid(struct json_node rule, const struct yaml_node *node) {
    for (struct json_iterator it = json_begin(rule); json_next(&it);) {
        if (!check_keyword(rule, it.key, it.node, node)) return false;
    }
    return true;
}

/* ---- what must be valid, and what must not ---- */

/* The narrowest value that its own rule refuses is of more use than "no". */
static void explain(struct json_node rule, const struct yaml_node *node) {
    struct json_node properties, member;
    print_message("line %u, column %u is not valid\n", node->line, node->column);
    if (node->type != YAML_MAP || !get(rule, "properties", &properties)) return;
    for (uint32_t i = 0; i < node->count; i++) {
        if (!json_get(properties, node->keys[i]->text, &member)) {
            print_message("line %u: %.*s is not in the schema\n", node->keys[i]->line,
                          TEXT_ARG(node->keys[i]->text));
        } else if (!is_valid(member, node->items[i])) {
            print_message("line %u: %.*s is not valid\n", node->keys[i]->line,
                          TEXT_ARG(node->keys[i]->text));
        }
    }
}

static bool validate(const char *name, struct text bytes, bool say_why) {
    struct arena arena;
    struct yaml_node *root;
    struct error error = {0};
    arena_init(&arena, 64 << 20);
    enum status status = yaml_parse(&arena, name, bytes, &root, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
    bool valid = is_valid(schema, root);
    if (!valid && say_why) {
        print_message("%s:\n", name);
        explain(schema, root);
    }
    arena_release(&arena);
    return valid;
}

static void test_examples(void **state) {
    static const char *const examples[] = {
        "examples/grocer/playbook.yaml", "examples/auto/playbook.yaml",
        "examples/concert/playbook.yaml", "examples/fashion/playbook.yaml"};
    struct buffer bytes;
    (void)state;
    buffer_init(&bytes);
    bool valid = true;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        read_source_file(examples[i], &bytes);
        valid = validate(examples[i], buffer_text(&bytes), true) && valid;
    }
    buffer_release(&bytes);
    assert_true(valid);
}

static void test_starter(void **state) {
    (void)state;
    assert_true(validate("starter", playbook_starter(), true));
}

static void test_refusals(void **state) {
    static const char *const refused[] = {
        "name: no version\n",
        "attune: 2\n",
        "attune: 1\nacions: {}\n",
        "attune: 1\nholdout: { share: 0.05 }\n",
        "attune: 1\ngoals: { g: { within: 3d } }\n",
        "attune: 1\ngoals: { g: { event: E, within: 3 days } }\n",
        "attune: 1\nactions: { a: { goal: g } }\n",
        "attune: 1\nactions: { a: { goal: g, channels: [] } }\n",
        "attune: 1\npolicies: [{ at_most: 1, in: 3d, quiet: \"1:00-2:00\" }]\n",
        "attune: 1\npolicies: [{ never_without: optin }]\n",
        "attune: 1\ntraits: { a-b: 1 }\n",
        "attune: 1\ntraits: { a: { says: x } }\n",
        "attune: 1\nevents: { E: { n: numbr } }\n",
        "attune: 1\nsources: { s: { types: { a: mony } } }\n",
        "attune: 1\nsources: { s: { lookup: [a, b, c, d, e] } }\n",
        "attune: 1\ndecide: { slots: 17 }\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (validate("refused", text_from(refused[i]), false))
            fail_msg("the schema takes: %s", refused[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_explained),
        cmocka_unit_test(test_same_keys),
        cmocka_unit_test(test_no_other_objects),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_starter),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
