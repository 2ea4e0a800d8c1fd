/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/plan_internal.h -- what plan.c and plan_paths.c share while a plan is made. */
#ifndef INGEST_MAP_PLAN_INTERNAL_H
#define INGEST_MAP_PLAN_INTERNAL_H

#include "ingest/map/plan.h"

struct plan_builder {
    struct plan *plan;
    const struct ingest_settings *settings;
    struct error *error;
    bool in_properties; /* the field being built is a property */
    struct text *paths; /* NDJSON: plan->columns while it grows */
    bool *path_is_property;
};

#define PLAN_PATHS_MAX      1024
#define PLAN_PATH_BYTES_MAX 512

enum status plan_paths_begin(struct plan_builder *builder) MUST_USE;
/* The column of a dotted path, made where new. A property's path is looked for among the properties
 * first, then from the top. */
enum status plan_path_add(struct plan_builder *builder, struct text path, bool property,
                          uint32_t *column) MUST_USE;
/* A column's number, marked as read by the mapping unless it is told otherwise. */
enum status plan_column_add(struct plan_builder *builder, struct text name, bool property,
                            const char *role, uint32_t *column) MUST_USE;
/* plan_rows.c: before the fields are built, and behind them: what makes a row's content, its
 * version and its retraction. */
enum status plan_rows_begin(struct plan_builder *builder) MUST_USE;
enum status plan_rows_end(struct plan_builder *builder) MUST_USE;

/* Adds Segment's columns where the source is one, and makes the tree. */
enum status plan_paths_end(struct plan_builder *builder) MUST_USE;

#endif
