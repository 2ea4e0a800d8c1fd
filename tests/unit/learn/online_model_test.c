/* SPDX-License-Identifier: Apache-2.0 */
/* A model that learns on: in any number of steps the same, better where the world has moved, and
 * stored whole. */
#include "simulate.h"

#include "learn/model.h"
#include "learn/online_model.h"

#define ROWS 4000

struct later {
    struct simulated rows[ROWS];
    struct online_row online[ROWS];
};

/* Rows of a world in which Oslo, which was worst, has become best. */
static void make_later(struct later *later, uint64_t seed) {
    struct random random;
    random_init(&random, seed);
    for (size_t i = 0; i < ROWS; i++) {
        struct simulated *row = &later->rows[i];
        simulate(&random, row);
        if (text_equal(row->values[2].text, TEXT("Oslo"))) row->truth = .9;
        row->yes = random_unit(&random) < row->truth;
        later->online[i] = (struct online_row){row->values, row->yes, i % 97 == 0};
    }
}

static struct model *learn_on(const struct model *model, const struct online_row *rows,
                              size_t count) {
    struct model *next;
    struct error error;
    assert_int_equal(model_learn_on(&next, model, rows, count, .999, &error), STATUS_OK);
    return next;
}

static void the_number_of_steps_makes_no_difference(void **state) {
    (void)state;
    static struct later later;
    make_later(&later, 1);
    struct model *trained = simulate_model(3000, 2), *once = learn_on(trained, later.online, ROWS),
                 *model = learn_on(trained, later.online, 0);
    struct buffer one, other;
    buffer_init(&one);
    buffer_init(&other);
    for (size_t done = 0, step = 1; done < ROWS; done += step, step = step * 3 % 257 + 1) {
        if (step > ROWS - done) step = ROWS - done;
        struct model *next = learn_on(model, later.online + done, step);
        model_destroy(model);
        model = next;
        if (done % 5 != 0) continue; /* and it is stored between some of the steps */
        other.length = 0;
        assert_int_equal(model_encode(model, &other), STATUS_OK);
        model_destroy(model);
        assert_int_equal(model_decode(&model, buffer_text(&other), NULL), STATUS_OK);
    }
    other.length = 0;
    assert_int_equal(model_encode(once, &one), STATUS_OK);
    assert_int_equal(model_encode(model, &other), STATUS_OK);
    assert_int_equal(one.length, other.length);
    assert_memory_equal(one.at, other.at, one.length);
    buffer_release(&one);
    buffer_release(&other);
    model_destroy(once);
    model_destroy(model);
    model_destroy(trained);
}

static void it_follows_the_world(void **state) {
    (void)state;
    static struct later later;
    make_later(&later, 3);
    struct model *trained = simulate_model(3000, 4), *next = learn_on(trained, later.online, ROWS);
    const struct model_online_facts *facts = model_online_facts(next);
    assert_null(model_online_facts(trained));
    assert_int_equal(facts->rows + facts->changed, ROWS);
    assert_int_equal(model_facts(next)->kind, MODEL_ONLINE);
    assert_true(facts->log_loss < facts->trained_log_loss - .05);
    double loss[2] = {0};
    make_later(&later, 5);
    for (size_t i = 0; i < ROWS; i++) {
        double p = model_score(next, later.rows[i].values),
               q = model_score(trained, later.rows[i].values);
        loss[0] -= log(later.rows[i].yes ? p : 1 - p);
        loss[1] -= log(later.rows[i].yes ? q : 1 - q);
    }
    assert_true(loss[0] < loss[1] - .05 * ROWS);
    model_destroy(next);
    model_destroy(trained);
}

static void no_rows_change_no_score(void **state) {
    (void)state;
    struct model *trained = simulate_model(3000, 6), *next = learn_on(trained, NULL, 0);
    struct random random;
    struct simulated row;
    random_init(&random, 7);
    for (int i = 0; i < 1000; i++) {
        simulate(&random, &row);
        assert_near(model_score(next, row.values), model_score(trained, row.values), 1e-8);
    }
    model_destroy(next);
    model_destroy(trained);
}

/* A changed answer is taken back: the model comes close to one that learnt the right answer. */
static void a_changed_answer_counts_for_what_is_so(void **state) {
    (void)state;
    static struct later later;
    make_later(&later, 8);
    struct model *trained = simulate_model(3000, 9);
    struct online_row right = {later.rows[0].values, false, false}, wrong = right, back = right;
    wrong.yes = true;
    back.changed = true;
    struct model *of_right = learn_on(trained, &right, 1), *of_wrong = learn_on(trained, &wrong, 1),
                 *of_back = learn_on(of_wrong, &back, 1);
    double p = model_score(of_right, right.values), q = model_score(of_wrong, right.values),
           r = model_score(of_back, right.values);
    assert_true(q > p && r < q && fabs(r - p) < fabs(q - p));
    assert_int_equal(model_online_facts(of_back)->rows, 1);
    assert_int_equal(model_online_facts(of_back)->changed, 1);
    model_destroy(of_right);
    model_destroy(of_wrong);
    model_destroy(of_back);
    model_destroy(trained);
}

static void a_base_rate_does_not_learn_on(void **state) {
    (void)state;
    struct model *trained = simulate_model(12, 10), *next = NULL;
    struct error error;
    assert_int_equal(model_facts(trained)->basis, MODEL_BASE_RATE);
    assert_int_equal(model_learn_on(&next, trained, NULL, 0, 0, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "train it again"));
    model_destroy(trained);
}

static void every_flipped_byte_is_found_or_harmless(void **state) {
    (void)state;
    static struct later later;
    make_later(&later, 11);
    struct model *trained = simulate_model(300, 12), *next = learn_on(trained, later.online, 50),
                 *back;
    struct buffer bytes;
    buffer_init(&bytes);
    assert_int_equal(model_encode(next, &bytes), STATUS_OK);
    for (size_t i = 0; i < bytes.length; i += 7) {
        bytes.at[i] ^= 16;
        assert_int_not_equal(model_decode(&back, buffer_text(&bytes), NULL), STATUS_OK);
        bytes.at[i] ^= 16;
    }
    buffer_release(&bytes);
    model_destroy(next);
    model_destroy(trained);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_of_steps_makes_no_difference),
        cmocka_unit_test(it_follows_the_world),
        cmocka_unit_test(no_rows_change_no_score),
        cmocka_unit_test(a_changed_answer_counts_for_what_is_so),
        cmocka_unit_test(a_base_rate_does_not_learn_on),
        cmocka_unit_test(every_flipped_byte_is_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
