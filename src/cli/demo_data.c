#include "cli/demo_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/siphash.h"
#include "base/status.h"

#define FILE_MAX ((size_t)64 << 20)

struct lines {
    struct dt_buf text;
    struct dt_span *line; /* with their ends; the first is the header */
    size_t count;
};

static void fini(struct lines *lines)
{
    free(lines->line);
    dt_buf_fini(&lines->text);
}

static dt_status load(const char *csv, struct lines *lines)
{
    size_t at = 0;
    dt_status status;

    memset(lines, 0, sizeof(*lines));
    dt_buf_init(&lines->text, FILE_MAX);
    status = dt_file_read(csv, &lines->text);
    if (status != DT_OK)
        return status;
    for (size_t i = 0; i < lines->text.size; i++)
        lines->count += lines->text.data[i] == '\n';
    lines->line = calloc(lines->count + 1, sizeof(*lines->line));
    if (lines->line == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the flight data");
    for (size_t i = 0; i < lines->count; i++) {
        const uint8_t *start = lines->text.data + at;
        const uint8_t *end = memchr(start, '\n', lines->text.size - at);

        lines->line[i] = dt_span_of(start, (size_t)(end - start) + 1);
        at += lines->line[i].size;
    }
    return lines->count > 1 ? DT_OK : dt_error_set(DT_ECORRUPT, "%s holds no rows", csv);
}

dt_status demo_data_count(const char *csv, int64_t *rows)
{
    struct lines lines;
    dt_status status = load(csv, &lines);

    *rows = (int64_t)lines.count - 1;
    fini(&lines);
    return status;
}

static dt_status save(const struct dt_buf *text, const char *out)
{
    dt_status status = dt_buf_status(text, "the rows");

    return status == DT_OK ? dt_file_replace(out, text->data, text->size, 0644) : status;
}

dt_status demo_data_slice(const char *csv, const char *out, int64_t from, int64_t to)
{
    struct lines lines;
    struct dt_buf text;
    dt_status status = load(csv, &lines);

    dt_buf_init(&text, FILE_MAX);
    if (status == DT_OK) {
        dt_buf_put_span(&text, lines.line[0]);
        for (int64_t i = from; i < to && i + 1 < (int64_t)lines.count; i++)
            dt_buf_put_span(&text, lines.line[i + 1]);
        status = save(&text, out);
    }
    dt_buf_fini(&text);
    fini(&lines);
    return status;
}

/* The i-th number of a seed. */
static uint64_t number(uint64_t seed, int64_t i)
{
    static const uint8_t key[DT_SIPHASH_KEY_SIZE] = "demo row chooser";
    uint64_t both[2] = {seed, (uint64_t)i};

    return dt_siphash64(key, both, sizeof(both));
}

dt_status demo_data_choose(const char *csv, const char *out, int64_t from, int64_t to,
                           int64_t count, uint64_t seed)
{
    struct lines lines;
    struct dt_buf text;
    int64_t left = count;
    dt_status status = load(csv, &lines);

    dt_buf_init(&text, FILE_MAX);
    if (status == DT_OK) {
        dt_buf_put_span(&text, lines.line[0]);
        /* of the rows that are left, each is as likely to be among those still wanted */
        for (int64_t i = from; i < to && left > 0; i++)
            if ((int64_t)(number(seed, i) % (uint64_t)(to - i)) < left) {
                dt_buf_put_span(&text, lines.line[i + 1]);
                left--;
            }
        status = save(&text, out);
    }
    dt_buf_fini(&text);
    fini(&lines);
    return status;
}
