/*
 * log_source.h - one topic of one side as the log counter reads it; the inside of log_count.h.
 */
#ifndef VERIFY_LOG_SOURCE_H
#define VERIFY_LOG_SOURCE_H

#include "verify/log_count.h"
#include "verify/log_part.h"

#define DUET_LOG_BOUNDS_MS 5000 /* for a broker to say where a log ends */

struct duet_log_source { /* one topic of one side */
    enum duet_side side;
    size_t route; /* in the plan */
    struct duet_reader *reader;
    struct duet_log_part *parts;
    int32_t part_count;
    int64_t retry_ms; /* no reader before this moment */
};

struct duet_log_count {
    const struct duet_config *config;
    struct duet_keys keys;
    char name[2 * DUET_NAME_SIZE];
    struct duet_store *store;
    struct duet_plan *plan;
    struct duet_side_client *client[DUET_SIDES];
    struct duet_log_source *sources;
    size_t source_count;
    struct duet_log_notes notes;
    int64_t save_ms; /* monotonic: when something unsaved was first counted */
    int64_t complained_ms[DUET_SIDES];
};

const struct duet_plan_route *duet_log_route(const struct duet_log_count *counter,
                                             const struct duet_log_source *source);
/* By the plan; or so, or something of it has been counted before. */
bool duet_log_is_written(const struct duet_log_count *counter,
                         const struct duet_log_source *source);
bool duet_log_is_counted(const struct duet_log_count *counter,
                         const struct duet_log_source *source);

dt_status duet_log_open_client(struct duet_log_count *counter, enum duet_side side);
void duet_log_close_reader(struct duet_log_source *source);

/* Makes the source be read: state, reader, assignment. A broker's trouble is not an error. */
dt_status duet_log_prepare(struct duet_log_count *counter, struct duet_log_source *source);
/* Takes one batch of the source, if there is one; *any is set then. */
dt_status duet_log_poll(struct duet_log_count *counter, struct duet_log_source *source,
                        bool *any);

/* A partition's state from the store, and into it. Where somebody else was faster, save loads
 * what they have, and leaves the partition to them for a while. */
dt_status duet_log_load(struct duet_log_count *counter, struct duet_log_source *source,
                        int32_t partition);
dt_status duet_log_save(struct duet_log_count *counter, struct duet_log_source *source,
                        int32_t partition);
dt_status duet_log_save_all(struct duet_log_count *counter);

#endif
