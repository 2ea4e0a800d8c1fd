/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `init`, `check` and `explain`: a playbook without data. */
#include <stdarg.h>

#include "base/memory.h"
#include "cli/cli.h"

int command_init(struct cli *cli) {
    const char *path = cli->word_count > 0 ? cli->words[0] : "playbook.yaml";
    struct text starter = playbook_starter();
    struct error error = {0};
    struct file *file = NULL;
    struct file_system *fs = file_system_os();
    enum status status = file_open(fs, path, FILE_CREATE_NEW, &file, &error);
    if (status == STATUS_EXISTS)
        return cli_fail_text(
            "%s exists already and is left as it is; name another file: attune init FILE", path);
    if (status == STATUS_OK) status = file_write(file, starter.at, starter.length, &error);
    if (file != NULL) file_close(file);
    if (status != STATUS_OK) return cli_fail(&error);
    printf("Wrote %s. Next: attune check %s\nThen: attune ingest --playbook %s --data FOLDER\n",
           path, path, path);
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
    enum status status =
        file_read_all(file_system_os(), path, PLAYBOOK_BYTES_MAX, &loaded->bytes, error);
    if (status == STATUS_OK) status = symbols_create(&loaded->symbols);
    if (status != STATUS_OK) return status;
    return playbook_load(&loaded->playbook, path, buffer_text(&loaded->bytes), loaded->symbols,
                         loaded->errors);
}

/* The name behind "did you mean", without its quotes; empty where the error has none. */
static struct text suggestion_of(const char *text) {
    static const char begin[] = "did you mean ";
    const char *at = strstr(text, begin);
    if (at == NULL) return (struct text){0};
    at += sizeof begin - 1;
    size_t length = strcspn(at, "?");
    if (length >= 2 && (at[0] == '"' || at[0] == '\'') && at[length - 1] == at[0]) {
        at++;
        length -= 2;
    }
    return (struct text){at, (uint32_t)length};
}

/* The line to write stands in a warning behind "write ". */
static struct text line_of(const char *text) {
    static const char begin[] = "; write ";
    const char *at = strstr(text, begin);
    if (at == NULL) return (struct text){0};
    at += sizeof begin - 1;
    const char *end = strstr(at, " (");
    return (struct text){at, end != NULL ? (uint32_t)(end - at) : (uint32_t)strlen(at)};
}

static void write_findings(struct json_writer *writer, const char *key, const char *path,
                           const struct playbook_errors *errors,
                           struct text (*suggestion)(const char *text)) {
    json_write_key(writer, key);
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < errors->count; i++) {
        json_write_object_begin(writer);
        json_member_string(writer, "file", path);
        json_member_count(writer, "line", errors->item[i].place.line);
        json_member_count(writer, "column", errors->item[i].place.column);
        json_member_string(writer, "message", errors->item[i].text);
        json_member_text_or_null(writer, "suggestion", suggestion(errors->item[i].text));
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

struct part {
    const char *name;
    uint32_t count;
};
#define PARTS 7

static void count_parts(const struct playbook *playbook, struct part parts[PARTS]) {
    const struct part counted[PARTS] = {
        {"source", playbook->source_count},     {"trait", playbook->trait_count},
        {"scenario", playbook->scenario_count}, {"goal", playbook->goal_count},
        {"model", playbook->model_count},       {"action", playbook->action_count},
        {"policy", playbook->policy_count}};
    memcpy(parts, counted, sizeof counted);
}

/* What --data found: the files one by one, of which `bad` can't be loaded. */
struct files_checked {
    struct json_writer *json; /* NULL: the screen */
    uint32_t good, bad;
};

static void tell_file(void *context, struct text source, const char *path, const char *message) {
    struct files_checked *checked = context;
    checked->good += message == NULL;
    checked->bad += message != NULL;
    if (checked->json == NULL) {
        if (message != NULL) cli_say(stdout, "source %.*s: %s\n", TEXT_ARG(source), message);
        return;
    }
    json_write_object_begin(checked->json);
    json_member_text(checked->json, "source", source);
    json_member_string(checked->json, "file", path);
    json_member_text_or_null(checked->json, "message", text_from(message ? message : ""));
    json_write_object_end(checked->json);
}

/* STATUS_OK also where nothing was to be checked. */
static enum status check_files(const struct cli *cli, const struct loaded *loaded,
                               struct files_checked *checked) {
    const struct file_findings findings = {tell_file, checked};
    if (loaded->playbook == NULL || cli->data == NULL) return STATUS_OK;
    return engine_check_files(loaded->playbook, loaded->symbols, cli->data, &findings);
}

static int print_check_json(const struct cli *cli, const struct loaded *loaded,
                            const struct playbook_errors *warnings) {
    const char *path = cli->words[0];
    struct files_checked checked = {0};
    static const char *const keys[PARTS] = {"sources", "traits",  "scenarios", "goals",
                                            "models",  "actions", "policies"};
    struct cli_json json;
    struct part parts[PARTS];
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "file", path);
    json_member_yes_no(writer, "fine", loaded->playbook != NULL);
    write_findings(writer, "errors", path, loaded->errors, suggestion_of);
    json_member_count(writer, "errors_beyond", loaded->errors->dropped);
    write_findings(writer, "warnings", path, warnings, line_of);
    if (loaded->playbook != NULL) count_parts(loaded->playbook, parts);
    for (size_t i = 0; i < PARTS; i++) {
        if (loaded->playbook != NULL)
            json_member_count(writer, keys[i], parts[i].count);
        else
            json_member_null(writer, keys[i]);
    }
    checked.json = writer;
    json_write_key(writer, "files");
    json_write_array_begin(writer);
    enum status status = check_files(cli, loaded, &checked);
    json_write_array_end(writer);
    int code = cli_json_end(&json, stdout);
    return status == STATUS_OK && checked.bad == 0 ? code : EXIT_FAILED;
}

static int print_files(const struct cli *cli, const struct loaded *loaded) {
    struct files_checked checked = {0};
    if (cli->data == NULL) return EXIT_OK;
    if (check_files(cli, loaded, &checked) != STATUS_OK) return cli_fail_text("out of memory");
    if (checked.good + checked.bad == 0)
        printf("no source has a file in %s\n", cli->data);
    else
        printf("%s can be loaded", cli_counted(checked.good, "file"));
    if (checked.bad > 0) printf(", %u can't", checked.bad);
    if (checked.good + checked.bad > 0) putchar('\n');
    return checked.bad == 0 ? EXIT_OK : EXIT_FAILED;
}

static void print_fine(const char *path, const struct playbook *playbook,
                       const struct playbook_errors *warnings) {
    /* Told where there are any. */
    const struct part further[] = {{"lifetime model", playbook->lifetime_count},
                                   {"experiment", playbook->experiment_count},
                                   {"budget", playbook->budget_count}};
    struct part parts[PARTS];
    char text[400];
    size_t at = 0;
    count_parts(playbook, parts);
    cli_playbook_errors(stdout, path, "warning: ", warnings);
    for (size_t i = 0; i < PARTS; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? ", " : "",
                               cli_counted(parts[i].count, parts[i].name));
    }
    for (size_t i = 0; i < sizeof further / sizeof *further; i++) {
        if (further[i].count > 0 && at < sizeof text)
            at += (size_t)snprintf(text + at, sizeof text - at, ", %s",
                                   cli_counted(further[i].count, further[i].name));
    }
    cli_wrap_format(2, "%s is fine: %s", path, text);
}

/* A file that is no text at all, such as a spreadsheet or a program, gets no line and column. */
static bool is_text(struct text bytes) {
    static const struct text marks[] = {{"\xff\xfe", 2}, {"\xfe\xff", 2}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (text_starts_with(bytes, marks[i])) return false;
    }
    return bytes.length == 0 || memchr(bytes.at, '\0', bytes.length) == NULL;
}

int command_check(struct cli *cli) {
    const char *path = cli->words[0];
    struct loaded loaded;
    struct playbook_errors *warnings = memory_calloc(1, sizeof *warnings);
    struct error error = {0};
    enum status status = load_file(&loaded, path, &error);
    int code = status == STATUS_OK ? EXIT_OK : EXIT_FAILED;
    if (warnings != NULL && status == STATUS_OK) playbook_warnings(loaded.playbook, warnings);
    if (warnings == NULL ||
        (status != STATUS_OK && (loaded.errors == NULL || loaded.errors->count == 0))) {
        if (error.text[0] == '\0')
            (void)error_set(&error, status, "%s: %s", path, status_name(status));
        code = cli_fail(&error);
    } else if (status != STATUS_OK && !cli->json && !is_text(buffer_text(&loaded.bytes))) {
        code = cli_fail_text(
            "%s is no text file; a playbook is YAML in UTF-8, as attune init writes one", path);
    } else if (cli->json) {
        if (print_check_json(cli, &loaded, warnings) != EXIT_OK) code = EXIT_FAILED;
    } else if (status != STATUS_OK) {
        cli_playbook_errors(stdout, path, "", loaded.errors);
        printf("%s\n", cli_counted(loaded.errors->count + loaded.errors->dropped, "error"));
    } else {
        print_fine(path, loaded.playbook, warnings);
        code = print_files(cli, &loaded);
    }
    memory_free(warnings);
    release_loaded(&loaded);
    return code;
}

/* ---- explain ---- */

#define USES_MAX 64
struct explained {
    const struct playbook *playbook;
    struct symbols *symbols;
    const struct trait *trait; /* NULL: an expression */
    struct text source, means;
    const struct expr_program *program;
};

static void label(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);
static void label(const char *name, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_wrap_format(13, "  %-9s  %s", name, text);
}

static void use_words(const struct explained *explained, const struct expr_use *use, char *out,
                      size_t size) {
    struct text event = use->event_type == SYMBOL_NONE
                            ? TEXT("any event")
                            : symbol_text(explained->symbols, SYMBOL_EVENT, use->event_type);
    struct text property = use->property == SYMBOL_NONE
                               ? (struct text){0}
                               : symbol_text(explained->symbols, SYMBOL_PROPERTY, use->property);
    char window[48] = "all time";
    if (use->window_ms > 0) {
        window[duration_format(use->window_ms, window)] = '\0';
    } else if (use->window_ms < 0) {
        snprintf(window, sizeof window, "last %s", cli_counted((uint64_t)-use->window_ms, "visit"));
    }
    snprintf(out, size, "%.*s%s%.*s (%s)", TEXT_ARG(event), property.length > 0 ? "." : "",
             TEXT_ARG(property), window);
}

static int print_explained(const struct explained *explained) {
    struct expr_use uses[USES_MAX];
    uint32_t traits[USES_MAX];
    uint32_t count = expr_uses(explained->program, uses, USES_MAX),
             trait_count = expr_traits(explained->program, traits, USES_MAX);
    if (explained->trait != NULL)
        cli_wrap_format(4, "%.*s = %.*s", TEXT_ARG(explained->trait->name),
                        TEXT_ARG(explained->source));
    if (explained->trait != NULL && explained->trait->description.length > 0)
        label("says", "%.*s", TEXT_ARG(explained->trait->description));
    label("means", "%.*s", TEXT_ARG(explained->means));
    label("gives", "%s", value_type_name(expr_type(explained->program)));
    for (uint32_t i = 0; i < count && i < USES_MAX; i++) {
        char words[300];
        use_words(explained, &uses[i], words, sizeof words);
        label("reads", "%s", words);
    }
    if (expr_uses_context(explained->program))
        label("reads", "what a request says: unknown where no decision is asked for");
    for (uint32_t i = 0; i < trait_count && i < USES_MAX; i++) {
        const struct trait *trait = &explained->playbook->traits[traits[i]];
        label("builds on", "%.*s%s%.*s", TEXT_ARG(trait->name),
              trait->description.length > 0 ? ": " : "",
              TEXT_ARG(trait->description.length > 0 ? trait->description : TEXT("")));
    }
    return EXIT_OK;
}

static void write_use(struct json_writer *writer, const struct explained *explained,
                      const struct expr_use *use) {
    struct text event = use->event_type == SYMBOL_NONE
                            ? (struct text){0}
                            : symbol_text(explained->symbols, SYMBOL_EVENT, use->event_type);
    struct text property = use->property == SYMBOL_NONE
                               ? (struct text){0}
                               : symbol_text(explained->symbols, SYMBOL_PROPERTY, use->property);
    json_write_object_begin(writer);
    json_member_text_or_null(writer, "event", event);
    json_member_text_or_null(writer, "property", property);
    if (use->window_ms > 0)
        json_member_integer(writer, "window_ms", use->window_ms);
    else
        json_member_null(writer, "window_ms");
    if (use->window_ms < 0)
        json_member_integer(writer, "visits", -use->window_ms);
    else
        json_member_null(writer, "visits");
    json_write_object_end(writer);
}

static int print_explained_json(const struct explained *explained) {
    struct cli_json json;
    struct expr_use uses[USES_MAX];
    uint32_t traits[USES_MAX];
    uint32_t count = expr_uses(explained->program, uses, USES_MAX),
             trait_count = expr_traits(explained->program, traits, USES_MAX);
    const struct trait *trait = explained->trait;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_text_or_null(writer, "trait", trait != NULL ? trait->name : (struct text){0});
    json_member_text(writer, "expression", explained->source);
    json_member_text_or_null(writer, "says", trait != NULL ? trait->description : (struct text){0});
    json_member_text(writer, "means", explained->means);
    json_member_string(writer, "gives", value_type_name(expr_type(explained->program)));
    json_write_key(writer, "reads");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < count && i < USES_MAX; i++) write_use(writer, explained, &uses[i]);
    json_write_array_end(writer);
    json_member_yes_no(writer, "of_context", expr_uses_context(explained->program));
    json_write_key(writer, "builds_on");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < trait_count && i < USES_MAX; i++)
        json_write_text(writer, explained->playbook->traits[traits[i]].name);
    json_write_array_end(writer);
    return cli_json_end(&json, stdout);
}

static int explain_program(const struct cli *cli, struct explained *explained) {
    struct buffer words;
    buffer_init(&words);
    int code = EXIT_FAILED;
    if (expr_explain(explained->program, &explained->playbook->schema, &words) == STATUS_OK) {
        explained->means = buffer_text(&words);
        code = (cli->json ? print_explained_json : print_explained)(explained);
    } else {
        cli_fail_text("out of memory");
    }
    buffer_release(&words);
    return code;
}

/* A word that is no trait is taken as an expression; a misspelt trait then says so. */
static int explain_expression(const struct cli *cli, struct explained *explained) {
    struct arena arena;
    struct expr_program *program;
    struct expr_error error = {0};
    arena_init(&arena, 1 << 20);
    enum status status =
        expr_compile(&arena, &explained->playbook->schema, explained->source, &program, &error);
    explained->program = program;
    int code = status == STATUS_OK ? explain_program(cli, explained)
                                   : cli_fail_text("column %u: %s", error.column, error.error.text);
    arena_release(&arena);
    return code;
}

static int explain(const struct cli *cli, const struct playbook *playbook,
                   struct symbols *symbols) {
    struct text word = text_from(cli->words[0]);
    uint32_t index = playbook_trait_find(playbook, word);
    struct explained explained = {.playbook = playbook, .symbols = symbols, .source = word};
    if (index == UINT32_MAX) return explain_expression(cli, &explained);
    explained.trait = &playbook->traits[index];
    explained.source = explained.trait->source;
    explained.program = explained.trait->program;
    return explain_program(cli, &explained);
}

int command_explain(struct cli *cli) {
    if (cli->playbook == NULL) {
        struct engine *engine = cli_open(cli, false, true);
        if (engine == NULL) return EXIT_FAILED;
        int code = explain(cli, engine_playbook(engine), engine_symbols(engine));
        cli_close(engine);
        return code;
    }
    struct loaded loaded;
    struct error error = {0};
    enum status status = load_file(&loaded, cli->playbook, &error);
    int code = EXIT_FAILED;
    if (status == STATUS_OK)
        code = explain(cli, loaded.playbook, loaded.symbols);
    else if (loaded.errors != NULL && loaded.errors->count > 0)
        cli_playbook_errors(stderr, cli->playbook, "", loaded.errors);
    else
        cli_fail(&error);
    release_loaded(&loaded);
    return code;
}
