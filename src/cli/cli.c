/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/job.h"

/* ---- failing ---- */

int cli_fail(const struct error *error) {
    cli_progress_end();
    cli_say(stderr, "attune: %s\n",
            error->text[0] != '\0' ? error->text : status_name(error->status));
    return error->status == STATUS_CANCELLED ? cli_cancelled_code() : EXIT_FAILED;
}

int cli_fail_text(const char *format, ...) {
    va_list arguments;
    cli_progress_end();
    fputs("attune: ", stderr);
    va_start(arguments, format);
    cli_say_list(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return EXIT_FAILED;
}

static int usage(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);
static int usage(const struct command *command, const char *format, ...) {
    va_list arguments;
    fputs("attune: ", stderr);
    va_start(arguments, format);
    cli_say_list(stderr, format, arguments);
    va_end(arguments);
    if (command != NULL)
        fprintf(stderr, " (see attune %s --help)\n", command->name);
    else
        fputs(" (see attune help)\n", stderr);
    return EXIT_USAGE;
}

/* ---- options ---- */

struct option {
    const char *name;
    const char *value; /* what stands for the value in the help; NULL: a switch */
    const char *what;
    size_t offset; /* in struct cli: const char * or bool */
    bool common;
    bool repeats; /* in struct cli: struct cli_names */
};
static const struct option options[] = {
    {"dir", "DIR", "the data directory (default $ATTUNE_DIR, else ./data)",
     offsetof(struct cli, directory), true, false},
    {"playbook", "FILE",
     "put this playbook in force; commands that only read try it without keeping it",
     offsetof(struct cli, playbook), true, false},
    {"json", NULL, "print JSON; docs/commands.md has its keys", offsetof(struct cli, json), false,
     false},
    {"threads", "N", "use at most this many threads (default: as many as the machine has)",
     offsetof(struct cli, threads), false, false},
    {"nice", "N", "give way to other processes: 0 not at all, 19 to all (default 0)",
     offsetof(struct cli, nice), false, false},
    {"quiet", NULL, "no progress", offsetof(struct cli, quiet), true, false},
    {"help", NULL, "this text", offsetof(struct cli, help), true, false},
    {"data", "DIR", "where the sources' files lie (default: beside the playbook)",
     offsetof(struct cli, data), false, false},
    {"at", "TIME",
     "as known at this time: 2017-12-06 or 2017-12-06T09:00 in the playbook's zone, "
     "2017-12-06T14:00Z in UTC (default: when the newest event became known)",
     offsetof(struct cli, at), false, false},
    {"from", "TIME", "from this time on", offsetof(struct cli, from), false, false},
    {"until", "TIME", "up to this time", offsetof(struct cli, until), false, false},
    {"out", "PATH", "write here instead of to the screen", offsetof(struct cli, out), false, false},
    {"list", "FILE",
     "with --all: also write what the playbook's decide: lists: hand over, without the holdout",
     offsetof(struct cli, list), false, false},
    {"replay", "ID", "make a recorded decision again, and tell whether it is equal to the bit",
     offsetof(struct cli, replay), false, false},
    {"placement", "NAMES", "where the decision is asked for: top_banner or top_banner,side",
     offsetof(struct cli, placement), false, false},
    {"context", "JSON", "what is said of the moment, as the playbook's context: declares it",
     offsetof(struct cli, context), false, false},
    {"count", "N", "rank at most so many at each placement", offsetof(struct cli, count), false,
     false},
    {"since", "BACKUP", "an earlier backup: files that never change are shared with it, not copied",
     offsetof(struct cli, since), false, false},
    {"against", "FILE", "another model's predictions, to compare row by row",
     offsetof(struct cli, against), false, false},
    {"log", "FILE", "judge policies by this CSV of decisions: action, probability, reward",
     offsetof(struct cli, log), false, false},
    {"policy", "PLAYBOOK", "judge this playbook by the recorded decisions",
     offsetof(struct cli, policy), false, false},
    {"columns", "NAMES", "with --log: what the file calls its columns: action=item_id,reward=click",
     offsetof(struct cli, columns), false, false},
    {"action", "NAME", "only this action", offsetof(struct cli, action), false, false},
    {"challenger", "LEARNER",
     "learn by additive or trees, and let the model stand by instead of putting it in force",
     offsetof(struct cli, challenger), false, false},
    {"anyway", NULL, "also where it is not shown to be better", offsetof(struct cli, anyway), false,
     false},
    {"source", "NAME", "only this source", offsetof(struct cli, source), false, false},
    {"remap", NULL, "read rows that are stored again, by the mapping in force",
     offsetof(struct cli, remap), false, false},
    {"accept-corrections", NULL, "apply corrections, however many they are (corrections_max)",
     offsetof(struct cli, accept_corrections), false, false},
    {"all", NULL, "every customer", offsetof(struct cli, all), false, false},
    {"dry-run", NULL, "change nothing", offsetof(struct cli, dry_run), false, false},
    {"yes", NULL, "do not ask", offsetof(struct cli, yes), false, false},
    {"lift", NULL, "let erased identifiers in again", offsetof(struct cli, lift), false, false},
    {"leftovers", NULL, "list what names anybody who was erased, and change nothing",
     offsetof(struct cli, leftovers), false, false},
    {"merge", NULL, "also merge the runs into one", offsetof(struct cli, merge), false, false},
    {"write", NULL, "the key sends events of --source", offsetof(struct cli, write), false, false},
    {"decide", NULL, "the key asks for decisions and tells outcomes", offsetof(struct cli, decide),
     false, false},
    {"read", NULL, "the key reads customers, segments and the live tail",
     offsetof(struct cli, read), false, false},
    {"admin", NULL, "the key does all that --decide and --read do, and changes the playbook",
     offsetof(struct cli, admin), false, false},
    {"public", NULL, "the key stands in a page, where anybody can read it",
     offsetof(struct cli, is_public), false, false},
    {"no-claims", NULL, "pages with this key need a signed user token to say who somebody is",
     offsetof(struct cli, no_claims), false, false},
    {"per-second", "N", "requests a second that the key may make (default 10,000)",
     offsetof(struct cli, per_second), false, false},
    {"name", "TEXT", "what people call it", offsetof(struct cli, name), false, false},
    {"address", "IP", "listen on this address (default 127.0.0.1)", offsetof(struct cli, address),
     false, false},
    {"port", "N", "listen on this port (default 8420; 0: any that is free)",
     offsetof(struct cli, port), false, false},
    {"connections", "N", "open at once (default 4096)", offsetof(struct cli, connections), false,
     false},
    {"patience", "SECONDS", "in which a client must have sent a head, then a body (default 60)",
     offsetof(struct cli, patience), false, false},
    {"host", "NAME", "a name under which it may be asked; can be given several times",
     offsetof(struct cli, hosts), false, true},
    {"origin", "ORIGIN", "pages of this origin may send events; can be given several times",
     offsetof(struct cli, origins), false, true},
    {"proxy", "IP", "the proxy in front, whose X-Forwarded-For and -Proto are believed",
     offsetof(struct cli, proxy), false, false},
    {"first-party", "PATH", "serve what a browser SDK asks for under this path, too",
     offsetof(struct cli, first_party), false, false},
    {"log-requests", NULL, "log a line a request", offsetof(struct cli, log_requests), false,
     false},
    {"event", "NAME", "only events of this name; * stands for anything",
     offsetof(struct cli, event), false, false},
    {"verdict", "WORD",
     "only these, apart by commas: clean, dark, quarantined, repeated, turned_away, refused",
     offsetof(struct cli, verdict), false, false},
    {"key-file", "FILE", "the key stands in this file (default $ATTUNE_KEY)",
     offsetof(struct cli, key_file), false, false},
    {"messages", "N", "end behind so many messages", offsetof(struct cli, messages), false, false},
    {"check", NULL, "say what would be wrong, and start nothing", offsetof(struct cli, check),
     false, false},
};
#define OPTION_COUNT (sizeof options / sizeof *options)

static bool takes(const struct command *command, const struct option *option) {
    if (option->common) return true;
    const char *names = command->options;
    size_t length = strlen(option->name);
    for (const char *at = names; (at = strstr(at, option->name)) != NULL; at += length) {
        bool starts = at == names || at[-1] == ' ';
        if (starts && (at[length] == ' ' || at[length] == '\0')) return true;
    }
    return false;
}

static const struct option *find_option(const struct command *command, struct text name) {
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (text_equal(text_from(options[i].name), name) && takes(command, &options[i]))
            return &options[i];
    }
    return NULL;
}

static int unknown_option(const struct command *command, struct text name) {
    struct text names[OPTION_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (takes(command, &options[i])) names[count++] = text_from(options[i].name);
    }
    struct text near = text_nearest(name, names, count);
    if (near.length > 0)
        return usage(command, "no option --%.*s; did you mean --%.*s?", TEXT_ARG(name),
                     TEXT_ARG(near));
    return usage(command, "attune %s has no option --%.*s", command->name, TEXT_ARG(name));
}

static int add_name(const struct command *command, const struct option *option,
                    struct cli_names *names, const char *value) {
    if (names->count == CLI_NAMES_MAX)
        return usage(command, "--%s is given more than %d times", option->name, CLI_NAMES_MAX);
    names->at[names->count++] = value;
    return EXIT_OK;
}

/* argv[*index] is "--name" or "--name=value"; the value may be the next word. */
static int read_option(struct cli *cli, int argc, char **argv, int *index) {
    struct text word = text_from(argv[*index] + 2);
    const char *equals = strchr(argv[*index], '=');
    struct text name = {word.at, equals != NULL ? (uint32_t)(equals - word.at) : word.length};
    const struct option *option = find_option(cli->command, name);
    if (option == NULL) return unknown_option(cli->command, name);
    char *field = (char *)cli + option->offset;
    if (option->value == NULL) {
        if (equals != NULL) return usage(cli->command, "--%s takes no value", option->name);
        *(bool *)(void *)field = true;
        return EXIT_OK;
    }
    const char *value = equals != NULL ? equals + 1 : *index + 1 < argc ? argv[++*index] : NULL;
    if (value == NULL)
        return usage(cli->command, "--%s needs a value: --%s %s", option->name, option->name,
                     option->value);
    if (option->repeats) return add_name(cli->command, option, (void *)field, value);
    *(const char **)(void *)field = value;
    return EXIT_OK;
}

static int read_words(struct cli *cli, int argc, char **argv) {
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            int failed = read_option(cli, argc, argv, &i);
            if (failed != EXIT_OK) return failed;
        } else if (!only_words && strcmp(argv[i], "-h") == 0) {
            cli->help = true;
        } else if (cli->word_count == CLI_WORDS_MAX) {
            return usage(
                cli->command,
                "more than %d words; name the files by a pattern in quotes, or in several calls",
                CLI_WORDS_MAX);
        } else {
            cli->words[cli->word_count++] = argv[i];
        }
    }
    return EXIT_OK;
}

/* Prints paragraphs, broken into lines. A line that begins with blanks is an example and stays as
 * it is. */
static void print_paragraphs(const char *text) {
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (*text == ' ')
            printf("%.*s\n", (int)length, text);
        else
            cli_wrap(stdout, (struct text){text, (uint32_t)length}, 0);
        text += length + (text[length] == '\n');
    }
}

static int print_help(const struct command *command) {
    printf("attune %s%s%s -- %s\n\n", command->name, command->words[0] != '\0' ? " " : "",
           command->words, command->summary);
    print_paragraphs(command->help);
    printf("\nOptions\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!takes(command, &options[i])) continue;
        char name[64];
        snprintf(name, sizeof name, "--%s%s%s", options[i].name,
                 options[i].value != NULL ? " " : "",
                 options[i].value != NULL ? options[i].value : "");
        cli_wrap_format(19, "  %-16s %s", name, options[i].what);
    }
    return EXIT_OK;
}

static int print_commands(FILE *file) {
    fputs("attune -- customer experience optimization engine " ATTUNE_VERSION
          "\n\nusage: attune COMMAND [OPTIONS] [WORDS]\n\n",
          file);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(file, "  %-11s %s\n", cli_commands[i].name, cli_commands[i].summary);
    }
    fputs("\nattune COMMAND --help tells more, with examples. Start with: attune init\n", file);
    return file == stdout ? EXIT_OK : EXIT_USAGE;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0) return &cli_commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name) {
    struct text names[64];
    for (size_t i = 0; i < cli_command_count && i < 64; i++)
        names[i] = text_from(cli_commands[i].name);
    struct text near = text_nearest(text_from(name), names, cli_command_count);
    if (near.length > 0)
        return usage(NULL, "no command %s; did you mean %.*s?", name, TEXT_ARG(near));
    return usage(NULL, "no command %s", name);
}

int cli_main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) return print_commands(stderr);
    if (strcmp(name, "--version") == 0) return printf("attune %s\n", ATTUNE_VERSION) < 0;
    bool asks_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (asks_help && argc == 2) return print_commands(stdout);
    const struct command *command = find_command(asks_help ? argv[2] : name);
    if (command == NULL) return unknown_command(asks_help ? argv[2] : name);
    if (asks_help) return print_help(command);
    struct cli *cli = memory_calloc(1, sizeof *cli);
    if (cli == NULL) return cli_fail_text("out of memory");
    cli->command = command;
    cli->argc = argc;
    cli->argv = argv;
    int code = read_words(cli, argc - 2, argv + 2);
    if (cli->directory == NULL) cli->directory = getenv("ATTUNE_DIR");
    if (cli->directory == NULL) cli->directory = "data";
    if (code == EXIT_OK && cli->help)
        code = print_help(command);
    else if (code == EXIT_OK && cli->word_count < command->words_min)
        code = usage(command, "attune %s needs %s", command->name, command->words);
    else if (code == EXIT_OK && cli->word_count > command->words_max)
        code = usage(command, "one word too many: %s", cli->words[command->words_max]);
    else if (code == EXIT_OK)
        code = command->run(cli);
    cli_progress_end();
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == EXIT_OK)
        code = cli_fail_text("the output could not be written");
    memory_free(cli);
    return code;
}
