/* SPDX-License-Identifier: Apache-2.0 */
/* cli/page.h -- writing an HTML page with drawings: escaped text, and the few shapes of SVG that
 * the report needs.
 *
 * Charts are drawn here, as static SVG, and not by a chart library: the page must open offline,
 * print, and stay a few tens of kilobytes, and no library that draws on the server is in Debian
 * without a browser or an interpreter behind it. Failures stick: after the first, every call is a
 * no-op and page->status tells it. */
#ifndef CLI_PAGE_H
#define CLI_PAGE_H

#include "base/text.h"

struct page {
    struct buffer out;
    enum status status;
};
void page_init(struct page *page);
void page_release(struct page *page);
/* markup: arguments must need no escape. */
void page_add(struct page *page, const char *format, ...) PRINTF_LIKE(2, 3);
void page_escape(struct page *page, struct text text);
/* <tag class>escaped</tag>. */
void page_tag(struct page *page, const char *tag, const char *class, struct text text);

/* Shapes; `class` is a CSS class of the page's style. */
void svg_begin(struct page *page, double width, double height, const char *title);
void svg_end(struct page *page);
void svg_line(struct page *page, const char *class, double x1, double y1, double x2, double y2);
void svg_rect(struct page *page, const char *class, double x, double y, double width,
              double height);
void svg_circle(struct page *page, const char *class, double x, double y, double radius);
/* anchor: "start", "middle" or "end" */
void svg_text(struct page *page, const char *class, double x, double y, const char *anchor,
              struct text text);
void svg_label(struct page *page, const char *class, double x, double y, const char *anchor,
               const char *format, ...) PRINTF_LIKE(6, 7);

#endif
