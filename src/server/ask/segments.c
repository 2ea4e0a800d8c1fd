/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/segments.h"

#include "engine/answer/report_json.h"
#include "measure/segment_count.h"
#include "server/ask/question.h"
#include "server/lane.h"
#include "server/server_internal.h"

struct segment_question { /* in the call's arena */
    struct http_call *call;
    struct in_force *in_force; /* held */
    uint32_t trait;
    int64_t t_ms;
};

static void write_count(struct segment_question *question, const struct segment_count *count) {
    struct json_writer *writer = http_json(question->call);
    const struct trait *trait = &question->in_force->data.playbook->traits[question->trait];
    json_write_object_begin(writer);
    json_member_text(writer, "segment", trait->name);
    json_member_text_or_null(writer, "description", trait->description);
    figure_write_members(&count->in, writer);
    json_member_count(writer, "unknown", count->unknown);
    json_member_count(writer, "limited", count->limited);
    json_write_object_end(writer);
}

/* The lane's. */
static void count_segment(void *context, struct work *work) {
    struct segment_question *question = context;
    struct segment_count count;
    struct error error = {0};
    const struct segment_count_options options = {
        question->trait, {question->t_ms, POSITION_NOW}, 1, work};
    enum status status = work_check(work, &error);
    if (status == STATUS_OK)
        status = segment_count_measure(&question->in_force->data, &options, &count, &error);
    if (status == STATUS_OK) write_count(question, &count);
    in_force_drop(question->in_force);
    if (status == STATUS_OK)
        http_answer_json(question->call, 200);
    else if (status == STATUS_CANCELLED)
        http_problem(question->call, 503, "stopping", "the server is stopping; ask again later");
    else
        http_problem_of(question->call, status, &error);
}

/* The trait of that name where it is a segment of customers. False, with the nearest name, where it
 * is none. */
static bool find_segment(const struct playbook *playbook, struct text name, uint32_t *out,
                         struct error *error) {
    struct text known[PLAYBOOK_TRAITS_MAX];
    size_t count = 0;
    *out = UINT32_MAX;
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (!trait->is_segment || trait->of_treatment) continue;
        if (text_equal(trait->name, name)) *out = i;
        known[count++] = trait->name;
    }
    return *out != UINT32_MAX ||
           text_unknown(name, "the playbook has no segment", known, count, error) == STATUS_OK;
}

void segments_count(struct http_call *call) {
    struct server *server = http_server(call);
    struct error error = {0};
    struct segment_question *question = arena_alloc(http_arena(call), sizeof *question);
    if (question == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    *question = (struct segment_question){.call = call};
    if (!question_time(call, &question->t_ms)) return;
    question->in_force = in_force_hold(server->engine);
    const struct playbook *playbook = question->in_force->data.playbook;
    if (playbook == NULL ||
        !find_segment(playbook, http_path_word(call, 0), &question->trait, &error)) {
        in_force_drop(question->in_force);
        http_problem_of(call, STATUS_NOT_FOUND, &error);
        return;
    }
    http_defer(call);
    if (lane_submit(server->lane, count_segment, question) == STATUS_OK) return;
    in_force_drop(question->in_force);
    http_problem(call, 503, "busy", "too many long questions wait; ask again in a moment");
}
