#include "rmq/naming.h"

#include <string.h>

#include "base/status.h"
#include "rmq/codes.h"

static dt_status check(const char *what, const char *name, size_t size_max)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789%|-_";
    size_t size;

    if (name == NULL || name[0] == 0)
        return dt_error_set(DT_EINVAL, "no %s given", what);
    size = strlen(name);
    if (size > size_max)
        return dt_error_set(DT_EINVAL, "the %s '%.32s...' has more than %zu bytes", what,
                            name, size_max);
    if (strspn(name, legal) != size)
        return dt_error_set(DT_EINVAL,
                            "the %s '%s' has other than letters, digits and %% | - _", what,
                            name);
    return DT_OK;
}

dt_status rmq_topic_name_check(const char *topic)
{
    return check("topic", topic, RMQ_TOPIC_SIZE_MAX);
}

dt_status rmq_group_name_check(const char *group)
{
    return check("group", group, RMQ_GROUP_SIZE_MAX);
}
