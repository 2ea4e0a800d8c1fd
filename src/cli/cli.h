/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cli.h -- the command line: one table of commands, one way to read options, one way to print.
 *
 * A command is a function of its options and words. Exit status: 0 done, 1 it failed (one line on
 * stderr says what, where and what to do), 2 it was called wrongly, 74 a stored file could not be
 * read while it was mapped (main.c), 130 or 143 somebody cancelled it (job.h). Results go to
 * stdout: for people as text no wider than cli_width(), times as clocks in the playbook's zone show
 * them; with --json as one object, or a line an object where it is a stream (docs/commands.md has
 * the keys: times in UTC, names in snake_case with their unit, null for what is unknown). Progress
 * goes to stderr and only to a terminal; nothing is coloured. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "engine/engine.h"
#include "event/dark.h"

#define CLI_WORDS_MAX   4096
#define CLI_COLUMNS_MAX 16
#define CLI_NAMES_MAX   64

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* An option that may be given several times. */
struct cli_names {
    const char *at[CLI_NAMES_MAX];
    size_t count;
};

struct cli {
    const struct command *command;
    const char *directory;    /* --dir, default $ATTUNE_DIR or ./data */
    const char *playbook;     /* --playbook */
    const char *data;         /* --data */
    const char *at;           /* --at TIME */
    const char *from, *until; /* --from, --until TIME */
    const char *out;          /* --out FILE */
    const char *list;         /* --list FILE */
    const char *against;      /* --against FILE */
    const char *log;          /* --log FILE */
    const char *columns;      /* --columns NAMES */
    const char *policy;       /* --policy PLAYBOOK */
    const char *challenger;   /* --challenger LEARNER */
    const char *since;        /* --since BACKUP */
    const char *source;       /* --source NAME */
    const char *action;       /* --action NAME */
    const char *threads;      /* --threads N; read by cli_share */
    const char *nice;         /* --nice N */
    const char *replay;       /* --replay ID */
    const char *placement;    /* --placement NAMES */
    const char *context;      /* --context JSON */
    const char *count;        /* --count N */
    const char *name;         /* --name TEXT */
    const char *per_second;   /* --per-second N */

    /* serve */
    const char *address, *port, *proxy, *connections, *patience;
    const char *first_party;         /* --first-party PATH */
    struct cli_names hosts, origins; /* --host NAME, --origin ORIGIN; repeated */

    const char *event, *verdict, *key_file, *messages; /* tail */

    bool anyway; /* of `promote` */
    bool json, all, quiet, dry_run, yes, merge, lift, leftovers, help, accept_corrections, remap;
    bool write, decide, read, admin, is_public, no_claims; /* of `key add` */
    bool check, log_requests;                              /* of `serve` */
    const char *words[CLI_WORDS_MAX];
    size_t word_count;
    int argc; /* as the process was given them */
    char **argv;
};

struct command {
    const char *name;
    const char *words;   /* "CUSTOMER ACTION" */
    const char *summary; /* one line for `attune help` */
    /* Names it takes besides --dir --playbook --quiet --help: "json at all out". */
    const char *options;
    /* A paragraph, which is broken into lines, and examples, which begin with blanks. */
    const char *help;
    size_t words_min, words_max;
    int (*run)(struct cli *cli);
};
extern const struct command cli_commands[];
extern const size_t cli_command_count;

int cli_main(int argc, char **argv);

/* Prints "attune: TEXT" and returns EXIT_FAILED, or the code of a cancelled command (cli/job.h)
 * where that is the cause. */
int cli_fail(const struct error *error);
/* Returns EXIT_FAILED. */
int cli_fail_text(const char *format, ...) PRINTF_LIKE(1, 2);

/* Opens the directory of --dir: the playbook of --playbook is put in force, or tried, where
 * read_only. On failure prints and gives NULL. All errors of a playbook are printed. */
struct engine *cli_open(const struct cli *cli, bool create, bool read_only);
/* Closes what cli_open gave. */
void cli_close(struct engine *engine);
/* Reads a whole number of an option; *out stays where none was given. False after printing what is
 * wrong. */
bool cli_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *out);
/* --threads (0: none was given) and --nice; false after printing what is wrong. */
bool cli_share(const struct cli *cli, uint32_t *threads, int *niceness);
/* Prints one line for each error: FILE:LINE:COLUMN: what, and what to write instead. `kind` stands
 * before it ("", "warning: "). */
void cli_playbook_errors(FILE *file, const char *path, const char *kind,
                         const struct playbook_errors *errors);
/* --at / --until / …: `text` in the playbook's zone; NULL: `fallback_ms`. False after printing what
 * is wrong. */
bool cli_time(const struct engine *engine, const char *option, const char *text,
              int64_t fallback_ms, int64_t *time_ms);
/* --at or the time of the newest event: what "now" means for data of the past. */
bool cli_at(struct cli *cli, struct engine *engine, int64_t *time_ms);
/* --until; without it as cli_at. */
bool cli_until(struct cli *cli, struct engine *engine, int64_t *time_ms);

/* ---- tables: rows are gathered, then printed with columns as wide as they must be ---- */
struct cli_table {
    const char *headings[CLI_COLUMNS_MAX];
    bool right[CLI_COLUMNS_MAX]; /* numbers stand to the right */
    uint32_t columns;
    struct buffer cells; /* 0-terminated, row after row */
    size_t cell_count;
};
/* "customer|>events|>spend": '>' sets a column to the right. */
void cli_table_init(struct cli_table *table, const char *headings);
void cli_table_cell(struct cli_table *table, const char *format, ...) PRINTF_LIKE(2, 3);
/* Prints and releases. Where the table is wider than cli_width(), the widest columns of words are
 * made narrower and their cells take more lines; columns of numbers are never broken. */
void cli_table_print(struct cli_table *table);

/* ---- JSON: one object, between begin and end ---- */
struct cli_json {
    struct buffer out;
    struct json_writer writer;
};
struct json_writer *cli_json_begin(struct cli_json *json, bool pretty);
/* Writes it and a newline, and releases; the exit code. */
int cli_json_end(struct cli_json *json, FILE *file);
/* Ends a command that prints it where `code` is EXIT_OK and --json was given; else it is let go. */
int cli_json_conclude(const struct cli *cli, struct cli_json *json, int code);
struct engine_view;
int cli_json_answer(const struct engine_view *view,
                    void (*answer)(const struct engine_view *, struct json_writer *));

/* Tells the audit (server/audit/audit.h) that this command was done; `customer` ID_NONE: to nobody
 * in particular. Where that fails it is said, and the command stands. */
void cli_audit(const struct cli *cli, const char *did, struct customer_id customer);

/* ---- words; those that return a text use one of a few static buffers, for printing only ---- */
const char *cli_count(uint64_t count);                         /* 1234567 → "1,234,567" */
const char *cli_counted(uint64_t count, const char *singular); /* "1 event", "1,234 policies" */
const char *cli_bytes(uint64_t bytes);                         /* "12.3 MB" */
/* "12.3 %", or "unknown" where it is no number. */
const char *cli_percent(double share, int digits);
/* "2017-10-01", with the time of day where it isn't midnight in the playbook's zone. */
const char *cli_when(const struct playbook *playbook, int64_t time_ms);
/* Returns how many columns to print in: the terminal's, from 40 to 100; 100 where there is no
 * terminal. */
uint32_t cli_width(void);
/* Replaces control characters by blanks, so that data can't steer the terminal: also those of two
 * bytes (U+0080 to U+009F); line ends and tabs only where `keep_lines` is false. */
void cli_tame(char *at, size_t length, bool keep_lines);
/* Prints text that holds data: control characters but line ends and tabs become blanks. Tables and
 * wrapped text do the same. */
void cli_say(FILE *file, const char *format, ...) PRINTF_LIKE(2, 3);
void cli_say_list(FILE *file, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Prints the text and a newline, broken at blanks; what follows the first line is indented. */
void cli_wrap(FILE *file, struct text text, uint32_t indent);
/* The same, to stdout. */
void cli_wrap_format(uint32_t indent, const char *format, ...) PRINTF_LIKE(2, 3);
/* Appends a value for people, to be printed by cli_wrap: at most four digits of a fraction, a
 * duration's two largest units, a list's first items. */
enum status cli_value(struct buffer *out, struct engine *engine, struct value value) MUST_USE;
/* A list, and what nobody declared of it (event/dark.h: item_walk). */
enum status cli_list(struct buffer *out, struct engine *engine, struct value list,
                     struct value array) MUST_USE;
/* One line, overwritten; only on a terminal. */
void cli_progress(const char *format, ...) PRINTF_LIKE(1, 2);
void cli_progress_end(void);
/* Is this a source of the playbook, or one of which something is stored? Prints what is wrong where
 * it is not. NULL is allowed. */
bool cli_knows_source(struct engine *engine, const char *name);
/* Prints one CSV field, quoted where it must be. */
void cli_csv(FILE *file, struct text text);

int command_init(struct cli *cli);
int command_check(struct cli *cli);
int command_explain(struct cli *cli);
int command_ingest(struct cli *cli);
int command_data(struct cli *cli);
int command_quarantine(struct cli *cli);
int command_customer(struct cli *cli);
int command_unmerge(struct cli *cli);
int command_traits(struct cli *cli);
int command_scenarios(struct cli *cli);
int command_train(struct cli *cli);
int command_learn(struct cli *cli);
int command_models(struct cli *cli);
int command_promote(struct cli *cli);
int command_evaluate(struct cli *cli);
int command_decide(struct cli *cli);
int command_why_not(struct cli *cli);
int command_report(struct cli *cli);
int command_results(struct cli *cli);
int command_fsck(struct cli *cli);
int command_rebuild(struct cli *cli);
int command_backup(struct cli *cli);
int command_erase(struct cli *cli);
int command_fold(struct cli *cli);
int command_status(struct cli *cli);
int command_tail(struct cli *cli);
int command_key(struct cli *cli);
int command_budgets(struct cli *cli);
int command_claims(struct cli *cli);
int command_audit(struct cli *cli);
int command_serve(struct cli *cli);

#endif
