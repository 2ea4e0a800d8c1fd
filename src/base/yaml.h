/* SPDX-License-Identifier: Apache-2.0 */
/* base/yaml.h -- a YAML file as a tree whose every node knows its line and column (libyaml's
 * events).
 *
 * No anchors or aliases (they make bombs), no tags, one document, duplicate keys are an error.
 * Nodes live in the document's arena. Any thread, one document each. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/arena.h"

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };
struct yaml_node {
    enum yaml_type type;
    uint32_t line, column;    /* from 1 */
    bool quoted;              /* scalars: written in quotes or as a block */
    struct text text;         /* scalars; 0-terminated */
    uint32_t count;           /* items, or pairs */
    struct yaml_node **keys;  /* maps: scalars */
    struct yaml_node **items; /* lists: items; maps: values */
};
#define YAML_DEPTH_MAX 32
#define YAML_NODES_MAX 200000

/* On error the text is "FILE:LINE:COLUMN: what". `file` is the name used in messages. */
enum status yaml_parse(struct arena *arena, const char *file, struct text bytes,
                       struct yaml_node **root, struct error *error) MUST_USE;
/* Returns NULL where the key is absent or the node is no map. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

#endif
