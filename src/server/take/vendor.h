/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/vendor.h -- webhooks as rows: what a vendor's events are called here.
 *
 * A row has the usual JSON form, which a source of format: ndjson reads without any mapping:
 *
 *   {"receivedAt": …, "event": …, "timestamp": …, "messageId": …, "email": … (or "phone"),
 *    "properties": {…}}
 *
 *   event               SendGrid              Mailgun            Twilio              Amazon SES
 *   Treatment Delivered delivered             delivered          delivered           Delivery
 *   Treatment Failed    bounce, dropped       failed, rejected   undelivered, failed Bounce, Reject
 *   Treatment Clicked   click                 clicked                                Click
 *   Opt In Changed      unsubscribe,          unsubscribed,      OptOutType STOP,    Complaint,
 *   {channel, state:    group_unsubscribe,    complained         a reply that is     Subscription
 *   no}                 spamreport                               STOP
 *   Email Opened        open                  opened                                 Open
 *   Email Deferred      deferred              failed for now                         transient
 *                                                                                    Bounce, delay
 *   Email Processed, …  processed             accepted           queued, sent        Send
 *
 * Only a no is taken from a vendor, never a yes: a resubscription is an event without a meaning for
 * permission. A reply in free words that has a word for "stop" in it is an Opt In Changed whose
 * state can't be read, so that it waits in quarantine and holds its person until somebody has read
 * it. Other events are kept as "Email Event" or "Message Event". The address of a reader's machine
 * is left out.
 *
 * The generic door makes a row of the JSON object, of each item of an array, or of the form.
 *
 * Pure but for memory. Any thread. */
#ifndef SERVER_TAKE_VENDOR_H
#define SERVER_TAKE_VENDOR_H

#include "ingest/live.h"
#include "playbook/playbook.h"
#include "server/take/signature.h"

#define VENDOR_ROWS_MAX 10000u

struct vendor_rows {
    struct buffer bytes;
    size_t *ends; /* of the rows in `bytes` */
    size_t count, capacity;
    struct text confirm; /* SNS: the address that confirms a subscription; empty: none asks */
};
void vendor_rows_init(struct vendor_rows *rows);
void vendor_rows_release(struct vendor_rows *rows);
/* STATUS_INVALID, and the error says why: the body is not what the scheme's vendor sends.
 * STATUS_LIMIT: more than VENDOR_ROWS_MAX. */
enum status vendor_rows_make(struct vendor_rows *out, enum signature_scheme scheme,
                             const struct signed_request *request, int64_t received_ms,
                             struct error *error) MUST_USE;
struct text vendor_row(const struct vendor_rows *rows, size_t index);

#endif
