/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "base/yaml.h"

static void walk(const struct yaml_node *node, uint32_t depth) {
    fuzz_check(depth <= YAML_DEPTH_MAX && node->line > 0 && node->column > 0);
    if (node->type == YAML_SCALAR) fuzz_check(node->text.at[node->text.length] == 0);
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->type == YAML_MAP) fuzz_check(node->keys[i]->type == YAML_SCALAR);
        walk(node->items[i], depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena arena;
    struct yaml_node *root;
    struct error error = {0};
    arena_init(&arena, 64 << 20);
    if (yaml_parse(&arena, "f", (struct text){(const char *)bytes, (uint32_t)length}, &root,
                   &error) == STATUS_OK)
        walk(root, 0);
    else
        fuzz_check(error.text[0] != 0);
    arena_release(&arena);
    return 0;
}
