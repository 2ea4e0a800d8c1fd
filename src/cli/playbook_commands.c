/* SPDX-License-Identifier: Apache-2.0 */
/* init, check, explain: a playbook without, or before, any data. */
#include "base/memory.h"
#include "cli/cli.h"

int command_init(struct cli *cli) {
    const char *path = cli->word_count > 0 ? cli->words[0] : "playbook.yaml";
    struct text starter = playbook_starter();
    struct error error = {0};
    struct file *file = NULL;
    struct file_system *fs = file_system_os();
    enum status status = file_open(fs, path, FILE_CREATE_NEW, &file, &error);
    if (status == STATUS_EXISTS) return cli_fail_text("%s exists already and is left as it is; name another file: attune init FILE", path);
    if (status == STATUS_OK) status = file_write(file, starter.at, starter.length, &error);
    if (file != NULL) file_close(file);
    if (status != STATUS_OK) return cli_fail(&error);
    printf("Wrote %s. Next: attune check %s, then attune ingest --playbook %s --data FOLDER\n", path, path, path);
    return EXIT_OK;
}

struct loaded {
    struct symbols *symbols;
    struct playbook *playbook;
    struct playbook_errors *errors;
    struct buffer bytes;
};

static void release_loaded(struct loaded *loaded) {
    playbook_destroy(loaded->playbook);
    symbols_destroy(loaded->symbols);
    memory_free(loaded->errors);
    buffer_release(&loaded->bytes);
}

static enum status load_file(struct loaded *loaded, const char *path, struct error *error) {
    *loaded = (struct loaded){0};
    buffer_init(&loaded->bytes);
    loaded->errors = memory_calloc(1, sizeof *loaded->errors);
    if (loaded->errors == NULL) return STATUS_NO_MEMORY;
    enum status status = file_read_all(file_system_os(), path, PLAYBOOK_BYTES_MAX, &loaded->bytes, error);
    if (status == STATUS_OK) status = symbols_create(&loaded->symbols);
    if (status != STATUS_OK) return status;
    return playbook_load(&loaded->playbook, path, buffer_text(&loaded->bytes), loaded->symbols, loaded->errors);
}

static void print_errors_json(const char *path, const struct playbook_errors *errors) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    json_write_object_begin(&writer);
    json_write_key(&writer, "file");
    json_write_string(&writer, path);
    json_write_key(&writer, "errors");
    json_write_array_begin(&writer);
    for (uint32_t i = 0; i < errors->count; i++) {
        json_write_object_begin(&writer);
        json_write_key(&writer, "line");
        json_write_integer(&writer, errors->item[i].place.line);
        json_write_key(&writer, "column");
        json_write_integer(&writer, errors->item[i].place.column);
        json_write_key(&writer, "text");
        json_write_string(&writer, errors->item[i].text);
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

int command_check(struct cli *cli) {
    const char *path = cli->words[0];
    struct loaded loaded;
    struct error error = {0};
    enum status status = load_file(&loaded, path, &error);
    int code = status == STATUS_OK ? EXIT_OK : EXIT_FAILED;
    if (status != STATUS_OK && (loaded.errors == NULL || loaded.errors->count == 0)) {
        if (error.text[0] == '\0') (void)error_set(&error, status, "%s: %s", path, status_name(status));
        cli_fail(&error);
    } else if (cli->json) {
        print_errors_json(path, loaded.errors);
    } else if (status != STATUS_OK) {
        cli_playbook_errors(stdout, path, loaded.errors);
        printf("%u error%s\n", loaded.errors->count + loaded.errors->dropped, loaded.errors->count == 1 ? "" : "s");
    } else {
        const struct playbook *playbook = loaded.playbook;
        printf("%s is fine: %u sources, %u traits, %u scenarios, %u goals, %u models, %u actions, %u policies\n", path,
               playbook->source_count, playbook->trait_count, playbook->scenario_count, playbook->goal_count,
               playbook->model_count, playbook->action_count, playbook->policy_count);
    }
    release_loaded(&loaded);
    return code;
}

/* ---- explain ---- */

static void print_uses(const struct playbook *playbook, struct symbols *symbols, const struct expr_program *program) {
    struct expr_use uses[64];
    uint32_t traits[64];
    uint32_t count = expr_uses(program, uses, 64), trait_count = expr_traits(program, traits, 64);
    for (uint32_t i = 0; i < count && i < 64; i++) {
        struct text event = uses[i].event_type == SYMBOL_NONE ? TEXT("any event") : symbol_text(symbols, SYMBOL_EVENT, uses[i].event_type);
        struct text property = uses[i].property == SYMBOL_NONE ? (struct text){0} : symbol_text(symbols, SYMBOL_PROPERTY, uses[i].property);
        char window[48] = "all time";
        if (uses[i].window_ms > 0) {
            size_t length = duration_format(uses[i].window_ms, window);
            window[length] = '\0';
        } else if (uses[i].window_ms < 0) {
            snprintf(window, sizeof window, "last %lld visits", (long long)-uses[i].window_ms);
        }
        printf("  reads   %.*s%s%.*s (%s)\n", TEXT_ARG(event), property.length > 0 ? "." : "", TEXT_ARG(property), window);
    }
    for (uint32_t i = 0; i < trait_count && i < 64; i++) printf("  builds on  %.*s\n", TEXT_ARG(playbook->traits[traits[i]].name));
}

static int explain_program(const struct playbook *playbook, struct symbols *symbols, struct text name, struct text source,
                           struct text says, const struct expr_program *program) {
    struct buffer words;
    buffer_init(&words);
    enum status status = expr_explain(program, &playbook->schema, &words);
    if (status == STATUS_OK) {
        if (name.length > 0) printf("%.*s = %.*s\n", TEXT_ARG(name), TEXT_ARG(source));
        if (says.length > 0) printf("  says    %.*s\n", TEXT_ARG(says));
        printf("  means   %.*s\n  gives   %s\n", (int)words.length, words.at, value_type_name(expr_type(program)));
        print_uses(playbook, symbols, program);
    }
    buffer_release(&words);
    return status == STATUS_OK ? EXIT_OK : cli_fail_text("out of memory");
}

/* A word that is no trait is taken as an expression; a misspelt trait then says so. */
static int explain_expression(const struct playbook *playbook, struct symbols *symbols, struct text source) {
    struct arena arena;
    struct expr_program *program;
    struct expr_error error = {0};
    arena_init(&arena, 1 << 20);
    enum status status = expr_compile(&arena, &playbook->schema, source, &program, &error);
    int code = status == STATUS_OK ? explain_program(playbook, symbols, (struct text){0}, source, (struct text){0}, program)
                                   : cli_fail_text("column %u: %s", error.column, error.error.text);
    arena_release(&arena);
    return code;
}

static int explain(const struct playbook *playbook, struct symbols *symbols, struct text word) {
    uint32_t index = playbook_trait_find(playbook, word);
    if (index == UINT32_MAX) return explain_expression(playbook, symbols, word);
    const struct trait *trait = &playbook->traits[index];
    return explain_program(playbook, symbols, trait->name, trait->source, trait->description, trait->program);
}

int command_explain(struct cli *cli) {
    struct text word = text_from(cli->words[0]);
    if (cli->playbook == NULL) {
        struct engine *engine = cli_open(cli, false, true);
        if (engine == NULL) return EXIT_FAILED;
        int code = explain(engine_playbook(engine), engine_symbols(engine), word);
        engine_close(engine);
        return code;
    }
    struct loaded loaded;
    struct error error = {0};
    enum status status = load_file(&loaded, cli->playbook, &error);
    int code = EXIT_FAILED;
    if (status == STATUS_OK) code = explain(loaded.playbook, loaded.symbols, word);
    else if (loaded.errors != NULL && loaded.errors->count > 0) cli_playbook_errors(stderr, cli->playbook, loaded.errors);
    else cli_fail(&error);
    release_loaded(&loaded);
    return code;
}
