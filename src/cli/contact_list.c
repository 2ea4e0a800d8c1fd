/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/contact_list.h"

#include "base/memory.h"

enum status contact_list_init(struct contact_list *list, struct engine *engine,
                              struct error *error) {
    const struct playbook *playbook = engine_playbook(engine);
    *list = (struct contact_list){.engine = engine};
    if (playbook->list_count == 0)
        return error_set(error, STATUS_INVALID,
                         "the playbook does not say what a list holds: write decide: { lists: { "
                         "CHANNEL: { address: IDENTIFIER } } }, the address first");
    uint32_t most = 0;
    for (uint32_t i = 0; i < playbook->list_count; i++) most += playbook->lists[i].column_count;
    struct text *columns = memory_calloc(most, sizeof *columns);
    if (columns == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->list_count; i++) {
        for (uint32_t c = 0; c < playbook->lists[i].column_count; c++) {
            struct text name = playbook->lists[i].columns[c].name;
            uint32_t k = 0;
            while (k < list->column_count && !text_equal(columns[k], name)) k++;
            if (k == list->column_count) columns[list->column_count++] = name;
        }
    }
    list->columns = columns;
    return STATUS_OK;
}

void contact_list_release(struct contact_list *list) {
    memory_free((void *)(uintptr_t)list->columns);
    *list = (struct contact_list){0};
}

void contact_list_heading(const struct contact_list *list, FILE *file) {
    fputs("customer,treatment,channel,title,decision,send_after", file);
    for (uint32_t i = 0; i < list->column_count; i++) {
        fputc(',', file);
        cli_csv(file, list->columns[i]);
    }
    fputc('\n', file);
}

/* Writes a cell safely: a spreadsheet takes a cell that begins with = + - @ or a tab for a formula.
 * "+49 30 1234" and "-3.50" are none. */
static void safe_cell(FILE *file, struct text text) {
    bool signs = text.length > 0 && (text.at[0] == '+' || text.at[0] == '-');
    bool is_number = signs && text.length > 1 && strspn(text.at + 1, "0123456789") > 0;
    bool is_formula = text.length > 0 && strchr("=+-@\t\r", text.at[0]) != NULL && !is_number;
    struct buffer quoted;
    if (!is_formula) {
        cli_csv(file, text);
        return;
    }
    buffer_init(&quoted);
    if (buffer_append(&quoted, "'", 1) == STATUS_OK &&
        buffer_append_text(&quoted, text) == STATUS_OK)
        cli_csv(file, buffer_text(&quoted));
    buffer_release(&quoted);
}

/* The column's value as text; empty where it is unknown. */
static enum status fill(const struct contact_list *list, const struct engine_view *view,
                        const struct treatment *treatment, const struct value *traits,
                        const struct contact_column *column, struct buffer *out) {
    const struct playbook *playbook = engine_playbook(list->engine);
    buffer_clear(out);
    if (column->identifier != UINT32_MAX)
        return buffer_append_text(
            out,
            engine_view_address(view, treatment, playbook->identifiers[column->identifier].symbol));
    struct value value = traits[column->trait];
    return value_is_known(value) ? value_print(value, out) : STATUS_OK;
}

static const struct contact_list_rule *rule_of(const struct playbook *playbook, uint32_t channel) {
    for (uint32_t i = 0; i < playbook->list_count; i++)
        if (playbook->lists[i].channel == channel) return &playbook->lists[i];
    return NULL;
}

/* Writes the id that a receipt names and, where quiet times defer the sending, until when. */
static void write_when(const struct decision *decision, const struct treatment_trace *trace,
                       FILE *file) {
    char id[DECISION_ID_BYTES], after[32] = "";
    decision_id_text(decision->id, id);
    if (trace->send_after_ms != 0) time_format(trace->send_after_ms, after);
    fprintf(file, ",%s,%s", id, after);
}

static enum status write_line(struct contact_list *list, const struct engine_view *view,
                              const struct treatment_trace *trace,
                              const struct contact_list_rule *rule, FILE *file) {
    const struct treatment *treatment = trace->treatment;
    const struct value *traits = profile_at(view->profile, &view->timeline, view->decision->t_ms);
    char name[CUSTOMER_NAME_BYTES];
    struct buffer cell;
    buffer_init(&cell);
    enum status status = fill(list, view, treatment, traits, &rule->columns[0], &cell);
    if (status != STATUS_OK || cell.length == 0) {
        list->no_address += status == STATUS_OK;
        buffer_release(&cell);
        return status;
    }
    customer_name(list->engine, view->decision->customer, name);
    safe_cell(file, text_from(name));
    fputc(',', file);
    safe_cell(file, treatment->key);
    fputc(',', file);
    safe_cell(file, symbol_text(engine_symbols(list->engine), SYMBOL_CHANNEL, treatment->channel));
    fputc(',', file);
    safe_cell(file, treatment->title);
    write_when(view->decision, trace, file);
    for (uint32_t i = 0; i < list->column_count && status == STATUS_OK; i++) {
        fputc(',', file);
        for (uint32_t c = 0; c < rule->column_count; c++) {
            if (!text_equal(rule->columns[c].name, list->columns[i])) continue;
            status = fill(list, view, treatment, traits, &rule->columns[c], &cell);
            safe_cell(file, buffer_text(&cell));
            break;
        }
    }
    fputc('\n', file);
    list->lines++;
    buffer_release(&cell);
    return status;
}

enum status contact_list_add(struct contact_list *list, const struct engine_view *view,
                             FILE *file) {
    const struct decision *decision = view->decision;
    enum status status = STATUS_OK;
    for (uint32_t rank = 0; rank < decision->ranked_count && status == STATUS_OK; rank++) {
        const struct treatment_trace ranked = decision_ranked(decision, rank), *trace = &ranked;
        const struct treatment *treatment = trace->treatment;
        const struct contact_list_rule *rule =
            rule_of(engine_playbook(list->engine), treatment->channel);
        if (rule == NULL)
            list->no_list++;
        else if (decision_withholds(decision, rank))
            list->withheld++;
        else
            status = write_line(list, view, trace, rule, file);
    }
    return status;
}

void contact_list_print(const struct contact_list *list, const char *path) {
    cli_wrap_format(2,
                    "Wrote %s: %s to hand over. Left out: %s withheld (the holdout), %s without "
                    "an address, %s in channels without a list.",
                    path, cli_counted(list->lines, "line"), cli_count(list->withheld),
                    cli_count(list->no_address), cli_count(list->no_list));
}

void contact_list_write_json(const struct contact_list *list, const char *path,
                             struct json_writer *writer) {
    json_write_key(writer, "list");
    json_write_object_begin(writer);
    json_member_string(writer, "out", path);
    json_member_count(writer, "lines", list->lines);
    json_member_count(writer, "withheld", list->withheld);
    json_member_count(writer, "no_address", list->no_address);
    json_member_count(writer, "no_list", list->no_list);
    json_write_object_end(writer);
}
