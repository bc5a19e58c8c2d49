/*
 * What is damaged in a producer's journal: the ledger lists it as isolated, by id wherever that
 * can be known, and all around it reaches the side that it is owed to, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "duet/duet.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "support/case.h"
#include "support/pair.h"

#define SMALL        "producer: {memory.max: 64KiB}\n"
#define MESSAGES_MAX 4000

static dt_status produce(duet_producer *producer)
{
    static const char bytes[1000] = "bytes of the message";
    duet_message message = {
        .topic = PAIR_TOPIC, .value = bytes, .value_size = sizeof(bytes)};

    message.event_time_ms = -1;
    return duet_produce(producer, &message, 0, NULL, NULL);
}

static duet_producer *open_producer(struct pair *pair)
{
    duet_producer *producer;

    assert_int_equal(duet_producer_open(pair->config_path, "p1", &producer), DT_OK);
    return producer;
}

struct reached {
    duet_producer *producer;
    int64_t done, journal;
};

static bool is_reached(void *context)
{
    const struct reached *reached = context;
    duet_producer_stats stats;

    duet_producer_statistics(reached->producer, &stats);
    return stats.done >= reached->done && stats.journal >= reached->journal;
}

/* RocketMQ is away: so many messages are owed to it. */
static duet_producer *owe(struct pair *pair, int count)
{
    duet_producer *producer;
    struct reached reached;

    rmq_mock_down(pair->rocketmq);
    producer = open_producer(pair);
    for (int i = 0; i < count; i++)
        assert_int_equal(produce(producer), DT_OK);
    reached = (struct reached){producer, count, count - 64};
    assert_true(pair_wait(is_reached, &reached));
    return producer;
}

static void start(struct pair *pair)
{
    pair_start(pair, 1, DUET_STEP_DUAL_WRITE, SMALL);
}

/* ---- the journal's bytes ---- */

static void segment_path(const struct pair *pair, unsigned number, char path[200])
{
    snprintf(path, 200, "%s/state/p1/journal/%016x.seg", pair->folder, number);
}

static int open_segment(const struct pair *pair, unsigned number)
{
    char path[200];
    int fd;

    segment_path(pair, number, path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

/* Where the n-th message of the segment is, and how long. */
static off_t find_message(const struct pair *pair, unsigned number, int n, size_t *size,
                          uint64_t *lsn)
{
    int fd = open_segment(pair, number);
    struct stat info;
    struct duet_segment_header header;
    struct duet_walk walk;
    uint8_t *bytes;
    off_t at = 0;

    assert_int_equal(fstat(fd, &info), 0);
    bytes = malloc((size_t)info.st_size);
    assert_int_equal(pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
    close(fd);
    assert_int_equal(
        duet_segment_read_header(dt_span_of(bytes, (size_t)info.st_size), &header),
        DUET_HEADER_OK);
    duet_walk_init(&walk, dt_span_of(bytes, (size_t)info.st_size), &header);
    while (at == 0) {
        assert_int_equal(duet_walk_next(&walk), DUET_WALK_RECORD);
        if (walk.record.kind == DUET_RECORD_MESSAGE && n-- == 0) {
            at = (off_t)walk.record_at;
            *size = duet_record_room(walk.record.payload.size);
            *lsn = walk.record.lsn;
        }
    }
    free(bytes);
    return at;
}

static void overwrite(const struct pair *pair, unsigned number, off_t at, size_t size)
{
    int fd = open_segment(pair, number);
    uint8_t *junk = malloc(size);

    memset(junk, 0xa5, size);
    assert_int_equal(pwrite(fd, junk, size, at), (ssize_t)size);
    free(junk);
    close(fd);
}

/* ---- what comes of it ---- */

static int64_t ledger_total(struct pair *pair, enum duet_ledger_kind kind)
{
    int64_t totals[DUET_LEDGER_KINDS];

    assert_int_equal(duet_store_ledger_totals(pair->store, totals), DT_OK);
    return totals[kind];
}

/* The numbers [0, count) that RocketMQ has not: the ledger lists each of them, and no other; the
 * rest is there in order. Returns how many are missing. */
static size_t need_listed(struct pair *pair, size_t count)
{
    static uint64_t sequences[MESSAGES_MAX];
    static bool missing[MESSAGES_MAX];
    size_t stored = pair_log(pair, DUET_ROCKETMQ, 0, sequences, MESSAGES_MAX),
           entries_count;
    struct duet_ledger_entry *entries;

    memset(missing, 1, sizeof(missing));
    for (size_t i = 0; i < stored; i++) {
        assert_true(i == 0 || sequences[i] > sequences[i - 1]);
        missing[sequences[i]] = false;
    }
    assert_int_equal(duet_store_ledger(pair->store, &entries, &entries_count), DT_OK);
    for (size_t i = 0; i < entries_count; i++) {
        assert_int_equal(entries[i].kind, DUET_LEDGER_ISOLATED);
        assert_int_equal(entries[i].side, DUET_ROCKETMQ);
        assert_string_equal(entries[i].topic, PAIR_TOPIC);
        assert_int_equal(entries[i].partition, 0);
        assert_int_equal(entries[i].id.kind, DUET_ID_ISSUED);
        assert_non_null(strstr(entries[i].reason, "segment"));
        for (uint64_t n = entries[i].id.sequence; n < entries[i].sequence_to; n++) {
            assert_true(missing[n]);
            missing[n] = false;
        }
    }
    for (size_t n = 0; n < count; n++)
        if (missing[n])
            fail_msg("%zu is missing, and not listed", n);
    free(entries);
    return count - stored;
}

/* RocketMQ is back, and gets what is owed by the producer that is started now. */
static void replay(struct pair *pair)
{
    duet_producer *producer;

    assert_int_equal(rmq_mock_up(pair->rocketmq), DT_OK);
    producer = open_producer(pair);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
}

static void one_damaged_record_is_listed_by_its_id(void **state)
{
    struct pair pair;
    size_t size;
    uint64_t lsn;
    off_t at;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 500));
    at = find_message(&pair, 1, 300, &size, &lsn);
    overwrite(&pair, 1, at + 600, 8); /* in its value: head and stamp stand */
    replay(&pair);
    assert_int_equal(need_listed(&pair, 500), 1);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_ISOLATED), 1);
    pair_stop(&pair);
}

static void what_nothing_is_left_of_is_known_by_its_neighbours(void **state)
{
    struct pair pair;
    size_t size;
    uint64_t lsn, end_lsn;
    off_t at, end;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 500));
    at = find_message(&pair, 1, 200, &size, &lsn);
    end = find_message(&pair, 1, 217, &size, &end_lsn);
    overwrite(&pair, 1, at, (size_t)(end - at));
    replay(&pair);
    assert_int_equal(need_listed(&pair, 500), end_lsn - lsn);
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_ISOLATED), (int64_t)(end_lsn - lsn));
    pair_stop(&pair);
}

static void status_has_it_before_anything_is_sent_and_counts_it_once(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    size_t size;
    uint64_t lsn;
    off_t at;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 300));
    at = find_message(&pair, 1, 100, &size, &lsn);
    overwrite(&pair, 1, at, 3 * size);
    for (int i = 0; i < 2; i++) { /* RocketMQ is away: it is found at each start */
        producer = open_producer(&pair);
        assert_int_equal(ledger_total(&pair, DUET_LEDGER_ISOLATED), 3);
        duet_producer_statistics(producer, &stats);
        assert_int_equal(stats.isolated, 3);
        assert_int_equal(stats.dropped, 0);
        assert_int_equal(stats.pending, 297);
        duet_producer_close(producer);
    }
    replay(&pair);
    assert_int_equal(need_listed(&pair, 300), 3);
    pair_stop(&pair);
}

static void what_is_damaged_while_the_producer_runs_is_listed_too(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    size_t size;
    uint64_t lsn;
    off_t at;

    (void)state;
    start(&pair);
    producer = owe(&pair, 500);
    at = find_message(&pair, 1, 250, &size, &lsn);
    overwrite(&pair, 1, at, 2 * size);
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.pending, 0);
    assert_int_equal(stats.pending_bytes, 0);
    assert_int_equal(stats.isolated, 2);
    assert_int_equal(produce(producer), DT_OK); /* and the lane goes on */
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    assert_int_equal(need_listed(&pair, 501), 2);
    pair_stop(&pair);
}

static void the_end_of_the_journal_may_be_damaged_while_the_producer_runs(void **state)
{
    struct pair pair;
    duet_producer *producer;
    duet_producer_stats stats;
    size_t size;
    uint64_t lsn;
    off_t at;

    (void)state;
    start(&pair);
    producer = owe(&pair, 500);
    at = find_message(&pair, 1, 400, &size, &lsn);
    overwrite(&pair, 1, at, 200 * size); /* beyond its end */
    assert_int_equal(rmq_mock_up(pair.rocketmq), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_statistics(producer, &stats);
    assert_int_equal(stats.pending, 0);
    assert_true(stats.isolated > 30);
    duet_producer_close(producer);
    assert_true(ledger_total(&pair, DUET_LEDGER_ISOLATED) > 30);
    producer = open_producer(&pair); /* and nothing holds the next start up */
    assert_int_equal(produce(producer), DT_OK);
    assert_int_equal(duet_producer_flush(producer, 30000), DT_OK);
    duet_producer_close(producer);
    pair_stop(&pair);
}

static void a_segment_that_is_gone_or_has_no_header_is_listed(void **state)
{
    struct pair pair;
    duet_producer *producer;
    int64_t isolated;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 500));
    overwrite(&pair, 1, 0, DUET_SEGMENT_HEADER_SIZE);
    for (int i = 0; i < 2; i++) { /* it stays aside, and is no more each time */
        producer = open_producer(&pair);
        isolated = ledger_total(&pair, DUET_LEDGER_ISOLATED);
        duet_producer_close(producer);
        assert_true(isolated >= 400 && isolated <= 500);
    }
    replay(&pair);
    assert_int_equal(need_listed(&pair, 500), isolated);
    pair_stop(&pair);
}

static void a_lane_without_a_name_is_known_by_its_stamps(void **state)
{
    struct pair pair;
    size_t size;
    uint64_t lsn;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 200));
    /* the first record of the one segment names the lane */
    assert_true(find_message(&pair, 1, 0, &size, &lsn) > DUET_SEGMENT_HEADER_SIZE);
    overwrite(&pair, 1, DUET_SEGMENT_HEADER_SIZE + 8, 8);
    replay(&pair);
    assert_int_equal(need_listed(&pair, 200), 0);
    pair_stop(&pair);
}

/* Records of a journal that are whole, and no messages of this migration. */
static void what_cannot_be_decoded_is_listed_by_its_number(void **state)
{
    struct pair pair;
    struct duet_journal_config config = {
        .size_max = 64 << 20, .segment_size = 5 << 20, .fsync = DUET_FSYNC_ALWAYS};
    struct duet_journal *journal;
    struct duet_ledger_entry *entries;
    char folder[200];
    uint64_t lsn;
    uint32_t id;
    size_t count;

    (void)state;
    start(&pair);
    duet_producer_close(owe(&pair, 100));
    snprintf(folder, sizeof(folder), "%s/state/p1/journal", pair.folder);
    config.dir = folder;
    assert_int_equal(duet_journal_open(&config, &journal), DT_OK);
    assert_int_equal(duet_journal_lane(journal, PAIR_TOPIC, 0, DUET_ROCKETMQ, &id), DT_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(
            duet_journal_append(journal, id, 0, dt_span_str("no message"), &lsn), DT_OK);
    duet_journal_close(journal);
    replay(&pair);
    assert_int_equal(duet_store_ledger(pair.store, &entries, &count), DT_OK);
    assert_int_equal(count, 20);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i].kind, DUET_LEDGER_ISOLATED);
        assert_int_equal(entries[i].id.kind, DUET_ID_JOURNAL);
        assert_int_equal(entries[i].id.sequence, lsn - 19 + i);
        assert_non_null(strstr(entries[i].reason, "format"));
    }
    free(entries);
    replay(&pair); /* they are not owed any more */
    assert_int_equal(ledger_total(&pair, DUET_LEDGER_ISOLATED), 20);
    pair_stop(&pair);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_damaged_record_is_listed_by_its_id),
        cmocka_unit_test(what_nothing_is_left_of_is_known_by_its_neighbours),
        cmocka_unit_test(status_has_it_before_anything_is_sent_and_counts_it_once),
        cmocka_unit_test(what_is_damaged_while_the_producer_runs_is_listed_too),
        cmocka_unit_test(the_end_of_the_journal_may_be_damaged_while_the_producer_runs),
        cmocka_unit_test(a_segment_that_is_gone_or_has_no_header_is_listed),
        cmocka_unit_test(a_lane_without_a_name_is_known_by_its_stamps),
        cmocka_unit_test(what_cannot_be_decoded_is_listed_by_its_number),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
