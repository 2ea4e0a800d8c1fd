/* SPDX-License-Identifier: Apache-2.0 */
/* attune.h -- the public C API: open, ingest, decide, tell outcomes, query, close.
 *
 * One handle is one data directory, opened for writing; a second writer gets ATTUNE_LOCKED. Answers
 * are JSON, UTF-8, 0-terminated, and the caller's to free with attune_free. Times are UTC
 * milliseconds. Every function returns an enum attune_status; on failure `error`, where it isn't
 * NULL, holds one sentence: what, where, what to do.
 *
 * Threads: any number of threads may use one handle at the same time; attune_close comes when all
 * others have returned. What several threads send at the same time becomes durable together: one
 * sync of the disk serves all of them, so many threads that send small pieces are quick. Of one
 * thread's calls a later one sees what an earlier one has changed. */
#ifndef ATTUNE_H
#define ATTUNE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATTUNE_ERROR_BYTES 768

enum attune_status {
    ATTUNE_OK = 0,
    ATTUNE_NO_MEMORY,
    ATTUNE_LIMIT,   /* a named limit was reached; the error names it */
    ATTUNE_INVALID, /* what was given is wrong */
    ATTUNE_NOT_FOUND,
    ATTUNE_IO,           /* the disk or the operating system refused; full, read-only, failing */
    ATTUNE_CORRUPT,      /* a file of the directory is damaged */
    ATTUNE_NEWER_FORMAT, /* written by a newer attune */
    ATTUNE_LOCKED,       /* another process has the directory */
    ATTUNE_BUSY          /* the queue is full and nothing was taken: the same again, later */
};

struct attune;
struct attune_error {
    char text[ATTUNE_ERROR_BYTES];
};

/* Opens or creates. `playbook_file` is put in force; NULL: the one in force stays. */
enum attune_status attune_open(struct attune **out, const char *directory,
                               const char *playbook_file, struct attune_error *error);
void attune_close(struct attune *attune);

/* Puts another playbook in force while the handle is in use. Calls that began before are answered
 * by the one of before; so are all where the file has errors (ATTUNE_INVALID, with the first one):
 * then nothing has changed. */
enum attune_status attune_put_playbook(struct attune *attune, const char *playbook_file,
                                       struct attune_error *error);

/* Bytes in the format of a source of the playbook (CSV with its header, or NDJSON lines). On
 * ATTUNE_OK every good row is durable and visible, and every bad one is in quarantine with its
 * reason.
 *   ATTUNE_BUSY  more waits to be written than the queue takes; send the same again in a moment.
 *                Nothing was taken, unless the bytes are more than one batch (about 1 MB) and the
 *                disk stands still for a minute: then `out` counts what was kept.
 *   ATTUNE_IO    the disk refused. After a refused sync nobody knows whether the rows were kept;
 *                the handle then takes no changes and still answers questions. Close it, open the
 *                directory again and send the rows once more: rows under a key count once. */
struct attune_ingested {
    uint64_t events, repeats, quarantined;
    uint64_t turned_away; /* events of people who were erased: not kept */
    uint64_t corrected;   /* stored rows that now say something else */
    uint64_t retracted;   /* stored rows that took themselves away */
    uint64_t joined;      /* stored events of several rows that got more of them */
    uint64_t older;       /* an older version than the stored one: left */
    uint64_t left;        /* other rows of a stored event, which the source says to leave */
    uint64_t held;        /* would have been corrected, beyond the source's corrections_max */
};
enum attune_status attune_ingest(struct attune *attune, const char *source, const char *bytes,
                                 size_t length, struct attune_ingested *out,
                                 struct attune_error *error);

/* The same, queued: returns at once, and nobody waits for the disk. Takes what fits into one batch
 * (ATTUNE_LIMIT beyond about 1 MB). Rows that say something else of a stored row correct it at
 * once; the source's corrections_max is of loads and does not hold. Where it returns ATTUNE_OK,
 * `applied` is called once, perhaps before it returns, by a thread of the handle: by then the rows
 * are durable and visible, or `status` and `text` (valid during the call, "" where nothing failed)
 * say why not. It must be short, and must not call functions of the handle that wait for the disk.
 * Otherwise it is not called and nothing was taken; ATTUNE_BUSY: the queue is full, send the same
 * again in a moment. attune_close waits for what is queued. */
typedef void attune_applied_fn(void *context, enum attune_status status,
                               const struct attune_ingested *out, const char *text);
enum attune_status attune_apply(struct attune *attune, const char *source, const char *bytes,
                                size_t length, attune_applied_fn *applied, void *context,
                                struct attune_error *error);

/* The next best action for a customer ("C12" or "email:a@b.example") as known at time_ms (0: now), with
 * its reason and the trace of every treatment. `record` other than 0 writes the decision as an
 * event, synced before this returns. Any number of threads may decide for the same customer: of two
 * decisions the later one counts the earlier one, so that no limit is passed twice. */
enum attune_status attune_decide(struct attune *attune, const char *customer, int64_t time_ms,
                                 int record, char **json, struct attune_error *error);
/* The same, with all that may be asked; zero what you do not say. */
struct attune_question {
    const char *customer; /* NULL: whoever has one of the identifiers */
    /* "TYPE:VALUE", strongest first. Where nobody has any of them, the decision is made for a
     * customer of whom nothing is known; recording it makes that customer. */
    const char *const *identifiers;
    size_t identifier_count;
    const char *placement; /* of the playbook, with commas between several; NULL: none */
    const char *context;   /* a JSON object; NULL: none */
    unsigned count;        /* at most so many at each placement; 0: all its slots */
    int64_t time_ms;       /* 0: now */
    int record;
};
/* At a placement that is sticky, a customer gets the decision of this visit again: then the member
 * "again" is true, and only "ranked" tells what was decided; the trace is that of a decision now. */
enum attune_status attune_ask(struct attune *attune, const struct attune_question *question,
                              char **json, struct attune_error *error);
/* What became of a decision, by its id (the member "decision") or its token. `treatment` NULL: the
 * first that was offered. time_ms 0: now. Durable on return. The same again is a repeat
 * (*is_repeat, which may be NULL) and counts once. ATTUNE_NOT_FOUND: there is no such decision
 * here; ATTUNE_INVALID: it did not offer this treatment. */
enum attune_outcome_kind {
    ATTUNE_SHOWN,
    ATTUNE_DELIVERED,
    ATTUNE_FAILED,
    ATTUNE_CLICKED,
    ATTUNE_ACCEPTED,
    ATTUNE_REJECTED
};
enum attune_status attune_outcome(struct attune *attune, const char *decision,
                                  const char *treatment, enum attune_outcome_kind kind,
                                  int64_t time_ms, int *is_repeat, struct attune_error *error);
/* Identifiers, traits, segments and timeline of a customer as known at time_ms (0: now); the keys
 * are those of `attune customer --json`. */
enum attune_status attune_customer(struct attune *attune, const char *customer, int64_t time_ms,
                                   char **json, struct attune_error *error);
void attune_free(char *json);
const char *attune_version(void);

#ifdef __cplusplus
}
#endif
#endif
