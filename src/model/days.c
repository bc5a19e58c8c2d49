/* Windows and days of wall-clock times: the Gregorian calendar without a time zone database. */
#include "model/counts.h"

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days before the first of January of `year`, counted from 0001-01-01. */
static int days_before_year(int year)
{
    int past = year - 1;

    return past * 365 + past / 4 - past / 100 + past / 400;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

uint32_t duet_window_of(int64_t wall_ms)
{
    int64_t minutes = floor_div(wall_ms, 60000);

    if (minutes < 0)
        return 0;
    return minutes > UINT32_MAX ? UINT32_MAX : (uint32_t)minutes;
}

uint16_t duet_day_of(int64_t wall_ms, int32_t utc_offset_s)
{
    /* whole seconds first: wall_ms + offset * 1000 could overflow */
    int64_t days = floor_div(floor_div(wall_ms, 1000) + utc_offset_s, 86400);

    if (days < 0)
        return 0;
    return days > UINT16_MAX ? UINT16_MAX : (uint16_t)days;
}

void duet_day_text(char out[11], uint16_t day)
{
    int year = 1970 + day / 366; /* at or a little below the year */
    int month = 1, rest;

    while (days_before_year(year + 1) - days_before_year(1970) <= day)
        year++;
    rest = day - (days_before_year(year) - days_before_year(1970));
    while (rest >= days_in(year, month))
        rest -= days_in(year, month++);
    out[0] = (char)('0' + year / 1000);
    out[1] = (char)('0' + year / 100 % 10);
    out[2] = (char)('0' + year / 10 % 10);
    out[3] = (char)('0' + year % 10);
    out[4] = out[7] = '-';
    out[5] = (char)('0' + month / 10);
    out[6] = (char)('0' + month % 10);
    out[8] = (char)('0' + (rest + 1) / 10);
    out[9] = (char)('0' + (rest + 1) % 10);
    out[10] = '\0';
}

/* `count` digits at `text`, or -1. */
static int digits(const char *text, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool duet_day_parse(const char *text, uint16_t *day)
{
    int year, month, date, days;

    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
        return false;
    year = digits(text, 4);
    month = digits(text + 5, 2);
    date = digits(text + 8, 2);
    if (year < 1970 || month < 1 || month > 12 || date < 1 || date > days_in(year, month))
        return false;
    days = days_before_year(year) - days_before_year(1970) + date - 1;
    for (int i = 1; i < month; i++)
        days += days_in(year, i);
    if (days > UINT16_MAX)
        return false;
    *day = (uint16_t)days;
    return true;
}
