/* SPDX-License-Identifier: Apache-2.0 */
/* One customer: who they are, their traits, their timeline, and why an action is not offered. */
#include "server/ask/customers.h"

#include <stdio.h>

#include "server/ask/question.h"

#define PAGE_EVENTS     100
#define PAGE_EVENTS_MAX 1000

/* Reads the customer of the path into a view of the kind; the view is the caller's to give back,
 * NULL where the call has been answered. */
static struct engine_view *read_customer(struct http_call *call, uint32_t needs) {
    int64_t t_ms;
    const char *customer = question_string(call, http_path_word(call, 0));
    if (customer == NULL || !question_time(call, &t_ms)) return NULL;
    struct engine_view *view = question_view(call, ENGINE_VIEW_LIVE, t_ms);
    if (view == NULL) return NULL;
    struct error error = {0};
    enum status status = engine_view_read(view, customer, needs, &error);
    if (status == STATUS_OK) {
        http_about(call, view->timeline.customer);
        return view;
    }
    http_problem_of(call, status, &error);
    engine_view_give(view);
    return NULL;
}

void customers_get(struct http_call *call) {
    struct engine_view *view = read_customer(call, 0);
    if (view == NULL) return;
    answer_customer_now(view, http_json(call));
    engine_view_give(view);
    http_answer_json(call, 200);
}

void customers_traits(struct http_call *call) {
    struct engine_view *view = read_customer(call, 0);
    if (view == NULL) return;
    answer_traits(view, http_json(call));
    engine_view_give(view);
    http_answer_json(call, 200);
}

/* The question must be the one that was decided: at the same placement, of the same moment. */
static enum status decide_as_asked(struct http_call *call, struct engine_view *view,
                                   const char *customer, int64_t count, struct error *error) {
    const struct decision_ask ask = {.placement = http_query(call, "placement"),
                                     .context = http_query(call, "context"),
                                     .count = (uint32_t)count};
    enum status status = engine_view_ask(view, &ask, error);
    return status == STATUS_OK ? engine_view_decide(view, customer, error) : status;
}

void customers_why_not(struct http_call *call) {
    int64_t t_ms, count;
    struct text action = http_query(call, "action");
    const char *customer = question_string(call, http_path_word(call, 0));
    if (customer == NULL || !question_time(call, &t_ms) ||
        !question_number(call, "count", 1, DECISION_SLOTS_MAX, 0, &count))
        return;
    if (action.length == 0) {
        http_problem(call, 400, "invalid",
                     "say which action: ?action=NAME, or ?action=NAME/KEY for one of its rows");
        return;
    }
    struct engine_view *view = question_view(call, ENGINE_VIEW_DECIDING, t_ms);
    if (view == NULL) return;
    struct error error = {0};
    enum status status = decide_as_asked(call, view, customer, count, &error);
    if (status == STATUS_OK) http_about(call, view->timeline.customer);
    if (status == STATUS_OK) status = answer_why_not(view, action, http_json(call), &error);
    engine_view_give(view);
    if (status == STATUS_OK)
        http_answer_json(call, 200);
    else
        http_problem_of(call, status, &error);
}

/* ---- the timeline, page by page ---- */

/* A page names the view that the first one had, and how many rows were given: as of the same time
 * and position the rows are the same, whatever has been loaded since. */
struct page {
    int64_t t_ms;
    uint64_t position; /* POSITION_NOW: the first page */
    uint64_t given;
};

static bool read_cursor(struct http_call *call, struct page *page) {
    struct text cursor = http_query(call, "cursor");
    if (cursor.at == NULL) {
        page->position = POSITION_NOW;
        page->given = 0;
        return question_time(call, &page->t_ms);
    }
    int64_t part[3];
    uint32_t from = 0;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t to = from;
        while (to < cursor.length && cursor.at[to] != '.') to++;
        bool is_last = to == cursor.length;
        if (text_to_int64((struct text){cursor.at + from, to - from}, &part[i]) != STATUS_OK ||
            part[i] < 0 || is_last != (i == 2)) {
            http_problem(call, 400, "invalid",
                         "`cursor` is not one that an earlier page gave; leave it out to begin");
            return false;
        }
        from = to + 1;
    }
    *page = (struct page){part[0], (uint64_t)part[1], (uint64_t)part[2]};
    return true;
}

static void write_page(const struct engine_view *view, const struct page *page, uint64_t limit,
                       struct json_writer *writer) {
    uint64_t count = view->timeline.count;
    uint64_t end = count > page->given ? count - page->given : 0;
    uint64_t begin = end > limit ? end - limit : 0;
    char cursor[80];
    json_write_object_begin(writer);
    answer_who(view, writer);
    json_member_count(writer, "count", count);
    json_member_yes_no(writer, "truncated", view->timeline.truncated);
    json_write_key(writer, "events");
    answer_events(view, (uint32_t)begin, (uint32_t)end, writer);
    snprintf(cursor, sizeof cursor, "%lld.%llu.%llu", (long long)view->t_ms,
             (unsigned long long)engine_view_position(view), (unsigned long long)(count - begin));
    json_member_text_or_null(writer, "next", begin > 0 ? text_from(cursor) : (struct text){0});
    json_write_object_end(writer);
}

void customers_timeline(struct http_call *call) {
    struct page page;
    int64_t limit;
    const char *customer = question_string(call, http_path_word(call, 0));
    if (customer == NULL || !read_cursor(call, &page) ||
        !question_number(call, "limit", 1, PAGE_EVENTS_MAX, PAGE_EVENTS, &limit))
        return;
    struct engine_view *view = question_view(call, ENGINE_VIEW_LIVE, page.t_ms);
    if (view == NULL) return;
    struct error error = {0};
    engine_view_at_position(view, page.position);
    enum status status =
        engine_view_read(view, customer, TIMELINE_PACKED | TIMELINE_CHANNEL, &error);
    if (status == STATUS_OK) http_about(call, view->timeline.customer);
    if (status == STATUS_OK) write_page(view, &page, (uint64_t)limit, http_json(call));
    engine_view_give(view);
    if (status == STATUS_OK)
        http_answer_json(call, 200);
    else
        http_problem_of(call, status, &error);
}
