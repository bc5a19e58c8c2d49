#include "config/zone.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "config/posix_rule.h"

/* A zone file (RFC 8536): a header and a block with 32-bit times; from version 2 on a second
 * header, a block with 64-bit times, and "\n<rule>\n".
 *
 *   | "TZif" | version 1 | 15 reserved | isutcnt | isstdcnt | leapcnt | timecnt | typecnt |
 *   | charcnt |  block: times, type of each, types (offset 4, is summer 1, name 1), names,
 *   leap seconds, two bytes of flags                                       big-endian
 */
enum { ZONE_FILE_MAX = 1 << 20, TYPES_MAX = 256, TIMES_MAX = 100000, RULE_MAX = 256 };

struct duet_zone {
    int64_t *times; /* ascending, seconds since 1970 */
    uint8_t *types; /* in force from times[i] on */
    size_t count;
    int32_t offsets_s[TYPES_MAX];
    bool has_rule; /* for times from the last one on; without a table for all */
    struct duet_rule rule;
};

static dt_status not_allowed(const char *name)
{
    return dt_error_set(
        DT_EINVAL,
        "time zone '%.60s' is not known; allowed is UTC, a fixed offset such as "
        "+08:00, or an IANA name such as Europe/Berlin (Debian package tzdata)",
        name);
}

struct header {
    uint8_t version;
    uint32_t utc_flags, std_flags, leaps, times, types, chars;
};

static bool read_header(struct dt_scan *scan, struct header *header)
{
    if (!dt_span_equal_str(dt_scan_bytes(scan, 4), "TZif"))
        return false;
    header->version = dt_scan_u8(scan);
    dt_scan_bytes(scan, 15);
    header->utc_flags = dt_scan_u32(scan);
    header->std_flags = dt_scan_u32(scan);
    header->leaps = dt_scan_u32(scan);
    header->times = dt_scan_u32(scan);
    header->types = dt_scan_u32(scan);
    header->chars = dt_scan_u32(scan);
    return dt_scan_ok(scan) && header->types >= 1 && header->types <= TYPES_MAX &&
           header->times <= TIMES_MAX;
}

static uint64_t tail_size(const struct header *header, size_t time_size)
{
    return (uint64_t)header->chars + (uint64_t)header->leaps * (time_size + 4) +
           header->std_flags + header->utc_flags;
}

static bool read_block(struct dt_scan *scan, const struct header *header, size_t time_size,
                       struct duet_zone *zone)
{
    zone->count = header->times;
    zone->times = calloc(zone->count ? zone->count : 1, sizeof(*zone->times));
    zone->types = calloc(zone->count ? zone->count : 1, sizeof(*zone->types));
    if (zone->times == NULL || zone->types == NULL)
        return false;
    for (size_t i = 0; i < zone->count; i++) {
        zone->times[i] = time_size == 8 ? dt_scan_i64(scan) : dt_scan_i32(scan);
        if (i > 0 && zone->times[i] <= zone->times[i - 1])
            return false;
    }
    for (size_t i = 0; i < zone->count; i++) {
        zone->types[i] = dt_scan_u8(scan);
        if (zone->types[i] >= header->types)
            return false;
    }
    for (uint32_t i = 0; i < header->types; i++) {
        zone->offsets_s[i] = dt_scan_i32(scan);
        dt_scan_bytes(scan, 2);
        if (zone->offsets_s[i] < -26 * 3600 || zone->offsets_s[i] > 26 * 3600)
            return false;
    }
    dt_scan_bytes(scan, (size_t)tail_size(header, time_size));
    return dt_scan_ok(scan);
}

/* "\n<rule>\n"; an empty rule means that there is none. */
static bool read_footer(struct dt_scan *scan, struct duet_zone *zone)
{
    char text[RULE_MAX];
    size_t size = 0;

    if (dt_scan_u8(scan) != '\n')
        return false;
    for (;;) {
        uint8_t c = dt_scan_u8(scan);

        if (!dt_scan_ok(scan) || c == '\0' || size + 1 == sizeof(text))
            return false;
        if (c == '\n')
            break;
        text[size++] = (char)c;
    }
    text[size] = '\0';
    zone->has_rule = size > 0;
    return size == 0 || duet_rule_parse(&zone->rule, text);
}

static bool read_file(struct dt_span bytes, struct duet_zone *zone)
{
    struct dt_scan scan = dt_scan_of(bytes);
    struct header header;
    uint64_t first;

    if (!read_header(&scan, &header))
        return false;
    if (header.version < '2')
        return read_block(&scan, &header, 4, zone);
    first = (uint64_t)header.times * 5 + (uint64_t)header.types * 6 + tail_size(&header, 4);
    dt_scan_bytes(&scan, first > SIZE_MAX ? SIZE_MAX : (size_t)first);
    return read_header(&scan, &header) && read_block(&scan, &header, 8, zone) &&
           read_footer(&scan, zone);
}

/* +hh:mm or -hh:mm, up to 14 hours: the farthest that any place keeps */
static bool fixed_offset(const char *name, int32_t *offset_s)
{
    int hours, minutes;

    if (strlen(name) != 6 || (name[0] != '+' && name[0] != '-') || name[3] != ':')
        return false;
    for (int i = 1; i < 6; i++)
        if (i != 3 && (name[i] < '0' || name[i] > '9'))
            return false;
    hours = (name[1] - '0') * 10 + name[2] - '0';
    minutes = (name[4] - '0') * 10 + name[5] - '0';
    if (minutes > 59 || hours * 60 + minutes > 14 * 60)
        return false;
    *offset_s = (hours * 60 + minutes) * 60 * (name[0] == '-' ? -1 : 1);
    return true;
}

/* The name is joined to a path: no way out of the zone folder. */
static bool legal_name(const char *name)
{
    if (*name == '\0' || strchr("/.+-", *name) != NULL || strstr(name, "..") != NULL)
        return false;
    for (; *name != '\0'; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                     (*name >= '0' && *name <= '9');

        if (!plain && strchr("/_+-", *name) == NULL)
            return false;
    }
    return true;
}

static dt_status load_file(const char *name, struct duet_zone *zone)
{
    const char *folder = getenv("TZDIR");
    char path[PATH_MAX];
    struct dt_buf bytes;
    dt_status status;

    if (!legal_name(name) || snprintf(path, sizeof(path), "%s/%s",
                                      folder != NULL ? folder : "/usr/share/zoneinfo",
                                      name) >= (int)sizeof(path))
        return not_allowed(name);
    dt_buf_init(&bytes, ZONE_FILE_MAX);
    status = dt_file_read(path, &bytes);
    if (status != DT_OK && status != DT_ENOMEM)
        status = not_allowed(name); /* missing, a folder, too large */
    else if (status == DT_OK && !read_file(dt_buf_span(&bytes), zone))
        status =
            dt_error_set(DT_EINVAL, "%s is no zone file; allowed is the format TZif", path);
    dt_buf_fini(&bytes);
    return status;
}

dt_status duet_zone_load(const char *name, struct duet_zone **out)
{
    struct duet_zone *zone = calloc(1, sizeof(*zone));
    dt_status status = DT_OK;

    *out = NULL;
    if (zone == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a time zone");
    if (strcmp(name, "UTC") != 0 && !fixed_offset(name, &zone->offsets_s[0]))
        status = load_file(name, zone);
    if (status != DT_OK) {
        duet_zone_free(zone);
        return status;
    }
    *out = zone;
    return DT_OK;
}

void duet_zone_free(struct duet_zone *zone)
{
    if (zone == NULL)
        return;
    free(zone->times);
    free(zone->types);
    free(zone);
}

int32_t duet_zone_offset_s(const struct duet_zone *zone, int64_t wall_ms)
{
    int64_t utc_s = wall_ms / 1000 - (wall_ms % 1000 < 0);
    size_t low = 0, high = zone->count; /* how many times lie at or before utc_s */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->times[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_rule)
        return duet_rule_offset_s(&zone->rule, utc_s);
    return zone->offsets_s[low > 0 ? zone->types[low - 1] : 0];
}
