/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the treatments: actions × rows of their for_each lookup × channels.
 *
 * All treatments of a row share one array of attributes, so that channels cost nothing. Everything
 * is copied, so the tables may be freed. */
#include "base/canonical.h"
#include "base/hash.h"
#include "base/memory.h"
#include "expr/keyed.h"
#include "playbook/playbook.h"

#define ARENA_BYTES_MAX ((size_t)2 << 30)

struct building {
    struct treatment_set *set;
    const struct playbook *playbook;
    const struct lookup_table *const *lookups;
    struct error *error;
    struct treatment *treatments;
    uint32_t set_capacity;
    struct buffer scratch;
    const uint32_t
        *columns; /* of the action: attribute index to column of its table, or UINT32_MAX */
};

static enum status no_memory(struct building *building) {
    return error_set(building->error, STATUS_NO_MEMORY, "no memory for the treatments");
}

/* ---- values ---- */

/* Appends a value as part of a key or a title: a text without quotes, any other value as people
 * read it. */
static enum status append_plain(struct buffer *out, struct value value) {
    return value.type == VALUE_TEXT ? buffer_append_text(out, value.text) : value_print(value, out);
}

static enum status copy_value(struct building *building, struct value value, struct value *out) {
    *out = value;
    if (value.type != VALUE_TEXT && value.type != VALUE_LIST) return STATUS_OK;
    out->text = arena_text(&building->set->arena, value.text);
    return out->text.at == NULL ? no_memory(building) : STATUS_OK;
}

static enum status add_set(struct building *building, struct value_set **out) {
    struct treatment_set *set = building->set;
    if (set->set_count == building->set_capacity) {
        uint32_t wider = building->set_capacity == 0 ? 16 : building->set_capacity * 2;
        struct value_set **sets = arena_calloc(&set->arena, wider, sizeof *sets);
        if (sets == NULL) return no_memory(building);
        if (set->set_count > 0) memcpy(sets, set->sets, set->set_count * sizeof *sets);
        set->sets = sets;
        building->set_capacity = wider;
    }
    if (value_set_create(out) != STATUS_OK) return no_memory(building);
    set->sets[set->set_count++] = *out;
    return STATUS_OK;
}

static enum status set_of_list(struct building *building, struct value list,
                               struct expr_attribute *out) {
    struct value_set *set;
    struct list_reader reader;
    struct value item;
    enum status status = add_set(building, &set);
    if (status == STATUS_OK) status = list_reader_init(&reader, list);
    while (status == STATUS_OK && (status = list_next(&reader, &item)) == STATUS_OK)
        status = value_set_add(set, item);
    if (status != STATUS_END) return status == STATUS_OK ? STATUS_CORRUPT : status;
    *out = (struct expr_attribute){.set = set};
    return STATUS_OK;
}

/* ---- attributes of a row ---- */

static struct value key_part(const struct building *building, const struct action *action,
                             uint32_t row, struct text name,
                             const struct expr_attribute *attributes) {
    if (action->for_each != UINT32_MAX) {
        const struct lookup_table *table = building->lookups[action->for_each];
        uint32_t field = lookup_field_find(table, name);
        if (field != UINT32_MAX) return lookup_cell(table, row, field);
    }
    for (uint32_t i = 0; i < building->playbook->attribute_count; i++) {
        if (text_equal(building->playbook->attributes[i].name, name)) return attributes[i].value;
    }
    return value_unknown();
}

static enum status join(struct building *building, const struct action *action, uint32_t row,
                        uint32_t at, struct expr_attribute *attributes) {
    const struct lookup_rule *rule = &building->playbook->lookups[action->attributes[at].lookup];
    const struct lookup_table *table = building->lookups[action->attributes[at].lookup];
    struct expr_attribute *out = &attributes[action->attributes[at].attribute];
    struct value key[LOOKUP_KEY_FIELDS_MAX];
    uint32_t first, count, field = lookup_field_find(table, action->attributes[at].field);
    if (field == UINT32_MAX) {
        return error_set(building->error, STATUS_INVALID,
                         "lookup %.*s has no column \"%.*s\", which action %.*s reads",
                         TEXT_ARG(rule->name), TEXT_ARG(action->attributes[at].field),
                         TEXT_ARG(action->name));
    }
    for (uint32_t i = 0; i < rule->key_count; i++)
        key[i] = key_part(building, action, row, rule->keys[i], attributes);
    if (!lookup_find(table, key, &first, &count)) count = 0;
    if (!rule->many)
        return count == 0 ? STATUS_OK
                          : copy_value(building, lookup_cell(table, first, field), &out->value);
    struct value_set *set;
    enum status status = add_set(building, &set);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        struct value cell = lookup_cell(table, first + i, field);
        if (value_is_known(cell)) status = value_set_add(set, cell);
    }
    if (status == STATUS_OK) *out = (struct expr_attribute){.set = set};
    return status;
}

static enum status add_own(struct building *building, const struct action *action, uint32_t row,
                           uint32_t at, struct expr_attribute *attributes) {
    struct value constant = action->attributes[at].constant;
    struct expr_attribute *out = &attributes[action->attributes[at].attribute];
    if (action->attributes[at].lookup != UINT32_MAX)
        return join(building, action, row, at, attributes);
    if (constant.type == VALUE_LIST) return set_of_list(building, constant, out);
    return copy_value(building, constant, &out->value);
}

static enum status read_row(struct building *building, const struct action *action, uint32_t row,
                            struct expr_attribute **out) {
    const struct playbook *playbook = building->playbook;
    enum status status = STATUS_OK;
    *out = arena_calloc(&building->set->arena, playbook->attribute_count, sizeof **out);
    if (*out == NULL) return no_memory(building);
    for (uint32_t i = 0;
         status == STATUS_OK && building->columns != NULL && i < playbook->attribute_count; i++) {
        if (building->columns[i] == UINT32_MAX) continue;
        struct value cell =
            lookup_cell(building->lookups[action->for_each], row, building->columns[i]);
        if (cell.type == playbook->attributes[i].type)
            status = copy_value(building, cell, &(*out)[i].value);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < action->attribute_count; i++) {
        status = add_own(building, action, row, i, *out);
    }
    return status;
}

/* ---- key and title ---- */

static enum status make_key(struct building *building, const struct action *action, uint32_t row,
                            struct text *out) {
    struct buffer *scratch = &building->scratch;
    buffer_clear(scratch);
    enum status status = buffer_append_text(scratch, action->name);
    if (action->for_each != UINT32_MAX) {
        const struct lookup_rule *rule = &building->playbook->lookups[action->for_each];
        for (uint32_t i = 0; status == STATUS_OK && i < rule->key_count; i++) {
            struct value part = key_part(building, action, row, rule->keys[i], NULL);
            /* Trim the text: events name the treatment without padding. */
            if (part.type == VALUE_TEXT) part.text = canonical_trim(part.text);
            status = buffer_append(scratch, "/", 1);
            if (status == STATUS_OK) status = append_plain(scratch, part);
        }
    }
    if (status != STATUS_OK) return no_memory(building);
    *out = arena_text(&building->set->arena, buffer_text(scratch));
    return out->at == NULL ? no_memory(building) : STATUS_OK;
}

static enum status append_attribute(struct building *building, struct text name,
                                    const struct expr_attribute *attributes) {
    const struct playbook *playbook = building->playbook;
    for (uint32_t i = 0; i < playbook->attribute_count; i++) {
        if (!text_equal(playbook->attributes[i].name, name)) continue;
        const struct value_set *set = attributes[i].set;
        if (set == NULL) return append_plain(&building->scratch, attributes[i].value);
        return buffer_format(&building->scratch, "%u items", value_set_count(set));
    }
    return STATUS_OK;
}

static enum status make_title(struct building *building, struct text title,
                              const struct expr_attribute *attributes, struct text *out) {
    enum status status = STATUS_OK;
    buffer_clear(&building->scratch);
    for (uint32_t i = 0; status == STATUS_OK && i < title.length; i++) {
        const char *close = title.at[i] == '{' ? memchr(title.at + i, '}', title.length - i) : NULL;
        if (close == NULL) {
            status = buffer_append(&building->scratch, title.at + i, 1);
            continue;
        }
        struct text name = {title.at + i + 1, (uint32_t)(close - title.at) - i - 1};
        status = append_attribute(building, name, attributes);
        i = (uint32_t)(close - title.at);
    }
    if (status != STATUS_OK) return no_memory(building);
    *out = arena_text(&building->set->arena, buffer_text(&building->scratch));
    return out->at == NULL ? no_memory(building) : STATUS_OK;
}

/* ---- all treatments ---- */

/* Returns 0 where a lookup that the action needs is not loaded. */
static uint32_t row_count(const struct building *building, const struct action *action) {
    for (uint32_t i = 0; i < action->attribute_count; i++) {
        uint32_t lookup = action->attributes[i].lookup;
        if (lookup != UINT32_MAX && building->lookups[lookup] == NULL) return 0;
    }
    if (action->for_each == UINT32_MAX) return 1;
    const struct lookup_table *table = building->lookups[action->for_each];
    return table == NULL ? 0 : lookup_row_count(table);
}

static enum status count_treatments(struct building *building, uint32_t *out) {
    const struct playbook *playbook = building->playbook;
    uint64_t count = 0;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        count += (uint64_t)row_count(building, &playbook->actions[i]) *
                 playbook->actions[i].channel_count;
        if (count <= PLAYBOOK_TREATMENTS_MAX) continue;
        return error_set(building->error, STATUS_LIMIT,
                         "action %.*s brings the treatments over PLAYBOOK_TREATMENTS_MAX, %d: "
                         "shorten the lookup that it goes over",
                         TEXT_ARG(playbook->actions[i].name), PLAYBOOK_TREATMENTS_MAX);
    }
    *out = (uint32_t)count;
    return STATUS_OK;
}

static enum status add_row(struct building *building, const struct action *action, uint32_t row) {
    struct treatment treatment = {.action = action};
    struct expr_attribute *attributes;
    enum status status = read_row(building, action, row, &attributes);
    if (status == STATUS_OK) status = make_key(building, action, row, &treatment.key);
    if (status == STATUS_OK)
        status = make_title(building, action->title, attributes, &treatment.title);
    if (status != STATUS_OK) return status;
    treatment.key_hash = hash_text(treatment.key, 0);
    treatment.attributes = attributes;
    treatment.has_span =
        action->available != NULL &&
        expr_is_span(action->available, attributes, &treatment.from_ms, &treatment.until_ms);
    for (uint32_t i = 0; i < action->channel_count; i++) {
        treatment.index = building->set->count++;
        treatment.channel = action->channels[i].channel;
        treatment.channel_rule = &action->channels[i];
        building->treatments[treatment.index] = treatment;
        building->set->hash = hash_u64(building->set->hash ^ treatment.key_hash);
        building->set->hash = hash_u64(building->set->hash ^ treatment.channel);
    }
    return STATUS_OK;
}

static enum status find_columns(struct building *building, const struct action *action) {
    const struct playbook *playbook = building->playbook;
    building->columns = NULL;
    if (action->for_each == UINT32_MAX) return STATUS_OK;
    uint32_t *columns =
        arena_calloc(&building->set->arena, playbook->attribute_count, sizeof *columns);
    if (columns == NULL) return no_memory(building);
    for (uint32_t i = 0; i < playbook->attribute_count; i++) {
        columns[i] =
            lookup_field_find(building->lookups[action->for_each], playbook->attributes[i].name);
    }
    building->columns = columns;
    return STATUS_OK;
}

static enum status add_action(struct building *building, const struct action *action) {
    uint32_t rows = row_count(building, action);
    enum status status = rows == 0 ? STATUS_OK : find_columns(building, action);
    for (uint32_t row = 0; status == STATUS_OK && row < rows; row++)
        status = add_row(building, action, row);
    return status;
}

static enum status index_keys(struct building *building) {
    struct treatment_set *set = building->set;
    uint32_t size = 16;
    while (size < set->count * 2) size *= 2;
    uint32_t *slots = arena_calloc(&set->arena, size, sizeof *slots);
    if (slots == NULL) return no_memory(building);
    for (uint32_t i = 0; i < set->count; i++) {
        if (i > 0 && text_equal(set->treatments[i].key, set->treatments[i - 1].key)) continue;
        uint32_t at = (uint32_t)set->treatments[i].key_hash & (size - 1);
        while (slots[at] != 0) at = (at + 1) & (size - 1);
        slots[at] = i + 1;
    }
    set->slots = slots;
    set->slot_mask = size - 1;
    return STATUS_OK;
}

/* ---- indexes ---- */

static void want_attributes(const struct expr_program *program, bool *wanted) {
    uint32_t attribute;
    for (uint32_t i = 0; i < expr_aggregate_count(program); i++) {
        if (expr_answered(program, i, &attribute) == ANSWERED_BY_KEY) wanted[attribute] = true;
    }
}

/* Adds each row's attribute once: the treatments of a row share their attributes, and stand
 * together. */
static enum status fill_index(const struct treatment_set *set, uint32_t attribute,
                              struct expr_index *index, uint32_t *holders) {
    const struct treatment *before = NULL;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct treatment *treatment = &set->treatments[i];
        enum status status = STATUS_OK;
        if (before != NULL && before->attributes == treatment->attributes)
            holders[i] = holders[i - 1];
        else
            status = expr_index_add(index, &treatment->attributes[attribute], &holders[i]);
        if (status != STATUS_OK) return status;
        before = treatment;
    }
    return expr_index_finish(index);
}

/* Indexes an attribute. One that can't be indexed is evaluated for each treatment. */
static enum status index_attribute(struct building *building, uint32_t attribute) {
    struct treatment_set *set = building->set;
    struct expr_index *index;
    uint32_t *holders = arena_alloc(&set->arena, ((size_t)set->count + 1) * sizeof *holders);
    if (holders == NULL) return no_memory(building);
    enum status status = expr_index_create(&index, building->playbook->attributes[attribute].type);
    if (status == STATUS_OK) status = fill_index(set, attribute, index, holders);
    if (status == STATUS_OK) {
        set->indexes[attribute] = index;
        set->holders[attribute] = holders;
        return STATUS_OK;
    }
    expr_index_destroy(index);
    return status == STATUS_INVALID ? STATUS_OK : no_memory(building);
}

static enum status index_attributes(struct building *building) {
    const struct playbook *playbook = building->playbook;
    struct treatment_set *set = building->set;
    size_t count = (size_t)playbook->attribute_count + 1;
    bool *wanted = arena_calloc(&set->arena, count, sizeof *wanted);
    set->indexes = arena_calloc(&set->arena, count, sizeof(struct expr_index *));
    set->holders = arena_calloc(&set->arena, count, sizeof(uint32_t *));
    if (wanted == NULL || set->indexes == NULL || set->holders == NULL) return no_memory(building);
    set->attribute_count = playbook->attribute_count;
    for (uint32_t i = 0; i < playbook->trait_count; i++)
        want_attributes(playbook->traits[i].program, wanted);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < playbook->attribute_count; i++) {
        if (wanted[i]) status = index_attribute(building, i);
    }
    return status;
}

static enum status build(struct building *building) {
    const struct playbook *playbook = building->playbook;
    uint32_t count = 0;
    enum status status = count_treatments(building, &count);
    if (status != STATUS_OK) return status;
    building->treatments = arena_calloc(&building->set->arena, count, sizeof *building->treatments);
    if (building->treatments == NULL) return no_memory(building);
    building->set->treatments = building->treatments;
    for (uint32_t i = 0; status == STATUS_OK && i < playbook->action_count; i++) {
        status = add_action(building, &playbook->actions[i]);
    }
    if (status == STATUS_OK) status = index_attributes(building);
    return status == STATUS_OK ? index_keys(building) : status;
}

enum status treatment_set_create(struct treatment_set **out, const struct playbook *playbook,
                                 const struct lookup_table *const *lookups, struct error *error) {
    static _Atomic uint64_t made;
    *out = NULL;
    struct treatment_set *set = memory_calloc(1, sizeof *set);
    if (set == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the treatments");
    arena_init(&set->arena, ARENA_BYTES_MAX);
    set->serial = atomic_fetch_add(&made, 1) + 1;
    struct building building = {
        .set = set, .playbook = playbook, .lookups = lookups, .error = error};
    buffer_init(&building.scratch);
    enum status status = build(&building);
    buffer_release(&building.scratch);
    if (status != STATUS_OK) {
        if (status == STATUS_NO_MEMORY) (void)no_memory(&building);
        treatment_set_destroy(set);
        return status;
    }
    *out = set;
    return STATUS_OK;
}

void treatment_set_destroy(struct treatment_set *set) {
    if (set == NULL) return;
    for (uint32_t i = 0; i < set->set_count; i++) value_set_destroy(set->sets[i]);
    for (uint32_t i = 0; i < set->attribute_count; i++) expr_index_destroy(set->indexes[i]);
    arena_release(&set->arena);
    memory_free(set);
}

const struct treatment *treatment_find(const struct treatment_set *set, struct text key,
                                       uint32_t channel) {
    uint32_t at = (uint32_t)hash_text(key, 0) & set->slot_mask;
    for (; set->slots[at] != 0; at = (at + 1) & set->slot_mask) {
        uint32_t first = set->slots[at] - 1;
        if (!text_equal(set->treatments[first].key, key)) continue;
        for (uint32_t i = first; i < set->count && text_equal(set->treatments[i].key, key); i++) {
            if (channel == SYMBOL_NONE || set->treatments[i].channel == channel)
                return &set->treatments[i];
        }
        return NULL;
    }
    return NULL;
}
