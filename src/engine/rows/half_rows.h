/* SPDX-License-Identifier: Apache-2.0 */
/* engine/rows/half_rows.h -- rows that wait in quarantine because their file ended in them.
 *
 * When the whole file comes, the whole row comes with it, and its half must not wait on: replayed
 * by mistake it would be a wrong row. A half leaves the quarantine where the file of the same name
 * has, on the same line, a whole row that begins with the same bytes, and the load did not put the
 * half into quarantine again. Only the applier uses this. */
#ifndef ENGINE_ROWS_HALF_ROWS_H
#define ENGINE_ROWS_HALF_ROWS_H

#include "engine/engine_internal.h"

/* Of one load more halves wait on. Each costs a reading of its file up to its line. */
#define HALF_ROWS_MAX 64u

struct half_row {
    uint64_t row_id, line, rows; /* rows: of the file, as what waits is counted */
    struct text file, raw;       /* in the arena */
    bool is_whole, came_again;
};
struct half_rows {
    struct engine *engine;
    const struct source *source;
    struct arena arena;
    struct half_row items[HALF_ROWS_MAX];
    size_t count;
    enum status status;
};
/* Before the load: which halves of the source wait. */
enum status half_rows_init(struct half_rows *halves, struct engine *engine,
                           const struct source *source, struct error *error) MUST_USE;
void half_rows_release(struct half_rows *halves);
/* Rows of the load that go to quarantine: a half among them is no more than it was. */
void half_rows_see(struct half_rows *halves, const struct event_batch *batch);
/* A file of the load has been read. */
enum status half_rows_look(struct half_rows *halves, const char *path,
                           struct error *error) MUST_USE;
/* What the load brought is stored: halves whose rows came whole leave the quarantine. Adds the
 * number of their rows. */
enum status half_rows_end(struct half_rows *halves, uint64_t *rows, struct error *error) MUST_USE;

#endif
