/*
 * reader.h - reads one topic of one side from chosen positions; the same for both brokers.
 *
 * A reader prefetches on its library's own threads; polling never waits for the network. It
 * decodes stamps and the mapping, and gives unstamped records their derived id (kind 1 on
 * Kafka, kind 2 on RocketMQ), so every record it hands out has an identity.
 *
 * Thread: one at a time calls a reader; `notify` is called on a library thread.
 */
#ifndef SIDE_READER_H
#define SIDE_READER_H

#include "model/link.h"
#include "model/record.h"
#include "side/side.h"

struct duet_reader;

struct duet_read_record {
    int64_t position;
    struct duet_stamp stamp; /* the derived one if the verdict is not OK: id, window and day
                                from the record's timestamp */
    enum duet_stamp_verdict verdict;
    uint64_t
        broker_mark; /* RocketMQ: store time; Kafka: 0 (the reader's user hashes ids) */
    /* A link that counts, as bytes; data NULL: none. One that does not is, on Kafka, a header
     * like any other; link_verdict says why it does not. */
    struct dt_span link;
    enum duet_link_verdict link_verdict;
    struct duet_record record;
    bool corrupt; /* the mapping's own properties are broken: record is as stored */
};

enum duet_read_event {
    DUET_READ_RECORDS, /* or only a `next_position` that went on (count 0) */
    /* `next_position` was asked for and is outside the log: `begin` and `end` say what is there;
     * nothing is read until assigned again. */
    DUET_READ_MOVED,
    /* The connection was lost: positions may have been used again; for every assigned partition
     * (partition -1). Told before the first record that came after it, so a reader of a silent
     * topic may hear of it late. */
    DUET_READ_INTERRUPTED
};

struct duet_read_batch {
    enum duet_read_event event;
    int32_t partition;
    struct duet_read_record *records;
    size_t count;
    int64_t
        next_position;  /* after the last record, beyond it where the broker left a gap */
    int64_t begin, end; /* bounds of the log as last known, -1 unknown */
};

struct duet_reader_config {
    const struct duet_plan_route *route; /* copied */
    /* Nothing is committed by reading. RocketMQ lists the reader as a member of this group; NULL:
     * of none. Kafka hears of no group. */
    const char *group;
    const struct duet_stamp_key *stamp_key; /* copied */
    const struct duet_zone *zone; /* borrowed for the reader's life: day of unstamped */
    size_t memory_max;            /* read ahead, bytes, about; 0: 16 MiB */
    /* Any thread: polling may give something; or NULL. Called with a lock of the library held:
     * it may only signal, and must not take a lock that is held while polling. */
    void (*notify)(void *context);
    void *context;
};

dt_status duet_reader_new(struct duet_side_client *client,
                          const struct duet_reader_config *config,
                          struct duet_reader **out);
/* Its batches must have been freed. */
void duet_reader_free(struct duet_reader *reader);

/* Reads this partition from `position` on; moves it there if it is being read. Nothing from
 * before the move is handed out after it. */
dt_status duet_reader_assign(struct duet_reader *reader, int32_t partition,
                             int64_t position);
void duet_reader_unassign(struct duet_reader *reader, int32_t partition);

/**
 * Never blocks. @param records_max at most so many in one batch.
 * @param out the caller's, duet_read_batch_free(); NULL when there is nothing.
 * @returns DT_OK (with or without a batch), DT_EUNREACH after a fatal error of the client.
 */
dt_status duet_reader_poll(struct duet_reader *reader, size_t records_max,
                           struct duet_read_batch **out);
void duet_read_batch_free(struct duet_read_batch *batch);

#endif
