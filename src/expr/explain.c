/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/program.h"
enum status expr_explain(const struct expr_program *program, const struct expr_schema *schema, struct buffer *out) {
    (void)schema;
    return buffer_append_text(out, program->source);
}
