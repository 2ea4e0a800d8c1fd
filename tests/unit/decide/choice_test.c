/* SPDX-License-Identifier: Apache-2.0 */
/* Exploration: exact probabilities, what may be drawn and what not, and what is recorded. */
#include "trial.h"

#include <math.h>

#include "base/random.h"

#define DRAWS 40000

/* Priorities are 10, 8, 6, 4, 2 and 1 USD. */
#define ACTIONS                                                                                    \
    "actions:\n"                                                                                   \
    "  a: { goal: order, starting_propensity: 50%, group: early, channels: [web] }\n"              \
    "  b: { goal: order, starting_propensity: 40%, group: early, channels: [web] }\n"              \
    "  c: { goal: order, starting_propensity: 30%, channels: [web] }\n"                            \
    "  d: { goal: order, starting_propensity: 20%, group: late, channels: [web] }\n"               \
    "  e: { goal: order, starting_propensity: 10%, group: late, channels: [email] }\n"             \
    "  f: { goal: order, starting_propensity: 5%, group: late, channels: [email] }\n"

/* ---- probabilities ---- */

static void test_probabilities_are_those_of_the_formula(void **state) {
    (void)state;
    struct choice_candidate candidates[] = {{0, 4095}, {1, 2047}, {2, 0}, {3, 4095}};
    struct choice_draw draw = {.count = 4, .best = 0, .candidate = {0, 1, 2, 3}};
    choice_probabilities(&draw, candidates, 10, .01);
    double half = 1 / (4 + 10 * (4095.0 - 2047) / 4095), none = 1.0 / 14, equal = .25;
    assert_near(draw.probability[1], half);
    assert_near(draw.probability[2], none);
    assert_near(draw.probability[3], equal);
    assert_near(draw.probability[0], 1 - half - none - equal);
    assert_true(choice_is_whole(&draw));
    /* The floor holds where the gap says less. */
    choice_probabilities(&draw, candidates, 1e6, .1);
    assert_near(draw.probability[1], .025);
    assert_near(draw.probability[2], .025);
    assert_near(draw.probability[0], 1 - .025 - .025 - .25);
}

static void test_any_draw_is_whole(void **state) {
    (void)state;
    struct random random;
    random_init(&random, 7);
    for (int round = 0; round < 20000; round++) {
        struct choice_candidate candidates[CHOICE_CANDIDATES_MAX];
        struct choice_draw draw = {.count = 2 + (uint32_t)random_below(&random, 9)};
        double gamma = random_unit(&random) < .3 ? 0 : pow(10, 6 * random_unit(&random));
        double share = random_unit(&random);
        for (uint32_t i = 0; i < draw.count; i++) {
            candidates[i] = (struct choice_candidate){i, (uint32_t)random_below(&random, 4096)};
            draw.candidate[i] = (uint16_t)i;
            if (candidates[i].value > candidates[draw.best].value) draw.best = i;
        }
        choice_probabilities(&draw, candidates, gamma, share);
        assert_true(choice_is_whole(&draw));
        for (uint32_t i = 0; i < draw.count; i++) {
            assert_true(draw.probability[i] >= share / draw.count - 1e-15);
            assert_true(draw.probability[i] <= draw.probability[draw.best] + 1e-15);
        }
        uint32_t taken = choice_take(&draw, random_unit(&random));
        assert_true(taken < draw.count);
        assert_true(choice_take(&draw, 2) == draw.best);
    }
}

/* The bounds of Wilson's interval, as statistical packages print them. */
static void test_bounds_are_wilsons(void **state) {
    (void)state;
    assert_true(fabs(choice_upper(.1, 100) - 0.174370) < 1e-5);
    assert_true(fabs(choice_lower(.1, 100) - 0.055229) < 1e-5);
    assert_true(fabs(choice_upper(0, 10) - 0.277533) < 1e-5);
    assert_true(choice_lower(0, 10) == 0 && choice_upper(1, 10) == 1);
}

/* ---- the record ---- */

static bool same_draw(const struct choice_draw *a, const struct choice_draw *b) {
    return a->count == b->count && a->best == b->best && a->taken == b->taken && a->at == b->at &&
           a->rank == b->rank &&
           memcmp(a->candidate, b->candidate, a->count * sizeof *a->candidate) == 0 &&
           memcmp(a->probability, b->probability, a->count * sizeof *a->probability) == 0;
}

#define RECORD_DRAWS 32
static struct choice_candidate some_candidates[RECORD_DRAWS * CHOICE_CANDIDATES_MAX];
static struct choice_draw some_draws[RECORD_DRAWS];

/* Candidates are numbered in the order of the draws that bring them. */
static void make_choice(struct random *random, struct choice *out) {
    *out = (struct choice){.gamma = random_unit(random) * 2000,
                           .share = .001 + .5 * random_unit(random),
                           .candidates = some_candidates,
                           .draws = some_draws,
                           .draw_count = (uint32_t)random_below(random, RECORD_DRAWS + 1)};
    for (uint32_t d = 0; d < out->draw_count; d++) {
        struct choice_draw *draw = &some_draws[d];
        *draw = (struct choice_draw){.at = (uint8_t)random_below(random, 8),
                                     .rank = random_below(random, 4) == 0 ? CHOICE_NO_RANK
                                                                          : (uint8_t)(d % 64)};
        uint32_t wanted = 2 + (uint32_t)random_below(random, 9), from = out->candidate_count;
        for (uint32_t i = from > 12 ? from - 12 : 0; i < from && draw->count < wanted / 2; i++)
            if (random_below(random, 2) == 0) draw->candidate[draw->count++] = (uint16_t)i;
        while (draw->count < wanted) {
            some_candidates[out->candidate_count] = (struct choice_candidate){
                random_below(random, 9) == 0 ? CHOICE_NOTHING
                                             : (uint32_t)random_below(random, 100000),
                (uint32_t)random_below(random, 4096)};
            draw->candidate[draw->count++] = (uint16_t)out->candidate_count++;
        }
        for (uint32_t i = 0; i < draw->count; i++)
            if (some_candidates[draw->candidate[i]].value >
                some_candidates[draw->candidate[draw->best]].value)
                draw->best = i;
        choice_probabilities(draw, some_candidates, out->gamma, out->share);
        draw->taken = (uint32_t)random_below(random, draw->count);
    }
}

static void test_a_record_is_read_as_it_was_written(void **state) {
    (void)state;
    static struct choice_reader reader;
    struct random random;
    struct buffer text;
    char head[CHOICE_HEAD_BYTES];
    buffer_init(&text);
    random_init(&random, 3);
    for (int round = 0; round < 300; round++) {
        struct choice choice;
        struct choice_draw draw;
        make_choice(&random, &choice);
        choice_head(choice.gamma, choice.share, head);
        buffer_clear(&text);
        assert_int_equal(choice_write(&choice, text_from(head), &text), STATUS_OK);
        assert_int_equal(choice_reader_init(&reader, buffer_text(&text)), STATUS_OK);
        assert_true(reader.gamma == choice.gamma && reader.share == choice.share);
        assert_int_equal(reader.candidate_count, choice.candidate_count);
        for (uint32_t i = 0; i < choice.candidate_count; i++) {
            assert_int_equal(reader.candidates[i].treatment, some_candidates[i].treatment);
            assert_int_equal(reader.candidates[i].value, some_candidates[i].value);
        }
        for (uint32_t d = 0; d < choice.draw_count; d++) {
            assert_int_equal(choice_next(&reader, &draw), STATUS_OK);
            assert_true(same_draw(&draw, &some_draws[d]));
        }
        assert_int_equal(choice_next(&reader, &draw), STATUS_END);
    }
    buffer_release(&text);
}

/* A file may bring any text under this name. */
static void test_no_record_harms_its_reader(void **state) {
    (void)state;
    static struct choice_reader reader;
    static const char *const bad[] = {"",
                                      "1",
                                      "1,2;",
                                      "nan,.1;",
                                      "-1,.1;",
                                      "1,0.1",
                                      "1,.1;A",
                                      "1,.1;AAA;",
                                      "1,.1;AAABAA;A.AAAAD",
                                      "1,.1;AAA;AAAAAAB",
                                      "1,.1;AAABAA;AAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct random random;
    struct buffer text;
    char head[CHOICE_HEAD_BYTES];
    struct choice_draw draw;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        enum status status = choice_reader_init(&reader, text_from(bad[i]));
        while (status == STATUS_OK) status = choice_next(&reader, &draw);
        if (i != 8) assert_int_equal(status, STATUS_CORRUPT);
    }
    buffer_init(&text);
    random_init(&random, 5);
    for (int round = 0; round < 3000; round++) {
        struct choice choice;
        make_choice(&random, &choice);
        choice_head(choice.gamma, choice.share, head);
        buffer_clear(&text);
        assert_int_equal(choice_write(&choice, text_from(head), &text), STATUS_OK);
        for (int k = 0; k < 3; k++)
            text.at[random_below(&random, text.length)] = (char)(32 + random_below(&random, 96));
        text.length = random_below(&random, text.length + 1);
        enum status status = choice_reader_init(&reader, buffer_text(&text));
        while (status == STATUS_OK) {
            status = choice_next(&reader, &draw);
            if (status == STATUS_OK) assert_true(choice_is_whole(&draw));
        }
        assert_true(status == STATUS_END || status == STATUS_CORRUPT);
    }
    buffer_release(&text);
}

/* ---- decisions ---- */

/* Another directory draws anew. */
static const struct decision *draw_again(uint64_t directory) {
    decider_name_directory(trial.decider, directory);
    return decide(DAY(10));
}

static char first_of(const struct decision *decision, uint32_t rank) {
    return rank < decision->ranked_count
               ? *decision_treatment(decision, decision->ranked[rank])->key.at
               : '-';
}

/* 99.9 % of a chi-square of so many degrees of freedom (Wilson and Hilferty). */
static double chi_square_limit(double freedom) {
    double z = 3.09, part = 2 / (9 * freedom);
    return freedom * pow(1 - part + z * sqrt(part), 3);
}

/* Counts slates of two slots, and compares them with the product of the probabilities that the
 * decisions themselves tell. */
static void check_frequencies(void) {
    static double expected[128][128];
    static uint32_t seen[128][128];
    double chi_square = 0, freedom = -1, sum = 0;
    memset(expected, 0, sizeof expected);
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < DRAWS; i++) {
        const struct decision *decision = draw_again(i);
        char first = first_of(decision, 0), second = first_of(decision, 1);
        double chance = 1;
        for (uint32_t d = 0; d < decision->choice.draw_count; d++) {
            const struct choice_draw *draw = &decision->choice.draws[d];
            chance *= draw->probability[draw->taken];
        }
        if (seen[(int)first][(int)second]++ > 0)
            assert_near(expected[(int)first][(int)second], chance);
        expected[(int)first][(int)second] = chance;
    }
    for (int a = 0; a < 128; a++) {
        for (int b = 0; b < 128; b++) {
            double of = expected[a][b] * DRAWS;
            sum += expected[a][b];
            if (seen[a][b] == 0) continue;
            chi_square += (seen[a][b] - of) * (seen[a][b] - of) / of;
            freedom++;
        }
    }
    assert_near(sum, 1); /* every slate was seen */
    assert_true(freedom > 10);
    assert_true(chi_square < chi_square_limit(freedom));
}

static void test_slates_come_as_often_as_their_probability_says(void **state) {
    (void)state;
    begin(ACTIONS "decide: { slots: 2 }\nexplore: { share: 20%, gamma: 3 }\n"
                  "policies: [ { at_most: 1, in: 1d, channel: email } ]\n");
    check_frequencies();
}

static void test_a_decision_made_again_draws_the_same(void **state) {
    (void)state;
    begin(ACTIONS "decide: { slots: 3 }\nexplore: { share: 50%, gamma: 1 }\n");
    uint32_t others = 0;
    for (uint64_t i = 0; i < 200; i++) {
        char before[4], after[4];
        const struct decision *decision = draw_again(i);
        uint64_t id = decision->id;
        for (uint32_t k = 0; k < 3; k++) before[k] = first_of(decision, k);
        draw_again(i + 1000);
        decision = draw_again(i);
        for (uint32_t k = 0; k < 3; k++) after[k] = first_of(decision, k);
        assert_true(decision->id == id);
        assert_memory_equal(before, after, 3);
        others += before[0] != 'a';
        assert_near(decision->probability[0],
                    decision->choice.draws[0].probability[decision->choice.draws[0].taken]);
    }
    assert_in_range(others, 50, 190);
}

static void must_not_explore(const char *playbook) {
    begin(playbook);
    for (uint64_t i = 0; i < 50; i++) {
        const struct decision *decision = draw_again(i);
        assert_int_equal(first_of(decision, 0), 'a');
        assert_true(decision->probability[0] == 1);
        assert_int_equal(decision->choice.draw_count, 0);
    }
    end(NULL);
}

#define EXPLORE(more) ACTIONS "explore: { share: 100%, gamma: 0" more " }\n"
static void test_where_it_is_off_the_best_is_taken(void **state) {
    (void)state;
    must_not_explore(ACTIONS);
    must_not_explore(EXPLORE(", off: { channels: [web, email] }"));
    must_not_explore(EXPLORE(", off: { channels: [web], groups: [late] }"));
    must_not_explore(EXPLORE(", off: { actions: [a] }"));
    must_not_explore(EXPLORE(", off: { when: clicks == 0 }"));
    /* Nobody ordered, so it is not known. */
    must_not_explore(EXPLORE(", off: { when: recency > 3d }"));
    begin(EXPLORE(", off: { when: clicks > 0 }"));
    uint32_t others = 0;
    for (uint64_t i = 0; i < 50; i++) others += first_of(draw_again(i), 0) != 'a';
    assert_true(others > 20);
    end(NULL);
}

/* An order update is needed, and what is sensitive is no matter of chance. */
static void test_service_messages_and_sensitive_topics_are_not_drawn(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, starting_propensity: 50%, channels: [web] }\n"
          "  s: { goal: order, starting_propensity: 40%, service: yes, channels: [web] }\n"
          "  t: { goal: order, starting_propensity: 30%, topic: health, channels: [web] }\n"
          "  u: { goal: order, starting_propensity: 20%, channels: [web] }\n"
          "explore: { share: 100%, gamma: 0, nothing: yes }\n");
    scene_event(&trial.scene, ANN, "Consent Changed", DAY(1), "purpose='health' state='yes'");
    uint32_t seen[128] = {0};
    for (uint64_t i = 0; i < 600; i++) seen[(int)first_of(draw_again(i), 0)]++;
    assert_stage("t", "web", "placement");
    assert_int_equal(seen['s'] + seen['t'], 0);
    assert_in_range(seen['a'], 150, 250);
    assert_in_range(seen['u'], 150, 250);
    assert_in_range(seen['-'], 150, 250);
    end(NULL);
    must_not_explore("actions:\n"
                     "  a: { goal: order, starting_propensity: 50%, service: yes, channels: "
                     "[web] }\n"
                     "  b: { goal: order, starting_propensity: 40%, channels: [web] }\n"
                     "explore: { share: 100%, gamma: 0 }\n");
}

/* Of many, the candidates are the best and those with the highest upper bounds: of what was hardly
 * tried, little is known. */
static void test_candidates_have_the_highest_upper_bounds(void **state) {
    (void)state;
    begin("actions:\n"
          "  a: { goal: order, group: one, starting_propensity: 50%, channels: [web] }\n"
          "  b: { goal: order, group: one, starting_propensity: 40%, channels: [web] }\n"
          "  c: { goal: order, group: one, starting_propensity: 30%, channels: [web] }\n"
          "explore: { share: 10%, gamma: 0, candidates: 2 }\n");
    trial.bases[3] = (struct goal_base){.treated_rows = 10000, .treated_rate = .5};
    trial.bases[5] = (struct goal_base){.treated_rows = 10000, .treated_rate = .4};
    decider_use_bases(trial.decider, trial.bases);
    uint32_t seen[128] = {0};
    for (uint64_t i = 0; i < 300; i++) seen[(int)first_of(draw_again(i), 0)]++;
    assert_int_equal(seen['b'], 0);
    assert_in_range(seen['c'], 100, 200);
}

/* Where all of the first batch are stopped, the candidates are found among the others. */
#define LETTERS 18 /* more than a batch; the bases of a trial have room for 30 actions */
#define MANY    30
static void test_candidates_are_found_among_many(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    assert_int_equal(buffer_append_text(&text, TEXT("actions:\n")), STATUS_OK);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(
            buffer_format(&text,
                          "  %c%u: { goal: order, starting_propensity: %u%%, channels: [%s] }\n",
                          i < LETTERS ? 'm' : 'w', i, 90 - i, i < LETTERS ? "email" : "web"),
            STATUS_OK);
    assert_int_equal(buffer_format(&text,
                                   "decide: { slots: 4 }\nexplore: { share: 100%%, gamma: 0 }\n"
                                   "policies: [ { at_most: 1, in: 1d, channel: email } ]\n%c",
                                   '\0'),
                     STATUS_OK);
    begin(text.at);
    uint32_t letters = 0, last = 0;
    for (uint64_t i = 0; i < 400; i++) {
        const struct decision *decision = draw_again(i);
        uint32_t mails = 0;
        assert_int_equal(decision->ranked_count, 4);
        for (uint32_t k = 0; k < 4; k++) mails += first_of(decision, k) == 'm';
        assert_int_equal(mails, 1); /* the first, since no page is among the ten best */
        for (uint32_t d = 1; d < 4; d++) {
            const struct choice_draw *draw = &decision->choice.draws[d];
            assert_int_equal(draw->count, 10);
            /* The ten best pages but those that are ranked. */
            for (uint32_t k = 0; k < 10; k++) {
                uint32_t is = decision->choice.candidates[draw->candidate[k]].treatment;
                assert_in_range(is, LETTERS, LETTERS + 9 + d - 1);
                last += is == LETTERS + 9 + d - 1;
            }
        }
        letters += mails;
    }
    assert_int_equal(letters, 400);
    assert_true(last > 400);
    buffer_release(&text);
}

/* An action that nobody got begins with what followed the others of its group. */
static void test_a_new_action_begins_as_its_group_does(void **state) {
    (void)state;
    static const char *const actions = "actions:\n"
                                       "  a: { goal: order, group: one, channels: [web] }\n"
                                       "  b: { goal: order, group: one, channels: [web] }\n"
                                       "  c: { goal: order, group: one, channels: [web] }\n"
                                       "  d: { goal: click, group: one, channels: [web] }\n";
    char text[600];
    for (int explores = 0; explores < 2; explores++) {
        snprintf(text, sizeof text, "%s%s", actions, explores ? "explore: { share: 1% }\n" : "");
        begin(text);
        trial.bases[3] = (struct goal_base){.treated_rows = 60, .treated_rate = .9};
        trial.bases[5] = (struct goal_base){.treated_rows = 30, .treated_rate = .3};
        trial.bases[9] = (struct goal_base){.treated_rows = 500, .treated_rate = 0};
        decider_use_bases(trial.decider, trial.bases);
        decide(DAY(10));
        double expected = explores ? (54 + 9 + 10 * .25) / 100 : .25;
        assert_near(trace_of("c", "web")->propensity, expected);
        end(NULL);
    }
}

/* ---- recorded ---- */

static enum status pack(struct buffer *out) {
    struct packed_writer writer;
    packed_writer_init(&writer);
    buffer_clear(out);
    enum status status = decision_pack(trial.decider, &trial.decision, &writer, out);
    packed_writer_release(&writer);
    return status;
}

static void test_a_decision_keeps_what_it_drew_among(void **state) {
    (void)state;
    static struct choice_reader reader;
    struct choice_draw draw;
    struct buffer packed;
    buffer_init(&packed);
    begin(ACTIONS "decide: { slots: 3 }\nexplore: { share: 10%, gamma: 1, nothing: yes }\n");
    uint32_t symbol = symbol_find(trial.scene.symbols, SYMBOL_PROPERTY, TEXT("choice"));
    for (uint64_t i = 0; i < 100; i++) {
        const struct decision *decision = draw_again(i);
        assert_int_equal(pack(&packed), STATUS_OK);
        struct value text = packed_find(buffer_text(&packed), symbol);
        assert_int_equal(text.type, VALUE_TEXT);
        assert_int_equal(choice_reader_init(&reader, text.text), STATUS_OK);
        for (uint32_t d = 0; d < decision->choice.draw_count; d++) {
            assert_int_equal(choice_next(&reader, &draw), STATUS_OK);
            assert_true(same_draw(&draw, &decision->choice.draws[d]));
            if (draw.rank == CHOICE_NO_RANK) continue;
            assert_int_equal(reader.candidates[draw.candidate[draw.taken]].treatment,
                             decision_treatment(decision, decision->ranked[draw.rank])->index);
            assert_true(decision->probability[draw.rank] == draw.probability[draw.taken]);
        }
        assert_int_equal(choice_next(&reader, &draw), STATUS_END);
    }
    buffer_release(&packed);
}

/* What does not sum to 1 is refused when it is to be recorded. */
static void test_a_wrong_probability_is_not_recorded(void **state) {
    (void)state;
    struct buffer packed;
    buffer_init(&packed);
    begin(ACTIONS "explore: { share: 10% }\n");
    decide(DAY(10));
    assert_int_equal(pack(&packed), STATUS_OK);
    struct choice_draw *draw = (struct choice_draw *)&trial.decision.choice.draws[0];
    draw->probability[0] += 1e-8;
    assert_int_equal(pack(&packed), STATUS_INVALID);
    draw->probability[0] -= 1e-8;
    assert_int_equal(pack(&packed), STATUS_OK);
    draw->probability[1] = -draw->probability[1];
    assert_int_equal(pack(&packed), STATUS_INVALID);
    buffer_release(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probabilities_are_those_of_the_formula),
        cmocka_unit_test(test_any_draw_is_whole),
        cmocka_unit_test(test_bounds_are_wilsons),
        cmocka_unit_test(test_a_record_is_read_as_it_was_written),
        cmocka_unit_test(test_no_record_harms_its_reader),
        cmocka_unit_test_teardown(test_slates_come_as_often_as_their_probability_says, end),
        cmocka_unit_test_teardown(test_a_decision_made_again_draws_the_same, end),
        cmocka_unit_test(test_where_it_is_off_the_best_is_taken),
        cmocka_unit_test(test_service_messages_and_sensitive_topics_are_not_drawn),
        cmocka_unit_test_teardown(test_candidates_have_the_highest_upper_bounds, end),
        cmocka_unit_test_teardown(test_candidates_are_found_among_many, end),
        cmocka_unit_test(test_a_new_action_begins_as_its_group_does),
        cmocka_unit_test_teardown(test_a_decision_keeps_what_it_drew_among, end),
        cmocka_unit_test_teardown(test_a_wrong_probability_is_not_recorded, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
