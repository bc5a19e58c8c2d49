#include "rmq/tags.h"

#include <stdlib.h>

#include "base/status.h"

static struct dt_span trim(const char *text, size_t size)
{
    while (size > 0 && *text == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ')
        size--;
    return dt_span_of(text, size);
}

dt_status rmq_tag_filter_init(struct rmq_tag_filter *filter, const char *expression)
{
    struct dt_span all;
    char *at;

    filter->names = NULL;
    filter->count = 0;
    if (expression == NULL)
        return DT_OK;
    all = trim(expression, strlen(expression));
    if (all.size == 0 || dt_span_equal_str(all, "*"))
        return DT_OK;
    filter->names = at = malloc(strlen(expression) + 1);
    if (at == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a tag expression");
    while (expression != NULL) {
        const char *bar = strstr(expression, "||");
        struct dt_span name =
            trim(expression, bar == NULL ? strlen(expression) : (size_t)(bar - expression));

        if (name.size == 0) {
            rmq_tag_filter_fini(filter);
            return dt_error_set(DT_EINVAL, "a tag expression with an empty name");
        }
        memcpy(at, name.data, name.size);
        at[name.size] = 0;
        at += name.size + 1;
        filter->count++;
        expression = bar == NULL ? NULL : bar + 2;
    }
    return DT_OK;
}

void rmq_tag_filter_fini(struct rmq_tag_filter *filter)
{
    free(filter->names);
    filter->names = NULL;
    filter->count = 0;
}

bool rmq_tag_filter_takes(const struct rmq_tag_filter *filter, const char *tag)
{
    const char *name = filter->names;

    if (filter->count == 0)
        return true;
    for (size_t i = 0; tag != NULL && i < filter->count; i++) {
        if (strcmp(name, tag) == 0)
            return true;
        name += strlen(name) + 1;
    }
    return false;
}
