/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/signature.h -- does a webhook come from whom it says?
 *
 *   scheme       what is signed                        how                         where
 *   hmac_sha256  the body as it came                   HMAC-SHA-256, hex or base64 a header
 *   sendgrid     timestamp, then the body              ECDSA P-256, SHA-256        two headers
 *   mailgun      timestamp, then token                 HMAC-SHA-256, hex           the JSON body
 *   twilio       the address, then name and value of   HMAC-SHA-1, base64          a header
 *                each field by name; of JSON the
 *                address, which has the body's hash
 *   ses_sns      the message's members by name         RSA, SHA-1 or SHA-256       the JSON body
 *
 * Each as its vendor documents it (Twilio SendGrid "Event Webhook Security Features"; Mailgun
 * "Securing Webhooks"; Twilio "Webhooks Security"; Amazon SNS "Verifying the signatures of Amazon
 * SNS messages"). Signatures are compared in constant time.
 *
 * Again: none of these keeps a request from being sent again by somebody who saw it. So an event's
 * id is its row key, and a request that comes again is a repeat, for ever. Where the scheme signs a
 * time, `max_age` refuses old requests, too.
 *
 * Pure but for the arena. Any thread. */
#ifndef SERVER_TAKE_SIGNATURE_H
#define SERVER_TAKE_SIGNATURE_H

#include "base/arena.h"
#include "base/json.h"
#include "playbook/playbook.h"
#include "server/take/form.h"

struct signed_request {
    struct text body; /* as it came */
    struct text url;  /* the address that was asked, query included */
    struct form form; /* where has_form */
    bool has_form;
    struct json_node root; /* where has_json */
    bool has_json;
    /* A header by name; `at` NULL where there is none. */
    struct text (*header)(void *context, const char *name);
    void *context;
};

enum signature_verdict {
    SIGNED_RIGHT,
    SIGNED_NOT,   /* there is no signature */
    SIGNED_WRONG, /* another key, or what was signed has changed */
    SIGNED_LONG_AGO,
    SIGNED_BAD_SECRET, /* ours can't be read as this scheme needs it */
    SIGNED_NO_MEMORY
};
enum signature_verdict signature_check(const struct signed_request *request,
                                       const struct signature_rule *rule, struct text secret,
                                       int64_t now_ms, struct arena *arena);

#endif
