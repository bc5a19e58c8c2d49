#include "rmq/naming.h"

#include <stdio.h>
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

/* ---------------------------------------------------------------- namespaces */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

dt_status rmq_namespace_check(const char *space)
{
    dt_status status;

    if (space == NULL || space[0] == 0)
        return DT_OK;
    status = check("namespace", space, RMQ_TOPIC_SIZE_MAX - 2);
    if (status == DT_OK && strpbrk(space, "%|") != NULL)
        status = dt_error_set(DT_EINVAL, "the namespace '%s' has a %% or |", space);
    return status;
}

/* Names that all namespaces share. */
static bool is_system(const char *name)
{
    static const char *const topics[] = {RMQ_DEFAULT_TOPIC,
                                         "SCHEDULE_TOPIC_XXXX",
                                         "BenchmarkTest",
                                         "RMQ_SYS_TRANS_HALF_TOPIC",
                                         "RMQ_SYS_TRANS_OP_HALF_TOPIC",
                                         "RMQ_SYS_TRACE_TOPIC",
                                         "TRANS_CHECK_MAX_TIME_TOPIC",
                                         "SELF_TEST_TOPIC",
                                         "OFFSET_MOVED_EVENT"};

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        if (strcmp(name, topics[i]) == 0)
            return true;
    return starts_with(name, "rmq_sys_") || starts_with(name, "CID_RMQ_SYS_");
}

/* The length of what stands before the namespace. */
static size_t prefix_of(const char *name)
{
    static const char retry[] = "%RETRY%", dead[] = "%DLQ%";

    if (starts_with(name, retry))
        return sizeof(retry) - 1;
    return starts_with(name, dead) ? sizeof(dead) - 1 : 0;
}

/* The length of the namespace in a name that has it, with its %; else 0. */
static size_t space_of(const char *space, const char *name)
{
    size_t size = strlen(space);

    return size > 0 && starts_with(name, space) && name[size] == '%' ? size + 1 : 0;
}

const char *rmq_namespace_wrap(const char *space, const char *name,
                               char room[RMQ_FULL_NAME_SIZE])
{
    size_t prefix;

    if (space[0] == 0 || name == NULL || name[0] == 0 || is_system(name))
        return name;
    prefix = prefix_of(name);
    if (space_of(space, name + prefix) > 0)
        return name;
    snprintf(room, RMQ_FULL_NAME_SIZE, "%.*s%s%%%s", (int)prefix, name, space,
             name + prefix);
    return room;
}

const char *rmq_namespace_strip(const char *space, const char *name)
{
    return name + space_of(space, name);
}
