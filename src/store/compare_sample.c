/* A row that differs, as people and programs read it. */
#include "base/json_writer.h"
#include "base/status.h"
#include "store/compare.h"
#include "store/control.h"

enum { SAMPLE_MAX = 1 << 20 };

static void put_json(struct dt_json *json, sqlite3_stmt *row, int column)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes;
    int size;

    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        dt_json_int(json, sqlite3_column_int64(row, column));
        break;
    case SQLITE_FLOAT: { /* all digits: the difference may be in the last one */
        char text[40];
        double real = sqlite3_column_double(row, column);

        sqlite3_snprintf(sizeof(text), text, "%!.17g", real);
        if (real - real == 0) /* JSON knows no infinity */
            dt_json_raw(json, text);
        else
            dt_json_string(json, text);
        break;
    }
    case SQLITE_TEXT:
        bytes = sqlite3_column_text(row, column);
        dt_json_span(json, dt_span_of(bytes, (size_t)sqlite3_column_bytes(row, column)));
        break;
    case SQLITE_BLOB: {
        struct dt_buf hex;

        bytes = sqlite3_column_blob(row, column);
        size = sqlite3_column_bytes(row, column);
        dt_buf_init(&hex, SAMPLE_MAX);
        for (int i = 0; i < size; i++) {
            dt_buf_put_u8(&hex, (uint8_t)digits[bytes[i] >> 4]);
            dt_buf_put_u8(&hex, (uint8_t)digits[bytes[i] & 15]);
        }
        dt_json_span(json, dt_buf_span(&hex));
        dt_buf_fini(&hex);
        break;
    }
    default:
        dt_json_null(json);
        break;
    }
}

/* An object of the columns [from, to), the first of which stands at `at` in the row. */
static void put_object(struct duet_compared *table, struct dt_json *json, sqlite3_stmt *row,
                       size_t from, size_t to, size_t at)
{
    dt_json_object(json);
    for (size_t i = from; i < to; i++) {
        dt_json_key(json, table->columns[i].name);
        put_json(json, row, (int)(at + i - from));
    }
    dt_json_object_end(json);
}

dt_status duet_compare_sample(struct duet_compared *table, sqlite3_stmt *row, bool live,
                              bool shadow)
{
    struct duet_table_difference *out = table->out;
    size_t rest = table->count - table->keys;
    struct dt_buf text;
    struct dt_json json;
    dt_status status;

    dt_buf_init(&text, SAMPLE_MAX);
    dt_json_start(&json, &text);
    dt_json_object(&json);
    dt_json_key(&json, "key");
    put_object(table, &json, row, 0, table->keys, 0);
    dt_json_key(&json, DUET_COMPARE_LIVE);
    if (live)
        put_object(table, &json, row, table->keys, table->count, table->keys);
    else
        dt_json_null(&json);
    dt_json_key(&json, DUET_COMPARE_SHADOW);
    if (shadow)
        put_object(table, &json, row, table->keys, table->count, table->keys + rest);
    else
        dt_json_null(&json);
    dt_json_object_end(&json);
    (void)dt_buf_str(&text);
    status = dt_buf_status(&text, "a sample row");
    if (status == DT_ETOOBIG) { /* rows of megabytes: counted, but no sample */
        dt_buf_fini(&text);
        return DT_OK;
    }
    char **place = duet_array_add(&out->sample, &out->sample_count, sizeof(*out->sample));
    if (place == NULL) {
        dt_buf_fini(&text);
        return DT_ENOMEM;
    }
    *place = (char *)text.data; /* ends with the NUL of dt_buf_str() */
    return DT_OK;
}
