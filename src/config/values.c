#include "config/values.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "model/mapping.h"

static dt_status refuse(struct duet_storing *storing, const char *sentence)
{
    snprintf(storing->sentence, sizeof(storing->sentence), "%s", sentence);
    return DT_EINVAL;
}

/* Replaces what a default may have put there. */
static dt_status put_text(char **field, const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the configuration");
    free(*field);
    *field = copy;
    return DT_OK;
}

static bool only_of(const char *text, const char *extra)
{
    for (; *text != '\0'; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9');

        if (!plain && strchr(extra, *text) == NULL)
            return false;
    }
    return true;
}

dt_status duet_store_text(struct duet_storing *storing, const char *text, void *field)
{
    (void)storing;
    return *text == '\0' ? DT_EINVAL : put_text(field, text);
}

dt_status duet_store_optional(struct duet_storing *storing, const char *text, void *field)
{
    (void)storing;
    return *text == '\0' ? DT_OK : put_text(field, text);
}

dt_status duet_store_migration(struct duet_storing *storing, const char *text, void *field)
{
    (void)storing;
    if (!only_of(text, "._-") || strchr("._-", text[0]) != NULL || strlen(text) > 64)
        return DT_EINVAL; /* it names a file; "" fails the second test */
    return put_text(field, text);
}

static dt_status join(const char *folder, const char *prefix, const char *path,
                      char **field)
{
    struct dt_buf joined;
    dt_status status;

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    dt_buf_init(&joined, (size_t)2 * PATH_MAX);
    dt_buf_put_str(&joined, prefix);
    if (path[0] != '/') {
        dt_buf_put_str(&joined, strcmp(folder, "/") == 0 ? "" : folder);
        dt_buf_put_str(&joined, "/");
    }
    dt_buf_put_str(&joined, path);
    status = joined.size >= PATH_MAX ? DT_EINVAL : put_text(field, dt_buf_str(&joined));
    dt_buf_fini(&joined);
    return status;
}

dt_status duet_store_path(struct duet_storing *storing, const char *text, void *field)
{
    return *text == '\0' ? DT_EINVAL : join(storing->folder, "", text, field);
}

dt_status duet_store_optional_path(struct duet_storing *storing, const char *text,
                                   void *field)
{
    return *text == '\0' ? DT_OK : duet_store_path(storing, text, field);
}

/* user:password@ before the host, or password= among the parameters */
static bool has_password(const char *url)
{
    const char *host = url + strlen("postgresql://");
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *parameter = strchr(host, '?');

    if (at != NULL && memchr(host, ':', (size_t)(at - host)) != NULL)
        return true;
    for (; parameter != NULL; parameter = strchr(parameter, '&'))
        if (strncmp(++parameter, "password=", strlen("password=")) == 0)
            return true;
    return false;
}

/* Taken silently it would look as if instances talked to it. */
dt_status duet_store_server(struct duet_storing *storing, const char *text, void *field)
{
    if (*text == '\0')
        return duet_store_optional(storing, text, field);
    return refuse(storing, "'server' comes later: this version has no `duet server`, "
                           "instances use `store`");
}

dt_status duet_store_store(struct duet_storing *storing, const char *text, void *field)
{
    if (strncmp(text, "sqlite:", 7) == 0 && text[7] != '\0')
        return join(storing->folder, "sqlite:", text + 7, field);
    if (strncmp(text, "postgresql://", 13) != 0 || text[13] == '\0')
        return DT_EINVAL;
    if (has_password(text))
        return refuse(
            storing,
            "a password stands in the file; allowed is postgresql://user@host/db "
            "with the password in ~/.pgpass or the environment variable PGPASSWORD");
    return put_text(field, text);
}

/* host:port;host:port; an IPv6 host stands in [ ] */
dt_status duet_store_addresses(struct duet_storing *storing, const char *text, void *field)
{
    const char *at = text;

    (void)storing;
    for (;;) {
        size_t length = strcspn(at, ";");
        const char *colon = memrchr(at, ':', length);
        char *end;
        long port;

        if (colon == NULL || colon == at || colon[1] < '0' || colon[1] > '9')
            return DT_EINVAL;
        port = strtol(colon + 1, &end, 10);
        if (end != at + length || port < 1 || port > 65535)
            return DT_EINVAL;
        if (memchr(at, ' ', length) != NULL)
            return DT_EINVAL;
        if (*end == '\0')
            break;
        at = end + 1;
    }
    return put_text(field, text);
}

static bool read_integer(const char *text, char **end, int64_t *value)
{
    if (*text != '-' && (*text < '0' || *text > '9'))
        return false;
    errno = 0;
    *value = strtoll(text, end, 10);
    return errno == 0 && *end != text;
}

static dt_status in_range(const struct duet_storing *storing, int64_t value)
{
    return value < storing->key->min || value > storing->key->max ? DT_EINVAL : DT_OK;
}

dt_status duet_store_integer(struct duet_storing *storing, const char *text, void *field)
{
    int64_t value;
    char *end;

    if (!read_integer(text, &end, &value) || *end != '\0' ||
        in_range(storing, value) != DT_OK)
        return DT_EINVAL;
    *(int64_t *)field = value;
    return DT_OK;
}

dt_status duet_store_integer_or_none(struct duet_storing *storing, const char *text,
                                     void *field)
{
    if (strcmp(text, "0") != 0)
        return duet_store_integer(storing, text, field);
    *(int64_t *)field = 0;
    return DT_OK;
}

dt_status duet_store_partitions(struct duet_storing *storing, const char *text, void *field)
{
    int64_t value;
    dt_status status = duet_store_integer(storing, text, &value);

    if (status == DT_OK)
        *(int32_t *)field = (int32_t)value;
    return status;
}

dt_status duet_store_bytes(struct duet_storing *storing, const char *text, void *field)
{
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {{"", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}};
    int64_t value;
    char *end;

    if (!read_integer(text, &end, &value) || value < 0)
        return DT_EINVAL;
    if (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        if (value > INT64_MAX / units[i].factor ||
            in_range(storing, value * units[i].factor) != DT_OK)
            return DT_EINVAL;
        *(int64_t *)field = value * units[i].factor;
        return DT_OK;
    }
    return DT_EINVAL;
}

dt_status duet_store_bytes_or_none(struct duet_storing *storing, const char *text,
                                   void *field)
{
    if (strcmp(text, "0") != 0)
        return duet_store_bytes(storing, text, field);
    *(int64_t *)field = 0;
    return DT_OK;
}

dt_status duet_store_boolean(struct duet_storing *storing, const char *text, void *field)
{
    (void)storing;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return DT_EINVAL;
    *(bool *)field = text[0] == 't';
    return DT_OK;
}

dt_status duet_store_choice(struct duet_storing *storing, const char *text, void *field)
{
    const char *at = storing->key->allowed;
    size_t length = strlen(text);

    while (length > 0 && *at != '\0') {
        size_t word = strcspn(at, ", ");

        if (word == length && strncmp(at, text, word) == 0)
            return put_text(field, text);
        at += word;
        at += strspn(at, ", ");
        if (strncmp(at, "or ", 3) == 0)
            at += 3;
    }
    return DT_EINVAL;
}

dt_status duet_store_only(struct duet_storing *storing, const char *text, void *field)
{
    const struct duet_schema_key *key = storing->key;

    (void)field;
    if (strcmp(text, key->fallback) == 0)
        return DT_OK;
    snprintf(storing->sentence, sizeof(storing->sentence),
             "%s: %.40s is not supported by this version; allowed is %s", key->name, text,
             key->fallback);
    return DT_EINVAL;
}

dt_status duet_store_topic(struct duet_storing *storing, const char *text, void *field)
{
    size_t length = strlen(text);

    (void)storing;
    if (length < 1 || length > 249 || !only_of(text, "._-") || strcmp(text, ".") == 0 ||
        strcmp(text, "..") == 0)
        return DT_EINVAL;
    return put_text(field, text);
}

dt_status duet_store_rmq_topic(struct duet_storing *storing, const char *text, void *field)
{
    (void)storing;
    if (*text == '\0')
        return DT_OK; /* the default: mapped from the topic once that is known */
    if (strlen(text) > DUET_RMQ_TOPIC_MAX || !only_of(text, "_-%|"))
        return DT_EINVAL;
    return put_text(field, text);
}

dt_status duet_store_zone(struct duet_storing *storing, const char *text, void *field)
{
    struct duet_config *config = field; /* the row's offset is 0: two fields are set */
    struct duet_zone *zone;
    dt_status status = duet_zone_load(text, &zone);

    if (status == DT_EINVAL)
        return refuse(storing, dt_error_text());
    if (status != DT_OK)
        return status;
    duet_zone_free(config->zone);
    config->zone = zone;
    return put_text(&config->timezone, text);
}

bool duet_group_name_legal(const char *name)
{
    char mapped[DUET_RMQ_GROUP_MAX + 1];

    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return *name != '\0' && strlen(name) <= 249 &&
           duet_name_to_rocketmq(mapped, sizeof(mapped), name, DUET_RMQ_GROUP_MAX) == DT_OK;
}
