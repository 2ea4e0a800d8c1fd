/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures against the examples that their authors publish; what is signed with keys made anew is
 * tested in tests/integration/webhook_test.py. */
#include "server/take/signature.h"

#include "support/unit.h"

/* Names and values in turn, up to a NULL. */
static struct text header_of(void *context, const char *name) {
    const char *const *pair = context;
    for (; *pair != NULL; pair += 2)
        if (text_equal_ignoring_case(text_from(*pair), text_from(name))) return text_from(pair[1]);
    return (struct text){0};
}

static enum signature_verdict check(struct signed_request *request, struct signature_rule rule,
                                    const char *secret, const char *const *pairs) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    request->header = header_of;
    request->context = (void *)(uintptr_t)pairs;
    enum signature_verdict verdict =
        signature_check(request, &rule, text_from(secret), INT64_C(1700000000000), &arena);
    arena_release(&arena);
    return verdict;
}

/* Twilio, "Webhooks Security": the worked example of its documentation. */
static void test_twilio(void **state) {
    const char *const right[] = {"X-Twilio-Signature", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=", NULL};
    const char *const none[] = {NULL};
    struct form_pair pairs[] = {{TEXT("Digits"), TEXT("1234")},
                                {TEXT("To"), TEXT("+18005551212")},
                                {TEXT("From"), TEXT("+12349013030")},
                                {TEXT("Caller"), TEXT("+12349013030")},
                                {TEXT("CallSid"), TEXT("CA1234567890ABCDE")}};
    struct signed_request request = {.url = TEXT("https://mycompany.com/myapp.php?foo=1&bar=2"),
                                     .form = {pairs, 5},
                                     .has_form = true};
    struct signature_rule rule = {.scheme = SIGNATURE_TWILIO};
    (void)state;
    assert_int_equal(check(&request, rule, "12345", right), SIGNED_RIGHT);
    assert_int_equal(check(&request, rule, "12346", right), SIGNED_WRONG);
    assert_int_equal(check(&request, rule, "", right), SIGNED_BAD_SECRET);
    assert_int_equal(check(&request, rule, "12345", none), SIGNED_NOT);
    request.url = TEXT("http://127.0.0.1:8420/in/sms?foo=1&bar=2");
    assert_int_equal(check(&request, rule, "12345", right), SIGNED_WRONG);
    rule.url = TEXT("https://mycompany.com/myapp.php");
    assert_int_equal(check(&request, rule, "12345", right), SIGNED_RIGHT);
    pairs[0].value = TEXT("1235");
    assert_int_equal(check(&request, rule, "12345", right), SIGNED_WRONG);
}

/* RFC 4231, test case 2. */
static void test_hmac(void **state) {
    const char *const right[] = {
        "x-signature", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", NULL};
    const char *const base64[] = {"X-Signature",
                                  "sha256=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=", NULL};
    const char *const cut[] = {
        "X-Signature", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec38", NULL};
    struct signed_request request = {.body = TEXT("what do ya want for nothing?")};
    const struct signature_rule rule = {.scheme = SIGNATURE_HMAC_SHA256,
                                        .header = TEXT("X-Signature")};
    (void)state;
    assert_int_equal(check(&request, rule, "Jefe", right), SIGNED_RIGHT);
    assert_int_equal(check(&request, rule, "Jefe", base64), SIGNED_RIGHT);
    assert_int_equal(check(&request, rule, "Jefe", cut), SIGNED_WRONG);
    assert_int_equal(check(&request, rule, "jefe", right), SIGNED_WRONG);
    request.body = TEXT("what do ya want for nothing");
    assert_int_equal(check(&request, rule, "Jefe", right), SIGNED_WRONG);
}

/* A key that is none, or of another kind, is our fault and not the sender's. */
static void test_secrets_that_are_none(void **state) {
    const char *const pairs[] = {"X-Twilio-Email-Event-Webhook-Signature",
                                 "MEUCIQ==", "X-Twilio-Email-Event-Webhook-Timestamp", "1709650700",
                                 NULL};
    struct signed_request request = {.body = TEXT("[]")};
    const struct signature_rule rule = {.scheme = SIGNATURE_SENDGRID};
    (void)state;
    assert_int_equal(check(&request, rule, "no base64!", pairs), SIGNED_BAD_SECRET);
    assert_int_equal(check(&request, rule, "AAAA", pairs), SIGNED_BAD_SECRET);
}

static void test_forms(void **state) {
    struct form form;
    struct arena arena;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(form_read(&form, TEXT("a=1&b=x+y%26%2B&&c&=d&e=%zz%4"), &arena), STATUS_OK);
    assert_int_equal(form.count, 5);
    assert_text(form_value(&form, TEXT("b")), "x y&+");
    assert_text(form_value(&form, TEXT("e")), "%zz%4");
    assert_text(form_value(&form, TEXT("")), "d");
    assert_int_equal(form_value(&form, TEXT("c")).length, 0);
    assert_int_equal(form_read(&form, TEXT(""), &arena), STATUS_OK);
    assert_int_equal(form.count, 0);
    char many[2 * FORM_PAIRS_MAX + 3];
    memset(many, '&', sizeof many);
    assert_int_equal(form_read(&form, (struct text){many, sizeof many}, &arena), STATUS_LIMIT);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twilio),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_secrets_that_are_none),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
