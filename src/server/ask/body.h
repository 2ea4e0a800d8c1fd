/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/body.h -- a JSON body with the members that a question takes, and no others.
 *
 * A member that is misspelt would silently not count, so it is refused with the nearest name. Nodes
 * are borrowed until the thread's next body_parse: a handler takes what it needs before it
 * defers. */
#ifndef SERVER_ASK_BODY_H
#define SERVER_ASK_BODY_H

#include "base/json.h"
#include "server/http/http.h"

struct body_member {
    const char *name;
    enum json_type type;
    bool is_required;
    struct json_node *out;
    bool *is_there; /* may be NULL; a null counts as not there */
};
/* Parses the call's body, which must be one JSON object. False, and the call answered, where it is
 * none. */
bool body_parse(struct http_call *call, struct json_node *root);
/* Reads the members of an object. `where`: what stands before a name in errors, such as
 * "requests[3]."; "" for the root. False, and the call answered, where a member is unknown, missing
 * or of another type. */
bool body_read(struct http_call *call, struct json_node object, const char *where,
               const struct body_member *members, size_t count);
/* The questions of a body: the root itself, or up to `max` objects of its only member `name`. */
struct body_items {
    bool is_list;
    uint32_t count;
    char where[48]; /* of the latest: "" for the root, "requests[3]." */

    /* Private to body.c. */
    const char *name;
    uint32_t number;
    struct json_node root;
    struct json_iterator list;
};
/* Parses the body. False, and the call answered, where it holds none of them, or too many, or one
 * that is no object. */
bool body_items(struct http_call *call, const char *name, uint32_t max, struct body_items *out);
/* The next one; false behind the last. */
bool body_items_next(struct body_items *items, struct json_node *out);
/* A text that outlives the body. False, and the call answered, without memory. */
bool body_keep(struct http_call *call, struct text text, struct text *out);

#endif
