/* SPDX-License-Identifier: Apache-2.0 */
/* The command `claims`: what public sources say of who somebody is. */
#include "cli/cli.h"
#include "engine/claims.h"

struct claims_list {
    struct engine *engine;
    struct cli_table table;
    struct json_writer *writer; /* NULL: the table */
    uint64_t count, counting;
};

static void identifier_text(struct engine *engine, struct identifier_id id, struct buffer *out) {
    uint32_t type;
    struct text value = identity_identifier(engine_identity(engine), id, &type);
    struct text name = symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type);
    buffer_clear(out);
    (void)!buffer_format(out, "%.*s:%.*s", TEXT_ARG(name), TEXT_ARG(value));
}

static const char *state_of(const struct identity_link *link) {
    return link->verdict == LINK_ACCEPTED ? "counts" : link_verdict_text(link->verdict);
}

static void write_claim(struct claims_list *list, const struct identity_link *link,
                        struct text device, struct text claimed, struct customer_id customer) {
    struct json_writer *writer = list->writer;
    char name[16];
    snprintf(name, sizeof name, "C%u", customer.value);
    json_write_object_begin(writer);
    json_member_text(writer, "device", device);
    json_member_text(writer, "claimed", claimed);
    json_member_string(writer, "customer", name);
    json_member_text(writer, "source",
                     symbol_text(engine_symbols(list->engine), SYMBOL_SOURCE, link->source));
    json_member_time(writer, "known", link->known_ms);
    json_member_yes_no(writer, "counts", link->verdict == LINK_ACCEPTED);
    if (link->verdict == LINK_ACCEPTED)
        json_member_null(writer, "reason");
    else
        json_member_string(writer, "reason", link_verdict_text(link->verdict));
    json_write_object_end(writer);
}

static bool note_claim(void *context, const struct identity_link *link) {
    struct claims_list *list = context;
    struct buffer device, claimed;
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct customer_id customer =
        identity_customer_of(engine_identity(list->engine), link->strong, now);
    buffer_init(&device);
    buffer_init(&claimed);
    identifier_text(list->engine, link->weak, &device);
    identifier_text(list->engine, link->strong, &claimed);
    list->count++;
    list->counting += link->verdict == LINK_ACCEPTED;
    if (list->writer != NULL) {
        write_claim(list, link, buffer_text(&device), buffer_text(&claimed), customer);
    } else {
        struct text source = symbol_text(engine_symbols(list->engine), SYMBOL_SOURCE, link->source);
        cli_table_cell(&list->table, "%.*s", TEXT_ARG(buffer_text(&device)));
        cli_table_cell(&list->table, "%.*s", TEXT_ARG(buffer_text(&claimed)));
        cli_table_cell(&list->table, "C%u", customer.value);
        cli_table_cell(&list->table, "%.*s", TEXT_ARG(source));
        cli_table_cell(&list->table, "%s", cli_when(engine_playbook(list->engine), link->known_ms));
        cli_table_cell(&list->table, "%s", state_of(link));
    }
    buffer_release(&device);
    buffer_release(&claimed);
    return true;
}

static int claims_list(struct cli *cli, struct engine *engine,
                       const struct engine_claims_scope *scope) {
    struct error error = {0};
    struct cli_json json;
    struct claims_list list = {.engine = engine};
    if (cli->json) {
        list.writer = cli_json_begin(&json, true);
        json_write_key(list.writer, "claims");
        json_write_array_begin(list.writer);
    } else {
        cli_table_init(&list.table, "device|claims|customer|source|known|state");
    }
    enum status status = engine_claims_visit(engine, scope, note_claim, &list, &error);
    if (cli->json) {
        json_write_array_end(list.writer);
        json_member_count(list.writer, "count", list.count);
        json_member_count(list.writer, "counting", list.counting);
        if (status == STATUS_OK) return cli_json_end(&json, stdout);
        buffer_release(&json.out);
        return cli_fail(&error);
    }
    if (status != STATUS_OK) {
        buffer_release(&list.table.cells);
        return cli_fail(&error);
    }
    if (list.count > 0)
        cli_table_print(&list.table);
    else
        buffer_release(&list.table.cells);
    printf("%s, of which %s %s\n", cli_counted(list.count, "claim"), cli_count(list.counting),
           list.counting == 1 ? "counts" : "count");
    return EXIT_OK;
}

static int change(struct cli *cli, struct engine *engine, const struct engine_claims_scope *scope,
                  bool restore) {
    struct error error = {0};
    uint64_t count;
    if (scope->whose.length == 0 && cli->source == NULL && cli->from == NULL &&
        cli->until == NULL && !cli->all)
        return cli_fail_text("say whose claims: a device, what it claims, a customer, --source, "
                             "--from, --until, or --all");
    enum status status = engine_claims_withdraw(engine, scope, restore, &count, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    cli_audit(cli, restore ? "claims restore" : "claims withdraw", (struct customer_id){ID_NONE});
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_count(writer, restore ? "restored" : "withdrawn", count);
        return cli_json_end(&json, stdout);
    }
    printf("%s %s.%s\n", cli_counted(count, "claim"), restore ? "restored" : "withdrawn",
           count > 0 && !restore ? " What these devices did counts for nobody but them now." : "");
    return EXIT_OK;
}

static int claims_withdraw(struct cli *cli, struct engine *engine,
                           const struct engine_claims_scope *scope) {
    return change(cli, engine, scope, false);
}

static int claims_restore(struct cli *cli, struct engine *engine,
                          const struct engine_claims_scope *scope) {
    return change(cli, engine, scope, true);
}

int command_claims(struct cli *cli) {
    static const struct {
        const char *name;
        int (*run)(struct cli *, struct engine *, const struct engine_claims_scope *);
        bool writes;
    } verbs[] = {{"list", claims_list, false},
                 {"withdraw", claims_withdraw, true},
                 {"restore", claims_restore, true}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(cli->words[0], verbs[i].name) != 0) continue;
        struct engine *engine = cli_open(cli, false, !verbs[i].writes);
        if (engine == NULL) return EXIT_FAILED;
        struct engine_claims_scope scope = {
            .whose = cli->word_count > 1 ? text_from(cli->words[1]) : (struct text){0},
            .source = cli->source != NULL ? text_from(cli->source) : (struct text){0},
        };
        bool good = cli_time(engine, "from", cli->from, INT64_MIN, &scope.from_ms) &&
                    cli_time(engine, "until", cli->until, INT64_MAX, &scope.until_ms) &&
                    cli_knows_source(engine, cli->source);
        int code = good ? verbs[i].run(cli, engine, &scope) : EXIT_FAILED;
        engine_close(engine);
        return code;
    }
    fprintf(stderr, "attune: claims knows list, withdraw and restore, not %s\n", cli->words[0]);
    return EXIT_USAGE;
}
