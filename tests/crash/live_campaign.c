/* SPDX-License-Identifier: Apache-2.0 */
/* live_campaign KILLS CUTS [SEED] -- do decisions and outcomes that were answered survive, as
 * promised, where the process or the power dies?
 *
 * Kills: a child opens a real directory; its threads decide, and tell outcomes of what was decided.
 * It tells each answer through a pipe, and is killed at a random moment. What was answered must be
 * there: each decision once, each outcome once, and each decision can be made again. Power cuts:
 * the same on a simulated disk that loses unsynced sectors. An outcome was durable when it was
 * answered; a decision was only written, so where it is not there its token must bring it back. The
 * last line is "N kills, N power cuts, N decisions, N outcomes, N restored, 0 lost". */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log_line.h"
#include "base/random.h"
#include "engine/answer/replay_decision.h"
#include "engine/live/live_decision.h"
#include "engine/live/live_outcome.h"
#include "support/simulated_disk.h"

#define THREADS             4u
#define CUSTOMERS           40u
#define TOLD_MAX            200000u
#define DECISIONS_A_CUT     30u /* of each thread, at most */
#define ROUNDS_A_DIRECTORY  20u
#define KILL_AFTER_US_MAX   120000u
#define CUT_AFTER_CALLS_MAX 60u
#define OUTCOMES            3u /* shown, clicked, accepted */

static const char playbook[] =
    "attune: 1\nname: Crash\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "sources:\n"
    "  orders: { file: \"o*.csv\", event: Order Completed, channel: store, time: at,\n"
    "            key: { email: email }, row_key: id }\n"
    "goals: { order: { event: Order Completed, within: 3d } }\n"
    "actions:\n"
    "  letter: { goal: order, starting_propensity: 20%, channels: [email] }\n"
    "  banner: { goal: order, starting_propensity: 10%, channels: [web] }\n"
    "policies:\n"
    "  - { at_most: 1, in: 10m, channel: email }\n";

static uint64_t decision_count, outcome_count, restored_count, lost_count;

static void loss(const char *what, const char *why) {
    if (lost_count++ < 20) printf("%s: %s\n", what, why);
    fflush(stdout);
}

/* ---- what was told ---- */

struct message {
    char id[DECISION_ID_BYTES], token[LIVE_TOKEN_BYTES];
    uint32_t outcome; /* OUTCOMES: the decision itself */
};
struct told {
    uint64_t id;
    uint32_t outcomes; /* bits */
    uint32_t there, outcomes_there[OUTCOMES];
    bool is_answered, was_checked;
    char token[LIVE_TOKEN_BYTES];
};
static struct told *told;
static uint32_t told_count;
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;

static struct told *told_of(uint64_t id, bool add) {
    for (uint32_t i = told_count; i-- > 0;)
        if (told[i].id == id) return &told[i];
    if (!add) return NULL;
    if (told_count == TOLD_MAX) abort();
    told[told_count] = (struct told){.id = id};
    return &told[told_count++];
}

static void note_message(const struct message *message) {
    pthread_mutex_lock(&told_lock);
    struct told *of = told_of(decision_id_read(text_from(message->id)), true);
    if (message->outcome == OUTCOMES) {
        decision_count += !of->is_answered;
        of->is_answered = true;
        memcpy(of->token, message->token, sizeof of->token);
    } else {
        outcome_count += (of->outcomes >> message->outcome & 1) == 0;
        of->outcomes |= 1u << message->outcome;
    }
    pthread_mutex_unlock(&told_lock);
}

/* ---- who decides ---- */

struct worker {
    pthread_t thread;
    struct engine *engine;
    struct random random;
    uint64_t left;
    int pipe_end; /* -1: notes it here */
    sem_t answered;
    enum status status;
    struct message answer;
    bool is_recorded;
    uint32_t slots;
};

static void tell(const struct worker *worker, const struct message *message) {
    if (worker->pipe_end < 0)
        note_message(message);
    else if (write(worker->pipe_end, message, sizeof *message) != (ssize_t)sizeof *message)
        _exit(0);
}

static enum status take(void *caller, const struct live_answer *answer) {
    struct worker *worker = caller;
    worker->answer = (struct message){.outcome = OUTCOMES};
    memcpy(worker->answer.id, answer->id, sizeof answer->id);
    snprintf(worker->answer.token, LIVE_TOKEN_BYTES, "%.*s", TEXT_ARG(answer->token));
    worker->is_recorded = answer->is_recorded;
    worker->slots = answer->slot_count;
    return STATUS_OK;
}

static void note_answered(void *caller, enum status status, const struct error *error) {
    struct worker *worker = caller;
    (void)error;
    worker->status = status;
    if (status == STATUS_OK && worker->is_recorded) tell(worker, &worker->answer);
    sem_post(&worker->answered);
}

static enum status decide_once(struct worker *worker) {
    char value[32];
    struct error error = {0};
    bool is_new = random_below(&worker->random, 8) == 0;
    snprintf(value, sizeof value, is_new ? "n%" PRIu64 "@x.example" : "c%" PRIu64 "@x.example",
             is_new ? random_u64(&worker->random) % 100000
                    : random_below(&worker->random, CUSTOMERS));
    const struct live_identifier identifier = {TEXT("email"), text_from(value)};
    const struct live_ask ask = {.identifiers = &identifier,
                                 .identifier_count = 1,
                                 .records = true,
                                 .render = take,
                                 .answered = note_answered,
                                 .caller = worker};
    enum status status = live_decide(worker->engine, &ask, &error);
    if (status != STATUS_OK) return status;
    while (sem_wait(&worker->answered) != 0) {
    }
    return worker->status;
}

static enum status tell_outcomes(struct worker *worker) {
    static const enum live_outcome_kind kinds[OUTCOMES] = {LIVE_SHOWN, LIVE_CLICKED, LIVE_ACCEPTED};
    struct error error = {0};
    for (uint32_t i = 0; i < OUTCOMES && worker->slots > 0; i++) {
        struct message message = worker->answer;
        bool by_token = message.token[0] != '\0' && random_below(&worker->random, 2) == 0;
        const struct live_outcome outcome = {
            .decision = text_from(by_token ? message.token : message.id), .kind = kinds[i]};
        if (random_below(&worker->random, 2) == 0) continue;
        enum status status = live_outcome_tell_and_wait(worker->engine, &outcome, NULL, &error);
        if (status != STATUS_OK) return status;
        message.outcome = i;
        tell(worker, &message);
    }
    return STATUS_OK;
}

static void *work(void *context) {
    struct worker *worker = context;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && worker->left-- > 0) {
        status = decide_once(worker);
        if (status == STATUS_OK && worker->is_recorded) status = tell_outcomes(worker);
        if (status == STATUS_BUSY) status = STATUS_OK;
    }
    return NULL;
}

static void run_workers(struct engine *engine, uint64_t seed, uint64_t each, int pipe_end) {
    static struct worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.engine = engine, .left = each, .pipe_end = pipe_end};
        random_init(&workers[i].random, seed * THREADS + i);
        sem_init(&workers[i].answered, 0, 0);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) abort();
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        sem_destroy(&workers[i].answered);
    }
}

static enum status open_engine(struct engine **out, struct file_system *fs, const char *directory,
                               const char *file, struct error *error) {
    const struct engine_options options = {
        .directory = directory, .create = true, .fs = fs, .playbook_file = file};
    *out = NULL;
    return engine_open(out, &options, error);
}

/* ---- what is there ---- */

static void count_row(const struct timeline *timeline, uint32_t row) {
    static const uint16_t types[OUTCOMES] = {EVENT_TREATMENT_SHOWN, EVENT_TREATMENT_CLICKED,
                                             EVENT_TREATMENT_ACCEPTED};
    struct text packed;
    uint16_t type = timeline->type[row];
    if (type != EVENT_DECISION_MADE && !event_is_treatment(type)) return;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) {
        loss("a row", "can't be read");
        return;
    }
    struct value id = packed_find(packed, PROPERTY_DECISION);
    struct told *of = told_of(id.type == VALUE_TEXT ? decision_id_read(id.text) : 0, false);
    if (of == NULL) return; /* it was not answered any more */
    of->there += type == EVENT_DECISION_MADE;
    for (uint32_t i = 0; i < OUTCOMES; i++) of->outcomes_there[i] += type == types[i];
}

static void count_all(struct engine *engine) {
    struct timeline_source *source = store_source(engine_store(engine));
    const struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                             .needs = TIMELINE_PACKED};
    struct timeline_reader *reader;
    struct timeline timeline;
    struct error error = {0};
    for (uint32_t i = 0; i < told_count; i++) {
        told[i].there = 0;
        memset(told[i].outcomes_there, 0, sizeof told[i].outcomes_there);
    }
    if (source->ops->reader_open(source, &reader, &error) != STATUS_OK) abort();
    enum status status = source->ops->walk(reader, &request, 0, 1, &error);
    while (status == STATUS_OK &&
           (status = source->ops->next(reader, &timeline, &error)) == STATUS_OK)
        for (uint32_t row = 0; row < timeline.count; row++) count_row(&timeline, row);
    if (status != STATUS_END) loss("walking", error.text);
    source->ops->reader_close(reader);
}

/* An answered decision that the power took must come back by its token. */
static void restore_missing(struct engine *engine) {
    for (uint32_t i = 0; i < told_count; i++) {
        struct live_told back = {0};
        struct error error = {0};
        const struct live_outcome outcome = {.decision = text_from(told[i].token),
                                             .kind = LIVE_DELIVERED};
        if (!told[i].is_answered || told[i].there > 0) continue;
        /* A decision that offers nothing has no outcome, and comes back all the same. */
        enum status status = live_outcome_tell_and_wait(engine, &outcome, &back, &error);
        if (status != STATUS_OK && status != STATUS_INVALID)
            loss("a token restores nothing", error.text);
        restored_count++;
    }
}

static bool replay_one(void *context, const struct decision_record *record) {
    struct engine_view *view = context;
    struct replayed_decision out;
    struct error error = {0};
    struct value id = packed_find(record->packed, PROPERTY_DECISION);
    struct told *of = told_of(id.type == VALUE_TEXT ? decision_id_read(id.text) : 0, false);
    if (of == NULL || of->was_checked) return true;
    of->was_checked = true;
    if (decision_replay(view, record, &out, &error) != STATUS_OK)
        loss("replaying", error.text);
    else if (out.verdict != REPLAY_EQUAL)
        loss("an answered decision can't be made again", replay_verdict_name(out.verdict));
    return true;
}

static void replay_all(struct engine *engine) {
    struct engine_view view;
    struct error error = {0};
    if (engine_view_open(&view, engine, engine_now_ms(engine), &error) != STATUS_OK ||
        decision_records_visit(&view, NULL, replay_one, &view, &error) != STATUS_OK)
        loss("replaying", error.text);
    engine_view_close(&view);
}

static void check_counts(void) {
    for (uint32_t i = 0; i < told_count; i++) {
        char id[DECISION_ID_BYTES];
        decision_id_text(told[i].id, id);
        if (told[i].is_answered && told[i].there != 1)
            loss(told[i].there == 0 ? "a decision is lost" : "a decision is there twice", id);
        for (uint32_t k = 0; k < OUTCOMES; k++) {
            bool is_told = told[i].outcomes >> k & 1;
            if (told[i].outcomes_there[k] > 1) loss("an outcome is there twice", id);
            if (is_told && told[i].outcomes_there[k] == 0) loss("an outcome is lost", id);
        }
    }
}

static void verify(struct engine *engine, bool restores) {
    count_all(engine);
    if (restores) {
        restore_missing(engine);
        count_all(engine);
    }
    check_counts();
    replay_all(engine);
}

/* ---- kills ---- */

static void run_and_kill(const char *directory, const char *file, struct random *random) {
    int ends[2], how = 0;
    struct message message;
    uint64_t seed = random_u64(random);
    uint32_t after_us = 20000 + (uint32_t)random_below(random, KILL_AFTER_US_MAX);
    if (pipe(ends) != 0) abort();
    fflush(stdout);
    pid_t process = fork();
    if (process < 0) abort();
    if (process == 0) {
        struct engine *engine;
        struct error error = {0};
        close(ends[0]);
        if (open_engine(&engine, NULL, directory, file, &error) != STATUS_OK) {
            fprintf(stderr, "child: %s\n", error.text);
            _exit(2);
        }
        run_workers(engine, seed, UINT64_MAX, ends[1]);
        _exit(3);
    }
    close(ends[1]);
    /* The pipe is read while it runs, so that it never fills. */
    struct timespec end, now;
    clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t end_us = (int64_t)end.tv_sec * 1000000 + end.tv_nsec / 1000 + after_us;
    bool killed = false;
    while (read(ends[0], &message, sizeof message) == (ssize_t)sizeof message) {
        note_message(&message);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (!killed && (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 >= end_us) {
            kill(process, SIGKILL);
            killed = true;
        }
    }
    close(ends[0]);
    waitpid(process, &how, 0);
    if (!WIFSIGNALED(how)) loss("the child ended by itself", "see its message");
}

static void kills(uint64_t count, struct random *random, const char *file) {
    const char *temporary = getenv("TMPDIR");
    for (uint64_t done = 0; done < count;) {
        char top[512], directory[600], command[700];
        snprintf(top, sizeof top, "%s/attune-live-XXXXXX", temporary != NULL ? temporary : "/tmp");
        if (mkdtemp(top) == NULL) abort();
        snprintf(directory, sizeof directory, "%s/data", top);
        told_count = 0;
        for (uint32_t i = 0; i < ROUNDS_A_DIRECTORY && done < count; i++, done++) {
            struct engine *engine;
            struct error error = {0};
            run_and_kill(directory, file, random);
            if (open_engine(&engine, NULL, directory, file, &error) != STATUS_OK)
                loss("opening after a kill", error.text);
            else
                verify(engine, false);
            engine_close(engine);
        }
        snprintf(command, sizeof command, "rm -rf '%s'", top);
        if (system(command) != 0) fprintf(stderr, "can't remove %s\n", top);
    }
}

/* ---- power cuts ---- */

/* Opens, with the power going anywhere in it as well. */
static struct engine *open_after_cut(struct simulated_disk *disk, const char *file) {
    for (;;) {
        struct engine *engine;
        struct error error = {0};
        if (open_engine(&engine, simulated_disk_interface(disk), "data", file, &error) == STATUS_OK)
            return engine;
        if (!simulated_disk_is_off(disk)) {
            loss("opening after a cut", error.text);
            return NULL;
        }
        simulated_disk_restart(disk);
    }
}

static bool cut_once(struct simulated_disk *disk, struct random *random, const char *file) {
    simulated_disk_cut_at(disk, 1 + random_below(random, CUT_AFTER_CALLS_MAX));
    struct engine *engine = open_after_cut(disk, file);
    if (engine == NULL) return false;
    run_workers(engine, random_u64(random), DECISIONS_A_CUT, -1);
    engine_close(engine);
    simulated_disk_cut_at(disk, 0);
    simulated_disk_restart(disk);
    engine = open_after_cut(disk, file);
    if (engine == NULL) return false;
    verify(engine, true);
    engine_close(engine);
    return true;
}

static void cuts(uint64_t count, struct random *random, const char *file) {
    for (uint64_t done = 0; done < count;) {
        struct simulated_disk *disk = simulated_disk_create(random_u64(random), 0);
        bool good = true;
        told_count = 0;
        for (uint32_t i = 0; good && i < ROUNDS_A_DIRECTORY && done < count; i++, done++)
            good = cut_once(disk, random, file);
        simulated_disk_destroy(disk);
        done += !good;
    }
}

int main(int argc, char **argv) {
    uint64_t kill_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 10,
             cut_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 30,
             seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    char file[] = "/tmp/attune-live-XXXXXX";
    struct random random;
    int descriptor = mkstemp(file);
    FILE *out = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    told = calloc(TOLD_MAX, sizeof *told);
    if (told == NULL || out == NULL || fputs(playbook, out) < 0 || fclose(out) != 0) return 1;
    log_line_level(LOG_ERROR);
    random_init(&random, seed);
    kills(kill_count, &random, file);
    cuts(cut_count, &random, file);
    unlink(file);
    printf("%" PRIu64 " kills, %" PRIu64 " power cuts, %" PRIu64 " decisions, %" PRIu64
           " outcomes, %" PRIu64 " restored, %" PRIu64 " lost\n",
           kill_count, cut_count, decision_count, outcome_count, restored_count, lost_count);
    free(told);
    return lost_count > 0 || decision_count == 0 || outcome_count == 0;
}
