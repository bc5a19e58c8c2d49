/*
 * config.h - the one configuration file, read against one schema table.
 *
 * A wrong key, type or value is an error with file, line, what was found and what is allowed.
 * Every key has a default; docs/configuration.md is generated from the same table
 * (`duet_config_document`). Relative paths in the file start at the file's folder.
 *
 * Only this folder knows libyaml.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "config/zone.h"
#include "model/partition.h"

struct duet_setting { /* a librdkafka property */
    char *name, *value;
    int line; /* in the file, for what only the library can judge */
};

struct duet_route_config {
    char *topic;          /* Kafka's name */
    char *rocketmq_topic; /* given with `rocketmq:`, else mapped from the topic */
    int32_t partitions;   /* 1 to 65535 */
    char **groups;
    size_t group_count;
    char *ack;      /* primary, both */
    char *journal;  /* spill, intent */
    char *fsync;    /* auto, always, interval, never */
    char *delivery; /* flow, order */
    int line;       /* in the file, for errors that are found later */
};

/* Keys of `gates:`, spelled as here; the preset fills them, single keys override. */
struct duet_gates_config {
    char *preset;             /* production, test */
    int64_t windows_min;      /* sealed windows with messages in a row without a difference:
                                 production 1440, test 0 */
    int64_t span_min_s;       /* ... over at least this long: production 86400, test 0 */
    int64_t dual_write_min_s; /* how long both sides must have been written: production
                                 604800, test 0 */
    bool retention_compared;  /* production true, test false */
    int64_t lag_max;          /* messages, each role; both presets 1000 */
};

/* Keys of `rocketmq:` beside namesrv. Texts are NULL where nothing is given; paths are absolute. */
struct duet_rocketmq_config {
    char *name_space;
    char *access_key;
    char *secret_key_file, *security_token_file;
    bool tls;
    char *tls_verify; /* full, chain, none */
    char *tls_ca_file, *tls_certificate_file, *tls_key_file, *tls_key_password_file;
};

struct duet_config {
    char *path;   /* of the file, as given */
    char *folder; /* absolute */
    char *migration;
    char *store;     /* "sqlite:/absolute/path" or "postgresql://..." */
    char *server;    /* NULL: none */
    char *state_dir; /* absolute */
    struct duet_zone *zone;
    char *timezone; /* as written */
    struct duet_setting *kafka;
    size_t kafka_count;
    char *namesrv;
    struct duet_rocketmq_config rocketmq;
    struct duet_gates_config gates;
    int64_t memory_max;     /* bytes of messages that a producer holds for one side; key
                                  producer.memory.max, default 64 MiB */
    int64_t journal_max;    /* bytes on disk for what memory has no room for; 0: no journal;
                            producer.journal.max, 1 GiB */
    bool journal_volatile;  /* producer.journal.volatile: intent may lie in memory */
    int64_t replay_percent; /* of what is produced may be read back from the journal;
                                0: no bound; producer.replay.percent, 200 */
    int64_t send_timeout_ms; /* duet's own deadline of a send; producer.timeout_ms, 30000 */
    int64_t batch_count_max; /* consumer.batch.messages, 500: messages per transaction */
    int64_t batch_ms_max;    /* consumer.batch.ms, 50: a transaction is cut after this */
    int64_t handler_tries;   /* consumer.handler.tries, 3 */
    int64_t hold_ms;    /* consumer.hold.ms, 30000: a missing number is taken from the other
                                side then, or listed */
    int64_t hold_bytes; /* consumer.hold.bytes, 16 MiB: that an ordered role sets aside */
    struct duet_route_config *routes;
    size_t route_count;
    char *key_path; /* <folder>/<migration>.keys */
};

/**
 * Reads and checks the file. @param out the caller's, duet_config_free().
 * @returns DT_OK; DT_EINVAL with "file:line: what was found, what is allowed"; DT_ENOTFOUND;
 * DT_EIO. Creates nothing.
 */
dt_status duet_config_load(const char *path, struct duet_config **out);
void duet_config_free(struct duet_config *config);

const struct duet_route_config *duet_config_route(const struct duet_config *config,
                                                  const char *topic);
/* The value of a Kafka property, or NULL. */
const char *duet_config_kafka(const struct duet_config *config, const char *name);

/* Writes docs/configuration.md: every key, type, default, what it does, from the schema. */
void duet_config_document(struct dt_buf *out);

#endif
