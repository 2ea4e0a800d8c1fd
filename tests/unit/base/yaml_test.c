/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include <stdio.h>

#include "base/yaml.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 256 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct yaml_node *parse(const char *string) {
    struct yaml_node *root = NULL;
    struct error error = {0};
    if (yaml_parse(&arena, "p.yaml", text_from(string), &root, &error)) fail_msg("%s", error.text);
    return root;
}

static void nodes_know_where_they_stand(void **state) {
    (void)state;
    const struct yaml_node *root = parse("# comment\n"
                                         "currency: USD\n"
                                         "limits: [1, 'two', \"three\"]\n"
                                         "nested:\n"
                                         "  text: |\n"
                                         "    one\n"
                                         "    two\n"
                                         "  empty:\n"
                                         "policies:\n"
                                         "  - { channel: email, at_most: 2 }\n");
    assert_int_equal(root->type, YAML_MAP);
    assert_int_equal(root->count, 4);
    assert_text(root->keys[0]->text, "currency");
    assert_int_equal(root->keys[0]->line, 2);
    assert_int_equal(root->items[0]->column, 11);
    assert_text(yaml_get(root, "currency")->text, "USD");
    assert_false(yaml_get(root, "currency")->quoted);
    const struct yaml_node *limits = yaml_get(root, "limits");
    assert_int_equal(limits->type, YAML_LIST);
    assert_int_equal(limits->count, 3);
    assert_null(limits->keys);
    assert_true(limits->items[1]->quoted && limits->items[2]->quoted && !limits->items[0]->quoted);
    const struct yaml_node *nested = yaml_get(root, "nested");
    assert_text(yaml_get(nested, "text")->text, "one\ntwo\n");
    assert_true(yaml_get(nested, "text")->quoted);
    assert_int_equal(yaml_get(nested, "empty")->text.length, 0);
    assert_int_equal(yaml_get(nested, "empty")->text.at[0], 0);
    const struct yaml_node *policy = yaml_get(root, "policies")->items[0];
    assert_int_equal(policy->line, 10);
    assert_int_equal(policy->column, 5);
    assert_text(yaml_get(policy, "at_most")->text, "2");
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(limits, "absent"));
    assert_null(yaml_get(NULL, "absent"));
    assert_int_equal(parse("[]")->count, 0);
    assert_int_equal(parse("{}")->count, 0);
    assert_text(parse("\xEF\xBB\xBF"
                      "a: 1")
                    ->keys[0]
                    ->text,
                "a");
}

static void wrong_documents(void **state) {
    (void)state;
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"", "p.yaml:1:1: ", "empty"},
        {"# only a comment\n", "p.yaml:1:1: ", "empty"},
        {"a: 1\nb: 2\na: 3\n", "p.yaml:3:1: ", "\"a\" is already given in line 1"},
        {"x:\n  a: 1\n  a: 2\n  a: 3\n", "p.yaml:3:3: ", "line 2"},
        {"a: &x 1\n", "p.yaml:1:4: ", "anchors"},
        {"a: &x [1]\n", "p.yaml:1:4: ", "anchors"},
        {"a: *x\n", "p.yaml:1:4: ", "aliases"},
        {"a: !!int 1\n", "p.yaml:1:4: ", "tags"},
        {"a: !t {}\n", "p.yaml:1:4: ", "tags"},
        {"a: 1\n---\nb: 2\n", "p.yaml:2:1: ", "second document"},
        {"[a]: 1\n", "p.yaml:1:1: ", "a key must be a name"},
        {"a: 1\n b: 2\n", "p.yaml:2:3: ", "mapping values are not allowed"},
        {"a: 'open\n", "p.yaml:2:1: ", "quoted scalar"},
        {"a:\n\t- 1\n", "p.yaml:2:1: ", "token"},
        {"a: [1, 2\nb: 3\n", "p.yaml:2:", "indentation"},
        {"a: \xC3(\n", "p.yaml: ", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct yaml_node *root = NULL;
        struct error error = {0};
        if (yaml_parse(&arena, "p.yaml", text_from(cases[i].text), &root, &error) != STATUS_INVALID)
            fail_msg("%s", cases[i].text);
        if (strncmp(error.text, cases[i].where, strlen(cases[i].where)) != 0 ||
            !strstr(error.text, cases[i].what)) {
            fail_msg("%s gave: %s", cases[i].text, error.text);
        }
    }
}

static void limits(void **state) {
    (void)state;
    char deep[100];
    struct yaml_node *root;
    struct error error;
    memset(deep, '[', YAML_DEPTH_MAX);
    memset(deep + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    assert_int_equal(
        yaml_parse(&arena, "p", (struct text){deep, 2 * YAML_DEPTH_MAX}, &root, &error), STATUS_OK);
    memset(deep + 1, '[', YAML_DEPTH_MAX);
    memset(deep + 1 + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
    assert_int_equal(
        yaml_parse(&arena, "p", (struct text){deep, 2 * YAML_DEPTH_MAX + 1}, &root, &error),
        STATUS_LIMIT);
    static char wide[2 * YAML_NODES_MAX + 10];
    size_t length = 0;
    wide[length++] = '[';
    for (int i = 0; i < YAML_NODES_MAX - 1; i++) {
        wide[length++] = '1';
        wide[length++] = ',';
    }
    wide[length] = ']';
    assert_int_equal(
        yaml_parse(&arena, "p", (struct text){wide, (uint32_t)length + 1}, &root, &error),
        STATUS_OK);
    assert_int_equal(root->count, YAML_NODES_MAX - 1);
    memcpy(wide + length, "1]", 2);
    assert_int_equal(
        yaml_parse(&arena, "p", (struct text){wide, (uint32_t)length + 2}, &root, &error),
        STATUS_LIMIT);
}

static enum status scenario(void) {
    struct arena own;
    arena_init(&own, 1 << 20);
    struct yaml_node *root;
    char text[4000];
    size_t length = 0;
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "k%d: [a, {b: c}]\n", i);
    enum status status = yaml_parse(&own, "p", (struct text){text, (uint32_t)length}, &root, NULL);
    arena_release(&own);
    return status;
}

static void failing_allocations(void **state) {
    (void)state;
    fail_every_allocation(scenario, 4);
    struct arena tiny; /* the arena's maximum is no memory, too */
    for (size_t max = 0; max < 2000; max += 16) {
        struct yaml_node *root;
        arena_init(&tiny, max);
        enum status status = yaml_parse(&tiny, "p", TEXT("a: [1, 2, {b: c}]\nd: e\n"), &root, NULL);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        arena_release(&tiny);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_where_they_stand),
        cmocka_unit_test(wrong_documents),
        cmocka_unit_test(limits),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests_name("base yaml", tests, set_up, tear_down);
}
