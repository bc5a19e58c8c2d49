/*
 * posix_rule.h - the rule at the end of a zone file: "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * It holds for times beyond the file's table (RFC 8536, 3.3; POSIX 8.3). Pure.
 */
#ifndef CONFIG_POSIX_RULE_H
#define CONFIG_POSIX_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct duet_rule_day {
    char form;      /* 'M': month.week.weekday; 'J': 1..365 without 29 Feb; 'N': 0..365 */
    int month;      /* 1..12 */
    int week;       /* 1..5, 5 is the last */
    int day;        /* weekday 0..6 (0 Sunday) for 'M', else day of the year */
    int32_t time_s; /* local wall clock; may be negative or over a day */
};

struct duet_rule {
    int32_t standard_s; /* seconds east of UTC */
    bool has_summer;
    int32_t summer_s;
    struct duet_rule_day start, end; /* of summer time */
};

/* False if the text is no such rule. */
bool duet_rule_parse(struct duet_rule *rule, const char *text);
/* Seconds east of UTC at that moment, in seconds since 1970 UTC. */
int32_t duet_rule_offset_s(const struct duet_rule *rule, int64_t utc_s);

#endif
