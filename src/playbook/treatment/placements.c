/* SPDX-License-Identifier: Apache-2.0 */
/* Reads where decisions are asked for, what may stand beside each other, and what is shown. */
#include "playbook/playbook_internal.h"
#include "playbook/treatment/placements.h"
#include "playbook/treatment/budgets.h"

#define PLACEMENTS_MAX     256
#define BUNDLES_MAX        1000
#define CONTENT_FIELDS_MAX 64
#define TIMEOUT_MS_MAX     (10 * TIME_SECOND_MS)

/* ---- content ---- */

/* A trait goes before an attribute of its name. */
static bool names_a_trait(const struct reader *reader, struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        const char *close = text.at[i] == '{' ? memchr(text.at + i, '}', text.length - i) : NULL;
        if (close == NULL) continue;
        struct text name = {text.at + i + 1, (uint32_t)(close - text.at) - i - 1};
        if (names_trait(reader->names, name) != NULL) return true;
    }
    return false;
}

bool content_fields_read(struct reader *reader, const struct yaml_node *node, const char *what,
                         void (*check)(struct reader *reader, const struct yaml_node *node,
                                       const char *what, void *context),
                         void *context, const struct content_field **fields, uint32_t *count) {
    bool is_map = node->type == YAML_MAP;
    uint32_t wanted = is_map ? node->count : 1;
    if (wanted > CONTENT_FIELDS_MAX) {
        reader_error(reader, node_place(node),
                     "%s has more than %d members: keep the rest in a "
                     "table or in the page itself",
                     what, CONTENT_FIELDS_MAX);
        return false;
    }
    struct content_field *out = reader_alloc(reader, wanted, sizeof *out);
    if (out == NULL) return false;
    for (uint32_t i = 0; i < wanted; i++) {
        const struct yaml_node *value = is_map ? node->items[i] : node;
        struct content_field *field = &out[*count];
        field->name = TEXT("text");
        if (is_map && !reader_name(reader, node->keys[i], "a name in a content", &field->name))
            continue;
        if (!reader_text(reader, value, what, &field->text)) continue;
        if (check != NULL) check(reader, value, what, context);
        field->reads_traits = check != NULL && names_a_trait(reader, field->text);
        (*count)++;
    }
    *fields = out;
    return true;
}

/* ---- actions by their names and by their groups ---- */

static bool is_marked(const bool *marks, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (marks[i]) return true;
    }
    return false;
}

bool actions_mark(struct reader *reader, const struct yaml_node *node, bool actions_too,
                  bool groups_too, bool *marks) {
    const struct playbook *playbook = reader->playbook;
    uint32_t found = 0, known_count = 0;
    struct text name;
    if (!reader_text(reader, node, "a name", &name)) return false;
    struct text *known = reader_alloc(reader, 2 * (size_t)playbook->action_count, sizeof *known);
    if (known == NULL) return false;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        bool is_named = (actions_too && text_equal(action->name, name)) ||
                        (groups_too && action->group.length > 0 && text_equal(action->group, name));
        if (actions_too) known[known_count++] = action->name;
        if (groups_too && action->group.length > 0) known[known_count++] = action->group;
        marks[i] |= is_named;
        found += is_named;
    }
    if (found > 0) return true;
    const char *kind = !groups_too    ? "action"
                       : !actions_too ? "group of actions"
                                      : "action or group of actions";
    reader_unknown(reader, node_place(node), kind, name, known, known_count);
    return false;
}

static const uint32_t *marked(struct reader *reader, const bool *marks, uint32_t *count) {
    uint32_t all = reader->playbook->action_count;
    uint32_t *out = reader_alloc(reader, all, sizeof *out);
    *count = 0;
    for (uint32_t i = 0; out != NULL && i < all; i++) {
        if (marks[i]) out[(*count)++] = i;
    }
    return out;
}

static bool has_index(const uint32_t *indexes, uint32_t count, uint32_t wanted) {
    for (uint32_t i = 0; i < count; i++) {
        if (indexes[i] == wanted) return true;
    }
    return false;
}

/* ---- placements ---- */

void channel_list_read(struct reader *reader, const struct yaml_node *node, const uint32_t **out,
                       uint32_t *count) {
    if (!reader_is_list(reader, node, "channels")) return;
    uint32_t *channels = reader_alloc(reader, node->count, sizeof *channels);
    for (uint32_t i = 0; channels != NULL && i < node->count; i++) {
        uint32_t channel;
        if (!action_channel_read(reader, node->items[i], &channel)) continue;
        if (has_index(channels, *count, channel)) {
            reader_error(reader, node_place(node->items[i]),
                         "channel %.*s stands here twice: leave one out",
                         TEXT_ARG(node->items[i]->text));
            continue;
        }
        channels[(*count)++] = channel;
    }
    *out = channels;
}

static void mark_list(struct reader *reader, const struct yaml_node *node, const char *what,
                      bool groups, bool *marks) {
    if (node == NULL || !reader_is_list(reader, node, what)) return;
    for (uint32_t i = 0; i < node->count; i++)
        (void)actions_mark(reader, node->items[i], !groups, groups, marks);
}

void action_lists_read(struct reader *reader, const struct yaml_node *actions,
                       const struct yaml_node *groups, const uint32_t **out, uint32_t *count) {
    bool *marks = reader_alloc(reader, reader->playbook->action_count + 1u, sizeof *marks);
    if (marks == NULL) return;
    mark_list(reader, actions, "actions", false, marks);
    mark_list(reader, groups, "groups", true, marks);
    *out = marked(reader, marks, count);
}

static void read_placement(struct reader *reader, const struct yaml_node *key,
                           const struct yaml_node *value, struct placement_rule *placement) {
    static const struct text stickies[] = {{"visit", 5}, {"no", 2}};
    const struct yaml_node *values[KEYS_MAX];
    uint32_t index;
    *placement = (struct placement_rule){.name = key->text, .slots = 1, .place = node_place(key)};
    if (!reader_name(reader, key, "a placement's name", &placement->name) ||
        !reader_keys(reader, value, &placement_keys, values))
        return;
    if (values[PLACEMENT_SLOTS])
        (void)reader_count(reader, values[PLACEMENT_SLOTS], "slots", 1, PLACEMENT_SLOTS_MAX,
                           &placement->slots);
    if (values[PLACEMENT_CHANNELS])
        channel_list_read(reader, values[PLACEMENT_CHANNELS], &placement->channels,
                          &placement->channel_count);
    if (values[PLACEMENT_ACTIONS] || values[PLACEMENT_GROUPS])
        action_lists_read(reader, values[PLACEMENT_ACTIONS], values[PLACEMENT_GROUPS],
                          &placement->actions, &placement->action_count);
    placement->only_named =
        !values[PLACEMENT_CHANNELS] && !values[PLACEMENT_ACTIONS] && !values[PLACEMENT_GROUPS];
    if (values[PLACEMENT_FALLBACK])
        (void)content_fields_read(reader, values[PLACEMENT_FALLBACK], "fallback", NULL, NULL,
                                  &placement->fallback, &placement->fallback_count);
    if (values[PLACEMENT_STICKY] &&
        reader_name_of(reader, values[PLACEMENT_STICKY], "value of sticky:", stickies, 2, &index))
        placement->sticky = index == 0;
    const struct yaml_node *timeout = values[PLACEMENT_TIMEOUT];
    if (timeout && reader_duration(reader, timeout, "timeout", &placement->timeout_ms) &&
        placement->timeout_ms > TIMEOUT_MS_MAX) {
        reader_error(reader, node_place(timeout),
                     "timeout is more than 10s: nobody waits so long for a page; write such as "
                     "50ms");
    }
}

bool placement_takes(const struct playbook *playbook, const struct placement_rule *placement,
                     uint32_t action, const struct channel_rule *channel) {
    (void)playbook;
    bool is_named = text_equal(channel->placement, placement->name);
    if (channel->placement.length > 0 && !is_named) return false;
    if (placement->only_named) return is_named;
    return (placement->channel_count == 0 ||
            has_index(placement->channels, placement->channel_count, channel->channel)) &&
           (placement->action_count == 0 ||
            has_index(placement->actions, placement->action_count, action));
}

static bool takes_any(const struct playbook *playbook, const struct placement_rule *placement) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < action->channel_count; k++) {
            if (placement_takes(playbook, placement, i, &action->channels[k])) return true;
        }
    }
    return false;
}

/* A place that can never have anything in it would only ever show its fallback, and nobody would
 * notice why. */
static void check_taken(struct reader *reader, const struct placement_rule *placement) {
    if (takes_any(reader->playbook, placement)) return;
    reader_error(reader, placement->place,
                 placement->only_named
                     ? "no action may stand at placement %.*s: write channels: [web], or "
                       "channels: { web: { placement: %.*s } } at an action"
                     : "no action may stand at placement %.*s: none of these actions is offered "
                       "in these channels, or all of them name another placement than %.*s",
                 TEXT_ARG(placement->name), TEXT_ARG(placement->name));
}

void placements_begin(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "placements")) return;
    if (node->count > PLACEMENTS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d placements: a playbook may have so many and no more",
                     PLACEMENTS_MAX);
        return;
    }
    struct placement_rule *placements = reader_alloc(reader, node->count, sizeof *placements);
    if (placements == NULL) return;
    playbook->placements = placements;
    playbook->placement_count = node->count;
    for (uint32_t i = 0; i < node->count; i++) placements[i].name = node->keys[i]->text;
}

void placements_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    struct placement_rule *placements = (struct placement_rule *)playbook->placements;
    for (uint32_t i = 0; i < playbook->placement_count && reader->status == STATUS_OK; i++)
        read_placement(reader, node->keys[i], node->items[i], &placements[i]);
    for (uint32_t i = 0; i < playbook->placement_count && reader->errors->count == 0; i++)
        check_taken(reader, &placements[i]);
}

bool placement_name_read(struct reader *reader, const struct yaml_node *node, struct text *out) {
    const struct playbook *playbook = reader->playbook;
    if (!reader_text(reader, node, "placement", out)) return false;
    if (playbook->placement_count == 0) return true;
    struct text *known = reader_alloc(reader, playbook->placement_count, sizeof *known);
    if (known == NULL) return false;
    for (uint32_t i = 0; i < playbook->placement_count; i++) {
        known[i] = playbook->placements[i].name;
        if (text_equal(known[i], *out)) return true;
    }
    reader_unknown(reader, node_place(node), "placement", *out, known, playbook->placement_count);
    return false;
}

/* ---- bundles ---- */

bool bundle_is_of(const struct bundle_rule *bundle, uint32_t action) {
    return has_index(bundle->actions, bundle->action_count, action);
}

bool bundle_is_with(const struct bundle_rule *bundle, uint32_t action) {
    return has_index(bundle->with, bundle->with_count, action);
}

/* Reads one name or a list of them, and how a person says them: "phone or tablet". */
static bool read_side(struct reader *reader, const struct yaml_node *node, const char *what,
                      const char *between, const uint32_t **out, uint32_t *count,
                      struct text *words) {
    bool *marks = reader_alloc(reader, reader->playbook->action_count + 1u, sizeof *marks);
    bool is_list = node->type == YAML_LIST, good = true;
    uint32_t names = is_list ? node->count : 1;
    if (marks == NULL || (node->type == YAML_MAP && !reader_is_list(reader, node, what)))
        return false;
    *words = (struct text){0};
    for (uint32_t i = 0; i < names; i++) {
        const struct yaml_node *name = is_list ? node->items[i] : node;
        if (!actions_mark(reader, name, true, true, marks)) {
            good = false;
            continue;
        }
        *words = reader_format(reader, "%.*s%s%.*s", TEXT_ARG(*words), i > 0 ? between : "",
                               TEXT_ARG(name->text));
    }
    if (good && !is_marked(marks, reader->playbook->action_count)) {
        reader_error(reader, node_place(node), "%s is empty: write an action or a group", what);
        good = false;
    }
    *out = marked(reader, marks, count);
    return good;
}

static bool read_bundle(struct reader *reader, const struct yaml_node *node,
                        struct bundle_rule *bundle) {
    const struct yaml_node *values[KEYS_MAX];
    struct text words, with;
    if (!reader_keys(reader, node, &bundle_keys, values)) return false;
    const struct yaml_node *only = values[BUNDLE_ONLY], *never = values[BUNDLE_NEVER];
    *bundle = (struct bundle_rule){.kind = only ? BUNDLE_ONLY_WITH : BUNDLE_NEVER_WITH,
                                   .place = node_place(node)};
    if ((only == NULL) == (never == NULL) || values[BUNDLE_WITH] == NULL) {
        reader_error(reader, node_place(node),
                     "a bundle says one of only and never, and with: write { only: case, with: "
                     "phone } or { never: loan, with: advice }");
        return false;
    }
    bool good = read_side(reader, only ? only : never, only ? "only" : "never", " and ",
                          &bundle->actions, &bundle->action_count, &words);
    good &= read_side(reader, values[BUNDLE_WITH], "with", " or ", &bundle->with,
                      &bundle->with_count, &with);
    if (!good) return false;
    bundle->text = reader_format(reader, only ? "%.*s only with %.*s" : "%.*s never with %.*s",
                                 TEXT_ARG(words), TEXT_ARG(with));
    return true;
}

/* May the action stand somewhere, where those marked may? */
static bool can_stand(const struct playbook *playbook, uint32_t action, const bool *stands) {
    for (uint32_t i = 0; i < playbook->bundle_count; i++) {
        const struct bundle_rule *bundle = &playbook->bundles[i];
        bool has_partner = false;
        if (bundle->kind != BUNDLE_ONLY_WITH || !bundle_is_of(bundle, action)) continue;
        for (uint32_t k = 0; k < bundle->with_count; k++)
            has_partner |= stands[bundle->with[k]] && bundle->with[k] != action;
        if (!has_partner) return false;
    }
    return true;
}

/* Two actions that each wait for the other are never offered. */
static void check_bundles(struct reader *reader) {
    const struct playbook *playbook = reader->playbook;
    bool *stands = reader_alloc(reader, playbook->action_count + 1u, sizeof *stands);
    bool grows = stands != NULL;
    while (grows) {
        grows = false;
        for (uint32_t i = 0; i < playbook->action_count; i++) {
            if (stands[i] || !can_stand(playbook, i, stands)) continue;
            stands[i] = grows = true;
        }
    }
    for (uint32_t i = 0; stands != NULL && i < playbook->bundle_count; i++) {
        const struct bundle_rule *bundle = &playbook->bundles[i];
        if (bundle->kind != BUNDLE_ONLY_WITH) continue;
        for (uint32_t k = 0; k < bundle->action_count; k++) {
            if (stands[bundle->actions[k]]) continue;
            reader_error(reader, bundle->place,
                         "action %.*s could never be offered: what it may stand with waits for it "
                         "in turn; leave one of these bundles out",
                         TEXT_ARG(playbook->actions[bundle->actions[k]].name));
            return;
        }
    }
}

void bundles_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_list(reader, node, "bundles")) return;
    if (node->count > BUNDLES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d bundles: write groups of actions instead of each action",
                     BUNDLES_MAX);
        return;
    }
    struct bundle_rule *bundles = reader_alloc(reader, node->count, sizeof *bundles);
    if (bundles == NULL) return;
    playbook->bundles = bundles;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++)
        playbook->bundle_count +=
            read_bundle(reader, node->items[i], &bundles[playbook->bundle_count]);
    if (reader->errors->count == 0) check_bundles(reader);
}
