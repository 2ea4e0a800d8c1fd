/* SPDX-License-Identifier: Apache-2.0 */
/* Computes local days and times of day. */
#include "decide/contact.h"

#define QUIET_STEPS_MAX 10000
#define QUIET_REACH_MS  (7 * TIME_DAY_MS)

static int64_t local_ms(const struct time_zone *zone, int64_t t_ms) {
    return t_ms + time_zone_offset_s(zone, t_ms) * TIME_SECOND_MS;
}

static int64_t floor_day(int64_t ms) {
    return ms >= 0 ? ms / TIME_DAY_MS : -((-ms + TIME_DAY_MS - 1) / TIME_DAY_MS);
}

int64_t local_day(const struct time_zone *zone, int64_t t_ms) {
    return floor_day(local_ms(zone, t_ms));
}

/* Searches for the first moment of another day: a day is as long as the clocks make it, and begins
 * later where midnight is skipped. */
int64_t local_day_end(const struct time_zone *zone, int64_t t_ms) {
    int64_t day = local_day(zone, t_ms), low_ms = t_ms, high_ms = t_ms + 2 * TIME_DAY_MS;
    while (high_ms - low_ms > 1) {
        int64_t middle_ms = low_ms + (high_ms - low_ms) / 2;
        if (local_day(zone, middle_ms) <= day)
            low_ms = middle_ms;
        else
            high_ms = middle_ms;
    }
    return high_ms;
}

/* Milliseconds since local midnight. */
static int64_t of_day_ms(const struct time_zone *zone, int64_t t_ms) {
    int64_t ms = local_ms(zone, t_ms);
    return ms - floor_day(ms) * TIME_DAY_MS;
}

/* `to` before `from` spans midnight. */
static bool is_quiet(const struct time_zone *zone, const struct policy *policy, int64_t t_ms) {
    int64_t from_ms = policy->quiet_from_minute * TIME_MINUTE_MS,
            to_ms = policy->quiet_to_minute * TIME_MINUTE_MS;
    int64_t now_ms = of_day_ms(zone, t_ms);
    return to_ms <= from_ms ? now_ms >= from_ms || now_ms < to_ms
                            : now_ms >= from_ms && now_ms < to_ms;
}

/* In a night on which the clocks change, the end comes as much earlier or later; or at the change
 * itself, where it leads out. 0: not quiet. */
static int64_t quiet_until(const struct time_zone *zone, const struct policy *policy,
                           int64_t now_ms) {
    if (!is_quiet(zone, policy, now_ms)) return 0;
    int64_t wait_ms = policy->quiet_to_minute * TIME_MINUTE_MS - of_day_ms(zone, now_ms);
    int64_t plain_ms = now_ms + (wait_ms <= 0 ? wait_ms + TIME_DAY_MS : wait_ms);
    int64_t before_s = time_zone_offset_s(zone, now_ms),
            after_s = time_zone_offset_s(zone, plain_ms);
    if (before_s == after_s) return plain_ms;
    int64_t change_ms = plain_ms;
    for (int64_t last_ms = now_ms; change_ms - last_ms > 1;) {
        int64_t middle_ms = last_ms + (change_ms - last_ms) / 2;
        if (time_zone_offset_s(zone, middle_ms) == before_s)
            last_ms = middle_ms;
        else
            change_ms = middle_ms;
    }
    return is_quiet(zone, policy, change_ms) ? plain_ms - (after_s - before_s) * TIME_SECOND_MS
                                             : change_ms;
}

/* The hours must be open in every zone that the customer may be in. */
static int64_t quiet_anywhere_until(const struct where *where, const struct policy *policy,
                                    int64_t now_ms) {
    int64_t until_ms = quiet_until(where->zones[0], policy, now_ms);
    for (uint32_t i = 1; i < where->count && until_ms <= now_ms; i++)
        until_ms = quiet_until(where->zones[i], policy, now_ms);
    return until_ms;
}

int64_t quiet_send_after(const struct where *where, const struct treatment *treatment,
                         int64_t now_ms, const struct policy **policy) {
    const struct playbook *playbook = where->playbook;
    int64_t t_ms = now_ms;
    *policy = NULL;
    for (uint32_t step = 0; step < QUIET_STEPS_MAX && t_ms - now_ms <= QUIET_REACH_MS; step++) {
        int64_t until_ms = 0;
        for (uint32_t i = 0; i < playbook->policy_count && until_ms <= t_ms; i++) {
            const struct policy *quiet = &playbook->policies[i];
            if (quiet->kind != POLICY_QUIET || !policy_applies(quiet, treatment)) continue;
            until_ms = quiet_anywhere_until(where, quiet, t_ms);
            if (until_ms > t_ms && *policy == NULL) *policy = quiet;
        }
        if (until_ms <= t_ms) return t_ms;
        t_ms = until_ms;
    }
    return TIME_NEVER;
}
