/* SPDX-License-Identifier: Apache-2.0 */
/* The command `audit`, and what other commands tell it. */
#include "base/time.h"
#include "cli/cli.h"
#include "server/audit/audit.h"

void cli_audit(const struct cli *cli, const char *did, struct customer_id customer) {
    struct error error = {0};
    struct audit_entry entry = {.at_ms = clock_now_ms(), .key = "cli", .customer = customer};
    snprintf(entry.did, sizeof entry.did, "%s", did);
    if (audit_append(file_system_os(), cli->directory, &entry, &error) != STATUS_OK)
        cli_say(stderr, "attune: it was done, and the audit does not tell it: %s\n", error.text);
}

struct listing {
    struct text who; /* empty: all */
    int64_t from_ms, until_ms;
    struct cli_table table;
    struct json_writer *writer; /* NULL: the table */
    uint64_t count;
};

static bool is_meant(const struct listing *listing, const struct audit_entry *entry) {
    char customer[16];
    if (entry->at_ms < listing->from_ms || entry->at_ms >= listing->until_ms) return false;
    snprintf(customer, sizeof customer, "C%u", entry->customer.value);
    return listing->who.length == 0 || text_equal(listing->who, text_from(entry->key)) ||
           (entry->customer.value != ID_NONE && text_equal(listing->who, text_from(customer)));
}

static void write_entry(struct json_writer *writer, const struct audit_entry *entry) {
    char customer[16] = "";
    if (entry->customer.value != ID_NONE)
        snprintf(customer, sizeof customer, "C%u", entry->customer.value);
    json_write_object_begin(writer);
    json_member_time(writer, "at", entry->at_ms);
    json_member_text_or_null(writer, "key", text_from(entry->key));
    json_member_string(writer, "did", entry->did);
    json_member_text_or_null(writer, "customer", text_from(customer));
    if (entry->code != 0)
        json_member_count(writer, "code", entry->code);
    else
        json_member_null(writer, "code");
    json_member_count(writer, "count", entry->count);
    json_write_object_end(writer);
}

static bool note_entry(void *context, const struct audit_entry *entry) {
    struct listing *listing = context;
    char at[32];
    if (!is_meant(listing, entry)) return true;
    listing->count++;
    if (listing->writer != NULL) {
        write_entry(listing->writer, entry);
        return true;
    }
    time_format(entry->at_ms, at);
    at[19] = '\0';
    cli_table_cell(&listing->table, "%s", at);
    cli_table_cell(&listing->table, "%s", entry->key);
    cli_table_cell(&listing->table, "%s", entry->did);
    if (entry->customer.value != ID_NONE)
        cli_table_cell(&listing->table, "C%u", entry->customer.value);
    else
        cli_table_cell(&listing->table, "%s", "");
    if (entry->code != 0)
        cli_table_cell(&listing->table, "%u", entry->code);
    else
        cli_table_cell(&listing->table, "%s", "");
    cli_table_cell(&listing->table, "%s", cli_count(entry->count));
    return true;
}

static bool read_time(const char *option, const char *text, int64_t fallback_ms, int64_t *out) {
    *out = fallback_ms;
    if (text == NULL || time_parse(text_from(text), NULL, out) == STATUS_OK) return true;
    cli_fail_text("--%s %s is no time; write 2017-12-06, 2017-12-06T09:00 or 2017-12-06T14:00:00Z",
                  option, text);
    return false;
}

static void tell_unreadable(uint64_t unreadable) {
    if (unreadable > 0)
        cli_wrap_format(0,
                        "%s could not be read: a machine that lost power leaves the half of one.",
                        cli_counted(unreadable, "line"));
}

int command_audit(struct cli *cli) {
    struct error error = {0};
    struct cli_json json;
    uint64_t unreadable;
    struct listing listing = {.who = cli->word_count > 0 ? text_from(cli->words[0])
                                                         : (struct text){0}};
    if (!read_time("from", cli->from, INT64_MIN, &listing.from_ms) ||
        !read_time("until", cli->until, INT64_MAX, &listing.until_ms))
        return EXIT_FAILED;
    if (cli->json) {
        listing.writer = cli_json_begin(&json, true);
        json_write_key(listing.writer, "entries");
        json_write_array_begin(listing.writer);
    } else {
        cli_table_init(&listing.table, "at (UTC)|key|did|customer|>code|>count");
    }
    enum status status =
        audit_read(file_system_os(), cli->directory, note_entry, &listing, &unreadable, &error);
    if (cli->json) {
        json_write_array_end(listing.writer);
        json_member_count(listing.writer, "unreadable", unreadable);
        if (status == STATUS_OK) return cli_json_end(&json, stdout);
        buffer_release(&json.out);
        return cli_fail(&error);
    }
    if (status == STATUS_OK && listing.count > 0)
        cli_table_print(&listing.table);
    else
        buffer_release(&listing.table.cells);
    if (status != STATUS_OK) return cli_fail(&error);
    if (listing.count == 0) printf("The audit tells nothing of it.\n");
    tell_unreadable(unreadable);
    return EXIT_OK;
}
