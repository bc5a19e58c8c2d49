/*
 * rows.h - growing tables and lists of names, for answers whose length is known at their end.
 *
 * Both are bounded, and given out as one block that rmq_free() frees. Failure is sticky, and asked
 * once at the end.
 */
#ifndef RMQ_ROWS_H
#define RMQ_ROWS_H

#include "base/buf.h"

struct rmq_rows {
    void *items;
    size_t count, capacity, item_size;
    bool failed; /* no memory, or more than the bound */
};

void rmq_rows_init(struct rmq_rows *rows, size_t item_size);
void rmq_rows_fini(struct rmq_rows *rows);

/* A zeroed item more, or NULL; holds until the next is added. */
void *rmq_rows_add(struct rmq_rows *rows);

/* Sorts, and of items that compare equal leaves the first. */
void rmq_rows_sort(struct rmq_rows *rows, int (*compare)(const void *a, const void *b));

/* Hands the items over (NULL when there are none); the rows are empty then. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_rows_give(struct rmq_rows *rows, void **out, size_t *count);

/* Names, each ended with a NUL. */
struct rmq_texts {
    struct dt_buf names;
    size_t count;
};

void rmq_texts_init(struct rmq_texts *texts);
void rmq_texts_fini(struct rmq_texts *texts);
/* An empty one, and one with a NUL in it, is left out. */
void rmq_texts_add(struct rmq_texts *texts, struct dt_span name);

/* One block: pointers, NULL behind the last, then the names; sorted, each once. DT_ENOMEM. */
DT_MUST_USE dt_status rmq_texts_give(const struct rmq_texts *texts, char ***out,
                                     size_t *count);

#endif
