/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/served.h"
#include "engine/jobs.h"
#include "profile/walk.h"

void cli_playbook_errors(FILE *file, const char *path, const char *kind,
                         const struct playbook_errors *errors) {
    for (uint32_t i = 0; i < errors->count; i++) {
        fprintf(file, "%s:%u:%u: %s%s\n", path, errors->item[i].place.line,
                errors->item[i].place.column, kind, errors->item[i].text);
    }
    if (errors->dropped > 0) fprintf(file, "… and %u more\n", errors->dropped);
}

bool cli_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *out) {
    if (text == NULL ||
        (text_to_int64(text_from(text), out) == STATUS_OK && *out >= least && *out <= most))
        return true;
    cli_fail_text("--%s %s: write a number from %lld to %lld", option, text, (long long)least,
                  (long long)most);
    return false;
}

bool cli_share(const struct cli *cli, uint32_t *threads, int *niceness) {
    int64_t number = 0, nice = 0;
    if (!cli_number("threads", cli->threads, 1, WALK_THREADS_MAX, &number) ||
        !cli_number("nice", cli->nice, 0, JOB_NICENESS_MAX, &nice))
        return false;
    *threads = (uint32_t)number;
    *niceness = (int)nice;
    return true;
}

/* The engine is the server's, and open; only a playbook may have to be put in force. */
static enum status open_served(const struct cli *cli, struct playbook_errors *errors,
                               struct engine **out, struct error *error) {
    *out = cli_served_engine();
    return cli->playbook == NULL ? STATUS_OK
                                 : engine_put_playbook(*out, cli->playbook, errors, error);
}

void cli_close(struct engine *engine) {
    if (engine != cli_served_engine()) engine_close(engine);
}

struct engine *cli_open(const struct cli *cli, bool create, bool read_only) {
    struct error error = {0};
    struct engine *engine = NULL;
    uint32_t threads;
    int niceness;
    if (!cli_share(cli, &threads, &niceness)) return NULL;
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    struct engine_options options = {
        .directory = cli->directory,
        .create = create,
        .read_only = read_only,
        .playbook_file = cli->playbook,
        .playbook_errors = errors,
        .threads = threads,
    };
    if (errors == NULL) {
        cli_fail_text("out of memory");
        return NULL;
    }
    enum status status = cli_served_engine() != NULL ? open_served(cli, errors, &engine, &error)
                                                     : engine_open(&engine, &options, &error);
    if (status == STATUS_LOCKED) cli_hand_over(cli);
    if (status != STATUS_OK && errors->count > 0) {
        cli_playbook_errors(stderr, cli->playbook != NULL ? cli->playbook : "the playbook in force",
                            "", errors);
        cli_fail_text("%s has %s; nothing was changed",
                      cli->playbook != NULL ? cli->playbook : "the playbook in force",
                      cli_counted(errors->count + errors->dropped, "error"));
    } else if (status != STATUS_OK) {
        if (error.status == STATUS_OK)
            (void)error_set(&error, status, "%s: %s", cli->directory, status_name(status));
        cli_fail(&error);
    }
    memory_free(errors);
    if (status != STATUS_OK) return NULL;
    if (engine_playbook(engine) == NULL && !create) {
        cli_fail_text("%s has no playbook yet; say --playbook FILE", cli->directory);
        cli_close(engine);
        return NULL;
    }
    return engine;
}

bool cli_time(const struct engine *engine, const char *option, const char *text,
              int64_t fallback_ms, int64_t *time_ms) {
    const struct playbook *playbook = engine_playbook(engine);
    *time_ms = fallback_ms;
    if (text == NULL) return true;
    if (time_parse(text_from(text), playbook != NULL ? playbook->zone : NULL, time_ms) == STATUS_OK)
        return true;
    cli_fail_text("--%s %s is no time; write 2017-12-06, 2017-12-06T09:00 or 2017-12-06T14:00:00Z",
                  option, text);
    return false;
}

bool cli_at(struct cli *cli, struct engine *engine, int64_t *time_ms) {
    struct error error = {0};
    if (cli->at != NULL) return cli_time(engine, "at", cli->at, 0, time_ms);
    if (engine_last_known_ms(engine, time_ms, &error) != STATUS_OK) {
        cli_fail(&error);
        return false;
    }
    if (*time_ms != 0) return true;
    cli_fail_text("%s holds no events yet; load some first: attune ingest --help", cli->directory);
    return false;
}

bool cli_until(struct cli *cli, struct engine *engine, int64_t *time_ms) {
    return cli->until != NULL ? cli_time(engine, "until", cli->until, 0, time_ms)
                              : cli_at(cli, engine, time_ms);
}

bool cli_knows_source(struct engine *engine, const char *name) {
    const struct playbook *playbook = engine_playbook(engine);
    struct error error = {0};
    struct text names[256];
    size_t count = playbook->source_count < 256 ? playbook->source_count : 256;
    if (name == NULL || playbook_source_find(playbook, text_from(name)) != UINT32_MAX) return true;
    /* Of an earlier playbook. */
    if (symbol_find(engine_symbols(engine), SYMBOL_SOURCE, text_from(name)) != SYMBOL_NONE)
        return true;
    for (size_t i = 0; i < count; i++) names[i] = playbook->sources[i].name;
    if (text_unknown(text_from(name), "the playbook has no source", names, count, &error) !=
        STATUS_OK)
        cli_fail(&error);
    return false;
}
