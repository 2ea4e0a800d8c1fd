/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/plan_internal.h"

static const char *const segment_paths[SEGMENT_COLUMN_COUNT] = {
    [SEGMENT_TYPE] = "type",
    [SEGMENT_EVENT] = "event",
    [SEGMENT_MESSAGE_ID] = "messageId",
    [SEGMENT_TIMESTAMP] = "timestamp",
    [SEGMENT_ORIGINAL_TIMESTAMP] = "originalTimestamp",
    [SEGMENT_SENT_AT] = "sentAt",
    [SEGMENT_RECEIVED_AT] = "receivedAt",
    [SEGMENT_NAME] = "name",
    [SEGMENT_GROUP_ID] = "groupId",
    [SEGMENT_PREVIOUS_ID] = "previousId",
    [SEGMENT_USER_ID] = "userId",
    [SEGMENT_EXTERNAL_IDS] = "context.externalIds",
    [SEGMENT_CONSENT] = "context.consent.categoryPreferences",
    [SEGMENT_CURRENCY] = "properties.currency",
    [SEGMENT_BATCH] = "batch",
};

static enum status no_memory(struct plan_builder *builder) {
    return error_set(builder->error, STATUS_NO_MEMORY, "no memory for the mapping of source %.*s",
                     TEXT_ARG(builder->plan->source->name));
}

enum status plan_paths_begin(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    builder->paths = arena_calloc(&plan->arena, PLAN_PATHS_MAX, sizeof *builder->paths);
    builder->path_is_property =
        arena_calloc(&plan->arena, PLAN_PATHS_MAX, sizeof *builder->path_is_property);
    if (builder->paths == NULL || builder->path_is_property == NULL) return no_memory(builder);
    plan->columns = builder->paths;
    plan->path_is_property = builder->path_is_property;
    plan->column_count = 0;
    return STATUS_OK;
}

/* "properties.revenue" says that revenue is a property: one path, one column, however it is
 * written. */
static bool strip_prefix(struct text *path, struct text prefix) {
    if (path->length <= prefix.length + 1 || !text_starts_with(*path, prefix) ||
        path->at[prefix.length] != '.')
        return false;
    path->at += prefix.length + 1;
    path->length -= prefix.length + 1;
    return true;
}

static enum status append_path(struct plan_builder *builder, struct text path, bool property,
                               uint32_t *column) {
    struct plan *plan = builder->plan;
    if (plan->column_count == PLAN_PATHS_MAX || path.length > PLAN_PATH_BYTES_MAX) {
        return error_set(builder->error, STATUS_LIMIT,
                         "source %.*s maps more than %d paths, or one of more than %d bytes",
                         TEXT_ARG(plan->source->name), PLAN_PATHS_MAX, PLAN_PATH_BYTES_MAX);
    }
    *column = plan->column_count++;
    builder->paths[*column] = path;
    builder->path_is_property[*column] = property;
    return STATUS_OK;
}

enum status plan_path_add(struct plan_builder *builder, struct text path, bool property,
                          uint32_t *column) {
    struct plan *plan = builder->plan;
    struct text prefix = plan->source->properties_path;
    if (prefix.length == 0) {
        property = false;
    } else if (strip_prefix(&path, prefix)) {
        property = true;
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (!text_equal(builder->paths[i], path) || builder->path_is_property[i] != property)
            continue;
        *column = i;
        return STATUS_OK;
    }
    return append_path(builder, path, property, column);
}

/* The node of a path below `node`, made where it is not there. */
static struct plan_path *walk(struct plan *plan, struct plan_path *node, struct text path) {
    while (path.length > 0) {
        const char *dot = memchr(path.at, '.', path.length);
        struct text name = {path.at, dot ? (uint32_t)(dot - path.at) : path.length};
        uint32_t used = dot ? name.length + 1 : name.length;
        path.at += used;
        path.length -= used;
        struct plan_path **place = &node->child;
        while (*place != NULL && !text_equal((*place)->name, name)) place = &(*place)->next;
        if (*place == NULL) {
            *place = arena_calloc(&plan->arena, 1, sizeof **place);
            if (*place == NULL) return NULL;
            (*place)->name = name;
            (*place)->id = plan->path_count++;
        }
        node = *place;
    }
    return node;
}

static enum status place(struct plan_builder *builder, struct plan_path *from, uint32_t column,
                         bool weak) {
    struct plan_path *node = walk(builder->plan, from, builder->paths[column]);
    struct plan_place *made = arena_calloc(&builder->plan->arena, 1, sizeof *made);
    if (node == NULL || made == NULL) return no_memory(builder);
    *made = (struct plan_place){column, weak, node->places};
    node->places = made;
    return STATUS_OK;
}

static enum status place_column(struct plan_builder *builder, struct plan_path *properties,
                                struct plan_path *traits, uint32_t column) {
    struct plan_path *root = builder->plan->root;
    if (!builder->path_is_property[column]) return place(builder, root, column, false);
    enum status status = place(builder, properties, column, false);
    if (status == STATUS_OK && traits != NULL) status = place(builder, traits, column, false);
    return status == STATUS_OK ? place(builder, root, column, true) : status;
}

static enum status add_segment(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    plan->is_segment = true;
    plan->segment = plan->column_count;
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < SEGMENT_COLUMN_COUNT; i++) {
        uint32_t column;
        status = append_path(builder, text_from(segment_paths[i]), false, &column);
    }
    if (status == STATUS_OK)
        status = symbol_add(plan->symbols, SYMBOL_PROPERTY, TEXT("name"), &plan->name_symbol);
    if (status == STATUS_OK)
        status =
            symbol_add(plan->symbols, SYMBOL_PROPERTY, TEXT("group_id"), &plan->group_id_symbol);
    return status;
}

enum status plan_paths_end(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    enum status status = plan->source->segment ? add_segment(builder) : STATUS_OK;
    if (status) return status;
    plan->root = arena_calloc(&plan->arena, 1, sizeof *plan->root);
    if (plan->root == NULL) return no_memory(builder);
    plan->root->id = plan->path_count++;
    struct plan_path *traits = NULL,
                     *properties = walk(plan, plan->root, plan->source->properties_path);
    if (properties == NULL) return no_memory(builder);
    properties->is_properties = true;
    if (plan->is_segment && plan->source->properties_path.length > 0) {
        traits = walk(plan, plan->root, TEXT("traits"));
        if (traits == NULL) return no_memory(builder);
        traits->is_properties = true;
    }
    for (uint32_t i = 0; status == STATUS_OK && i < plan->column_count; i++)
        status = place_column(builder, properties, traits, i);
    return status;
}
