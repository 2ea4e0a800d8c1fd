/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the currency of a row's money. */
#include "base/canonical.h"
#include "ingest/cell/currency.h"
#include "ingest/map/mapper.h"
#include "ingest/map/segment.h"

void mapper_use_currency(struct mapper *mapper, uint16_t currency) {
    if (mapper->reader.currency == currency) return;
    mapper->reader.currency = currency;
    mapper->reader.minor_digits = currency_minor_digits(currency);
}

static enum status use_text(struct mapper *mapper, uint32_t column, struct text text,
                            uint16_t usual) {
    uint16_t currency = usual;
    char shown[MAPPER_SHOWN_BYTES + 8];
    if (canonical_trim(text).length > 0 && currency_read(text, mapper->plan->currency, &currency))
        return mapper_bad(mapper, column, "'%s' is no currency: write three letters such as EUR",
                          mapper_show(text, shown));
    mapper->says_currency = canonical_trim(text).length > 0;
    mapper_use_currency(mapper, currency);
    return STATUS_OK;
}

enum status mapper_set_currency(struct mapper *mapper, const struct cell *cell, uint16_t usual) {
    struct text text;
    enum status status = cell_text(&mapper->reader, cell, &text);
    if (status == STATUS_INVALID)
        return mapper_bad(mapper, COLUMN_NONE, "currency holds %s where three letters belong",
                          json_type(cell->node) == JSON_ARRAY ? "a list" : "an object");
    return status == STATUS_OK ? use_text(mapper, COLUMN_NONE, text, usual) : status;
}

/* A mapped property of this name, else a member that the source keeps undeclared. A row that says
 * nothing stands in the currency of the other rows of its event, else in the playbook's. */
enum status mapper_take_currency(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    uint16_t usual = mapper->group_currency != 0 ? mapper->group_currency : plan->currency;
    struct text text = {0};
    mapper->says_currency = false;
    mapper_use_currency(mapper, usual);
    if (segment_is_message(mapper))
        return mapper_set_currency(mapper, &mapper->cells[plan->segment + SEGMENT_CURRENCY], usual);
    if (plan->currency_symbol == SYMBOL_NONE) return STATUS_OK;
    if (plan->currency_field != NULL) {
        enum status status = mapper_field_text(mapper, plan->currency_field, &text);
        return status == STATUS_OK ? use_text(mapper, plan->currency_field->column, text, usual)
                                   : status;
    }
    for (uint32_t i = 0; i < mapper->extra_count; i++) {
        if (mapper->extras[i].symbol != plan->currency_symbol) continue;
        struct cell cell = cell_from_json(mapper->extras[i].node);
        return mapper_set_currency(mapper, &cell, usual);
    }
    return STATUS_OK;
}
