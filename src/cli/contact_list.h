/* SPDX-License-Identifier: Apache-2.0 */
/* cli/contact_list.h -- what a mail house or a call centre is handed: `decide --all --list FILE`.
 *
 * A CSV with one line for each treatment that is offered in a channel of `decide: lists:`, and none
 * for what is withheld (the holdout) or has no address: those are counted. The columns are
 * customer, treatment, channel, title, decision (the id that receipts name) and send_after (where
 * quiet times defer the sending), then those of the lists; where lists of two channels have
 * columns of the same name they share it. A cell never begins a formula of a spreadsheet. */
#ifndef CLI_CONTACT_LIST_H
#define CLI_CONTACT_LIST_H

#include "cli/cli.h"
#include "engine/answer/answer.h"

struct contact_list {
    struct engine *engine;
    const struct text *columns; /* of all lists, each name once */
    uint32_t column_count;
    uint64_t lines;
    uint64_t withheld;   /* of customers in the holdout */
    uint64_t no_address; /* whose first column is unknown */
    uint64_t no_list;    /* in channels of which the playbook has no list */
};

/* STATUS_INVALID where the playbook has no lists; the error says what to write. */
enum status contact_list_init(struct contact_list *list, struct engine *engine,
                              struct error *error) MUST_USE;
void contact_list_release(struct contact_list *list);
void contact_list_heading(const struct contact_list *list, FILE *file);
/* The lines of the latest decision. */
enum status contact_list_add(struct contact_list *list, const struct engine_view *view,
                             FILE *file) MUST_USE;
/* "Wrote FILE: 526 lines. Left out: 25 withheld …" */
void contact_list_print(const struct contact_list *list, const char *path);
void contact_list_write_json(const struct contact_list *list, const char *path,
                             struct json_writer *writer);

#endif
