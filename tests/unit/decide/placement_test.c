/* SPDX-License-Identifier: Apache-2.0 */
/* Where decisions are asked for, what may stand beside each other, and what is said of the moment.
 */
#include "trial.h"

#include <math.h>

#include "base/json.h"

#define PLACES                                                                                     \
    "placements:\n"                                                                                \
    "  top: { channels: [web], slots: 2, fallback: Welcome }\n"                                    \
    "  side: { actions: [b, c], fallback: { head: Hello, image: /a.png } }\n"                      \
    "  letter: { channels: [email], slots: 16 }\n"

/* Chances fall from a to e. */
#define ACTIONS                                                                                    \
    "actions:\n"                                                                                   \
    "  a: { goal: order, starting_propensity: 50%, channels: [web, email] }\n"                     \
    "  b: { goal: order, starting_propensity: 40%, channels: [web, email] }\n"                     \
    "  c: { goal: order, starting_propensity: 30%, channels: [web] }\n"                            \
    "  d: { goal: order, starting_propensity: 20%, group: late, channels: [web] }\n"               \
    "  e: { goal: order, starting_propensity: 10%, group: late, channels: [email] }\n"

static enum status ask(const char *placement, const char *context, uint32_t count,
                       struct error *error) {
    struct decision_basis basis = {
        .placement = text_from(placement), .context = text_from(context), .count = count};
    return decider_name_basis(trial.decider, &basis, error);
}

static void must_ask(const char *placement, const char *context, uint32_t count) {
    struct error error = {0};
    enum status status = ask(placement, context, count, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
}

/* "a@top b@top c@side": the ranks in their order; without a placement "a b". */
static const char *ranks(void) {
    static char out[512];
    const struct decision *decision = &trial.decision;
    const struct placement_rule *placements = trial.scene.playbook->placements;
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[i]);
        assert_true(decision->probability[i] == 1);
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%.*s", i > 0 ? " " : "",
                               TEXT_ARG(treatment->key));
        if (decision->placement_count == 0) continue;
        struct text name = placements[decision->placements[decision->ranked_at[i]]].name;
        at += (size_t)snprintf(out + at, sizeof out - at, "@%.*s", TEXT_ARG(name));
    }
    return out;
}

static const char *decided(const char *placement, uint32_t count) {
    must_ask(placement, "", count);
    decide(DAY(10));
    return ranks();
}

static void test_a_placement_takes_its_own(void **state) {
    (void)state;
    begin(ACTIONS PLACES "decide: { slots: 3 }\n");
    assert_string_equal(decided("", 0), "a b c");
    assert_stage("a", "email", "placement"); /* it stands on the web already */
    assert_false(trace_of("a", "email")->elsewhere);
    assert_string_equal(decided("top", 0), "a@top b@top");
    assert_stage("c", "web", "placement");
    assert_false(trace_of("c", "web")->elsewhere);
    assert_stage("e", "email", "placement");
    assert_true(trace_of("e", "email")->elsewhere);
    assert_true(isnan(trace_of("e", "email")->priority)); /* it was not judged */
    assert_why_not("e", "stopped at \"placement\"; it can't stand at top.");
    assert_why_not("c", "a better treatment took the place");
    assert_string_equal(decided("side", 0), "b@side");
    assert_string_equal(decided("letter", 0), "a@letter b@letter e@letter");
    assert_string_equal(decided("letter", 2), "a@letter b@letter");
    assert_string_equal(decided("", 2), "a b"); /* the count holds without a placement, too */
    assert_string_equal(decided("", 9), "a b c");
}

static void test_several_placements_in_one_decision(void **state) {
    (void)state;
    begin(ACTIONS PLACES);
    assert_string_equal(decided("top,side,letter", 0), "a@top b@top c@side e@letter");
    assert_string_equal(decided("letter,side,top", 0), "a@letter b@letter e@letter c@side d@top");
    assert_string_equal(decided("side,top", 1), "b@side a@top");
    assert_true(decision_falls_back(&trial.decision, 0) == false);
    assert_string_equal(decided("side", 1), "b@side"); /* what was asked before is forgotten */
}

static void refuses(const char *placement, enum status expected, const char *words) {
    struct error error = {0};
    assert_int_equal(ask(placement, "", 0, &error), expected);
    if (strstr(error.text, words) == NULL) fail_msg("%s: %s", placement, error.text);
}

static void test_what_can_not_be_asked_for(void **state) {
    (void)state;
    begin(ACTIONS PLACES
          "  wide: { channels: [email], slots: 16 }\n  more: { channels: [web], slots: 16 }\n");
    must_ask("side", "", 0);
    refuses("tpo", STATUS_NOT_FOUND, "did you mean top?");
    refuses("top,", STATUS_OK, "");
    refuses("top,,side", STATUS_NOT_FOUND, "there is no placement");
    refuses("side,top,side", STATUS_INVALID, "placement side is asked for twice");
    refuses("letter,wide,more", STATUS_LIMIT, "48 slots together");
    must_ask("letter,wide,more", "", 10);
    must_ask("side", "", 0);
    refuses("nowhere", STATUS_NOT_FOUND, "there is no placement");
    decide(DAY(10)); /* what held before still does */
    assert_string_equal(ranks(), "b@side");
}

/* Under a playbook that declares none it is a word that means nothing. */
static void test_a_playbook_without_placements(void **state) {
    (void)state;
    begin("actions: { a: { goal: order, channels: { web: { placement: anywhere } } } }\n");
    assert_string_equal(decided("start page", 0), "a");
    assert_int_equal(trial.decision.placement_count, 0);
}

static void test_a_channel_names_its_placement(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, channels: { web: { placement: side } } }\n"
          "  b: { goal: order, channels: [web] }\n"
          "placements: { top: { channels: [web], slots: 3 }, side: { slots: 3 } }\n");
    assert_string_equal(decided("top", 0), "b@top");
    assert_string_equal(decided("side", 0), "a@side"); /* only what names it */
}

static struct text written(struct buffer *out) {
    return buffer_text(out);
}

static void test_fallbacks(void **state) {
    (void)state;
    struct buffer out;
    struct json_writer writer;
    begin(ACTIONS PLACES "policies: [ { at_most: 0, in: 1d, action: b, impressions: yes }, "
                         "{ at_most: 0, in: 1d, action: c, impressions: yes } ]\n");
    assert_string_equal(decided("top,side", 0), "a@top d@top");
    assert_false(decision_falls_back(&trial.decision, 0));
    assert_true(decision_falls_back(&trial.decision, 1));
    buffer_init(&out);
    json_writer_init(&writer, &out, false);
    placement_fallback(&trial.scene.playbook->placements[1], &writer);
    assert_true(text_equal(written(&out), TEXT("{\"head\":\"Hello\",\"image\":\"/a.png\"}")));
    buffer_clear(&out);
    json_writer_init(&writer, &out, false);
    placement_fallback(&trial.scene.playbook->placements[2], &writer);
    assert_true(text_equal(written(&out), TEXT("null")));
    buffer_release(&out);
}

/* What is withheld takes the slot, and is not shown; a service message has a slot of its own. */
static void test_withheld_at_a_placement(void **state) {
    (void)state;
    uint32_t inside = 0;
    begin("holdout: { share: 50%, salt: x }\n"
          "actions:\n"
          "  a: { goal: order, starting_propensity: 50%, channels: [web] }\n"
          "  s: { goal: order, starting_propensity: 10%, service: yes, channels: [web] }\n"
          "  t: { goal: order, starting_propensity: 9%, service: yes, channels: [email] }\n"
          "placements: { top: { channels: [web] }, side: { channels: [web, email] } }\n");
    for (uint32_t customer = 1; customer < 40; customer++) {
        scene_event(&trial.scene, customer, "Clicked", DAY(1), "");
        must_ask("top,side", "", 0);
        const struct decision *decision = decide_for(customer, DAY(10));
        inside += decision->holdout.in;
        assert_string_equal(ranks(), decision->holdout.in ? "a@top s@side" : "a@top s@side");
        assert_int_equal(decision_falls_back(decision, 0), decision->holdout.in);
        must_ask("top", "", 0);
        decide_for(customer, DAY(10));
        assert_string_equal(ranks(), decision->holdout.in ? "a@top s@top" : "a@top");
        assert_false(decision_falls_back(decision, 0));
    }
    assert_in_range(inside, 5, 35);
}

/* ---- bundles ---- */

static void test_only_with(void **state) {
    (void)state;
    begin(ACTIONS PLACES "bundles: [ { only: a, with: late } ]\n");
    assert_string_equal(decided("top", 0), "b@top c@top"); /* d found no slot, so a has none */
    assert_why_not("a", "(a only with late); the bundle says a only with late.");
    assert_int_equal(trace_of("a", "web")->bundle->kind, BUNDLE_ONLY_WITH);
    assert_string_equal(decided("side", 0), "b@side");
    /* Its partner comes at a later placement: it takes the slot that was left. */
    assert_string_equal(decided("side,letter,top", 0), "b@side e@letter a@letter c@top d@top");
    assert_string_equal(decided("letter", 0), "b@letter e@letter a@letter");
    assert_string_equal(decided("letter", 2), "b@letter e@letter");
}

static void test_bundles_in_a_row(void **state) {
    (void)state;
    begin("decide: { slots: 5 }\n" ACTIONS
          "bundles: [ { only: a, with: b }, { only: b, with: [c, d] }, { only: c, with: d } ]\n");
    assert_string_equal(decided("", 0), "d b a c e");
    assert_string_equal(decided("", 3), "d b a");
    assert_string_equal(decided("", 1), "d");
}

static void test_never_with(void **state) {
    (void)state;
    begin(ACTIONS PLACES "bundles: [ { never: [a, d], with: [b, e] } ]\n");
    assert_string_equal(decided("top", 0), "a@top c@top");
    assert_why_not("b", "(a and d never with b or e)");
    assert_string_equal(decided("side,top", 0), "b@side c@top");
    assert_why_not("a", "the bundle says a and d never with b or e");
    assert_string_equal(decided("top,letter", 0), "a@top c@top");
    assert_non_null(strstr(reason_of(), "Offer a by web"));
}

/* What is withheld is not beside what goes out. */
static void test_bundles_and_the_holdout(void **state) {
    (void)state;
    begin("holdout: { share: 99%, salt: x }\n"
          "actions:\n"
          "  a: { goal: order, starting_propensity: 50%, channels: [web] }\n"
          "  s: { goal: order, starting_propensity: 10%, service: yes, channels: [web] }\n"
          "  t: { goal: order, starting_propensity: 9%, service: yes, channels: [web] }\n"
          "bundles: [ { never: a, with: s }, { only: t, with: a } ]\n"
          "decide: { slots: 3 }\n");
    must_ask("", "", 0);
    assert_true(decide(DAY(10))->holdout.in);
    assert_string_equal(ranks(), "a s"); /* t has no partner that goes out */
    assert_why_not("t", "t only with a");
}

/* ---- context ---- */

#define CONTEXT                                                                                    \
    "context: { page: text, cart: money, items: number, member: yes/no, left: duration, since: "   \
    "time }\n"

static const char *kept(const char *json, const char *expected_left_out) {
    static struct buffer out;
    struct buffer left_out;
    struct error error = {0};
    buffer_release(&out);
    buffer_init(&out);
    buffer_init(&left_out);
    assert_int_equal(
        decision_context_keep(trial.scene.playbook, text_from(json), &out, &left_out, &error),
        STATUS_OK);
    if (!text_equal(buffer_text(&left_out), text_from(expected_left_out)))
        fail_msg("%s: \"%.*s\"", json, TEXT_ARG(buffer_text(&left_out)));
    buffer_release(&left_out);
    assert_int_equal(buffer_append(&out, "", 1), STATUS_OK);
    return out.at;
}

static void test_what_is_kept_of_a_context(void **state) {
    (void)state;
    begin("actions: { a: { goal: order, channels: [web] } }\n" CONTEXT);
    assert_string_equal(kept("", ""), "");
    assert_string_equal(kept("{}", ""), "");
    assert_string_equal(kept(" {\"cart\": 20.50, \"page\": \"shoes\"} ", ""),
                        "{\"page\":\"shoes\",\"cart\":\"20.50\"}");
    assert_string_equal(
        kept("{\"cart\":\"3 EUR\",\"items\":\"12\",\"member\":true,\"left\":\"30m\","
             "\"since\":\"2017-01-02\"}",
             ""),
        "{\"cart\":\"3 EUR\",\"items\":12,\"member\":true,\"left\":\"30m\","
        "\"since\":\"2017-01-02T00:00:00Z\"}");
    assert_string_equal(kept("{\"page\":12345678901234567890,\"items\":null}", ""),
                        "{\"page\":\"12345678901234567890\"}");
    assert_string_equal(
        kept("{\"pgae\":\"secret\",\"page\":\"a\",\"card\":\"4111\",\"whatever\":1}",
             "context.pgae is left out: the playbook declares page. context.card is left out: the "
             "playbook declares cart. context.whatever is left out: the playbook does not declare "
             "it."),
        "{\"page\":\"a\"}");
    assert_string_equal(
        kept("{\"items\":\"many\",\"member\":3,\"page\":true,\"cart\":[1],\"left\":\"1 month\"}",
             "context.items is left out: it can't be read as number. context.member is left out: "
             "it can't be read as yes/no. context.page is left out: it can't be read as text. "
             "context.cart is left out: it can't be read as money. context.left is left out: it "
             "can't be read as duration."),
        "");
}

static void refuses_context(const char *json, enum status expected, const char *words) {
    struct buffer out;
    struct error error = {0};
    buffer_init(&out);
    assert_int_equal(
        decision_context_keep(trial.scene.playbook, text_from(json), &out, NULL, &error), expected);
    if (strstr(error.text, words) == NULL) fail_msg("%s: %s", json, error.text);
    buffer_release(&out);
}

static void test_contexts_that_are_refused(void **state) {
    (void)state;
    char long_page[1200], many[4000] = "{\"x0\":0";
    begin("actions: { a: { goal: order, channels: [web] } }\n" CONTEXT);
    refuses_context("[1]", STATUS_INVALID, "no JSON object");
    refuses_context("page: shoes", STATUS_INVALID, "no JSON object");
    refuses_context("{\"page\":\"\xff\"}", STATUS_INVALID, "no JSON object");
    snprintf(long_page, sizeof long_page, "{\"page\":\"%01100d\"}", 0);
    refuses_context(long_page, STATUS_LIMIT, "keeps at most 1024");
    snprintf(long_page, sizeof long_page, "{\"other\":\"%01100d\"}", 0);
    refuses_context(long_page, STATUS_OK, ""); /* what is left out has no limit */
    for (int i = 1; i < 100; i++) {
        size_t at = strlen(many);
        snprintf(many + at, sizeof many - at, ",\"x%d\":0%s", i, i == 99 ? "}" : "");
    }
    struct buffer out, left_out;
    buffer_init(&out);
    buffer_init(&left_out);
    assert_int_equal(
        decision_context_keep(trial.scene.playbook, text_from(many), &out, &left_out, NULL),
        STATUS_OK);
    assert_true(text_contains(buffer_text(&left_out), TEXT("context.x7 is left out")));
    assert_false(text_contains(buffer_text(&left_out), TEXT("context.x8 ")));
    assert_true(text_contains(buffer_text(&left_out), TEXT(" 92 more are left out.")));
    buffer_release(&out);
    buffer_release(&left_out);
}

static const char *stage_with(const char *context, const char *action) {
    must_ask("", context, 0);
    decide(DAY(10));
    return stage_name(trace_of(action, "web")->stopped_at);
}

static void test_conditions_read_the_context(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, channels: [web], applicable: context.page == \"shoes\" }\n"
          "  b: { goal: order, channels: [web], eligible: context.cart > 50 USD and clicks >= 0 }\n"
          "  c: { goal: order, channels: [web], suitable: context.items is unknown }\n"
          "  f: { goal: order, channels: [web], for_each: offer, suitable: context.page == "
          "action.offer_id }\n"
          "decide: { slots: 9 }\n" CONTEXT);
    assert_string_equal(stage_with("", "a"), "applicable");
    assert_true(trace_of("a", "web")->unknown);
    assert_string_equal(stage_with("{\"page\":\"shoes\"}", "a"), "offered");
    assert_string_equal(stage_with("{\"page\":\"hats\"}", "a"), "applicable");
    assert_false(trace_of("a", "web")->unknown);
    assert_string_equal(stage_with("{\"page\":\"1\"}", "f/1"), "offered");
    assert_string_equal(stage_with("{\"page\":\"2\"}", "f/1"), "suitable");
    assert_string_equal(stage_with("{\"cart\":\"60\"}", "b"), "offered");
    assert_string_equal(stage_with("{\"cart\":\"60 EUR\"}", "b"), "eligible");
    assert_string_equal(stage_with("{\"cart\":40}", "b"), "eligible");
    assert_string_equal(stage_with("{\"items\":1}", "c"), "suitable");
    assert_string_equal(stage_with("{\"items\":\"x\"}", "c"), "offered");
    assert_string_equal(stage_with("what an older program kept", "c"), "offered");
    assert_string_equal(stage_with("", "c"), "offered");
}

static void test_weights_read_the_context(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, starting_propensity: 50%, channels: [web] }\n"
          "  b: { goal: order, starting_propensity: 10%, channels: [web, email], weight: "
          "'if(context.page == \"shoes\", 6, 1)' }\n"
          "  c: { goal: order, starting_propensity: 20%, channels: [web], weight: context.items }\n"
          "decide: { slots: 9 }\n" CONTEXT);
    assert_string_equal(stage_with("{\"page\":\"shoes\"}", "b"), "offered");
    assert_ranked(0, "b");
    assert_near(trace_of("b", "web")->weight, 6);
    assert_near(trace_of("b", "web")->priority, .1 * 6 * 20);
    assert_string_equal(stage_with("{\"page\":\"hats\",\"items\":3}", "c"), "offered");
    assert_ranked(0, "c");
    assert_ranked(1, "a");
    assert_ranked(2, "b");
    assert_string_equal(stage_with("", "c"), "offered"); /* unknown: 1 */
    assert_near(trace_of("c", "web")->weight, 1);
    assert_ranked(0, "a");
    assert_string_equal(stage_with("{\"items\":-3}", "c"), "offered");
    assert_near(trace_of("c", "web")->weight, 1);
    assert_string_equal(stage_with("{\"items\":0}", "c"), "arbitration");
    assert_string_equal(stage_with("{\"items\":1e9}", "c"), "offered");
    assert_near(trace_of("c", "web")->weight, 1000);
}

static const char *content_of(const char *key) {
    static struct buffer out;
    struct json_writer writer;
    buffer_release(&out);
    buffer_init(&out);
    json_writer_init(&writer, &out, false);
    treatment_content(trial.decider, &trial.timeline, &trial.decision,
                      scene_treatment(&trial.scene, key), &writer);
    assert_int_equal(json_writer_status(&writer), STATUS_OK);
    assert_int_equal(buffer_append(&out, "", 1), STATUS_OK);
    return out.at;
}

static void test_content_is_filled_in(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, channels: { web: { content: { head: \"{clicks} \\\"clicks\\\"\", "
          "last: \"{recency}\", plain: \"/a.png\" } } } }\n"
          "  f: { goal: order, for_each: offer, channels: { web: { content: \"Offer {offer_id}\" } "
          "} }\n"
          "  n: { goal: order, channels: [web] }\n" CONTEXT);
    (void)state;
    must_ask("", "{\"page\":\"shoes\"}", 0);
    scene_event(&trial.scene, ANN, "Clicked", DAY(9), "");
    decide(DAY(10));
    assert_string_equal(content_of("f/1"), "{\"text\":\"Offer 1\"}");
    assert_string_equal(content_of("n"), "null");
    assert_string_equal(content_of("a"), "{\"head\":\"1 \\\"clicks\\\"\","
                                         "\"last\":null,\"plain\":\"/a.png\"}");
}

/* ---- time, and the record ---- */

static uint32_t asked_so_often, late_at;
static bool is_late(void *context) {
    (void)context;
    return ++asked_so_often >= late_at;
}

static void test_a_late_decision_ranks_nothing(void **state) {
    (void)state;
    begin(ACTIONS PLACES);
    must_ask("top", "", 0);
    decider_watch(trial.decider, is_late, NULL);
    for (late_at = 1; late_at < 20; late_at++) {
        asked_so_often = 0;
        const struct decision *decision = decide(DAY(10));
        if (!decision->late) break;
        assert_int_equal(decision->ranked_count, 0);
        assert_true(decision_falls_back(decision, 0));
        assert_non_null(strstr(reason_of(), "the time to decide in was over"));
    }
    assert_in_range(late_at, 2, 19); /* it was asked more than once, and then no more */
    assert_string_equal(ranks(), "a@top b@top");
    decider_watch(trial.decider, NULL, NULL);
    assert_false(decide(DAY(10))->late);
}

static void test_the_record_names_placements(void **state) {
    (void)state;
    struct packed_writer writer;
    struct buffer out;
    struct list_reader reader;
    struct value ignored;
    begin(ACTIONS PLACES);
    must_ask("side,top", "", 1);
    const struct decision *decision = decide(DAY(10));
    packed_writer_init(&writer);
    buffer_init(&out);
    assert_int_equal(decision_pack(trial.decider, decision, &writer, &out), STATUS_OK);
    struct value where = packed_find(buffer_text(&out), PROPERTY_PLACEMENT);
    assert_true(text_equal(where.text, TEXT("side,top")));
    uint32_t messages = symbol_find(trial.scene.symbols, SYMBOL_PROPERTY, TEXT("messages"));
    assert_int_equal(list_reader_init(&reader, packed_find(buffer_text(&out), messages)),
                     STATUS_OK);
    static const char *const names[] = {"side", "top"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(list_next(&reader, &ignored), STATUS_OK);
        assert_true(text_equal(list_field(&reader, PROPERTY_PLACEMENT).text, text_from(names[i])));
    }
    buffer_release(&out);
    packed_writer_release(&writer);
}

/* Whichever allocation fails, the next attempt is as if there had been none. */
static void test_failing_allocations(void **state) {
    (void)state;
    static const char *const contexts[] = {"{\"page\":\"shoes\"}", "{\"page\":\"hats\"}"};
    static const char *const names[] = {"top,side", "letter,top"};
    begin(
        "decide: { slots: 3 }\n" ACTIONS
        "  g: { goal: order, starting_propensity: 60%, channels: [web], suitable: context.page == "
        "\"shoes\" }\n" PLACES "bundles: [ { only: a, with: late } ]\n" CONTEXT);
    must_ask("", "", 0);
    decide(DAY(10));
    for (uint64_t nth = 1; nth < 200; nth++) {
        struct error error = {0};
        memory_fail_at(nth);
        enum status status = ask(names[nth % 2], contexts[nth % 2], 0, &error);
        if (status == STATUS_OK)
            status =
                decide_customer(trial.decider, &trial.timeline, DAY(10), &trial.decision, &error);
        memory_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        must_ask(names[nth % 2], contexts[nth % 2], 0);
        decide(DAY(10));
        assert_string_equal(ranks(), nth % 2 == 0 ? "g@top b@top c@side"
                                                  : "b@letter e@letter a@letter c@top d@top");
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, end)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_placement_takes_its_own),
        TEST(test_several_placements_in_one_decision),
        TEST(test_what_can_not_be_asked_for),
        TEST(test_a_playbook_without_placements),
        TEST(test_a_channel_names_its_placement),
        TEST(test_fallbacks),
        TEST(test_withheld_at_a_placement),
        TEST(test_only_with),
        TEST(test_bundles_in_a_row),
        TEST(test_never_with),
        TEST(test_bundles_and_the_holdout),
        TEST(test_what_is_kept_of_a_context),
        TEST(test_contexts_that_are_refused),
        TEST(test_conditions_read_the_context),
        TEST(test_weights_read_the_context),
        TEST(test_content_is_filled_in),
        TEST(test_a_late_decision_ranks_nothing),
        TEST(test_the_record_names_placements),
        TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
