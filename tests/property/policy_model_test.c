/* SPDX-License-Identifier: Apache-2.0 */
/* Contact policies and bundles of random playbooks against a naive model, end to end: messages and
 * refusals of several sources and channels, receipts of our own decisions, links that merge
 * personas, un-merges, corrections that move a message to another person, day or treatment, and
 * erasures, in any order. After each step every customer is decided for, and what was decided is
 * recorded, so that it counts from then on.
 *
 * The model has no timeline and no windows: it keeps the rows as they stand now, and counts all of
 * them again for every treatment. Compared are the stage of each treatment and the ranks.
 *
 *   policy_model_test [SEED [ROUNDS]] */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/answer/replay_decision.h"
#include "unit/engine/shop.h"

#define PEOPLE       4 /* each known by an e-mail address to one source, by a card to another */
#define IDS          (2 * PEOPLE)
#define STEPS        10
#define ROWS         400
#define MESSAGES     4000
#define LINKS        64
#define POLICIES     6
#define ACTIONS      5
#define CHANNELS     3
#define TEXT_BYTES   65536
#define HOUR(n)      ((int64_t)(n)*TIME_HOUR_MS)
#define DECISION_MAX 24

static struct random state;
static uint32_t below(uint32_t bound) {
    return (uint32_t)random_below(&state, bound);
}
static void must(bool good, const char *what) {
    if (good) return;
    printf("%s\n", what);
    exit(1);
}

enum channel { EMAIL, SMS, WEB };
static const char *const channel_names[CHANNELS] = {"email", "sms", "web"};
static const char *const action_names[ACTIONS] = {"a", "b", "c", "d", "s"};
static const char groups[ACTIONS] = {'g', 'g', 'h', 'h', 's'};
static const bool offered_in[ACTIONS][CHANNELS] = {{true, true, false},
                                                   {true, false, true},
                                                   {false, true, true},
                                                   {true, true, true},
                                                   {true, false, false}};
#define SERVICE 4

enum kind { DELIVERED, REJECTED, FAILED, KINDS };
static const char *const kind_names[KINDS] = {"Treatment Delivered", "Treatment Rejected",
                                              "Treatment Failed"};

/* ---- the plan: a random playbook ---- */

enum scope { ANY, ONE_CHANNEL, SAME_ACTION, SAME_GROUP, SCOPES };
struct a_policy {
    bool after; /* else at_most */
    enum scope scope;
    enum channel channel;
    uint32_t count, days; /* of the window, or the wait */
    bool per_day;
};
struct plan {
    struct a_policy policies[POLICIES];
    uint32_t policy_count, slots;
    bool never_a_with_c, only_b_with_d, explores;
};

static void draw_plan(struct plan *plan) {
    *plan = (struct plan){.policy_count = 1 + below(POLICIES),
                          .slots = 1 + below(4),
                          .never_a_with_c = below(2) == 0,
                          .only_b_with_d = below(2) == 0,
                          .explores = below(2) == 0};
    for (uint32_t i = 0; i < plan->policy_count; i++) {
        struct a_policy *policy = &plan->policies[i];
        *policy = (struct a_policy){.after = below(3) == 0,
                                    .scope = (enum scope)below(SCOPES),
                                    .channel = (enum channel)below(2),
                                    .count = 1 + below(3),
                                    .days = 1 + below(6)};
        policy->per_day = !policy->after && below(4) == 0;
        if (policy->after && policy->scope == ONE_CHANNEL) policy->scope = SAME_GROUP;
    }
}

struct words {
    char at[TEXT_BYTES];
    size_t length;
};
static void say(struct words *out, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct words *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    out->length +=
        (size_t)vsnprintf(out->at + out->length, TEXT_BYTES - out->length, format, arguments);
    va_end(arguments);
    must(out->length < TEXT_BYTES, "a text is too long");
}

static void say_policy(struct words *out, const struct a_policy *policy) {
    static const char *const scopes[SCOPES] = {", of: any action", "", ", of: same action",
                                               ", of: same group"};
    if (policy->after)
        say(out, "  - { after: Rejected, times: %u, wait: %ud", policy->count, policy->days);
    else if (policy->per_day)
        say(out, "  - { at_most: %u, per: day", policy->count);
    else
        say(out, "  - { at_most: %u, in: %ud", policy->count, policy->days);
    if (policy->scope == ONE_CHANNEL)
        say(out, ", channel: %s }\n", channel_names[policy->channel]);
    else
        say(out, "%s }\n", scopes[policy->scope]);
}

static struct words playbook;
static void write_playbook(const struct plan *plan) {
    playbook.length = 0;
    say(&playbook,
        "attune: 1\nname: Policies\ncurrency: USD\nzone: UTC\n"
        "customer: { identifiers: { email: { per_customer: 50 }, card: { per_customer: 50 } } }\n"
        "sources:\n");
    for (int source = 0; source < 2; source++)
        say(&playbook,
            "  %s: { file: \"%s*.csv\", event: \"{kind}\", channel: \"{channel}\", time: at, key: "
            "{ %s: who }, row_key: id, row_version: updated, corrections_max: 1000000, types: { "
            "updated: time }, properties: { treatment: treatment, decision: decision } }\n",
            source == 0 ? "letters" : "texts", source == 0 ? "letters" : "texts",
            source == 0 ? "email" : "card");
    say(&playbook,
        "  links: { file: \"links*.csv\", event: Customer Record, time: at, key: { email: email, "
        "card: card }, row_key: [email, card] }\n"
        "goals: { order: { event: Order Completed, within: 3d, value: 20 USD } }\n"
        "events: { Order Completed: { revenue: money } }\nactions:\n");
    for (uint32_t a = 0; a < ACTIONS; a++) {
        say(&playbook, "  %s: { goal: order, group: %c, starting_propensity: %u%%, %schannels: [",
            action_names[a], groups[a], 50 - 10 * a, a == SERVICE ? "service: yes, " : "");
        const char *comma = "";
        for (uint32_t c = 0; c < CHANNELS; c++) {
            if (!offered_in[a][c]) continue;
            say(&playbook, "%s%s", comma, channel_names[c]);
            comma = ", ";
        }
        say(&playbook, "] }\n");
    }
    say(&playbook, "decide: { slots: %u }\nchannels: { sms: { receipts: no } }\n", plan->slots);
    if (plan->never_a_with_c || plan->only_b_with_d) say(&playbook, "bundles:\n");
    if (plan->never_a_with_c) say(&playbook, "  - { never: a, with: c }\n");
    if (plan->only_b_with_d) say(&playbook, "  - { only: b, with: d }\n");
    if (plan->explores) say(&playbook, "explore: { share: 80%%, gamma: 1 }\n");
    say(&playbook, "policies:\n");
    for (uint32_t i = 0; i < plan->policy_count; i++) say_policy(&playbook, &plan->policies[i]);
}

/* ---- the model ---- */

struct a_row {        /* of a source, as it stands now */
    uint32_t id, who; /* who: an e-mail address below PEOPLE, else a card */
    enum kind kind;
    uint32_t action;
    enum channel channel;
    int64_t at_ms;
    char decision[DECISION_MAX]; /* or none */
    bool gone;
};
struct a_link {
    uint32_t email, card;
    bool stands;
};
static struct {
    struct a_row rows[ROWS];
    uint32_t row_count;
    struct a_link links[LINKS];
    uint32_t link_count;
    bool erased[IDS];
    int64_t now_ms;
} world;

static const char *name_of(uint32_t id) {
    static char names[4][32];
    static uint32_t next;
    char *name = names[next++ % 4];
    snprintf(name, 32, "%s:%c%u", id < PEOPLE ? "email" : "card", id < PEOPLE ? 'e' : 'k',
             id < PEOPLE ? id : id - PEOPLE);
    return name;
}

/* Marks all that belong to the same customer. */
static void find_customer(uint32_t id, bool members[IDS]) {
    memset(members, 0, IDS * sizeof *members);
    members[id] = true;
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t i = 0; i < world.link_count; i++) {
            const struct a_link *link = &world.links[i];
            uint32_t card = PEOPLE + link->card;
            if (!link->stands || members[link->email] == members[card]) continue;
            members[link->email] = members[card] = grows = true;
        }
    }
}

/* A message to the customer at hand: decided, told of, or both. */
struct a_message {
    char decision[DECISION_MAX];
    uint32_t action;
    enum channel channel;
    int64_t decided_ms, told_ms; /* TIME_NEVER: it was not */
    bool failed, by_day;
    int64_t day;
};
struct an_event {
    uint32_t action;
    int64_t at_ms;
};
struct history {
    struct a_message messages[MESSAGES];
    uint32_t message_count;
    struct an_event rejected[ROWS];
    uint32_t rejected_count;
};
static struct history history;

static int64_t day_of(int64_t t_ms) {
    return t_ms / TIME_DAY_MS;
}

static struct a_message *add_message(struct a_message message) {
    must(history.message_count < MESSAGES, "too many messages");
    history.messages[history.message_count] = message;
    return &history.messages[history.message_count++];
}

static uint32_t action_of(struct text name) {
    for (uint32_t a = 0; a < ACTIONS; a++)
        if (text_equal(name, text_from(action_names[a]))) return a;
    return ACTIONS;
}

static enum channel channel_of(struct text name) {
    uint32_t c = 0;
    while (c + 1 < CHANNELS && !text_equal(name, text_from(channel_names[c]))) c++;
    return (enum channel)c;
}

/* The decisions that are the customer's now. Which of two customers keeps a decision after an
 * un-merge is not this test's matter. */
static uint32_t messages_symbol;
static bool take_decision(void *context, const struct decision_record *record) {
    struct list_reader reader;
    struct value ignored, id = packed_find(record->packed, PROPERTY_DECISION);
    (void)context;
    must(list_reader_init(&reader, packed_find(record->packed, messages_symbol)) == STATUS_OK,
         "a decision without messages");
    while (list_next(&reader, &ignored) == STATUS_OK) {
        struct a_message message = {
            .action = action_of(list_field(&reader, PROPERTY_TREATMENT).text),
            .channel = channel_of(list_field(&reader, PROPERTY_CHANNEL).text),
            .decided_ms = record->t_ms,
            .told_ms = TIME_NEVER};
        snprintf(message.decision, DECISION_MAX, "%.*s", TEXT_ARG(id.text));
        if (message.channel != WEB) (void)add_message(message);
    }
    return true;
}

/* The message that a row tells of. */
static struct a_message *message_of(const struct a_row *row) {
    struct a_message *oldest = NULL;
    for (uint32_t i = 0; i < history.message_count; i++) {
        struct a_message *message = &history.messages[i];
        if (message->action != row->action) continue;
        if (row->decision[0] != '\0') {
            if (strcmp(message->decision, row->decision) == 0) return message;
            continue;
        }
        if (message->channel != row->channel) continue;
        if (message->by_day && message->day == day_of(row->at_ms)) return message;
        bool is_open = message->decided_ms <= row->at_ms && message->told_ms == TIME_NEVER &&
                       !message->failed && !message->by_day;
        if (is_open && oldest == NULL) oldest = message;
    }
    if (row->decision[0] != '\0')
        oldest = add_message((struct a_message){.action = row->action,
                                                .channel = row->channel,
                                                .decided_ms = TIME_NEVER,
                                                .told_ms = TIME_NEVER});
    if (oldest == NULL)
        oldest = add_message((struct a_message){.action = row->action,
                                                .channel = row->channel,
                                                .decided_ms = TIME_NEVER,
                                                .told_ms = TIME_NEVER});
    if (row->decision[0] != '\0')
        snprintf(oldest->decision, DECISION_MAX, "%s", row->decision);
    else
        oldest->by_day = true, oldest->day = day_of(row->at_ms);
    return oldest;
}

static void tell(const struct a_row *row) {
    if (row->kind == REJECTED)
        history.rejected[history.rejected_count++] = (struct an_event){row->action, row->at_ms};
    /* What is met on a page is no contact, unless it tells of a decision. */
    if (row->channel == WEB && row->decision[0] == '\0') return;
    struct a_message *message = message_of(row);
    message->failed = row->kind == FAILED;
    if (message->failed)
        message->told_ms = TIME_NEVER;
    else if (message->told_ms == TIME_NEVER)
        message->told_ms = row->at_ms;
}

static int by_time(const void *left, const void *right) {
    const struct a_row *const *a = left, *const *b = right;
    return ((*a)->at_ms > (*b)->at_ms) - ((*a)->at_ms < (*b)->at_ms);
}

static void gather(const bool members[IDS]) {
    static const struct a_row *rows[ROWS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < world.row_count; i++) {
        const struct a_row *row = &world.rows[i];
        if (!row->gone && members[row->who]) rows[count++] = row;
    }
    qsort(rows, count, sizeof *rows, by_time); /* no two have the same time */
    history.rejected_count = 0;
    for (uint32_t i = 0; i < count; i++) tell(rows[i]);
}

static bool is_of(const struct a_policy *policy, uint32_t action, enum channel channel,
                  uint32_t other, enum channel other_channel) {
    switch (policy->scope) {
    case ONE_CHANNEL: return channel == policy->channel && other_channel == policy->channel;
    case SAME_ACTION: return action == other;
    case SAME_GROUP: return groups[action] == groups[other];
    default: return true;
    }
}

/* When it counts from; TIME_NEVER: it does not count now. */
static int64_t counts_from(const struct a_message *message) {
    if (message->failed) return TIME_NEVER;
    if (message->told_ms != TIME_NEVER) return message->told_ms;
    bool lapsed =
        message->channel == EMAIL && message->decided_ms + 3 * TIME_DAY_MS <= world.now_ms;
    return lapsed ? TIME_NEVER : message->decided_ms;
}

static bool caps(const struct a_policy *policy, uint32_t action, enum channel channel) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < history.message_count; i++) {
        const struct a_message *message = &history.messages[i];
        int64_t from_ms = counts_from(message);
        if (from_ms == TIME_NEVER || message->action == SERVICE || message->channel == WEB)
            continue;
        if (!is_of(policy, action, channel, message->action, message->channel)) continue;
        count += policy->per_day ? day_of(from_ms) == day_of(world.now_ms)
                                 : from_ms > world.now_ms - policy->days * TIME_DAY_MS;
    }
    return count >= policy->count;
}

/* The pause counts from the last of N, and so from the latest of N or more. */
static bool pauses(const struct a_policy *policy, uint32_t action, enum channel channel) {
    uint32_t count = 0;
    int64_t latest_ms = 0;
    for (uint32_t i = 0; i < history.rejected_count; i++) {
        const struct an_event *event = &history.rejected[i];
        if (!is_of(policy, action, channel, event->action, channel)) continue;
        count++;
        latest_ms = event->at_ms; /* in the order of time */
    }
    return count >= policy->count && latest_ms + policy->days * TIME_DAY_MS > world.now_ms;
}

static bool is_blocked(const struct plan *plan, uint32_t action, enum channel channel) {
    for (uint32_t i = 0; i < plan->policy_count; i++) {
        const struct a_policy *policy = &plan->policies[i];
        if (!policy->after && action == SERVICE) continue;
        if (policy->scope == ONE_CHANNEL && policy->channel != channel) continue;
        if (policy->after ? pauses(policy, action, channel) : caps(policy, action, channel))
            return true;
    }
    return false;
}

/* ---- comparing ---- */

static uint64_t compared, blocked_count, kept_apart, drawn;
static struct { uint64_t merged, unmerged, corrected, erased; } happened;

static void fail(const struct decision *decision, const char *who, const char *what,
                 const struct treatment *treatment) {
    printf("%s\n%s: %s %.*s\n", playbook.at, who, what, TEXT_ARG(treatment->key));
    for (uint32_t i = 0; i < decision->trace.count; i++)
        printf("  %.*s by %u: %s\n", TEXT_ARG(decision_treatment(decision, i)->key),
               decision_treatment(decision, i)->channel,
               stage_name((enum stage)decision->trace.stage[i]));
    for (uint32_t i = 0; i < history.message_count; i++)
        printf("  message %s by %s, decided %lld, told %lld%s\n",
               action_names[history.messages[i].action], channel_names[history.messages[i].channel],
               (long long)(world.now_ms - history.messages[i].decided_ms) / TIME_HOUR_MS,
               (long long)(world.now_ms - history.messages[i].told_ms) / TIME_HOUR_MS,
               history.messages[i].failed ? ", failed" : "");
    for (uint32_t i = 0; i < history.rejected_count; i++)
        printf("  rejected %s %lld\n", action_names[history.rejected[i].action],
               (long long)(world.now_ms - history.rejected[i].at_ms) / TIME_HOUR_MS);
    for (uint32_t i = 0; i < world.row_count; i++)
        printf("  row %u of %s, %s%s, %lld\n", world.rows[i].id, name_of(world.rows[i].who),
               kind_names[world.rows[i].kind], world.rows[i].gone ? ", gone" : "",
               (long long)(world.now_ms - world.rows[i].at_ms) / TIME_HOUR_MS);
    for (uint32_t i = 0; i < world.link_count; i++)
        printf("  link e%u k%u %d\n", world.links[i].email, world.links[i].card,
               world.links[i].stands);
    exit(1);
}

static bool stands_with(const struct plan *plan, const uint32_t *ranked, uint32_t count,
                        uint32_t action) {
    bool has[ACTIONS] = {false};
    for (uint32_t i = 0; i < count; i++) has[ranked[i]] = true;
    if (plan->never_a_with_c && ((action == 0 && has[2]) || (action == 2 && has[0]))) return false;
    return !(plan->only_b_with_d && action == 1 && !has[3]);
}

/* Before anything is ranked a policy stops exactly what the model says; each rank keeps all of them
 * beside the ranks above; and what a policy stopped only then, it would still stop. */
static void compare(const struct plan *plan, const struct decision *decision, const char *who,
                    struct symbols *symbols) {
    uint32_t ranked[16], before = history.message_count;
    for (uint32_t i = 0; i < decision->choice.draw_count; i++)
        drawn += decision->choice.draws[i].taken != decision->choice.draws[i].best;
    static bool blocked[64];
    must(decision->trace.count <= 64 && decision->ranked_count <= 16, "too many treatments");
    for (uint32_t i = 0; i < decision->trace.count; i++) {
        const struct treatment *treatment = decision_treatment(decision, i);
        enum channel channel = channel_of(symbol_text(symbols, SYMBOL_CHANNEL, treatment->channel));
        blocked[i] = is_blocked(plan, action_of(treatment->key), channel);
        blocked_count += blocked[i];
        compared++;
        if (blocked[i] && decision->trace.stage[i] != STAGE_CONTACT_POLICY)
            fail(decision, who, "should be stopped:", treatment);
    }
    for (uint32_t k = 0; k < decision->ranked_count; k++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[k]);
        enum channel channel = channel_of(symbol_text(symbols, SYMBOL_CHANNEL, treatment->channel));
        ranked[k] = action_of(treatment->key);
        if (is_blocked(plan, ranked[k], channel) || !stands_with(plan, ranked, k, ranked[k]))
            fail(decision, who, "should not be ranked:", treatment);
        if (channel != WEB)
            (void)add_message((struct a_message){.action = ranked[k],
                                                 .channel = channel,
                                                 .decided_ms = world.now_ms,
                                                 .told_ms = TIME_NEVER});
    }
    for (uint32_t i = 0; i < decision->trace.count; i++) {
        const struct treatment *treatment = decision_treatment(decision, i);
        enum channel channel = channel_of(symbol_text(symbols, SYMBOL_CHANNEL, treatment->channel));
        uint32_t action = action_of(treatment->key);
        bool stopped = decision->trace.stage[i] == STAGE_CONTACT_POLICY;
        if (stopped && !is_blocked(plan, action, channel))
            fail(decision, who, "should not be stopped:", treatment);
        /* A slot that is left means that nothing more may stand. */
        bool taken = false;
        for (uint32_t k = 0; k < decision->ranked_count; k++) taken |= ranked[k] == action;
        bool stands = stands_with(plan, ranked, decision->ranked_count, action);
        kept_apart += !stands;
        if (decision->ranked_count < plan->slots && !taken && stands &&
            !is_blocked(plan, action, channel))
            fail(decision, who, "should be ranked:", treatment);
    }
    history.message_count = before;
}

/* ---- a step ---- */

static void decide_all(struct shop *shop, const struct plan *plan) {
    struct engine_view view;
    struct decision_recorder *recorder;
    struct error error = {0};
    bool seen[IDS] = {false}, members[IDS];
    must(engine_view_open(&view, shop->engine, world.now_ms, &error) == STATUS_OK, error.text);
    must(decision_recorder_create(&recorder, view.in_force) == STATUS_OK, "no recorder");
    messages_symbol = symbol_find(engine_symbols(shop->engine), SYMBOL_PROPERTY, TEXT("messages"));
    for (uint32_t id = 0; id < IDS; id++) {
        if (seen[id] || world.erased[id]) continue;
        find_customer(id, members);
        for (uint32_t i = 0; i < IDS; i++) seen[i] |= members[i];
        enum status status = engine_view_decide(&view, name_of(id), &error);
        if (status == STATUS_NOT_FOUND) continue; /* no row has named them yet */
        must(status == STATUS_OK, error.text);
        history.message_count = 0;
        must(decision_records_visit(&view, name_of(id), take_decision, NULL, &error) == STATUS_OK,
             error.text);
        gather(members);
        compare(plan, view.decision, name_of(id), engine_symbols(shop->engine));
        must(decision_recorder_add(recorder, view.decider, view.decision, &error) == STATUS_OK,
             error.text);
    }
    must(decision_recorder_flush(recorder, &error) == STATUS_OK, error.text);
    decision_recorder_destroy(recorder);
    engine_view_close(&view);
}

/* A decision that the person has: receipts name it. */
struct a_choice {
    char id[DECISION_MAX];
    int64_t t_ms;
};
static bool pick_decision(void *context, const struct decision_record *record) {
    struct a_choice *out = context;
    struct value id = packed_find(record->packed, PROPERTY_DECISION);
    if (record->t_ms >= world.now_ms || (out->id[0] != '\0' && below(3) > 0)) return true;
    snprintf(out->id, DECISION_MAX, "%.*s", TEXT_ARG(id.text));
    out->t_ms = record->t_ms;
    return true;
}

static void draw_row(struct shop *shop, struct a_row *row) {
    uint32_t id = row->id;
    do {
        *row = (struct a_row){.id = id, .who = below(IDS)};
    } while (world.erased[row->who]);
    uint32_t kind = below(8);
    row->kind = kind < 4 ? DELIVERED : kind < 7 ? REJECTED : FAILED;
    do {
        row->action = below(ACTIONS);
        row->channel = (enum channel)below(CHANNELS);
    } while (!offered_in[row->action][row->channel]);
    /* No two rows, and no row and a decision, have the same time. */
    row->at_ms = world.now_ms - (int64_t)(1 + below(6 * 24)) * TIME_HOUR_MS +
                 (int64_t)(world.row_count + 1) * 1000 + id;
    if (below(3) != 0) return;
    struct engine_view view;
    struct error error = {0};
    struct a_choice choice = {.id = ""};
    must(engine_view_open(&view, shop->engine, world.now_ms, &error) == STATUS_OK, error.text);
    enum status status =
        decision_records_visit(&view, name_of(row->who), pick_decision, &choice, &error);
    must(status == STATUS_OK || status == STATUS_NOT_FOUND, error.text);
    engine_view_close(&view);
    if (choice.id[0] == '\0') return;
    /* What follows a decision comes after it. */
    snprintf(row->decision, DECISION_MAX, "%s", choice.id);
    row->at_ms =
        choice.t_ms +
        (int64_t)random_below(&state, (uint64_t)(world.now_ms - choice.t_ms)) / 1000 * 1000 +
        (int64_t)(id % 1000);
    if (row->at_ms > world.now_ms) row->at_ms = world.now_ms;
}

static void put_row(struct words *files, const struct a_row *row) {
    char at[32], updated[32];
    time_format(row->at_ms, at);
    time_format(world.now_ms, updated);
    say(&files[row->who >= PEOPLE], "%u,%s,%s,%s,%s,%s,%s,%s\n", row->id, at,
        strchr(name_of(row->who), ':') + 1, kind_names[row->kind], channel_names[row->channel],
        action_names[row->action], row->decision, updated);
}

/* New rows, and some that were told before say something else now, of the same source. */
static void load_rows(struct shop *shop) {
    static struct words files[2];
    for (int i = 0; i < 2; i++) {
        files[i].length = 0;
        say(&files[i], "id,at,who,kind,channel,treatment,decision,updated\n");
    }
    uint32_t known = world.row_count;
    for (uint32_t i = 0; i < known; i++) {
        struct a_row *row = &world.rows[i], other = {.id = row->id};
        if (row->gone || below(8) > 0) continue;
        do {
            draw_row(shop, &other);
        } while ((other.who < PEOPLE) != (row->who < PEOPLE));
        *row = other;
        happened.corrected++;
        put_row(files, row);
    }
    for (uint32_t more = 2 + below(8); more > 0; more--) {
        must(world.row_count < ROWS, "too many rows");
        struct a_row *row = &world.rows[world.row_count];
        row->id = world.row_count + 1;
        draw_row(shop, row);
        world.row_count++;
        put_row(files, row);
    }
    /* A file takes the place of the one before: old files are not loaded again, since they would
     * bring back what was erased. */
    shop_file(shop, "letters.csv", files[0].at);
    shop_file(shop, "texts.csv", files[1].at);
}

static void load_links(struct shop *shop) {
    struct words links = {.length = 0};
    char at[32];
    time_format(world.now_ms - TIME_HOUR_MS, at);
    say(&links, "email,card,at\n");
    uint32_t email = below(PEOPLE), card = below(PEOPLE);
    bool known = world.erased[email] || world.erased[PEOPLE + card];
    for (uint32_t i = 0; i < world.link_count; i++)
        known |= world.links[i].email == email && world.links[i].card == card;
    if (!known && below(2) == 0) {
        happened.merged++;
        world.links[world.link_count++] = (struct a_link){email, card, true};
        say(&links, "e%u,k%u,%s\n", email, card, at);
    }
    shop_file(shop, "links.csv", links.at);
}

static void unmerge_some(struct shop *shop) {
    struct engine_unmerged unmerged;
    struct error error = {0};
    for (uint32_t i = 0; i < world.link_count; i++) {
        struct a_link *link = &world.links[i];
        if (!link->stands || below(4) > 0) continue;
        must(engine_unmerge(shop->engine, text_from(name_of(link->email)),
                            text_from(name_of(PEOPLE + link->card)), &unmerged,
                            &error) == STATUS_OK,
             error.text);
        link->stands = false;
        happened.unmerged++;
    }
}

static void erase_somebody(struct shop *shop) {
    struct erased_summary summary;
    struct error error = {0};
    bool members[IDS];
    uint32_t id = below(IDS), left = 0;
    find_customer(id, members);
    for (uint32_t i = 0; i < IDS; i++) left += !world.erased[i] && !members[i];
    if (world.erased[id] || left < 3) return;
    struct customer_id customer = shop_customer(shop, name_of(id), TIME_NEVER);
    if (customer.value == ID_NONE) return;
    must(engine_erase(shop->engine, customer, &summary, &error) == STATUS_OK, error.text);
    erased_summary_release(&summary);
    happened.erased++;
    for (uint32_t i = 0; i < IDS; i++) world.erased[i] |= members[i];
    for (uint32_t i = 0; i < world.row_count; i++) world.rows[i].gone |= members[world.rows[i].who];
    for (uint32_t i = 0; i < world.link_count; i++)
        world.links[i].stands &= !members[world.links[i].email];
}

static void play(uint64_t seed) {
    struct shop shop;
    struct plan plan;
    random_init(&state, seed);
    memset(&world, 0, sizeof world);
    draw_plan(&plan);
    write_playbook(&plan);
    shop_init(&shop);
    shop.now_ms = world.now_ms = DAY(20);
    shop_file(&shop, "playbook.yaml", playbook.at);
    shop_open(&shop, "playbook.yaml");
    for (uint32_t step = 0; step < STEPS; step++) {
        world.now_ms += HOUR(1 + below(40));
        shop.now_ms = world.now_ms;
        load_rows(&shop);
        load_links(&shop);
        shop_load(&shop, NULL);
        if (below(3) == 0) unmerge_some(&shop);
        if (below(8) == 0) erase_somebody(&shop);
        decide_all(&shop, &plan);
    }
    shop_release(&shop);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    for (uint64_t i = 0; i < rounds; i++) {
        printf("seed %llu\n", (unsigned long long)(seed + i));
        fflush(stdout);
        play(seed + i);
    }
    printf(
        "%llu rounds: %llu treatments compared, %llu stopped by a policy, %llu by a bundle, %llu "
        "ranks drawn that were not the best; %llu links, %llu un-merges, %llu corrections, %llu "
        "erasures\n",
        (unsigned long long)rounds, (unsigned long long)compared, (unsigned long long)blocked_count,
        (unsigned long long)kept_apart, (unsigned long long)drawn,
        (unsigned long long)happened.merged, (unsigned long long)happened.unmerged,
        (unsigned long long)happened.corrected, (unsigned long long)happened.erased);
    must(rounds < 30 || (blocked_count > 0 && kept_apart > 0 && drawn > 0 && happened.merged > 0 &&
                         happened.unmerged > 0 && happened.corrected > 0 && happened.erased > 0),
         "something never happened");
    return 0;
}
