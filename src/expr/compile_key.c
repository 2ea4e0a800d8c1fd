/* SPDX-License-Identifier: Apache-2.0 */
/* Which conditions of an aggregate ask for one key of the treatment (expr/keyed.h). */
#include "expr/compile.h"

static bool is_attribute(const struct node *node) {
    return node->kind == NODE_NAME && node->reference == REFERENCE_ATTRIBUTE;
}

/* Can a value of this kind be found in an index? Money can't: two currencies have no ==. */
static bool is_key(const struct node *node) {
    if (node->kind != NODE_NAME || node->type == VALUE_LIST || node->type == VALUE_MONEY)
        return false;
    if (node->reference == REFERENCE_LOOKUP) return is_key(node->first);
    return node->reference == REFERENCE_PROPERTY || node->reference == REFERENCE_ITEM;
}

const struct node *compile_key_of(const struct node *node, uint32_t *attribute) {
    const struct node *key = node->first, *other = key != NULL ? key->next : NULL;
    bool equal = node->kind == NODE_COMPARE && node->op == OP_EQUAL;
    bool contains = node->kind == NODE_TEXT_TEST && key->type == VALUE_LIST;
    if (!equal && !contains && (node->kind != NODE_IN || node->op != OP_IN)) return NULL;
    if (contains || (equal && is_attribute(key))) {
        other = key;
        key = key->next;
    }
    if (!is_attribute(other) || !is_key(key)) return NULL;
    if (equal ? other->type == VALUE_LIST || other->type != key->type : other->type != VALUE_LIST)
        return NULL;
    *attribute = other->index;
    return key;
}

bool compile_is_calm(const struct node *node) {
    bool calm;
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
    case NODE_NOW:
    case NODE_LIST:
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
    case NODE_IS: calm = true; break;
    case NODE_COMPARE: calm = node->first->type != VALUE_MONEY; break;
    case NODE_TEXT_TEST: calm = node->first->type == VALUE_TEXT; break;
    case NODE_IN: calm = node->first->next->kind == NODE_LIST; break;
    case NODE_NAME:
        calm = node->reference == REFERENCE_PROPERTY || node->reference == REFERENCE_ITEM ||
               node->reference == REFERENCE_LOOKUP || node->reference == REFERENCE_TIME ||
               node->reference == REFERENCE_CONTEXT ||
               (node->reference == REFERENCE_TRAIT && !(node->op & TRAIT_OF_TREATMENT));
        break;
    default: calm = false; break;
    }
    for (const struct node *child = node->first; calm && child != NULL; child = child->next)
        calm = compile_is_calm(child);
    return calm;
}
