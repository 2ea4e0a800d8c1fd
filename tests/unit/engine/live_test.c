/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that are answered at once: what is recorded of them, what a token brings back, and what
 * becomes of outcomes. */
#include "support/unit.h"

#include <string.h>
#include <time.h>

#include "engine/answer/replay_decision.h"
#include "engine/applier.h"
#include "engine/live/live_decision.h"
#include "engine/live/live_outcome.h"
#include "shop.h"

static const char *const orders = "order_id,at,email,cookie,amount,items,note\n"
                                  "1,2017-01-02T10:00:00Z,ann@a.example,k-1,10.00 USD,2,first\n"
                                  "2,2017-01-04T10:00:00Z,bob@b.example,k-2,20.00 USD,3,second\n";

/* What was answered last. */
struct reply {
    uint32_t renders, answers;
    enum status status;
    struct customer_id customer;
    char id[DECISION_ID_BYTES], token[LIVE_TOKEN_BYTES], first[64];
    uint32_t slots;
    bool is_recorded, is_new_customer, is_again;
};

static enum status take(void *caller, const struct live_answer *answer) {
    struct reply *to = caller;
    to->renders++;
    to->customer = answer->customer;
    memcpy(to->id, answer->id, sizeof to->id);
    snprintf(to->token, sizeof to->token, "%.*s", TEXT_ARG(answer->token));
    to->slots = answer->slot_count;
    snprintf(to->first, sizeof to->first, "%.*s", TEXT_ARG(answer->slots[0].key));
    to->is_recorded = answer->is_recorded;
    to->is_new_customer = answer->is_new_customer;
    to->is_again = answer->is_again;
    return STATUS_OK;
}

static void note(void *caller, enum status status, const struct error *error) {
    struct reply *to = caller;
    (void)error;
    to->answers++;
    to->status = status;
}

static enum status ask_as(struct shop *shop, const char *email, const char *placement, bool records,
                          struct reply *out) {
    struct error error = {0};
    const struct live_identifier identifier = {TEXT("email"), text_from(email)};
    *out = (struct reply){0};
    const struct live_ask ask = {.identifiers = &identifier,
                                 .identifier_count = 1,
                                 .placement = text_from(placement),
                                 .records = records,
                                 .render = take,
                                 .answered = note,
                                 .caller = out};
    return live_decide_and_wait(shop->engine, &ask, &error);
}

static void ask(struct shop *shop, const char *email, bool records, struct reply *out) {
    assert_int_equal(ask_as(shop, email, "", records, out), STATUS_OK);
}

static enum status tell(struct shop *shop, const char *decision, const char *treatment,
                        enum live_outcome_kind kind, struct live_told *told) {
    struct error error = {0};
    const struct live_outcome outcome = {
        .decision = text_from(decision), .treatment = text_from(treatment), .kind = kind};
    *told = (struct live_told){0};
    return live_outcome_tell_and_wait(shop->engine, &outcome, told, &error);
}

static enum replay_verdict replay(struct shop *shop, const char *id) {
    struct engine_view view;
    struct decision_record record;
    struct replayed_decision out;
    struct buffer packed;
    struct error error = {0};
    buffer_init(&packed);
    assert_int_equal(engine_view_open(&view, shop->engine, shop->now_ms, &error), STATUS_OK);
    assert_int_equal(decision_record_find(&view, NULL, text_from(id), &packed, &record, &error),
                     STATUS_OK);
    assert_int_equal(decision_replay(&view, &record, &out, &error), STATUS_OK);
    engine_view_close(&view);
    buffer_release(&packed);
    return out.verdict;
}

static void replace(char text[8192], const char *piece, const char *with) {
    char changed[8192];
    const char *at = strstr(text, piece);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, with, at + strlen(piece));
    memcpy(text, changed, sizeof changed);
}

/* The shop's, with a chance and a value that need no past. */
static void write_files(struct shop *shop) {
    char text[8192];
    snprintf(text, sizeof text, "%s", shop_playbook);
    replace(text, "within: 5d, value: revenue", "within: 5d");
    replace(text, "model: order, title", "starting_propensity: 20%, title");
    shop_file(shop, "playbook.yaml", text);
    shop_file(shop, "orders.csv", orders);
    shop_file(shop, "offers.csv", "offer_id,discount\n7,5\n8,6\n");
}

static int set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    write_files(&shop);
    shop_open(&shop, "playbook.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}

static void test_a_decision_is_recorded_once_and_found_by_its_id(void **state) {
    struct shop *shop = *state;
    struct reply first, second;
    ask(shop, "ann@a.example", true, &first);
    assert_true(first.is_recorded);
    assert_int_equal(first.slots, 1);
    ask(shop, "ann@a.example", true, &second); /* the same millisecond: the same decision */
    assert_string_equal(first.id, second.id);
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
    assert_int_equal(replay(shop, first.id), REPLAY_EQUAL);
    shop->now_ms += 60000;
    shop_open(shop, NULL);
    ask(shop, "ann@a.example", true, &second); /* a minute later the limit holds */
    assert_int_equal(second.slots, 0);
    assert_string_not_equal(first.id, second.id);
}

static void test_another_placement_is_another_decision(void **state) {
    struct shop *shop = *state;
    struct reply first, second;
    assert_int_equal(ask_as(shop, "ann@a.example", "page", true, &first), STATUS_OK);
    assert_int_equal(ask_as(shop, "ann@a.example", "mail", true, &second), STATUS_OK);
    assert_string_not_equal(first.id, second.id);
    assert_int_equal(shop_count(shop, "Decision Made"), 2);
    assert_int_equal(second.slots, 0); /* the contact of the first counts at the same moment */
}

static void test_an_outcome_counts_once(void **state) {
    struct shop *shop = *state;
    struct reply decided;
    struct live_told told;
    ask(shop, "ann@a.example", true, &decided);
    assert_int_equal(tell(shop, decided.id, "", LIVE_CLICKED, &told), STATUS_OK);
    assert_false(told.is_repeat);
    assert_int_equal(tell(shop, decided.id, decided.first, LIVE_CLICKED, &told), STATUS_OK);
    assert_true(told.is_repeat);
    assert_int_equal(tell(shop, decided.token, "", LIVE_CLICKED, &told), STATUS_OK);
    assert_true(told.is_repeat);
    assert_int_equal(tell(shop, decided.id, "", LIVE_ACCEPTED, &told), STATUS_OK);
    assert_int_equal(shop_count(shop, "Treatment Clicked"), 1);
    assert_int_equal(shop_count(shop, "Treatment Accepted"), 1);
    assert_int_equal(tell(shop, decided.id, "letter/99", LIVE_CLICKED, &told), STATUS_INVALID);
    assert_int_equal(tell(shop, "0123456789abcdef", "", LIVE_CLICKED, &told), STATUS_NOT_FOUND);
}

static void test_an_evaluation_is_recorded_by_its_first_outcome(void **state) {
    struct shop *shop = *state;
    struct reply decided;
    struct live_told told;
    ask(shop, "ann@a.example", false, &decided);
    assert_false(decided.is_recorded);
    assert_int_equal(shop_count(shop, "Decision Made"), 0);
    assert_int_equal(tell(shop, decided.id, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    assert_int_equal(tell(shop, decided.token, "", LIVE_SHOWN, &told), STATUS_OK);
    assert_true(told.is_restored);
    assert_int_equal(tell(shop, decided.token, "", LIVE_SHOWN, &told), STATUS_OK);
    assert_true(told.is_repeat && !told.is_restored);
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
    assert_int_equal(shop_count(shop, "Treatment Shown"), 1);
    assert_int_equal(replay(shop, decided.id), REPLAY_EQUAL);
}

static void test_forged_and_strange_tokens_are_nothing(void **state) {
    struct shop *shop = *state;
    struct reply decided;
    struct live_told told;
    char forged[LIVE_TOKEN_BYTES];
    ask(shop, "ann@a.example", false, &decided);
    size_t length = strlen(decided.token);
    assert_true(length > 100);
    for (size_t i = 0; i < length; i += 1 + length / 97) {
        memcpy(forged, decided.token, sizeof forged);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        assert_int_equal(tell(shop, forged, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    }
    for (size_t cut = 0; cut < length; cut += 13) {
        memcpy(forged, decided.token, sizeof forged);
        forged[cut] = '\0';
        assert_int_equal(tell(shop, forged, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    }
    /* Another directory's. */
    struct shop other;
    shop_init(&other);
    write_files(&other);
    shop_open(&other, "playbook.yaml");
    shop_load(&other, NULL);
    assert_int_equal(tell(&other, decided.token, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    shop_release(&other);
    /* Too old. */
    shop->now_ms += LIVE_TOKEN_VALID_MS + 1;
    shop_open(shop, NULL);
    assert_int_equal(tell(shop, decided.token, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    assert_int_equal(shop_count(shop, "Decision Made"), 0);
}

static void test_a_token_does_not_bring_back_who_was_erased(void **state) {
    struct shop *shop = *state;
    struct reply decided;
    struct live_told told;
    struct erased_summary summary = {0};
    struct error error = {0};
    ask(shop, "ann@a.example", false, &decided);
    struct customer_id ann = shop_customer(shop, "email:ann@a.example", shop->now_ms);
    assert_int_equal(engine_erase(shop->engine, ann, &summary, &error), STATUS_OK);
    erased_summary_release(&summary);
    assert_int_equal(tell(shop, decided.token, "", LIVE_SHOWN, &told), STATUS_NOT_FOUND);
    assert_int_equal(shop_count(shop, "Decision Made"), 0);
    /* And she is nobody: something can be said to a stranger, and nothing is kept. */
    ask(shop, "ann@a.example", true, &decided);
    assert_int_equal(decided.customer.value, ID_NONE);
    assert_false(decided.is_recorded);
    assert_int_equal(shop_count(shop, "Customer Asked For"), 0);
}

/* The only customer who had a decision is erased: the names that decisions have stay known. */
static void test_an_erasure_leaves_the_names_of_decisions(void **state) {
    struct shop *shop = *state;
    struct reply decided;
    struct erased_summary summary = {0};
    struct error error = {0};
    ask(shop, "new@n.example", true, &decided);
    assert_int_equal(engine_erase(shop->engine, decided.customer, &summary, &error), STATUS_OK);
    assert_int_equal(summary.names, 0);
    erased_summary_release(&summary);
    ask(shop, "bob@b.example", true, &decided);
    assert_int_equal(decided.slots, 1);
    shop->now_ms += 60000;
    shop_open(shop, NULL);
    ask(shop, "bob@b.example", true, &decided);
    assert_int_equal(decided.slots, 0);
    ask(shop, "other@n.example", true, &decided);
    assert_true(decided.is_new_customer);
    assert_int_equal(shop_count(shop, "Customer Asked For"), 1);
}

static void test_a_stranger_becomes_a_customer(void **state) {
    struct shop *shop = *state;
    struct reply decided, again;
    struct live_told told;
    ask(shop, "new@n.example", false, &decided);
    assert_int_equal(decided.customer.value, ID_NONE);
    assert_int_equal(shop_customer(shop, "email:new@n.example", shop->now_ms).value, ID_NONE);
    ask(shop, "New@N.example", true, &decided);
    assert_true(decided.is_new_customer && decided.is_recorded);
    assert_int_equal(shop_customer(shop, "email:New@N.example", shop->now_ms).value,
                     decided.customer.value);
    ask(shop, "New@N.example", true, &again);
    assert_false(again.is_new_customer);
    assert_string_equal(again.id, decided.id);
    assert_int_equal(shop_count(shop, "Customer Asked For"), 1);
    assert_int_equal(replay(shop, decided.id), REPLAY_EQUAL);
    assert_int_equal(tell(shop, decided.id, "", LIVE_SHOWN, &told),
                     decided.slots > 0 ? STATUS_OK : STATUS_INVALID);
    assert_int_equal(ask_as(shop, "", "", true, &decided), STATUS_OK); /* stands for nobody */
    assert_int_equal(decided.customer.value, ID_NONE);
    assert_false(decided.is_recorded);
}

/* Without memory nothing is answered, and nothing is half recorded. */
static struct shop *poor_shop;

static struct reply poor_reply;

static enum status decide_poorly(void) {
    struct reply visitor;
    enum status status = ask_as(poor_shop, "ann@a.example", "", true, &poor_reply);
    return status == STATUS_OK ? ask_as(poor_shop, "v@v.example", "", true, &visitor) : status;
}

static enum status tell_poorly(void) {
    struct live_told told;
    return tell(poor_shop, poor_reply.id, "", LIVE_CLICKED, &told);
}

static void test_without_memory_nothing_is_answered(void **state) {
    poor_shop = *state;
    fail_every_allocation(decide_poorly, 20);
    assert_int_equal(poor_reply.slots, 1);
    assert_int_equal(shop_count(poor_shop, "Decision Made"), 2);
    assert_int_equal(shop_count(poor_shop, "Customer Asked For"), 1);
    fail_every_allocation(tell_poorly, 5);
    assert_int_equal(shop_count(poor_shop, "Treatment Clicked"), 1);
}

/* A visitor is evaluated; what is shown then makes the customer and the decision. */
static void test_a_token_begins_a_customer(void **state) {
    struct shop *shop = *state;
    struct reply one, other;
    struct live_told told;
    ask(shop, "one@n.example", false, &one);
    ask(shop, "other@n.example", false, &other); /* in the same millisecond */
    assert_string_not_equal(one.id, other.id);
    assert_int_equal(shop_count(shop, "Customer Asked For"), 0);
    assert_int_equal(tell(shop, one.token, "", LIVE_SHOWN, &told), STATUS_OK);
    assert_true(told.is_restored);
    assert_int_equal(tell(shop, one.token, "", LIVE_SHOWN, &told), STATUS_OK);
    assert_true(told.is_repeat);
    assert_int_equal(tell(shop, one.id, "", LIVE_CLICKED, &told), STATUS_OK);
    assert_int_equal(tell(shop, other.token, "", LIVE_CLICKED, &told), STATUS_OK);
    assert_int_equal(shop_count(shop, "Customer Asked For"), 2);
    assert_int_equal(shop_count(shop, "Decision Made"), 2);
    assert_int_not_equal(shop_customer(shop, "email:one@n.example", shop->now_ms).value,
                         shop_customer(shop, "email:other@n.example", shop->now_ms).value);
    assert_int_equal(replay(shop, one.id), REPLAY_EQUAL);
    assert_int_equal(replay(shop, other.id), REPLAY_EQUAL);
    shop_open(shop, NULL);
    assert_int_equal(replay(shop, one.id), REPLAY_EQUAL);
}

/* A link is withdrawn, and one side of it was never seen alone: none of its rows is left with it.
 * Asked for, it begins anew, so that its decisions are recorded and its limits hold. */
static void test_a_customer_without_rows_begins_anew(void **state) {
    struct shop *shop = *state;
    struct engine_unmerged unmerged;
    struct error error = {0};
    struct reply decided, again;
    assert_int_equal(
        engine_unmerge(shop->engine, TEXT("cookie:k-1"), (struct text){0}, &unmerged, &error),
        STATUS_OK);
    shop->now_ms += 60000;
    shop_open(shop, NULL);
    const struct live_identifier cookie = {TEXT("cookie"), TEXT("k-1")};
    struct live_ask question = {
        .records = true, .render = take, .answered = note, .caller = &decided};
    for (size_t i = 0; i < 2; i++) {
        const char *const names[] = {"cookie:k-1", "email:ann@a.example"};
        decided = (struct reply){0};
        question.customer = text_from(names[i]);
        enum status status = live_decide_and_wait(shop->engine, &question, &error);
        assert_true(status == STATUS_NOT_FOUND || (status == STATUS_OK && decided.is_recorded));
    }
    question.customer = (struct text){0};
    question.identifiers = &cookie;
    question.identifier_count = 1;
    decided = (struct reply){0};
    assert_int_equal(live_decide_and_wait(shop->engine, &question, &error), STATUS_OK);
    assert_true(decided.is_recorded);
    assert_int_equal(decided.slots, 1);
    shop->now_ms += 60000;
    shop_open(shop, NULL);
    again = decided;
    decided = (struct reply){0};
    assert_int_equal(live_decide_and_wait(shop->engine, &question, &error), STATUS_OK);
    assert_true(decided.is_recorded);
    assert_int_equal(decided.customer.value, again.customer.value);
    assert_int_equal(decided.slots, 0); /* the limit holds */
}

static void test_a_token_begins_a_customer_without_rows(void **state) {
    struct shop *shop = *state;
    struct engine_unmerged unmerged;
    struct error error = {0};
    struct reply evaluated;
    struct live_told told;
    assert_int_equal(
        engine_unmerge(shop->engine, TEXT("cookie:k-1"), (struct text){0}, &unmerged, &error),
        STATUS_OK);
    const struct live_identifier cookie = {TEXT("cookie"), TEXT("k-1")};
    const struct live_ask question = {.identifiers = &cookie,
                                      .identifier_count = 1,
                                      .render = take,
                                      .answered = note,
                                      .caller = &evaluated};
    evaluated = (struct reply){0};
    assert_int_equal(live_decide_and_wait(shop->engine, &question, &error), STATUS_OK);
    assert_int_equal(evaluated.slots, 1);
    assert_int_equal(tell(shop, evaluated.token, "", LIVE_SHOWN, &told), STATUS_OK);
    assert_true(told.is_restored);
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
}

/* The power goes between the write and the sync: what was answered is there, or comes back. */
static void test_a_token_restores_what_the_power_took(void **state) {
    (void)state;
    uint32_t restored = 0, kept = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct shop shop;
        struct reply decided, ignored;
        struct live_told told;
        struct error error = {0};
        shop_init(&shop);
        simulated_disk_destroy(shop.disk);
        shop.disk = simulated_disk_create(seed, 0);
        write_files(&shop);
        shop_open(&shop, "playbook.yaml");
        shop_load(&shop, NULL);
        ask(&shop, "ann@a.example", false, &ignored);
        decided = (struct reply){0};
        const struct live_ask wanted = {.customer = TEXT("email:ann@a.example"),
                                        .records = true,
                                        .render = take,
                                        .answered = note,
                                        .caller = &decided};
        simulated_disk_cut_at(shop.disk, 2); /* the write is the first call, the sync the second */
        assert_int_equal(live_decide(shop.engine, &wanted, &error), STATUS_OK);
        engine_close(shop.engine); /* waits for the answer */
        shop.engine = NULL;
        assert_int_equal(decided.answers, 1);
        assert_int_equal(decided.status, STATUS_OK);
        assert_true(simulated_disk_is_off(shop.disk));
        simulated_disk_cut_at(shop.disk, 0);
        simulated_disk_restart(shop.disk);
        shop_open(&shop, NULL);
        uint64_t there = shop_count(&shop, "Decision Made");
        assert_int_equal(tell(&shop, decided.token, "", LIVE_SHOWN, &told), STATUS_OK);
        assert_int_equal(told.is_restored, there == 0);
        restored += there == 0;
        kept += there == 1;
        assert_int_equal(shop_count(&shop, "Decision Made"), 1);
        assert_int_equal(tell(&shop, decided.id, "", LIVE_CLICKED, &told), STATUS_OK);
        assert_int_equal(replay(&shop, decided.id), REPLAY_EQUAL);
        shop_release(&shop);
    }
    assert_true(restored > 0 && kept > 0);
}

/* ---- sticky placements ---- */

static const char page_playbook[] =
    "attune: 1\nname: Page\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "visits: { gap: 30m }\n"
    "sources:\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    key: { email: email, cookie: cookie }\n    row_key: order_id\n"
    "  agreed: { file: \"consent*.csv\", event: Consent Changed, time: at, key: { email: email }, "
    "properties: { purpose: purpose, state: state } }\n"
    "goals: { order: { event: Order Completed, within: 5d } }\n"
    "placements:\n"
    "  page: { channels: [web], sticky: visit, slots: 2 }\n"
    "  side: { channels: [web] }\n"
    "actions:\n"
    "  hero: { goal: order, starting_propensity: 20%, purpose: share, channels: [web] }\n"
    "  tile: { goal: order, starting_propensity: 10%, channels: [web] }\n"
    "policies:\n"
    "  - { at_most: 1, in: 3d, of: same treatment, channel: web }\n";

static int set_up_budget(void **state) {
    static struct shop shop;
    char text[8192];
    shop_init(&shop);
    write_files(&shop);
    snprintf(text, sizeof text, "%s", shop_playbook);
    replace(text, "within: 5d, value: revenue", "within: 5d");
    replace(text, "model: order, title", "starting_propensity: 20%, title");
    replace(text, "policies:", "budgets: { last: { stock: 1, actions: [letter] } }\npolicies:");
    shop_file(&shop, "playbook.yaml", text);
    shop_open(&shop, "playbook.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}
static int set_up_page(void **state) {
    static struct shop shop;
    shop_init(&shop);
    shop_file(&shop, "playbook.yaml", page_playbook);
    shop_file(&shop, "orders.csv", orders);
    shop_file(&shop, "consent.csv",
              "at,email,purpose,state\n2017-01-10T00:00:00Z,ann@a.example,share,yes\n");
    shop_open(&shop, "playbook.yaml");
    shop_load(&shop, NULL);
    *state = &shop;
    return 0;
}

static void minutes_later(struct shop *shop, int minutes) {
    shop->now_ms += minutes * INT64_C(60000);
    shop_open(shop, NULL);
}

static void ask_page(struct shop *shop, const char *placement, struct reply *out) {
    assert_int_equal(ask_as(shop, "ann@a.example", placement, true, out), STATUS_OK);
}

static void test_a_visit_sees_the_same_again(void **state) {
    struct shop *shop = *state;
    struct reply first, again, other;
    struct live_told told;
    ask_page(shop, "page", &first);
    assert_int_equal(first.slots, 2);
    assert_string_equal(first.first, "hero");
    assert_int_equal(tell(shop, first.id, "hero", LIVE_SHOWN, &told), STATUS_OK);
    assert_int_equal(tell(shop, first.id, "tile", LIVE_SHOWN, &told), STATUS_OK);
    minutes_later(shop, 20);
    ask_page(shop, "page", &again); /* what was shown would be blocked by its limit now */
    assert_true(again.is_again);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.slots, 2);
    assert_string_equal(again.first, "hero");
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
    ask_page(shop, "side", &other);
    assert_false(other.is_again);
    assert_int_equal(other.slots, 0);
    minutes_later(shop, 20); /* the other page was looked at meanwhile: the visit goes on */
    ask_page(shop, "page", &again);
    assert_string_equal(again.id, first.id);
    minutes_later(shop, 30);
    ask_page(shop, "page", &again);
    assert_false(again.is_again);
    assert_string_not_equal(again.id, first.id);
}

/* The request itself waits longer than its placement does. */
static bool wait_longer(void *caller) {
    const struct timespec pause = {.tv_nsec = 3000000};
    (void)caller;
    (void)nanosleep(&pause, NULL);
    return false;
}

static void test_a_placement_waits_no_longer_than_it_says(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct reply reply;
    char text[8192];
    snprintf(text, sizeof text, "%s%s", shop_playbook,
             "placements: { now: { channels: [email], timeout: 1ms }, later: { channels: [email] } "
             "}\n");
    replace(text, "within: 5d, value: revenue", "within: 5d");
    replace(text, "model: order, title", "starting_propensity: 20%, title");
    shop_file(shop, "timed.yaml", text);
    shop_open(shop, "timed.yaml");
    for (int timed = 1; timed >= 0; timed--) {
        reply = (struct reply){0};
        const struct live_ask ask = {.customer = TEXT("email:ann@a.example"),
                                     .placement = timed ? TEXT("now,later") : TEXT("later"),
                                     .records = true,
                                     .is_late = wait_longer,
                                     .render = take,
                                     .answered = note,
                                     .caller = &reply};
        assert_int_equal(live_decide_and_wait(shop->engine, &ask, &error), STATUS_OK);
        assert_int_equal(reply.slots, timed ? 0 : 1);
        assert_int_equal(reply.is_recorded, !timed);
    }
    assert_int_equal(shop_count(shop, "Decision Made"), 1);
}

static void test_what_is_no_longer_allowed_is_not_given_again(void **state) {
    struct shop *shop = *state;
    struct reply first, again;
    ask_page(shop, "page", &first);
    assert_int_equal(first.slots, 2);
    minutes_later(shop, 5);
    shop_file(shop, "consent2.csv",
              "at,email,purpose,state\n2017-04-11T00:04:00Z,ann@a.example,share,no\n");
    shop_load(shop, "agreed");
    minutes_later(shop, 5);
    ask_page(shop, "page", &again);
    assert_true(again.is_again);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.slots, 1);
    assert_string_equal(again.first, "tile");
}

/* A decision that was proposed before something moved is decided again, and says so. */
struct gate {
    struct change change;
    struct shop *shop;
    struct reply *decided;
    const struct live_ask *ask;
};

/* While the applier is held here, two ask: the second is settled behind the first. */
static enum status hold(struct engine *engine, void *context, struct error *error) {
    struct gate *gate = context;
    (void)engine;
    for (int i = 0; i < 2; i++) {
        struct live_ask ask = *gate->ask;
        ask.caller = &gate->decided[i];
        ask.t_ms = gate->shop->now_ms + i;
        enum status status = live_decide(gate->shop->engine, &ask, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static void test_of_two_at_once_the_second_counts_the_first(void **state) {
    struct shop *shop = *state;
    struct reply decided[2] = {{0}, {0}}, ignored;
    struct error error = {0};
    struct live_stats stats;
    const struct live_ask wanted = {
        .customer = TEXT("email:ann@a.example"), .records = true, .render = take, .answered = note};
    struct gate gate = {.shop = shop, .decided = decided, .ask = &wanted};
    ask(shop, "ann@a.example", false, &ignored);
    assert_int_equal(applier_call(engine_applier(shop->engine), hold, &gate, &error), STATUS_OK);
    ask(shop, "bob@b.example", true, &ignored); /* behind both */
    assert_int_equal(decided[0].slots, 1);
    assert_int_equal(decided[0].renders, 1);
    assert_int_equal(decided[1].slots, 0);
    assert_int_equal(decided[1].renders, 2);
    live_stats(shop->engine, &stats);
    assert_int_equal(stats.decided_twice, 1);
    assert_int_equal(stats.changed, 1);
    assert_int_equal(replay(shop, decided[0].id), REPLAY_EQUAL);
    assert_int_equal(replay(shop, decided[1].id), REPLAY_EQUAL);
    assert_int_equal(shop_count(shop, "Decision Made"), 3);
}

/* Both are asked for while there is one left, and both proposals take it. */
static enum status hold_for_two(struct engine *engine, void *context, struct error *error) {
    static const char *const names[] = {"email:ann@a.example", "email:bob@b.example"};
    struct gate *gate = context;
    (void)engine;
    for (int i = 0; i < 2; i++) {
        struct live_ask ask = *gate->ask;
        ask.caller = &gate->decided[i];
        ask.customer = text_from(names[i]);
        enum status status = live_decide(gate->shop->engine, &ask, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static void test_of_two_customers_one_gets_the_last_piece(void **state) {
    struct shop *shop = *state;
    struct reply decided[2] = {{0}, {0}}, ignored;
    struct error error = {0};
    struct live_stats stats;
    const struct live_ask wanted = {.records = true, .render = take, .answered = note};
    struct gate gate = {.shop = shop, .decided = decided, .ask = &wanted};
    ask(shop, "ann@a.example", false, &ignored); /* a dry run takes nothing */
    assert_int_equal(applier_call(engine_applier(shop->engine), hold_for_two, &gate, &error),
                     STATUS_OK);
    ask(shop, "bob@b.example", true, &ignored); /* behind both */
    assert_int_equal(decided[0].slots, 1);
    assert_int_equal(decided[1].slots, 0);
    assert_int_equal(decided[1].renders, 2);
    assert_int_equal(ignored.slots, 0);
    live_stats(shop->engine, &stats);
    assert_true(stats.changed >= 1);
    assert_int_equal(replay(shop, decided[0].id), REPLAY_EQUAL);
    assert_int_equal(replay(shop, decided[1].id), REPLAY_EQUAL);
}

static void test_two_at_once_get_one_sticky_decision(void **state) {
    struct shop *shop = *state;
    struct reply decided[2] = {{0}, {0}}, ignored;
    struct error error = {0};
    const struct live_ask wanted = {.customer = TEXT("email:ann@a.example"),
                                    .placement = TEXT("page"),
                                    .records = true,
                                    .render = take,
                                    .answered = note};
    struct gate gate = {.shop = shop, .decided = decided, .ask = &wanted};
    ask(shop, "bob@b.example", false, &ignored);
    assert_int_equal(applier_call(engine_applier(shop->engine), hold, &gate, &error), STATUS_OK);
    ask(shop, "bob@b.example", true, &ignored); /* behind both */
    assert_string_equal(decided[0].id, decided[1].id);
    assert_false(decided[0].is_again);
    assert_true(decided[1].is_again);
    assert_int_equal(decided[1].slots, 2);
    assert_int_equal(shop_count(shop, "Decision Made"), 2); /* Ann's and Bob's */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_decision_is_recorded_once_and_found_by_its_id,
                                        set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_another_placement_is_another_decision, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_an_outcome_counts_once, set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_an_evaluation_is_recorded_by_its_first_outcome, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_forged_and_strange_tokens_are_nothing, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_does_not_bring_back_who_was_erased, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_an_erasure_leaves_the_names_of_decisions, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_stranger_becomes_a_customer, set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_customer_without_rows_begins_anew, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_begins_a_customer_without_rows, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_placement_waits_no_longer_than_it_says, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_visit_sees_the_same_again, set_up_page,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_longer_allowed_is_not_given_again,
                                        set_up_page, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_two_at_once_get_one_sticky_decision, set_up_page,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory_nothing_is_answered, set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_begins_a_customer, set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_of_two_customers_one_gets_the_last_piece,
                                        set_up_budget, shop_tear_down),
        cmocka_unit_test(test_a_token_restores_what_the_power_took),
        cmocka_unit_test_setup_teardown(test_of_two_at_once_the_second_counts_the_first, set_up,
                                        shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
