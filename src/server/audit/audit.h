/* SPDX-License-Identifier: Apache-2.0 */
/* server/audit/audit.h -- the timeline of the system: who read or changed what, and when.
 *
 *   HTTP threads ──► audit_note: a row of entries ──► audit_tick, once a second: lines of JSON,
 *                    in memory, or a sum              appended and synced ──► audit/00000001.ndjson
 *   command line ─────────────────────────────────► audit_append: one line at once
 *
 *   {"at":"2017-12-05T09:00:00Z","key":"k3","did":"GET /v1/customers/{id}","customer":"C12",
 *    "code":200,"count":1}
 *
 * An entry names the key by its id, what was asked by its route, and the customer by their number:
 * no identifier, no value, no address. So an erasure has nothing to do here.
 *
 * What is asked about one customer, and what changes anything, is an entry each. What a site does
 * all day (events, decisions, flags), and what is refused, is summed by key and route, a line a
 * minute. So it costs a lock and some thirty instructions a request, and AUDIT_FILES_MAX files of
 * AUDIT_FILE_BYTES in all: beyond them the oldest file goes. Where more than AUDIT_WAITING_MAX wait
 * within one second, further ones are counted, and a line tells how many (`did`: "lost"). A machine
 * that loses power loses the last second.
 *
 * It lies beside the store, and not on a customer's timeline: whoever counts customers must not
 * count it. */
#ifndef SERVER_AUDIT_AUDIT_H
#define SERVER_AUDIT_AUDIT_H

#include "base/file.h"
#include "event/ids.h"
#include "server/access/access.h"

#define AUDIT_FOLDER      "audit"
#define AUDIT_FILE_BYTES  ((uint64_t)4 << 20)
#define AUDIT_FILES_MAX   16u
#define AUDIT_WAITING_MAX 4096u
#define AUDIT_SUMS_MAX    1024u
#define AUDIT_SUM_MS      60000
#define AUDIT_DID_BYTES   80u

struct audit_entry {
    int64_t at_ms;
    char key[16];                /* its id; empty: none, or an unknown one; "cli": a command */
    char did[AUDIT_DID_BYTES];   /* "GET /v1/customers/{id}", "key revoke" */
    struct customer_id customer; /* ID_NONE: nobody in particular */
    unsigned code;               /* of the answer; 0: of a command that did it */
    uint64_t count;              /* a sum: so many in the minute before `at` */
};

struct audit;
/* STATUS_IO and the like where the folder can't be made or read. */
enum status audit_open(struct audit **out, struct file_system *fs, const char *directory,
                       struct error *error) MUST_USE;
/* Writes what waits. NULL is allowed. */
void audit_close(struct audit *audit, int64_t now_ms);

/* Notes one entry; `count` is taken as 1. `sums`: it is added to the sum of its key, did and code.
 * Never waits for the disk. Any thread. NULL for `audit` notes nothing. */
void audit_note(struct audit *audit, const struct audit_entry *entry, bool sums);
/* Writes what waits, and sums that are a minute old. One thread. What could not be written waits
 * for the next call, and the error tells why. */
enum status audit_tick(struct audit *audit, int64_t now_ms, struct error *error) MUST_USE;

/* Writes one entry at once, also beside a running server. */
enum status audit_append(struct file_system *fs, const char *directory,
                         const struct audit_entry *entry, struct error *error) MUST_USE;

/* Calls visit for each entry, oldest first; false stops. *unreadable: lines that are no entries,
 * such as the half of one that a power cut left. No folder: no entries. */
enum status audit_read(struct file_system *fs, const char *directory,
                       bool (*visit)(void *context, const struct audit_entry *entry), void *context,
                       uint64_t *unreadable, struct error *error) MUST_USE;

#endif
