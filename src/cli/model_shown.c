/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model_shown.h"

#include "cli/job.h"

#define PAIRS_SHOWN 10

struct text model_says(const struct playbook *playbook, struct text feature) {
    uint32_t trait = playbook_trait_find(playbook, feature);
    return trait != UINT32_MAX ? playbook->traits[trait].description : (struct text){0};
}

static void print_pair_count(const struct model *model) {
    const struct model_facts *facts = model_facts(model);
    uint32_t count = model_pair_count(model);
    if (count > 0)
        cli_wrap_format(2, "Pairs of features: %u of %u say together what neither says alone.",
                        count, facts->pairs_tried);
    else if (facts->pairs_tried > 0)
        cli_wrap_format(2, "Pairs of features: none of %u predicts more together than each alone.",
                        facts->pairs_tried);
}

/* Fills `order` with the pairs, the strongest evidence first. */
static uint32_t order_pairs(const struct model *model, uint32_t order[LEARN_PAIRS_MAX]) {
    uint32_t count = model_pair_count(model);
    for (uint32_t k = 0; k < count; k++) {
        double evidence = model_pair_facts(model, k).evidence;
        uint32_t at = k;
        for (; at > 0 && model_pair_facts(model, order[at - 1]).evidence < evidence; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    return count;
}

static void print_pairs(const struct model *model) {
    uint32_t order[LEARN_PAIRS_MAX], count = order_pairs(model, order);
    struct cli_table table;
    if (count == 0) return;
    printf("Strongest pairs (z of the evidence; mean effect on the log-odds)\n");
    cli_table_init(&table, ">z|>effect|features");
    for (uint32_t i = 0; i < count && i < PAIRS_SHOWN; i++) {
        struct model_pair_facts pair = model_pair_facts(model, order[i]);
        cli_table_cell(&table, "%.1f", pair.evidence);
        cli_table_cell(&table, "%.3f", pair.importance);
        cli_table_cell(&table, "%.*s and %.*s", TEXT_ARG(model_feature(model, pair.left).name),
                       TEXT_ARG(model_feature(model, pair.right).name));
    }
    cli_table_print(&table);
}

void model_shown_print(const struct model *model) {
    const struct model_facts *facts = model_facts(model);
    cli_wrap_format(2, "This model: %s.", model_basis_text(facts->basis));
    if (facts->basis != MODEL_BASE_RATE) print_pair_count(model);
    print_pairs(model);
}

static void write_pair(const struct playbook *playbook, const struct model *model,
                       struct model_pair_facts pair, struct json_writer *writer) {
    const struct text names[] = {model_feature(model, pair.left).name,
                                 model_feature(model, pair.right).name};
    json_write_object_begin(writer);
    json_member_text(writer, "left", names[0]);
    json_member_text(writer, "right", names[1]);
    json_member_number(writer, "evidence", pair.evidence);
    json_member_number(writer, "log_odds", pair.importance);
    json_member_text_or_null(writer, "left_says", model_says(playbook, names[0]));
    json_member_text_or_null(writer, "right_says", model_says(playbook, names[1]));
    json_write_object_end(writer);
}

void model_shown_write_json(const struct playbook *playbook, const struct model *model,
                            struct json_writer *writer) {
    const struct model_facts *facts = model_facts(model);
    uint32_t order[LEARN_PAIRS_MAX], count = order_pairs(model, order);
    json_write_object_begin(writer);
    json_member_string(writer, "basis", model_basis_text(facts->basis));
    json_member_count(writer, "splits", facts->split_count);
    json_member_number(writer, "slope_ridge", facts->slope_ridge);
    json_member_number(writer, "bin_ridge", facts->bin_ridge);
    if (count > 0)
        json_member_number(writer, "pair_ridge", facts->pair_ridge);
    else
        json_member_null(writer, "pair_ridge");
    json_member_count(writer, "pairs_tried", facts->pairs_tried);
    json_write_key(writer, "pairs");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < count; i++)
        write_pair(playbook, model, model_pair_facts(model, order[i]), writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
}
