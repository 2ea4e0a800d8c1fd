/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/edit.h"

#define TIER_GROUPS   4u                 /* so many merges of a level become one of the next */
#define RUN_ROWS_GOAL UINT64_C(32000000) /* a merge that has more is cut by customer range */

struct selection { /* indices into the next manifest's runs, ascending */
    uint32_t index[MANIFEST_RUNS_MAX];
    uint32_t count;
    uint64_t row_count;
};

static void select_run(struct selection *selection, const struct manifest *manifest,
                       uint32_t index) {
    selection->index[selection->count++] = index;
    selection->row_count += manifest->runs[index].row_count;
}

/* Merges the selected runs, as far as their customers are in [from, to), into a new run at the end
 * of the next manifest. */
static enum status merge_piece(struct edit *edit, struct run_merge *merge, uint32_t level,
                               uint64_t *group, struct error *error) {
    uint64_t number = edit_number(edit);
    if (*group == 0) *group = number;
    char path[FILE_PATH_MAX];
    enum status status = edit_create(edit, "runs", number, "run", path, error);
    if (status) return status;
    const struct run_target target = {edit->store->fs, path, &edit->columns, edit->store->symbols,
                                      edit->store->work};
    struct run_info info;
    status = run_merge(&target, merge, &info, error);
    if (status == STATUS_END) return STATUS_OK;
    if (status) return status;
    const struct manifest_run run = {number, level, *group, info.row_count, info.file_bytes};
    return edit_insert_run(edit, edit->next.run_count, &run, path, error);
}

static uint32_t customer_bound(const struct run_merge *merge) {
    uint32_t bound = 0;
    for (uint32_t i = 0; i < merge->persona_count; i++)
        if (merge->customer[i] != ID_NONE && merge->customer[i] > bound) bound = merge->customer[i];
    for (uint32_t i = 0; i < merge->run_count; i++)
        if (run_info(merge->runs[i])->customer_max > bound)
            bound = run_info(merge->runs[i])->customer_max;
    return bound;
}

static enum status merge_selection(struct edit *edit, const struct selection *selection,
                                   uint32_t level, struct error *error) {
    struct run *runs[MANIFEST_RUNS_MAX];
    struct run_merge merge = {.runs = runs, .run_count = selection->count};
    for (uint32_t i = 0; i < selection->count; i++) runs[i] = edit->runs[selection->index[i]]->run;
    uint32_t *customer = NULL;
    enum status status =
        store_customers(edit->store, edit->next.position, &customer, &merge.persona_count, error);
    if (status) return status;
    merge.customer = customer;
    uint64_t pieces = (selection->row_count + RUN_ROWS_GOAL - 1) / RUN_ROWS_GOAL, group = 0;
    uint64_t bound = pieces > 1 ? (uint64_t)customer_bound(&merge) + 1 : 0;
    for (uint64_t i = 0; status == STATUS_OK && i < pieces; i++) {
        merge.customer_from = pieces > 1 ? (uint32_t)(bound * i / pieces) : 0;
        merge.customer_to = i + 1 < pieces ? (uint32_t)(bound * (i + 1) / pieces) : ID_NONE;
        status = merge_piece(edit, &merge, level, &group, error);
    }
    for (uint32_t i = selection->count; status == STATUS_OK && i-- > 0;)
        status = edit_remove_run(edit, selection->index[i], error);
    memory_free(customer);
    return status;
}

static enum status merge_and_commit(struct store *store, const struct selection *selection,
                                    uint32_t level, struct error *error) {
    struct edit *edit = NULL;
    enum status status = edit_begin(&edit, store, error);
    if (status == STATUS_OK) status = merge_selection(edit, selection, level, error);
    if (status == STATUS_OK) status = edit_commit(edit, false, error);
    edit_end(edit);
    return status;
}

/* Selects the runs of `level` where they come from enough merges or folds. */
static bool select_tier(const struct manifest *manifest, uint32_t level,
                        struct selection *selection) {
    *selection = (struct selection){0};
    uint32_t groups = 0;
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        if (manifest->runs[i].level != level) continue;
        bool is_new = true;
        for (uint32_t j = 0; is_new && j < selection->count; j++)
            is_new = manifest->runs[selection->index[j]].group != manifest->runs[i].group;
        groups += is_new;
        select_run(selection, manifest, i);
    }
    return groups >= TIER_GROUPS;
}

enum status store_compact_tiers(struct store *store, struct error *error) {
    uint32_t level_max = 0;
    for (uint32_t i = 0; i < store->manifest.run_count; i++)
        if (store->manifest.runs[i].level > level_max) level_max = store->manifest.runs[i].level;
    enum status status = STATUS_OK;
    for (uint32_t level = 0; status == STATUS_OK && level <= level_max + 1; level++) {
        struct selection selection;
        if (select_tier(&store->manifest, level, &selection))
            status = merge_and_commit(store, &selection, level + 1, error);
    }
    return status;
}

enum status store_compact_all(struct store *store, bool rewrite, struct error *error) {
    const struct manifest *manifest = &store->manifest;
    struct selection selection = {0};
    uint32_t level = 0;
    bool one_group = true;
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        select_run(&selection, manifest, i);
        if (manifest->runs[i].level > level) level = manifest->runs[i].level;
        one_group = one_group && manifest->runs[i].group == manifest->runs[0].group;
    }
    if (selection.count == 0 || (one_group && !rewrite)) return STATUS_OK;
    return merge_and_commit(store, &selection, one_group ? level : level + 1, error);
}
