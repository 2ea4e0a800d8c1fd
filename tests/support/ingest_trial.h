/* SPDX-License-Identifier: Apache-2.0 */
/* support/ingest_trial.h -- a playbook as text, a file as text, and what comes out as text: one
 * line an event, one a bad row.
 *
 *   Order Completed 2017-01-28T14:06:53Z known 2017-01-29T14:06:53Z {loyalty:7} revenue=3.86 USD
 *   products=[{product="a" quantity=1}]
 *   BAD t.csv:3:2: 'x' is no number in column quantity */
#ifndef SUPPORT_INGEST_TRIAL_H
#define SUPPORT_INGEST_TRIAL_H

#include "ingest/ingest.h"

#define TRIAL_NOW_MS  INT64_C(1700000000000) /* 2023-11-14T22:13:20Z */
#define TRIAL_LOOKUPS 8

struct trial {
    struct symbols *symbols;
    struct playbook *playbook;
    struct lookup_table *lookups[TRIAL_LOOKUPS];
    struct ingest_settings settings;
    struct buffer out; /* what was read, as text; always terminated */
    struct error error;
    struct ingest_progress progress;
    bool with_keys;     /* print row keys too */
    bool with_channels; /* and the channel of each event */
};

/* The trial of the test under way: cmocka's set-up and tear-down. *state: the trial. */
extern struct trial ingest_trial;
int trial_begin(void **state, const char *playbook);
int trial_end(void **state);
/* The bytes must be read as this text. */
void trial_expect(const char *source, const char *bytes, const char *expected);

/* `playbook`: YAML behind "attune: 1". Fails the test where it does not load. */
void trial_init(struct trial *trial, const char *playbook);
void trial_release(struct trial *trial);
const struct source *trial_source(const struct trial *trial, const char *name);
/* Reads bytes as the file t.csv (or t.ndjson) of a source; the result is in out, the status as of
 * ingest_next or ingest_open (STATUS_END is success). */
enum status trial_read(struct trial *trial, const char *source, const char *bytes, size_t length);
enum status trial_read_file(struct trial *trial, const char *source, const char *path);
/* The whole result. */
const char *trial_text(struct trial *trial, const char *source, const char *bytes);
void trial_print(struct trial *trial, const struct event_batch *batch);
const char *trial_replay(struct trial *trial, const char *source, uint64_t line, struct text raw);
/* Loads a lookup from a file; the text is its error, or "N rows" and its bad rows. */
const char *trial_lookup(struct trial *trial, const char *source, const char *path);

#endif
