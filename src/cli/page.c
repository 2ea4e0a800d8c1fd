/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/page.h"

#include <stdarg.h>
#include <stdio.h>

#define PIECE_BYTES_MAX 2048

void page_init(struct page *page) {
    page->status = STATUS_OK;
    buffer_init(&page->out);
}

void page_release(struct page *page) {
    buffer_release(&page->out);
}

static void append(struct page *page, const char *at, size_t length) {
    if (page->status == STATUS_OK) page->status = buffer_append(&page->out, at, length);
}

void page_add(struct page *page, const char *format, ...) {
    char piece[PIECE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof piece)
        page->status = STATUS_LIMIT;
    else
        append(page, piece, (size_t)length);
}

void page_escape(struct page *page, struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        switch (text.at[i]) {
        case '&': append(page, "&amp;", 5); break;
        case '<': append(page, "&lt;", 4); break;
        case '>': append(page, "&gt;", 4); break;
        case '"': append(page, "&quot;", 6); break;
        case '\'': append(page, "&#39;", 5); break;
        default: append(page, text.at + i, 1);
        }
    }
}

void page_tag(struct page *page, const char *tag, const char *class, struct text text) {
    if (class[0] != '\0')
        page_add(page, "<%s class=\"%s\">", tag, class);
    else
        page_add(page, "<%s>", tag);
    page_escape(page, text);
    page_add(page, "</%s>", tag);
}

void svg_begin(struct page *page, double width, double height, const char *title) {
    page_add(page, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" style=\"max-width:%.0fpx\"><title>",
             width, height, width);
    page_escape(page, text_from(title));
    page_add(page, "</title>");
}

void svg_end(struct page *page) {
    page_add(page, "</svg>\n");
}

void svg_line(struct page *page, const char *class, double x1, double y1, double x2, double y2) {
    page_add(page, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class,
             x1, y1, x2, y2);
}

void svg_rect(struct page *page, const char *class, double x, double y, double width,
              double height) {
    page_add(page,
             "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\"/>",
             class, x, y, width > 0 ? width : 0, height);
}

void svg_circle(struct page *page, const char *class, double x, double y, double radius) {
    page_add(page, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>", class, x, y,
             radius);
}

void svg_text(struct page *page, const char *class, double x, double y, const char *anchor,
              struct text text) {
    page_add(page, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y,
             anchor);
    page_escape(page, text);
    page_add(page, "</text>");
}

void svg_label(struct page *page, const char *class, double x, double y, const char *anchor,
               const char *format, ...) {
    char label[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(label, sizeof label, format, arguments);
    va_end(arguments);
    svg_text(page, class, x, y, anchor, text_from(label));
}
