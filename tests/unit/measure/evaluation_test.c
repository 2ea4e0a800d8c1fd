/* SPDX-License-Identifier: Apache-2.0 */
/* How good a model is, on a small world: which rows are judged, calibration by tenths, and
 * another's predictions with all that can be wrong in their file. */
#include "support/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "measure/evaluation.h"
#include "support/scene.h"

#define PEOPLE    70u
#define LEARNT_MS DAY(95)
#define UNTIL_MS  DAY(300)

static const char playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "events: { Clicked: { button: text }, Order Completed: { note: text } }\n"
    "traits: { clicks: count(\"Clicked\") in 30d }\n"
    "goals: { order: { event: Order Completed, within: 10d } }\n"
    "models: { order: { goal: order, features: [clicks] } }\n"
    "actions: { letter: { goal: order, channels: [mail] } }\n";

static struct scene scene;
static struct model *model;

static int set_up(void **state) {
    (void)state;
    struct training_set *set;
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = LEARNT_MS, .matured_by_ms = LEARNT_MS};
    scene_init(&scene, playbook);
    scene_treatments(&scene);
    for (uint32_t p = 1; p <= PEOPLE; p++) {
        for (uint32_t month = 0; month < 9; month++) {
            double day = 30 * month + p % 9;
            for (uint32_t i = 0; i < p % 4; i++)
                scene_event(&scene, p, "Clicked", DAY(day) + i, "button='go'");
            scene_event(&scene, p, "mail:Treatment Delivered", DAY(day + 1), "treatment='letter'");
            if ((p * 7 + month) % 6 < p % 4)
                scene_event(&scene, p, "Order Completed", DAY(day + 3), "");
        }
    }
    assert_int_equal(
        trainer_collect(&scene.data, &scene.playbook->models[0], &options, &set, NULL, NULL, NULL),
        STATUS_OK);
    assert_int_equal(model_train(&model, set, &(struct learn_options){.seed = 1}, NULL), STATUS_OK);
    training_set_destroy(set);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    model_destroy(model);
    scene_release(&scene);
    return 0;
}

/* A customer's name in a file of predictions: its number. */
static enum status visit_number(void *context, struct customer_id customer,
                                void (*name)(void *name_context, struct text value),
                                void *name_context) {
    char number[16];
    (void)context;
    snprintf(number, sizeof number, "%u", customer.value);
    name(name_context, text_from("nobody"));
    name(name_context, text_from(number));
    return STATUS_OK;
}

static enum status evaluate(int64_t from_ms, int64_t until_ms, const struct predictions *against,
                            struct evaluation *out, struct error *error) {
    struct evaluation_options options = {.model = model,
                                         .learnt_until_ms = LEARNT_MS,
                                         .from_ms = from_ms,
                                         .until_ms = until_ms,
                                         .threads = 2,
                                         .against = against,
                                         .namer = {.visit = visit_number}};
    return evaluation_make(&scene.data, &options, out, error);
}

static void only_unseen_rows_are_judged(void **state) {
    (void)state;
    struct evaluation all, late;
    struct error error = {0};
    assert_int_equal(evaluate(TIME_ALWAYS, UNTIL_MS, NULL, &all, &error), STATUS_OK);
    assert_int_equal(all.count + all.learnt_count, PEOPLE * 9);
    for (size_t i = 0; i < all.count; i++)
        assert_true(all.ids[i].t_ms + 10 * TIME_DAY_MS > LEARNT_MS);
    assert_int_equal(evaluate(LEARNT_MS, UNTIL_MS, NULL, &late, &error), STATUS_OK);
    assert_int_equal(late.learnt_count, 0);
    assert_true(late.count < all.count);
    evaluation_release(&all);
    evaluation_release(&late);
    assert_int_equal(evaluate(TIME_ALWAYS, LEARNT_MS, NULL, &all, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "that the model has learnt from"));
    evaluation_release(&all);
    assert_int_equal(evaluate(DAY(400), DAY(500), NULL, &all, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "widen --from and --until"));
    evaluation_release(&all);
}

/* Together the tenths hold every row once, lowest propensity first. */
static void tenths_hold_every_row_once(void **state) {
    (void)state;
    struct evaluation evaluation;
    assert_int_equal(evaluate(LEARNT_MS, UNTIL_MS, NULL, &evaluation, NULL), STATUS_OK);
    assert_int_equal(evaluation.bin_count, EVALUATION_BINS);
    uint64_t rows = 0;
    double yes = 0, predicted = 0;
    for (uint32_t b = 0; b < evaluation.bin_count; b++) {
        const struct calibration_bin *bin = &evaluation.bins[b];
        assert_true(b == 0 || evaluation.bins[b - 1].predicted <= bin->predicted);
        assert_true(bin->rate.low <= bin->rate.low50 && bin->rate.low50 <= bin->rate.value);
        assert_true(bin->rate.value <= bin->rate.high50 && bin->rate.high50 <= bin->rate.high);
        rows += bin->rate.n;
        yes += bin->rate.value * (double)bin->rate.n;
        predicted += bin->predicted * (double)bin->rate.n;
    }
    double reached = 0, said = 0;
    for (size_t i = 0; i < evaluation.count; i++) {
        reached += evaluation.yes[i];
        said += evaluation.propensity[i];
    }
    assert_int_equal(rows, evaluation.count);
    assert_true(fabs(yes - reached) < 1e-6 && fabs(predicted - said) < 1e-6);
    evaluation_release(&evaluation);
}

static void figures_have_their_rows_and_their_time(void **state) {
    (void)state;
    struct evaluation once;
    assert_int_equal(evaluate(LEARNT_MS, UNTIL_MS, NULL, &once, NULL), STATUS_OK);
    struct figure figures[METRICS_FIGURES];
    metrics_figures(&once.metrics, once.as_of_ms, figures);
    for (int i = 0; i < METRICS_FIGURES; i++) {
        assert_int_equal(figures[i].n, once.count);
        assert_int_equal(figures[i].as_of_ms, UNTIL_MS);
        assert_true(figures[i].low < figures[i].low50 && figures[i].high50 < figures[i].high);
    }
    evaluation_release(&once);
}

/* ---- another's predictions ---- */

static char path[] = "/tmp/attune-predictions-XXXXXX";

static void write_file(const char *text) {
    struct error error = {0};
    assert_int_equal(file_replace(file_system_os(), path, text, strlen(text), &error), STATUS_OK);
}

static int make_file(void **state) {
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    return set_up(state);
}

static int remove_file(void **state) {
    unlink(path);
    return tear_down(state);
}

static void what_is_wrong_is_told_by_its_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *column, *told;
        enum status status;
    } files[] = {
        {"", "", " is empty", STATUS_INVALID},
        {"treatment,customer\n", "", ":1: needs the columns treatment, customer and prediction",
         STATUS_INVALID},
        {"treatment,customer,xgb\na,1,0.5\n", ":logit", "customer and logit", STATUS_INVALID},
        {"treatment,customer,prediction\na,1,0.5\n\na,2,1.5\n", "",
         ":4: no prediction from 0 to 1 in column prediction", STATUS_INVALID},
        {"treatment,customer,prediction\na,1\n", "", ":2: no prediction", STATUS_INVALID},
        {"treatment,customer,prediction\na,1,nan\n", "", ":2: no prediction", STATUS_INVALID},
        {"treatment,customer,prediction\na,1,-0.1\n", "", ":2: no prediction", STATUS_INVALID},
        {"treatment,customer,time,prediction\na,1,soon,0.1\n", "", ":2: no time", STATUS_INVALID},
        {"treatment,customer,prediction\na,1,0.1\na,2,0.1\na,1,0.2\n", "",
         ":4: predicts what line 2 predicts otherwise: where", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[128];
        struct error error = {0};
        struct predictions *predictions = NULL;
        write_file(files[i].text);
        snprintf(name, sizeof name, "%s%s", path, files[i].column);
        assert_int_equal(predictions_read(&predictions, file_system_os(), name, &error),
                         files[i].status);
        if (strstr(error.text, files[i].told) == NULL)
            fail_msg("%s does not say %s", error.text, files[i].told);
        assert_null(predictions);
    }
    struct predictions *predictions = NULL;
    assert_int_equal(predictions_read(&predictions, file_system_os(), "/nowhere/x.csv", NULL),
                     STATUS_NOT_FOUND);
}

static void cells_are_found_in_any_order(void **state) {
    (void)state;
    char name[128];
    double chance;
    struct predictions *predictions;
    write_file("note,xgb,\"customer\",treatment\r\nx,0.25,\"7\",letter\r\n,1,8,letter\r\n");
    snprintf(name, sizeof name, "%s:xgb", path);
    assert_int_equal(predictions_read(&predictions, file_system_os(), name, NULL), STATUS_OK);
    assert_int_equal(predictions_count(predictions), 2);
    assert_true(predictions_find(predictions, TEXT("letter"), TEXT("7"), 5, &chance));
    assert_true(chance == 0.25);
    assert_true(predictions_find(predictions, TEXT("letter"), TEXT("8"), 5, &chance) &&
                chance == 1);
    assert_false(predictions_find(predictions, TEXT("letter"), TEXT("9"), 5, &chance));
    assert_false(predictions_find(predictions, TEXT("other"), TEXT("7"), 5, &chance));
    assert_memory_equal(predictions_name(predictions), "xgb of attune-predictions-", 26);
    predictions_destroy(predictions);
}

static void a_time_tells_two_treatments_apart(void **state) {
    (void)state;
    double chance;
    struct predictions *predictions;
    write_file("treatment,customer,time,prediction\nletter,7,1970-01-02,0.25\n"
               "letter,7,1970-01-03T00:00:00Z,0.5\nletter,7,1970-01-03,0.5\n");
    assert_int_equal(predictions_read(&predictions, file_system_os(), path, NULL), STATUS_OK);
    assert_true(predictions_find(predictions, TEXT("letter"), TEXT("7"), TIME_DAY_MS, &chance));
    assert_true(chance == 0.25);
    assert_true(predictions_find(predictions, TEXT("letter"), TEXT("7"), 2 * TIME_DAY_MS, &chance));
    assert_true(chance == 0.5);
    assert_false(
        predictions_find(predictions, TEXT("letter"), TEXT("7"), 2 * TIME_DAY_MS + 1, &chance));
    predictions_destroy(predictions);
}

static void a_model_is_compared_on_the_rows_that_both_have(void **state) {
    (void)state;
    static char text[PEOPLE * 24 + 64];
    struct predictions *predictions;
    struct evaluation evaluation;
    struct error error = {0};
    size_t at = (size_t)snprintf(text, sizeof text, "treatment,customer,prediction\n");
    for (uint32_t p = 1; p <= PEOPLE / 2; p++)
        at += (size_t)snprintf(text + at, sizeof text - at, "letter,%u,0.%u\n", p, 1 + p % 4);
    write_file(text);
    assert_int_equal(predictions_read(&predictions, file_system_os(), path, &error), STATUS_OK);
    assert_int_equal(evaluate(LEARNT_MS, UNTIL_MS, predictions, &evaluation, &error), STATUS_OK);
    assert_true(evaluation.compared);
    size_t shared = 0;
    for (size_t i = 0; i < evaluation.count; i++)
        shared += evaluation.ids[i].customer.value <= PEOPLE / 2;
    assert_int_equal(evaluation.compared_count, shared);
    assert_int_equal(evaluation.against.rows, shared);
    struct figure difference = evaluation_auc_difference(&evaluation);
    assert_true(fabs(difference.value -
                     (evaluation.ours_there.auc.value - evaluation.against.auc.value)) < 1e-12);
    assert_int_equal(difference.n, shared);
    evaluation_release(&evaluation);
    predictions_destroy(predictions);
    write_file("treatment,customer,prediction\nletter,nobody-here,0.5\n");
    assert_int_equal(predictions_read(&predictions, file_system_os(), path, &error), STATUS_OK);
    assert_int_equal(evaluate(LEARNT_MS, UNTIL_MS, predictions, &evaluation, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "has none of the"));
    evaluation_release(&evaluation);
    predictions_destroy(predictions);
}

static enum status read_once(void) {
    struct predictions *predictions = NULL;
    enum status status = predictions_read(&predictions, file_system_os(), path, NULL);
    predictions_destroy(predictions);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    write_file("treatment,customer,prediction\nletter,1,0.5\nletter,2,0.5\n");
    enum status status = STATUS_NO_MEMORY;
    uint64_t nth = 1;
    for (; status != STATUS_OK && nth < 100; nth++) {
        memory_fail_at(nth);
        status = read_once();
        memory_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
    }
    assert_in_range(nth, 4, 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_unseen_rows_are_judged),
        cmocka_unit_test(tenths_hold_every_row_once),
        cmocka_unit_test(figures_have_their_rows_and_their_time),
        cmocka_unit_test(what_is_wrong_is_told_by_its_line),
        cmocka_unit_test(cells_are_found_in_any_order),
        cmocka_unit_test(a_time_tells_two_treatments_apart),
        cmocka_unit_test(a_model_is_compared_on_the_rows_that_both_have),
        cmocka_unit_test(no_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
