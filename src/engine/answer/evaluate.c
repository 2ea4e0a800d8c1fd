/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "engine/answer/report.h"

struct naming {
    void (*name)(void *context, struct text value);
    void *context;
};

static void name_identifier(void *context, struct identifier_id identifier, uint32_t type,
                            struct text value) {
    (void)identifier;
    (void)type;
    struct naming *naming = context;
    naming->name(naming->context, value);
}

/* C123, as `attune evaluate --out` writes it, and every identifier. */
static enum status visit_names(void *context, struct customer_id customer,
                               void (*name)(void *name_context, struct text value),
                               void *name_context) {
    struct naming naming = {name, name_context};
    char number[16];
    snprintf(number, sizeof number, "C%u", customer.value);
    name(name_context, text_from(number));
    struct identity_visitor visitor = {.identifier = name_identifier, .context = &naming};
    return identity_describe(engine_identity(context), customer, &visitor);
}

static enum status evaluate(const struct in_force *in_force, const struct evaluate_options *options,
                            struct evaluation *out, struct error *error) {
    struct engine *engine = in_force->engine;
    const struct model_entry *entry = &in_force->model_entries[options->rule];
    struct predictions *against = NULL;
    if (entry->model == NULL) {
        struct text name = in_force->data.playbook->models[options->rule].name;
        return error_set(
            error, STATUS_NOT_FOUND,
            "model %.*s is not trained yet, or no longer fits the playbook; attune train %.*s",
            TEXT_ARG(name), TEXT_ARG(name));
    }
    enum status status = STATUS_OK;
    if (options->against != NULL)
        status = predictions_read(&against, file_system_os(), options->against, error);
    struct evaluation_options of = {.rule = options->rule,
                                    .model = entry->model,
                                    .learnt_until_ms = entry->until_ms,
                                    .from_ms = options->from_ms,
                                    .until_ms = options->until_ms,
                                    .threads = engine_threads(engine),
                                    .against = against,
                                    .namer = {visit_names, engine},
                                    .work = options->work};
    if (status == STATUS_OK) status = evaluation_make(&in_force->data, &of, out, error);
    predictions_destroy(against);
    return status;
}

/* It holds what was in force when it began. */
enum status engine_evaluate(struct engine *engine, const struct evaluate_options *options,
                            struct evaluation *out, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    *out = (struct evaluation){0};
    enum status status = evaluate(in_force, options, out, error);
    in_force_drop(in_force);
    return status;
}
