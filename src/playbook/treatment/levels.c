/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/treatment/levels.h"

static struct level *read_levels(struct reader *reader, const struct yaml_node *node,
                                 const char *what, bool is_group, uint32_t *count) {
    *count = 0;
    if (node == NULL || !reader_is_map(reader, node, what)) return NULL;
    struct level *levels = reader_alloc(reader, (size_t)node->count + 1, sizeof *levels);
    for (uint32_t i = 0; levels != NULL && i < node->count; i++) {
        struct level *level = &levels[*count];
        level->key = node->keys[i];
        if (!reader_keys(reader, node->items[i], &level_keys, level->values)) continue;
        const struct yaml_node *issue = level->values[LEVEL_ISSUE];
        if (issue != NULL && !is_group)
            reader_error(reader, node_place(issue),
                         "an issue is of no issue: write issue: in the groups that belong to it");
        ++*count;
    }
    return levels;
}

void levels_begin(struct reader *reader, const struct yaml_node *issues,
                  const struct yaml_node *groups, struct levels *out) {
    *out = (struct levels){0};
    out->issues = read_levels(reader, issues, "issues", false, &out->issue_count);
    out->groups = read_levels(reader, groups, "groups", true, &out->group_count);
}

static struct level *find(struct level *levels, uint32_t count, struct text name) {
    for (uint32_t i = 0; i < count; i++) {
        if (!text_equal(levels[i].key->text, name)) continue;
        levels[i].used = true;
        return &levels[i];
    }
    return NULL;
}

void levels_of(struct reader *reader, struct levels *levels, struct action *action,
               struct level *out[2]) {
    out[1] =
        action->group.length > 0 ? find(levels->groups, levels->group_count, action->group) : NULL;
    const struct yaml_node *issue = out[1] != NULL ? out[1]->values[LEVEL_ISSUE] : NULL;
    if (issue != NULL && action->issue.length == 0)
        (void)reader_name(reader, issue, "an issue's name", &action->issue);
    out[0] =
        action->issue.length > 0 ? find(levels->issues, levels->issue_count, action->issue) : NULL;
}

const struct yaml_node *level_value(struct level *const levels[2], enum level_key key) {
    for (uint32_t i = 2; i-- > 0;)
        if (levels[i] != NULL && levels[i]->values[key] != NULL) return levels[i]->values[key];
    return NULL;
}

static void tell_unused(struct reader *reader, const struct level *levels, uint32_t count,
                        bool is_group) {
    const struct playbook *playbook = reader->playbook;
    for (uint32_t i = 0; i < count; i++) {
        if (levels[i].used) continue;
        uint32_t known_count = 0;
        struct text *known = reader_alloc(reader, playbook->action_count + 1u, sizeof *known);
        for (uint32_t a = 0; known != NULL && a < playbook->action_count; a++) {
            const struct action *action = &playbook->actions[a];
            struct text name = is_group ? action->group : action->issue;
            if (name.length > 0) known[known_count++] = name;
        }
        if (known != NULL)
            reader_unknown(reader, node_place(levels[i].key),
                           is_group ? "group of actions" : "issue of actions", levels[i].key->text,
                           known, known_count);
    }
}

void levels_end(struct reader *reader, const struct levels *levels) {
    tell_unused(reader, levels->issues, levels->issue_count, false);
    tell_unused(reader, levels->groups, levels->group_count, true);
}
