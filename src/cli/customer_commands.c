/* SPDX-License-Identifier: Apache-2.0 */
/* The command `customer`: all about one customer. */
#include "cli/cli.h"
#include "cli/traits.h"
#include "engine/answer/answer.h"
#include "engine/claims.h"

#define EVENTS_SHOWN 40

static void print_identifier(void *context, struct identifier_id identifier, uint32_t type,
                             struct text value) {
    (void)identifier;
    struct engine *engine = context;
    cli_say(stdout, "  %.*s:%.*s\n",
            TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type)),
            TEXT_ARG(value));
}

static void print_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                          const struct identifier_id *identifiers, uint32_t count) {
    struct engine *engine = context;
    printf("  P%u:", persona.value);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type;
        struct text value = identity_identifier(engine_identity(engine), identifiers[i], &type);
        cli_say(stdout, " %.*s:%.*s%s",
                TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type)),
                TEXT_ARG(value),
                identifiers[i].value == anchor.value && count > 1 ? " (anchor)" : "");
    }
    putchar('\n');
}

struct links {
    struct engine *engine;
    uint32_t count;
};

static void print_link(void *context, const struct identity_link *link) {
    struct links *links = context;
    struct engine *engine = links->engine;
    struct buffer words;
    buffer_init(&words);
    if (links->count++ == 0) printf("Links\n");
    if (identity_explain_link(engine_identity(engine), engine_symbols(engine), link, &words) ==
        STATUS_OK) {
        cli_wrap_format(4, "  %.*s; by %.*s, weight %g, known %s", (int)words.length, words.at,
                        TEXT_ARG(symbol_text(engine_symbols(engine), SYMBOL_SOURCE, link->source)),
                        (double)link->weight, cli_when(engine_playbook(engine), link->known_ms));
    }
    buffer_release(&words);
}

static void print_who(struct engine_view *view) {
    char name[CUSTOMER_NAME_BYTES];
    struct links counted = {view->engine, 0};
    customer_name(view->engine, view->timeline.customer, name);
    cli_wrap_format(2, "%s (C%u) as known at %s", name, view->timeline.customer.value,
                    cli_when(engine_playbook(view->engine), view->t_ms));
    printf("\nIdentifiers, personas and links as known now\n");
    struct identity_visitor identifiers = {.identifier = print_identifier, .context = view->engine};
    struct identity_visitor personas = {.persona = print_persona, .context = view->engine};
    struct identity_visitor links = {.link = print_link, .context = &counted};
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &identifiers) !=
        STATUS_OK)
        return;
    printf("Personas\n");
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &personas) !=
        STATUS_OK)
        return;
    if (identity_describe(engine_identity(view->engine), view->timeline.customer, &links) !=
        STATUS_OK)
        return;
}

/* ---- the timeline ---- */

/* Does it count for this customer by a claim of a public source? */
static bool is_claimed(const struct engine_view *view, uint32_t row) {
    const struct timeline *timeline = &view->timeline;
    return timeline->persona != NULL &&
           identity_persona_trust(
               engine_identity(view->engine), (struct persona_id){timeline->persona[row]},
               (struct as_of){view->t_ms, engine_view_position(view)}) == PERSONA_CLAIMED;
}

static enum status event_words(const struct engine_view *view, uint32_t row, struct buffer *out) {
    const struct timeline *timeline = &view->timeline;
    const struct symbols *symbols = engine_symbols(view->engine);
    struct property_walk walk;
    struct text packed, name;
    char time[32];
    struct value value, array;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) packed = (struct text){0};
    time_format_local(timeline->time_ms[row], engine_playbook(view->engine)->zone, time);
    enum status status =
        buffer_format(out, "  %-19s  %-8.*s %.*s", time,
                      TEXT_ARG(event_own_channel(symbols, timeline->channel[row], packed)),
                      TEXT_ARG(event_own_name(symbols, timeline->type[row], packed)));
    if (status == STATUS_OK && is_claimed(view, row))
        status = buffer_append_text(out, TEXT(" [claimed]"));
    property_walk_begin(&walk, symbols, packed);
    while (status == STATUS_OK && property_walk_next(&walk, &name, &value, &array)) {
        status = buffer_format(out, "  %.*s=", TEXT_ARG(name));
        if (status == STATUS_OK && value_is_known(array))
            status = cli_list(out, view->engine, value, array);
        else if (status == STATUS_OK)
            status = cli_value(out, view->engine, value);
    }
    return status;
}

static void print_timeline(const struct engine_view *view) {
    uint32_t count = view->timeline.count;
    uint32_t first = count > EVENTS_SHOWN ? count - EVENTS_SHOWN : 0;
    char shown[48] = "";
    if (first > 0) snprintf(shown, sizeof shown, ", the newest %d shown", EVENTS_SHOWN);
    printf("Timeline: %s%s (times in %.*s)\n", cli_counted(count, "event"), shown,
           TEXT_ARG(engine_playbook(view->engine)->zone_name));
    for (uint32_t row = first; row < count; row++) {
        struct buffer line;
        buffer_init(&line);
        if (event_words(view, row, &line) == STATUS_OK) cli_wrap(stdout, buffer_text(&line), 6);
        buffer_release(&line);
    }
}

int command_customer(struct cli *cli) {
    struct error error = {0};
    struct engine_view view = {0};
    int64_t t_ms;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    if (cli_at(cli, engine, &t_ms)) {
        enum status status = engine_view_open(&view, engine, t_ms, &error);
        if (status == STATUS_OK)
            status =
                engine_view_read(&view, cli->words[0], TIMELINE_PACKED | TIMELINE_CHANNEL, &error);
        code = status == STATUS_OK ? EXIT_OK : cli_fail(&error);
        if (status == STATUS_OK && cli->json) {
            code = cli_json_answer(&view, answer_customer);
        } else if (status == STATUS_OK) {
            print_who(&view);
            traits_print(&view);
            print_timeline(&view);
        }
        engine_view_close(&view);
    }
    cli_close(engine);
    return code;
}
