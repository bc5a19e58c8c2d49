#include "rmq/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum {
    ROWS_MAX = 1 << 18, /* more than a frame of 16 MiB could hold of the shortest */
    NAMES_SIZE_MAX = 16 * 1024 * 1024
};

/* ---------------------------------------------------------------- rows */

void rmq_rows_init(struct rmq_rows *rows, size_t item_size)
{
    memset(rows, 0, sizeof(*rows));
    rows->item_size = item_size;
}

void rmq_rows_fini(struct rmq_rows *rows)
{
    free(rows->items);
    rmq_rows_init(rows, rows->item_size);
}

static bool grow(struct rmq_rows *rows)
{
    size_t capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
    void *items;

    if (rows->count >= ROWS_MAX)
        return false;
    items = realloc(rows->items, capacity * rows->item_size);
    if (items == NULL)
        return false;
    rows->items = items;
    rows->capacity = capacity;
    return true;
}

void *rmq_rows_add(struct rmq_rows *rows)
{
    char *item;

    if (rows->count == rows->capacity && !grow(rows)) {
        rows->failed = true;
        return NULL;
    }
    item = (char *)rows->items + rows->count * rows->item_size;
    memset(item, 0, rows->item_size);
    rows->count++;
    return item;
}

void rmq_rows_sort(struct rmq_rows *rows, int (*compare)(const void *a, const void *b))
{
    size_t kept = 0;
    char *items = rows->items;

    if (rows->count < 2)
        return;
    qsort(items, rows->count, rows->item_size, compare);
    for (size_t i = 1; i < rows->count; i++) {
        if (compare(items + kept * rows->item_size, items + i * rows->item_size) == 0)
            continue;
        kept++;
        if (kept < i)
            memcpy(items + kept * rows->item_size, items + i * rows->item_size,
                   rows->item_size);
    }
    rows->count = kept + 1;
}

dt_status rmq_rows_give(struct rmq_rows *rows, void **out, size_t *count)
{
    if (rows->failed)
        return dt_error_set(DT_ENOMEM, "no memory for an answer of more than %zu rows",
                            rows->count);
    *out = rows->items;
    *count = rows->count;
    rmq_rows_init(rows, rows->item_size);
    return DT_OK;
}

/* ---------------------------------------------------------------- texts */

void rmq_texts_init(struct rmq_texts *texts)
{
    dt_buf_init(&texts->names, NAMES_SIZE_MAX);
    texts->count = 0;
}

void rmq_texts_fini(struct rmq_texts *texts)
{
    dt_buf_fini(&texts->names);
}

void rmq_texts_add(struct rmq_texts *texts, struct dt_span name)
{
    if (name.size == 0 || memchr(name.data, 0, name.size) != NULL)
        return;
    dt_buf_put_span(&texts->names, name);
    dt_buf_put_u8(&texts->names, 0);
    texts->count++;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

dt_status rmq_texts_give(const struct rmq_texts *texts, char ***out, size_t *count)
{
    size_t pointers_size = (texts->count + 1) * sizeof(char *), kept = 0;
    char **block, *name;

    if (texts->names.failed)
        return dt_buf_status(&texts->names, "a list of names");
    block = malloc(pointers_size + texts->names.size);
    if (block == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for %zu names", texts->count);
    name = (char *)block + pointers_size;
    if (texts->names.size > 0)
        memcpy(name, texts->names.data, texts->names.size);
    for (size_t i = 0; i < texts->count; i++) {
        block[i] = name;
        name += strlen(name) + 1;
    }
    qsort(block, texts->count, sizeof(char *), compare_names);
    for (size_t i = 0; i < texts->count; i++)
        if (kept == 0 || strcmp(block[kept - 1], block[i]) != 0)
            block[kept++] = block[i];
    block[kept] = NULL;
    *out = block;
    *count = kept;
    return DT_OK;
}
