#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char error_text[DT_ERROR_MAX];

static const char *const names[DT_STATUS_COUNT] = {
    [DT_OK] = "DT_OK",
    [DT_EINVAL] = "DT_EINVAL",
    [DT_ENOMEM] = "DT_ENOMEM",
    [DT_ENOSPC] = "DT_ENOSPC",
    [DT_EIO] = "DT_EIO",
    [DT_ETIMEDOUT] = "DT_ETIMEDOUT",
    [DT_EUNREACH] = "DT_EUNREACH",
    [DT_ENOROUTE] = "DT_ENOROUTE",
    [DT_ETOOBIG] = "DT_ETOOBIG",
    [DT_EINDOUBT] = "DT_EINDOUBT",
    [DT_EREFUSED] = "DT_EREFUSED",
    [DT_EBUSY] = "DT_EBUSY",
    [DT_ENOTFOUND] = "DT_ENOTFOUND",
    [DT_EEXIST] = "DT_EEXIST",
    [DT_ESTATE] = "DT_ESTATE",
    [DT_ECONFLICT] = "DT_ECONFLICT",
    [DT_ECORRUPT] = "DT_ECORRUPT",
    [DT_EUNSUPPORTED] = "DT_EUNSUPPORTED",
    [DT_ECLOSED] = "DT_ECLOSED",
};

const char *dt_status_name(dt_status status)
{
    if ((unsigned)status >= DT_STATUS_COUNT)
        return "DT_UNKNOWN";
    return names[status];
}

const char *dt_error_text(void)
{
    return error_text;
}

dt_status dt_error_set(dt_status status, const char *format, ...)
{
    char text[DT_ERROR_MAX]; /* the arguments may point into error_text */
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(error_text, text, sizeof(text));
    return status;
}

dt_status dt_error_wrap(dt_status status, const char *format, ...)
{
    char text[DT_ERROR_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return dt_error_set(status, "%s: %s", text, error_text);
}

dt_status dt_error_errno(int error_number, const char *format, ...)
{
    char text[DT_ERROR_MAX];
    char reason[256];
    va_list args;
    dt_status status = DT_EIO;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (error_number == ENOSPC || error_number == EDQUOT)
        status = DT_ENOSPC;
    else if (error_number == ENOMEM)
        status = DT_ENOMEM;
    return dt_error_set(status, "%s: %s", text,
                        strerror_r(error_number, reason, sizeof(reason)));
}
