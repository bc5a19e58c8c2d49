/*
 * What a handler's SQL must not do: touch duet's tables, which hold the proof of what has been
 * done, or leave the transaction that they share. SQLite asks the authorizer while it prepares
 * (and prepares again after a change of schema), so running costs nothing.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "store/sink_internal.h"

static bool is_ours(const char *name)
{
    return name != NULL && strncasecmp(name, "duet_", 5) == 0;
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    struct duet_sink *sink = context;
    const char *what = NULL;

    (void)database;
    (void)trigger;
    if (!sink->in_handler)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        what = "transactions";
        break;
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        what = "other databases";
        break;
    case SQLITE_PRAGMA:
        what = "PRAGMA";
        break;
    case SQLITE_FUNCTION: /* the name of a function ... */
        return SQLITE_OK;
    case SQLITE_READ:
    case SQLITE_UPDATE: /* ... or of a column stands second */
        second = NULL;
        break;
    default:
        break;
    }
    if (what != NULL) {
        snprintf(sink->denied, sizeof(sink->denied), "%s are not a handler's to use", what);
        return SQLITE_DENY;
    }
    if (!is_ours(first) && !is_ours(second))
        return SQLITE_OK;
    snprintf(sink->denied, sizeof(sink->denied), "'%.80s' belongs to duet",
             is_ours(first) ? first : second);
    return SQLITE_DENY;
}

void duet_sink_guard(struct duet_sink *sink)
{
    sqlite3_set_authorizer(sink->sql.db, authorize, sink);
}

/* Behind a quoted piece or a comment that starts at `at`; `at` itself if none does. */
static const char *skip_quoted(const char *at)
{
    char end = *at == '[' ? ']' : *at;

    if (at[0] == '-' && at[1] == '-') {
        while (*at != '\0' && *at != '\n')
            at++;
        return at;
    }
    if (at[0] == '/' && at[1] == '*') {
        const char *close = strstr(at + 2, "*/");

        return close != NULL ? close + 2 : at + strlen(at);
    }
    if (*at != '\'' && *at != '"' && *at != '`' && *at != '[')
        return at;
    for (at++; *at != '\0' && *at != end; at++)
        ;
    return *at == '\0' ? at
                       : at + 1; /* a doubled quote opens a new piece, the same for us */
}

/* OR ROLLBACK and RAISE(ROLLBACK) end the transaction without asking the authorizer. */
bool duet_sink_text_allowed(struct duet_sink *sink, const char *text)
{
    static const char word[] = "rollback";
    bool inside = false; /* a longer word */

    for (const char *at = text; *at != '\0';) {
        const char *behind = skip_quoted(at);

        if (behind != at) {
            at = behind;
            inside = false;
            continue;
        }
        if (!inside && strncasecmp(at, word, sizeof(word) - 1) == 0 &&
            !isalnum((unsigned char)at[sizeof(word) - 1]) && at[sizeof(word) - 1] != '_') {
            snprintf(sink->denied, sizeof(sink->denied),
                     "ROLLBACK is not a handler's to use, return a failure instead");
            return false;
        }
        inside = isalnum((unsigned char)*at) || *at == '_' || *at == '$';
        at++;
    }
    return true;
}
