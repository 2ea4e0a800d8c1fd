/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of two models: a challenger stands by, is promoted or refused, and going back is always
 * possible; the log brings all of it back. */
#include "support/unit.h"

#include "base/memory.h"
#include "engine/model_versions.h"
#include "shop.h"

#define PEOPLE   60
#define ROUNDS   6
#define LEARN_MS DAY(40)
#define JUDGE_MS DAY(95)

static const char playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  orders: { file: \"orders*.csv\", event: Order Completed, channel: store, time: at, key: { "
    "email: email }, row_key: order_id, properties: { order_id: order_id } }\n"
    "  mail: { file: \"mail*.csv\", event: Treatment Delivered, channel: email, time: at, key: { "
    "email: email }, properties: { treatment: treatment } }\n"
    "traits: { orders: count(\"Order Completed\") }\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 5d }\n"
    "  again: { event: Order Completed, within: 2d }\n"
    "models:\n"
    "  again: { goal: again, features: [orders] }\n"
    "  order: { goal: order, features: [orders] }\n"
    "actions:\n"
    "  letter: { goal: order, model: order, channels: [email] }\n"
    "  banner: { goal: order, model: order, channels: [email] }\n"
    "  survey: { goal: again, model: again, channels: [email] }\n";

enum { AGAIN, ORDER }; /* the models */

static void append(struct buffer *out, uint32_t day, uint32_t person, const char *words) {
    int64_t t_ms = DAY(day);
    char time[32];
    time_format(t_ms, time);
    assert_int_equal(buffer_format(out, "%s,p%u@x.example,%s\n", time, person, words), STATUS_OK);
}

static void open_loaded(struct shop *shop) {
    static const char *const actions[] = {"letter", "banner", "survey"};
    struct buffer orders, mail;
    uint32_t number = 0;
    buffer_init(&orders);
    buffer_init(&mail);
    assert_int_equal(buffer_format(&orders, "at,email,order_id\n"), STATUS_OK);
    assert_int_equal(buffer_format(&mail, "at,email,treatment\n"), STATUS_OK);
    for (uint32_t p = 0; p < PEOPLE; p++) {
        for (uint32_t round = 0; round < ROUNDS; round++) {
            char order[32];
            uint32_t day = 15 * round + p % 10;
            append(&mail, day, p, actions[(p + round) % 3]);
            snprintf(order, sizeof order, "o%u", number++);
            if ((p * 5 + round) % 7 < p % 5) append(&orders, day + 1 + p % 3, p, order);
        }
    }
    assert_int_equal(buffer_append(&orders, "", 1), STATUS_OK);
    assert_int_equal(buffer_append(&mail, "", 1), STATUS_OK);
    shop_file(shop, "shop.yaml", playbook);
    shop_file(shop, "orders.csv", orders.at);
    shop_file(shop, "mail.csv", mail.at);
    shop_open(shop, "shop.yaml");
    shop_load(shop, NULL);
    buffer_release(&orders);
    buffer_release(&mail);
}

static void train(struct shop *shop, uint32_t rule) {
    struct error error = {0};
    if (engine_train(shop->engine, rule, LEARN_MS, NULL, NULL, NULL, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

static uint32_t train_challenger(struct shop *shop, uint32_t rule) {
    struct error error = {0};
    struct model_version *made;
    if (engine_train_challenger(shop->engine, rule, MODEL_ADDITIVE, LEARN_MS, NULL, &made, NULL,
                                &error) != STATUS_OK)
        fail_msg("%s", error.text);
    uint32_t version = made->version;
    assert_true(made->until_ms == LEARN_MS && made->model != NULL);
    model_version_drop(made);
    return version;
}

static uint32_t in_force(struct shop *shop, uint32_t rule) {
    struct model_entry entry = {0};
    return engine_model(shop->engine, rule, &entry) != NULL ? entry.version : 0;
}

static enum status promote(struct shop *shop, uint32_t version, bool anyway, bool *promoted,
                           struct error *error) {
    struct promotion promotion;
    struct promote_options options = {.rule = ORDER,
                                      .version = version,
                                      .from_ms = TIME_ALWAYS,
                                      .until_ms = JUDGE_MS,
                                      .anyway = anyway};
    enum status status = engine_promote(shop->engine, &options, &promotion, error);
    *promoted = promotion.promoted;
    if (status == STATUS_OK) {
        assert_int_equal(promotion.version->version, version);
        assert_true(!promotion.has_evidence || promotion.comparison.count > 0);
        assert_true(!promotion.has_evidence || promotion.comparison.learnt_count > 0);
    }
    promotion_release(&promotion);
    return status;
}

static void must_promote(struct shop *shop, uint32_t version, bool anyway, bool wanted) {
    struct error error = {0};
    bool promoted;
    if (promote(shop, version, anyway, &promoted, &error) != STATUS_OK) fail_msg("%s", error.text);
    assert_int_equal(promoted, wanted);
}

static void test_a_challenger_stands_by(void **state) {
    struct shop *shop = *state;
    open_loaded(shop);
    train(shop, ORDER);
    train(shop, AGAIN);
    struct in_force *before = in_force_hold(shop->engine);
    assert_int_equal(train_challenger(shop, ORDER), 2);
    assert_true(in_force_is_current(before)); /* decisions are made as before */
    in_force_drop(before);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(in_force(shop, ORDER), 1);
        assert_int_equal(in_force(shop, AGAIN), 1);
        struct listed_version *versions;
        size_t count;
        struct error error = {0};
        assert_int_equal(model_versions_list(shop->engine, ORDER, &versions, &count, &error),
                         STATUS_OK);
        assert_int_equal(count, 2);
        assert_true(versions[0].in_force && versions[0].was_in_force && versions[0].fits);
        assert_true(!versions[1].in_force && !versions[1].was_in_force && versions[1].fits);
        model_versions_release(versions, count);
        assert_int_equal(model_versions_list(shop->engine, AGAIN, &versions, &count, &error),
                         STATUS_OK);
        assert_int_equal(count, 1);
        model_versions_release(versions, count);
        shop_open(shop, NULL);
    }
}

static void test_what_is_not_better_is_refused(void **state) {
    struct shop *shop = *state;
    open_loaded(shop);
    train(shop, ORDER);
    train(shop, AGAIN);
    assert_int_equal(train_challenger(shop, ORDER), 2); /* the same rows, the same model */
    must_promote(shop, 2, false, false);
    assert_int_equal(in_force(shop, ORDER), 1);
    must_promote(shop, 2, true, true);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(in_force(shop, ORDER), 2);
        assert_int_equal(in_force(shop, AGAIN), 1);
        shop_open(shop, NULL);
    }
    /* Back, without evidence; and a number is never given twice. */
    must_promote(shop, 1, false, true);
    assert_int_equal(in_force(shop, ORDER), 1);
    shop_open(shop, NULL);
    assert_int_equal(in_force(shop, ORDER), 1);
    train(shop, ORDER);
    assert_int_equal(in_force(shop, ORDER), 3);
    must_promote(shop, 2, false, true);
    shop_open(shop, NULL);
    assert_int_equal(in_force(shop, ORDER), 2);
}

/* What is first, is compared with nothing. */
static void test_the_first_version_needs_no_evidence(void **state) {
    struct shop *shop = *state;
    open_loaded(shop);
    assert_int_equal(train_challenger(shop, ORDER), 1);
    assert_int_equal(in_force(shop, ORDER), 0);
    must_promote(shop, 1, false, true);
    assert_int_equal(in_force(shop, ORDER), 1);
}

static void test_what_cannot_be_promoted_is_told(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    bool promoted;
    open_loaded(shop);
    assert_int_equal(promote(shop, 1, true, &promoted, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "has no version yet; attune train order"));
    train(shop, ORDER);
    assert_int_equal(promote(shop, 1, true, &promoted, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "order@1 is in force already"));
    assert_int_equal(promote(shop, 7, true, &promoted, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "there is no order@7; the newest is order@1"));
    assert_int_equal(train_challenger(shop, ORDER), 2);
    /* Under another playbook it means something else. */
    char changed[sizeof playbook + 8];
    const char *at = strstr(playbook, "within: 5d");
    snprintf(changed, sizeof changed, "%.*swithin: 4d%s", (int)(at - playbook), playbook,
             at + strlen("within: 5d"));
    shop_file(shop, "changed.yaml", changed);
    shop_open(shop, "changed.yaml");
    assert_int_equal(promote(shop, 2, true, &promoted, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "another goal or other traits"));
    assert_false(promoted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_challenger_stands_by, shop_set_up, shop_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_better_is_refused, shop_set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_the_first_version_needs_no_evidence, shop_set_up,
                                        shop_tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_promoted_is_told, shop_set_up,
                                        shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
