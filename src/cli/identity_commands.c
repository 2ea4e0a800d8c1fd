/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `unmerge` and `erase`. */
#include <poll.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/served.h"

#define ANSWER_LOOK_MS 100

static void member_customer(struct json_writer *writer, const char *key,
                            struct customer_id customer) {
    char name[16];
    snprintf(name, sizeof name, "C%u", customer.value);
    json_member_string(writer, key, name);
}

/* ---- unmerge ---- */

/* Answers without --at are as of the newest row, which may be older than what was decided now. */
static void print_since_when(struct engine *engine) {
    struct error ignored = {0};
    int64_t newest_ms, now_ms = engine_now_ms(engine);
    if (engine_last_known_ms(engine, &newest_ms, &ignored) != STATUS_OK || newest_ms >= now_ms)
        return;
    cli_wrap_format(
        2,
        "It holds from now on. Answers without --at are as of the newest row (%s) until "
        "a newer one is loaded: they still see it as before.",
        cli_when(engine_playbook(engine), newest_ms));
}

static int print_unmerged(const struct cli *cli, struct engine *engine,
                          const struct engine_unmerged *unmerged) {
    const char *other = cli->word_count > 1 ? cli->words[1] : NULL;
    bool joined = other != NULL && unmerged->customer.value == unmerged->other.value;
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_string(writer, "identifier", cli->words[0]);
        member_customer(writer, "customer", unmerged->customer);
        json_member_text_or_null(writer, "other_identifier",
                                 other != NULL ? text_from(other) : (struct text){0});
        if (other != NULL)
            member_customer(writer, "other_customer", unmerged->other);
        else
            json_member_null(writer, "other_customer");
        json_member_yes_no(writer, "still_joined", joined);
        return cli_json_end(&json, stdout);
    }
    if (other == NULL) {
        printf("%s is C%u now, without its links\n", cli->words[0], unmerged->customer.value);
        print_since_when(engine);
        return EXIT_OK;
    }
    printf("%s is C%u and %s is C%u%s\n", cli->words[0], unmerged->customer.value, other,
           unmerged->other.value,
           joined ? ": other links still join them; attune customer shows which" : " now");
    print_since_when(engine);
    return EXIT_OK;
}

int command_unmerge(struct cli *cli) {
    struct error error = {0};
    struct engine_unmerged unmerged;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    struct text other = cli->word_count > 1 ? text_from(cli->words[1]) : (struct text){0};
    enum status status = engine_unmerge(engine, text_from(cli->words[0]), other, &unmerged, &error);
    if (status == STATUS_OK) cli_audit(cli, "unmerge", unmerged.customer);
    int code = status == STATUS_OK ? print_unmerged(cli, engine, &unmerged) : cli_fail(&error);
    cli_close(engine);
    return code;
}

/* ---- erase ---- */

/* False: whoever was asked has gone, or the server that runs this stops. */
static bool is_answered(void) {
    struct pollfd answer = {.fd = fileno(stdin), .events = POLLIN};
    while (!cli_served_is_cancelled()) {
        if (poll(&answer, 1, ANSWER_LOOK_MS) != 0) return true;
    }
    return false;
}

static bool confirmed(const struct cli *cli, struct customer_id customer) {
    char answer[8] = "";
    if (cli->yes) return true;
    if (!isatty(fileno(stdin))) {
        cli_fail_text("erasing can't be undone; say --yes to do it");
        return false;
    }
    fprintf(stderr, "Erase C%u for good? This can't be undone. Type yes: ", customer.value);
    return is_answered() && fgets(answer, sizeof answer, stdin) != NULL &&
           strcmp(answer, "yes\n") == 0;
}

/* What was found to name `whom`, and what to do about it. */
static void print_leftover(const struct leftover *left, const char *whom) {
    struct text name = left->name;
    switch (left->kind) {
    case LEFTOVER_LOOKUP:
        cli_wrap_format(2,
                        "Not reached: lookup %.*s names %s in %s: take them out of its file and "
                        "load it again.",
                        TEXT_ARG(name), whom, cli_counted(left->rows, "row"));
        break;
    case LEFTOVER_OLD_LOOKUP:
        cli_wrap_format(2,
                        "Not reached: an earlier version of lookup %.*s names %s in %s; views of "
                        "the past still read it.",
                        TEXT_ARG(name), whom, cli_counted(left->rows, "row"));
        break;
    case LEFTOVER_PLAYBOOK:
        cli_wrap_format(2, "Not reached: %.*s, a playbook that names %s.", TEXT_ARG(name), whom);
        break;
    case LEFTOVER_MODEL:
        cli_wrap_format(2,
                        "Not reached: model file %.*s of an older program, whose words may be "
                        "those of one customer: train it again, and delete the file.",
                        TEXT_ARG(name));
        break;
    case LEFTOVER_KIND_COUNT: break;
    }
}

static void write_leftovers(struct json_writer *writer, const struct erased_summary *erased) {
    static const char *const kinds[LEFTOVER_KIND_COUNT] = {"lookup", "earlier lookup", "playbook",
                                                           "model"};
    json_write_key(writer, "not_reached");
    json_write_array_begin(writer);
    for (size_t i = 0; i < erased->leftover_count; i++) {
        const struct leftover *left = &erased->leftovers[i];
        json_write_object_begin(writer);
        json_member_string(writer, "what", kinds[left->kind]);
        json_member_text(writer, "name", left->name);
        if (left->rows > 0)
            json_member_count(writer, "rows", left->rows);
        else
            json_member_null(writer, "rows");
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_erased(const struct erased_summary *erased, struct customer_id customer) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    member_customer(writer, "customer", customer);
    json_member_count(writer, "events", erased->events);
    json_member_count(writer, "identifiers", erased->identifiers);
    json_member_count(writer, "quarantined_rows", erased->rows);
    json_member_count(writer, "records", erased->records);
    json_member_count(writer, "names", erased->names);
    json_member_count(writer, "files_rewritten", erased->files);
    write_leftovers(writer, erased);
    json_write_key(writer, "not_searched");
    json_write_array_begin(writer);
    json_write_string(writer, "backups");
    json_write_string(writer, "files that were loaded or written out");
    json_write_string(writer, "other customers' properties");
    json_write_array_end(writer);
    (void)cli_json_end(&json, stdout);
}

static int print_erased(const struct cli *cli, struct customer_id customer,
                        const struct erased_summary *erased) {
    if (cli->json) {
        write_erased(erased, customer);
        return EXIT_OK;
    }
    cli_wrap_format(
        2, "Erased C%u: %s, %s, %s, %s, %s; %s rewritten, the log dropped.", customer.value,
        cli_counted(erased->events, "event"), cli_counted(erased->identifiers, "identifier"),
        cli_counted(erased->rows, "quarantined row"), cli_counted(erased->records, "record"),
        cli_counted(erased->names, "name"), cli_counted(erased->files, "file"));
    for (size_t i = 0; i < erased->leftover_count; i++)
        print_leftover(&erased->leftovers[i], "the customer");
    cli_wrap_format(2, "Backups made before this moment still hold the customer: erase there too, "
                       "or delete them.");
    cli_wrap_format(2,
                    "Not searched: the files that were loaded or written out, and other "
                    "customers' events that name this one in a property (relations to it are "
                    "gone). Models hold no word of fewer than %d customers.",
                    LEARN_TEXT_GROUPS_MIN);
    cli_wrap_format(2, "Was it a mistake? attune erase --lift TYPE:VALUE lets an identifier in "
                       "again; then load the files.");
    return EXIT_OK;
}

static void print_lifted(const struct cli *cli, size_t lifted, char *const *reasons) {
    if (lifted > 0)
        cli_wrap_format(2,
                        "%s let in again: rows that name %s are taken from now on. What was "
                        "erased comes back with the files that held it: attune ingest.",
                        cli_counted(lifted, "identifier"), lifted == 1 ? "it" : "them");
    for (size_t i = 0; i < cli->word_count; i++) {
        if (reasons[i] != NULL) (void)cli_fail_text("%s", reasons[i]);
    }
}

static int write_lifted(const struct cli *cli, char *const *reasons) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_write_key(writer, "lifted");
    json_write_array_begin(writer);
    for (size_t i = 0; i < cli->word_count; i++) {
        if (reasons[i] == NULL) json_write_string(writer, cli->words[i]);
    }
    json_write_array_end(writer);
    json_write_key(writer, "not_lifted");
    json_write_array_begin(writer);
    for (size_t i = 0; i < cli->word_count; i++) {
        if (reasons[i] == NULL) continue;
        json_write_object_begin(writer);
        json_member_string(writer, "identifier", cli->words[i]);
        json_member_string(writer, "reason", reasons[i]);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    return cli_json_end(&json, stdout);
}

/* Lifts erasures. An identifier that can't be let in does not keep the others out. */
static int lift(const struct cli *cli, struct engine *engine) {
    char **reasons = memory_calloc(cli->word_count, sizeof *reasons); /* why not; NULL: lifted */
    size_t lifted = 0;
    if (reasons == NULL) return cli_fail_text("no memory");
    for (size_t i = 0; i < cli->word_count; i++) {
        struct error error = {0};
        enum status status = engine_lift(engine, text_from(cli->words[i]), &error);
        const char *why = error.text[0] != '\0' ? error.text : status_name(status);
        lifted += status == STATUS_OK;
        if (status == STATUS_OK) continue;
        reasons[i] = memory_alloc(strlen(why) + 1);
        if (reasons[i] == NULL) return cli_fail_text("no memory");
        memcpy(reasons[i], why, strlen(why) + 1);
    }
    int code = lifted == cli->word_count ? EXIT_OK : EXIT_FAILED;
    if (!cli->json) print_lifted(cli, lifted, reasons);
    if (cli->json && write_lifted(cli, reasons) != EXIT_OK) code = EXIT_FAILED;
    for (size_t i = 0; i < cli->word_count; i++) memory_free(reasons[i]);
    memory_free(reasons);
    return code;
}

static int list_leftovers(const struct cli *cli, struct engine *engine) {
    struct error error = {0};
    struct erased_summary found;
    int code = EXIT_OK;
    enum status status = engine_leftovers(engine, &found, &error);
    if (status != STATUS_OK) {
        code = cli_fail(&error);
    } else if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        write_leftovers(writer, &found);
        code = cli_json_end(&json, stdout);
    } else {
        for (size_t i = 0; i < found.leftover_count; i++)
            print_leftover(&found.leftovers[i], "somebody who was erased");
        if (found.leftover_count == 0)
            cli_wrap_format(2, "No lookup and no playbook names anybody who was erased.");
    }
    erased_summary_release(&found);
    return code;
}

int command_erase(struct cli *cli) {
    struct error error = {0};
    struct customer_id customer;
    struct erased_summary erased;
    if (cli->leftovers && (cli->lift || cli->word_count > 0))
        return cli_fail_text("--leftovers takes no customer: it lists what names anybody who was "
                             "erased");
    if (!cli->leftovers && cli->word_count == 0)
        return cli_fail_text("name the customer to erase, such as email:a@b.example, or say "
                             "--leftovers");
    if (!cli->lift && cli->word_count > 1)
        return cli_fail_text("erase takes one customer; several identifiers only with --lift");
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    if (cli->lift || cli->leftovers) {
        int code = cli->lift ? lift(cli, engine) : list_leftovers(cli, engine);
        cli_close(engine);
        return code;
    }
    enum status status =
        engine_find_customer(engine, text_from(cli->words[0]),
                             (struct as_of){INT64_MAX, POSITION_NOW}, &customer, &error);
    int code = EXIT_FAILED;
    if (status == STATUS_OK && confirmed(cli, customer)) {
        status = engine_erase(engine, customer, &erased, &error);
        if (status == STATUS_OK) cli_audit(cli, "erase", customer);
        if (status == STATUS_OK) code = print_erased(cli, customer, &erased);
        erased_summary_release(&erased);
    }
    if (status != STATUS_OK) code = cli_fail(&error);
    cli_close(engine);
    return code;
}
