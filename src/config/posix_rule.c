#include "config/posix_rule.h"

#include <string.h>

enum { DAY_S = 86400, HOUR_S = 3600 };

/* ---- the text ---- */

static bool number(const char **at, int max, int *value)
{
    const char *from = *at;

    *value = 0;
    while (**at >= '0' && **at <= '9') {
        *value = *value * 10 + (*(*at)++ - '0');
        if (*value > max)
            return false;
    }
    return *at > from;
}

/* [+-]hh[:mm[:ss]] */
static bool time_of_day(const char **at, int hours_max, int32_t *seconds)
{
    int sign = 1, hours, minutes = 0, rest = 0;

    if (**at == '+' || **at == '-')
        sign = *(*at)++ == '-' ? -1 : 1;
    if (!number(at, hours_max, &hours))
        return false;
    if (**at == ':') {
        (*at)++;
        if (!number(at, 59, &minutes))
            return false;
        if (**at == ':') {
            (*at)++;
            if (!number(at, 59, &rest))
                return false;
        }
    }
    *seconds = sign * (hours * HOUR_S + minutes * 60 + rest);
    return true;
}

/* "CET" or "<+0330>": only skipped */
static bool zone_name(const char **at)
{
    const char *from = *at;

    if (**at == '<') {
        const char *end = strchr(*at, '>');

        if (end == NULL)
            return false;
        *at = end + 1;
        return true;
    }
    while ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z'))
        (*at)++;
    return *at - from >= 3;
}

static bool rule_day(const char **at, struct duet_rule_day *day)
{
    bool good;

    if (*(*at)++ != ',')
        return false;
    day->time_s = 2 * HOUR_S;
    if (**at == 'M') {
        (*at)++;
        day->form = 'M';
        good = number(at, 12, &day->month) && day->month >= 1 && *(*at)++ == '.' &&
               number(at, 5, &day->week) && day->week >= 1 && *(*at)++ == '.' &&
               number(at, 6, &day->day);
    } else if (**at == 'J') {
        (*at)++;
        day->form = 'J';
        good = number(at, 365, &day->day) && day->day >= 1;
    } else {
        day->form = 'N';
        good = number(at, 365, &day->day);
    }
    if (good && **at == '/') {
        (*at)++;
        good = time_of_day(at, 167, &day->time_s);
    }
    return good;
}

bool duet_rule_parse(struct duet_rule *rule, const char *text)
{
    int32_t west_s;

    memset(rule, 0, sizeof(*rule));
    if (!zone_name(&text) || !time_of_day(&text, 24, &west_s))
        return false;
    rule->standard_s = -west_s; /* POSIX counts to the west */
    if (*text == '\0')
        return true;
    rule->has_summer = true;
    rule->summer_s = rule->standard_s + HOUR_S;
    if (!zone_name(&text))
        return false;
    if (*text != ',') {
        if (!time_of_day(&text, 24, &west_s))
            return false;
        rule->summer_s = -west_s;
    }
    return rule_day(&text, &rule->start) && rule_day(&text, &rule->end) && *text == '\0';
}

/* ---- the calendar ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January. */
static int64_t days_to_year(int64_t year)
{
    int64_t before = year - 1;

    return 365 * (year - 1970) + (floor_div(before, 4) - 492) -
           (floor_div(before, 100) - 19) + (floor_div(before, 400) - 4);
}

static int64_t year_of(int64_t utc_s)
{
    int64_t days = floor_div(utc_s, DAY_S);
    int64_t year = 1970 + floor_div(days * 400, 146097);

    while (days_to_year(year) > days)
        year--;
    while (days_to_year(year + 1) <= days)
        year++;
    return year;
}

/* Days from 1970-01-01 to the rule's day in that year. */
static int64_t days_to(const struct duet_rule_day *rule, int64_t year)
{
    static const int before_month[] = {0,   31,  59,  90,  120, 151, 181,
                                       212, 243, 273, 304, 334, 365};
    int64_t first = days_to_year(year);
    int length, weekday, day;

    if (rule->form == 'N')
        return first + rule->day;
    if (rule->form == 'J')
        return first + rule->day - 1 + (leap(year) && rule->day >= 60);
    first += before_month[rule->month - 1] + (leap(year) && rule->month > 2);
    length = before_month[rule->month] - before_month[rule->month - 1] +
             (leap(year) && rule->month == 2);
    weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    day = (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
    while (day >= length)
        day -= 7;
    return first + day;
}

int32_t duet_rule_offset_s(const struct duet_rule *rule, int64_t utc_s)
{
    int64_t year, start_s, end_s;
    bool summer;

    if (!rule->has_summer)
        return rule->standard_s;
    year = year_of(utc_s + rule->standard_s);
    start_s = days_to(&rule->start, year) * DAY_S + rule->start.time_s - rule->standard_s;
    end_s = days_to(&rule->end, year) * DAY_S + rule->end.time_s - rule->summer_s;
    if (start_s < end_s)
        summer = utc_s >= start_s && utc_s < end_s;
    else /* the southern half of the world: summer lies over the new year */
        summer = utc_s >= start_s || utc_s < end_s;
    return summer ? rule->summer_s : rule->standard_s;
}
