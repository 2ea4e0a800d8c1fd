/* SPDX-License-Identifier: Apache-2.0 */
/* base/zone_book.h -- time zones by their names, and those of a country, as somebody's record has
 * them.
 *
 * Names and countries come from data, so nothing is read twice: a zone is read from tzdata when it
 * is first asked for and kept, at most ZONE_BOOK_ZONES_MAX of them (tzdata has some 600 names); a
 * name that is none is remembered, too. Countries and their zones are those of tzdata's zone.tab
 * and iso3166.tab, read with the book; where these files are not there no country is known.
 *
 * One thread's. What it returns is borrowed until it is destroyed. */
#ifndef BASE_ZONE_BOOK_H
#define BASE_ZONE_BOOK_H

#include "base/time.h"

#define ZONE_BOOK_ZONES_MAX   1024
#define ZONE_BOOK_COUNTRY_MAX 40 /* zones of one country; the United States have 29 */

struct zone_book;
/* `directory`: where tzdata lies; NULL: where the system has it. STATUS_NO_MEMORY. */
enum status zone_book_create(struct zone_book **out, const char *directory) MUST_USE;
void zone_book_destroy(struct zone_book *book);
/* The zone of that name ("Europe/Vienna"); false where there is none, or it can't be read. */
bool zone_book_find(struct zone_book *book, struct text name, const struct time_zone **zone);
/* The name under which a zone of this book was found. */
struct text zone_book_name(const struct zone_book *book, const struct time_zone *zone);
/* The zones of a country, by its two letters or its English name, in any case. Returns how many
 * there are, 0 where it is no country; at most ZONE_BOOK_COUNTRY_MAX are written. */
uint32_t zone_book_country(struct zone_book *book, struct text country,
                           const struct time_zone *out[ZONE_BOOK_COUNTRY_MAX]);

#endif
