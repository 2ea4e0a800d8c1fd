/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/treatment/levers.h"

#define PERCENT_MIN (-100)
#define PERCENT_MAX 1000

/* Reads "2026-11-20..2026-12-01", in the playbook's zone. */
static bool read_runs(struct reader *reader, const struct yaml_node *node,
                      struct lever_period *out) {
    struct text text, from, until;
    const struct time_zone *zone = reader->playbook->zone;
    if (!reader_text(reader, node, "runs", &text)) return false;
    uint32_t dots = 0;
    while (dots + 2 <= text.length && memcmp(text.at + dots, "..", 2) != 0) dots++;
    bool good = dots + 2 <= text.length;
    if (good) {
        from = text_trim((struct text){text.at, dots});
        until = text_trim((struct text){text.at + dots + 2, text.length - dots - 2});
        good = time_parse(from, zone, &out->from_ms) == STATUS_OK &&
               time_parse(until, zone, &out->until_ms) == STATUS_OK;
    }
    if (!good)
        reader_error(reader, node_place(node),
                     "runs is \"%.*s\": write two times, such as 2026-11-20..2026-12-01; it ends "
                     "when the second begins",
                     TEXT_ARG(shown(text)));
    else if (out->from_ms >= out->until_ms)
        reader_error(reader, node_place(node), "runs ends before it begins: write FROM..UNTIL");
    return good && out->from_ms < out->until_ms;
}

static bool read_one(struct reader *reader, const struct yaml_node *node, const char *what,
                     struct lever_period *out) {
    const struct yaml_node *values[KEYS_MAX];
    *out = (struct lever_period){.from_ms = INT64_MIN, .until_ms = INT64_MAX};
    if (node->type != YAML_MAP)
        return reader_percent(reader, node, what, PERCENT_MIN, PERCENT_MAX, &out->percent);
    if (!reader_keys(reader, node, &lever_keys, values)) return false;
    if (values[LEVER_PERCENT] == NULL) {
        reader_error(reader, node_place(node),
                     "a lever has no percent: write { percent: 5%%, runs: FROM..UNTIL }");
        return false;
    }
    bool good = reader_percent(reader, values[LEVER_PERCENT], "percent", PERCENT_MIN, PERCENT_MAX,
                               &out->percent);
    return (values[LEVER_RUNS] == NULL || read_runs(reader, values[LEVER_RUNS], out)) && good;
}

bool lever_list_read(struct reader *reader, const struct yaml_node *node, const char *what,
                     struct lever_list *out) {
    bool is_list = node->type == YAML_LIST, good = true;
    uint32_t count = is_list ? node->count : 1;
    out->count = 0;
    if (count > LEVERS_MAX) {
        reader_error(reader, node_place(node), "more than %d levers in one list", LEVERS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (read_one(reader, is_list ? node->items[i] : node, what, &out->items[out->count]))
            out->count++;
        else
            good = false;
    }
    return good;
}

void levers_add(struct reader *reader, const struct lever_list *list, struct action *action) {
    struct lever_period *periods = NULL;
    uint32_t count = action->lever_period_count;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct lever_period *lever = &list->items[i];
        if (lever->from_ms == INT64_MIN) {
            action->lever_percent += lever->percent;
            continue;
        }
        if (periods == NULL)
            periods = reader_alloc(reader, (size_t)count + list->count, sizeof *periods);
        if (periods == NULL) return;
        periods[count++] = *lever;
    }
    if (periods == NULL) return;
    if (action->lever_period_count > 0)
        memcpy(periods, action->lever_periods, action->lever_period_count * sizeof *periods);
    action->lever_periods = periods;
    action->lever_period_count = count;
}

static void add_to_all(struct reader *reader, const struct yaml_node *key,
                       const struct yaml_node *value, bool by_group) {
    struct playbook *playbook = reader->playbook;
    uint32_t found = 0, count = 0;
    struct lever_list list;
    struct text *known = reader_alloc(reader, playbook->action_count, sizeof *known);
    if (known == NULL || !lever_list_read(reader, value, "a lever", &list)) return;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        struct action *action = (struct action *)&playbook->actions[i];
        struct text name = by_group ? action->group : action->issue;
        if (name.length > 0) known[count++] = name;
        if (!text_equal(name, key->text)) continue;
        levers_add(reader, &list, action);
        found++;
    }
    if (found == 0) {
        reader_unknown(reader, node_place(key), by_group ? "group of actions" : "issue of actions",
                       key->text, known, count);
    }
}

void levers_read(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    if (node == NULL || !reader_keys(reader, node, &levers_keys, values)) return;
    for (uint32_t i = 0; i < LEVERS_COUNT; i++) {
        const struct yaml_node *map = values[i];
        if (map == NULL || !reader_is_map(reader, map, levers_keys.keys[i])) continue;
        for (uint32_t k = 0; k < map->count; k++)
            add_to_all(reader, map->keys[k], map->items[k], i == LEVERS_GROUPS);
    }
}
