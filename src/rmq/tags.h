/*
 * tags.h - a tag expression, "TagA || TagB": which messages a reader wants.
 *
 * Brokers compare 32-bit hashes of tags only, so what they give is looked at again.
 */
#ifndef RMQ_TAGS_H
#define RMQ_TAGS_H

#include "base/span.h"
#include "rmq/status.h"

struct rmq_tag_filter {
    char *names;  /* each with its NUL, in order of the expression */
    size_t count; /* 0: every message is wanted */
};

/* Reads an expression; NULL, "" and "*" want everything. DT_ENOMEM; DT_EINVAL: a name between
 * two bars that is empty. */
DT_MUST_USE dt_status rmq_tag_filter_init(struct rmq_tag_filter *filter,
                                          const char *expression);
void rmq_tag_filter_fini(struct rmq_tag_filter *filter);

/* `tag` NULL: the message has none. */
bool rmq_tag_filter_takes(const struct rmq_tag_filter *filter, const char *tag);

#endif
