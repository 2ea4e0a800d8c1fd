/* SPDX-License-Identifier: Apache-2.0 */
/* The command `key`: who may ask a server of this directory what. It works while the server runs,
 * since the server reads the file of the keys again. */
#include <sodium.h>

#include "base/memory.h"
#include "base/time.h"
#include "cli/cli.h"
#include "server/access/access.h"

/* ---- add ---- */

static bool read_right(const struct cli *cli, enum access_right *right) {
    const struct {
        bool is_said;
        enum access_right right;
    } rights[] = {{cli->write, ACCESS_WRITE},
                  {cli->decide, ACCESS_DECIDE},
                  {cli->read, ACCESS_READ},
                  {cli->admin, ACCESS_ADMIN}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        if (!rights[i].is_said) continue;
        *right = rights[i].right;
        count++;
    }
    if (count == 1) return true;
    cli_fail_text("a key is for one purpose: say --write --source NAME, --decide, --read or "
                  "--admin");
    return false;
}

static bool read_name(const char *option, const char *text, char *out, size_t max) {
    if (text == NULL) return true;
    if (strlen(text) <= max) {
        memcpy(out, text, strlen(text) + 1);
        return true;
    }
    cli_fail_text("--%s may have at most %zu bytes", option, max);
    return false;
}

static bool read_rate(const struct cli *cli, double *per_second) {
    if (cli->per_second == NULL) return true;
    if (text_to_double(text_from(cli->per_second), per_second) == STATUS_OK && *per_second > 0 &&
        *per_second <= ACCESS_PER_SECOND_MAX)
        return true;
    cli_fail_text("--per-second %s: write a number above 0 and at most %.0f", cli->per_second,
                  ACCESS_PER_SECOND_MAX);
    return false;
}

/* A name that the playbook lacks is a slip of the pen: what came with such a key would be refused.
 * Before the first playbook there is nothing to hold the name against. */
static bool knows_source(const struct cli *cli) {
    char path[FILE_PATH_MAX];
    struct file *file = NULL;
    if (cli->source == NULL) return true;
    if (snprintf(path, sizeof path, "%s/MANIFEST", cli->directory) >= (int)sizeof path) return true;
    bool is_made = file_open(file_system_os(), path, FILE_READ, &file, NULL) == STATUS_OK;
    file_close(file);
    if (!is_made) return true;
    struct engine *engine = cli_open(cli, false, true);
    bool known = engine != NULL && cli_knows_source(engine, cli->source);
    if (engine != NULL) cli_close(engine);
    return known;
}

static void write_key(struct json_writer *writer, const struct access_key *key) {
    bool writes = key->right == ACCESS_WRITE;
    json_member_string(writer, "id", key->id);
    json_member_text_or_null(writer, "name", text_from(key->name));
    json_member_string(writer, "right", access_right_name(key->right));
    json_member_text_or_null(writer, "source", text_from(key->source));
    json_member_yes_no(writer, "public", key->is_public);
    if (writes && key->is_public)
        json_member_yes_no(writer, "claims", key->claims);
    else
        json_member_null(writer, "claims");
    json_member_number(writer, "per_second", key->per_second);
    json_member_time(writer, "made", key->made_ms);
}

static int print_added(const struct cli *cli, const struct access_key *key, const char *shown) {
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        write_key(writer, key);
        json_member_string(writer, "key", shown);
        return cli_json_end(&json, stdout);
    }
    /* The key alone goes to stdout, so that KEY=$(attune key add …) has it. */
    printf("%s\n", shown);
    fflush(stdout);
    if (cli->quiet) return EXIT_OK;
    fprintf(stderr, "This is key %s. It is shown once: only its hash is kept.\n", key->id);
    cli_wrap(stderr,
             key->is_public
                 ? TEXT("It may stand in a page, where anybody can read it. What comes with it is "
                        "believed as a public source is (docs/access.md).")
                 : TEXT("Keep it where only your servers can read it."),
             2);
    return EXIT_OK;
}

static void audit_key(const struct cli *cli, const char *did, const char *id) {
    char text[64];
    snprintf(text, sizeof text, "%s %.15s", did, id);
    cli_audit(cli, text, (struct customer_id){ID_NONE});
}

static int key_add(struct cli *cli) {
    struct error error = {0};
    struct access_key key = {0};
    uint8_t random[32];
    char shown[ACCESS_KEY_BYTES];
    if (!read_right(cli, &key.right) || !read_rate(cli, &key.per_second) ||
        !read_name("name", cli->name, key.name, ACCESS_NAME_BYTES) ||
        !read_name("source", cli->source, key.source, ACCESS_SOURCE_BYTES) || !knows_source(cli))
        return EXIT_FAILED;
    key.is_public = cli->is_public;
    key.claims = cli->is_public && !cli->no_claims;
    if (cli->no_claims && !cli->is_public)
        return cli_fail_text("--no-claims is for a --public key: others make no claims");
    if (sodium_init() < 0) return cli_fail_text("libsodium finds no source of randomness");
    randombytes_buf(random, sizeof random);
    enum status status =
        access_add(file_system_os(), cli->directory, &key, random, clock_now_ms(), shown, &error);
    sodium_memzero(random, sizeof random);
    if (status == STATUS_OK) audit_key(cli, "key add", key.id);
    int code = status == STATUS_OK ? print_added(cli, &key, shown) : cli_fail(&error);
    sodium_memzero(shown, sizeof shown);
    return code;
}

/* ---- list ---- */

static int write_keys(const struct access_key *keys, size_t count) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_write_key(writer, "keys");
    json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        json_write_object_begin(writer);
        write_key(writer, &keys[i]);
        json_member_time_or_null(writer, "revoked", keys[i].revoked_ms);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    return cli_json_end(&json, stdout);
}

static void day_of(int64_t time_ms, char out[32]) {
    time_format(time_ms, out);
    out[strcspn(out, "T")] = '\0';
}

static int print_keys(const struct access_key *keys, size_t count) {
    struct cli_table table;
    if (count == 0) {
        printf("There are no keys; make one: attune key add --help\n");
        return EXIT_OK;
    }
    cli_table_init(&table, "key|for|source|trust|>a second|made|revoked|name");
    for (size_t i = 0; i < count; i++) {
        const struct access_key *key = &keys[i];
        char made[32], revoked[32] = "";
        day_of(key->made_ms, made);
        if (key->revoked_ms != 0) day_of(key->revoked_ms, revoked);
        cli_table_cell(&table, "%s", key->id);
        cli_table_cell(&table, "%s", access_right_name(key->right));
        cli_table_cell(&table, "%s", key->source);
        cli_table_cell(&table, "%s",
                       key->right != ACCESS_WRITE ? ""
                       : !key->is_public          ? "verified"
                       : key->claims              ? "public"
                                                  : "public, no claims");
        cli_table_cell(&table, "%g", key->per_second);
        cli_table_cell(&table, "%s", made);
        cli_table_cell(&table, "%s", revoked);
        cli_table_cell(&table, "%s", key->name);
    }
    cli_table_print(&table);
    return EXIT_OK;
}

static int key_list(struct cli *cli) {
    struct error error = {0};
    size_t count;
    struct access_key *keys = memory_alloc(ACCESS_KEYS_MAX * sizeof *keys);
    if (keys == NULL) return cli_fail_text("out of memory");
    enum status status = access_list(file_system_os(), cli->directory, keys, &count, &error);
    int code = status != STATUS_OK ? cli_fail(&error)
               : cli->json         ? write_keys(keys, count)
                                   : print_keys(keys, count);
    memory_free(keys);
    return code;
}

/* ---- revoke ---- */

static int key_revoke(struct cli *cli) {
    struct error error = {0};
    enum status status = access_revoke(file_system_os(), cli->directory, text_from(cli->words[1]),
                                       clock_now_ms(), &error);
    if (status != STATUS_OK) return cli_fail(&error);
    audit_key(cli, "key revoke", cli->words[1]);
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_string(writer, "revoked", cli->words[1]);
        return cli_json_end(&json, stdout);
    }
    printf("Revoked %s. A server that runs refuses it within a second.\n", cli->words[1]);
    return EXIT_OK;
}

int command_key(struct cli *cli) {
    static const struct {
        const char *name;
        size_t words;
        int (*run)(struct cli *);
    } verbs[] = {{"add", 1, key_add}, {"list", 1, key_list}, {"revoke", 2, key_revoke}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(cli->words[0], verbs[i].name) == 0 && cli->word_count == verbs[i].words)
            return verbs[i].run(cli);
    }
    fprintf(stderr, "attune: say attune key add, attune key list or attune key revoke ID (see "
                    "attune key --help)\n");
    return EXIT_USAGE;
}
