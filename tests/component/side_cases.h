/*
 * side_cases.h - what both sides must do, in the same words.
 *
 * The including test defines world_open() and world_close(); the broker is in memory, or a
 * real one if the environment names it.
 */
#ifndef COMPONENT_SIDE_CASES_H
#define COMPONENT_SIDE_CASES_H

#include "component/side_world.h"

static struct world *world_open(void);
static void world_close(struct world *world);

#define BYTES(text)                                                                        \
    {                                                                                      \
        (const uint8_t *)(text), sizeof(text) - 1                                          \
    }
#define NOTHING                                                                            \
    {                                                                                      \
        NULL, 0                                                                            \
    }

static const struct duet_header odd_headers[] = {
    {BYTES("plain"), BYTES("value")},
    {BYTES("null"), NOTHING},
    {BYTES("empty"), BYTES("")},
    {BYTES("twice"), BYTES("one")},
    {BYTES("twice"), BYTES("two")},
    {BYTES("binary"), BYTES("\0\1\2\xff")},
    {BYTES("with space"), BYTES("x")},
    {BYTES("KEYS"), BYTES("reserved")},
    {BYTES("DUET_KEY"), BYTES("ours")},
    {BYTES("DUET_LINK"), BYTES("the application's own")},
    {BYTES(""), BYTES("no name")},
    {BYTES("dotted.name"), BYTES("\xc3\xa4")},
};

static const struct duet_record odd_records[] = {
    {.key = BYTES("N14228"), .value = BYTES("{\"a\":1}")},
    {.key = NOTHING, .value = BYTES("no key")},
    {.key = BYTES(""), .value = BYTES("empty key")},
    {.key = BYTES("\0\xff key"), .value = BYTES("\0\1\0")},
    {.key = BYTES("tombstone"), .value = NOTHING},
    {.key = BYTES("k"), .value = BYTES("")},
    {.key = BYTES("k"),
     .value = BYTES("headers"),
     .headers = odd_headers,
     .header_count = sizeof(odd_headers) / sizeof(odd_headers[0])},
};
enum { ODD_RECORDS = sizeof(odd_records) / sizeof(odd_records[0]) };

/* Of now: a real broker removes what is older than its retention, at any moment. */
static struct duet_record odd_record(const struct world *world, size_t index)
{
    struct duet_record record = odd_records[index];

    record.timestamp_ms = world->now_ms + (int64_t)index;
    return record;
}

static dt_status send_odd(struct world *world, struct duet_sender *sender,
                          int32_t partition, uint64_t sequence, size_t index, size_t token)
{
    struct duet_record record = odd_record(world, index);

    return world_send(world, sender, partition, sequence, &record, token);
}

static void assert_span(struct dt_span found, struct dt_span expected)
{
    assert_int_equal(found.data == NULL, expected.data == NULL);
    assert_int_equal(found.size, expected.size);
    if (expected.size > 0)
        assert_memory_equal(found.data, expected.data, expected.size);
}

static void assert_record(const struct duet_record *found,
                          const struct duet_record *expected)
{
    assert_span(found->key, expected->key);
    assert_span(found->value, expected->value);
    assert_int_equal(found->header_count, expected->header_count);
    for (size_t i = 0; i < expected->header_count; i++) {
        assert_span(found->headers[i].name, expected->headers[i].name);
        assert_span(found->headers[i].value, expected->headers[i].value);
    }
}

static void what_is_sent_is_read_as_it_was(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    size_t seen = 0;

    (void)state;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    for (size_t i = 0; i < ODD_RECORDS; i++)
        must(send_odd(world, sender, 1, 100 + i, i, i));
    duet_sender_flush(sender);
    world_wait_outcomes(world, ODD_RECORDS);
    for (size_t i = 0; i < ODD_RECORDS; i++) {
        assert_int_equal(world->sent[i].calls, 1);
        assert_int_equal(world->sent[i].outcome, DUET_DONE);
        assert_int_equal(world->sent[i].position, i);
    }
    assert_true(duet_sender_reachable(sender));
    duet_sender_free(sender, 1000);

    reader = world_reader(world);
    must(duet_reader_assign(reader, 1, 0));
    while (seen < ODD_RECORDS) {
        struct duet_read_batch *batch = world_read(world, reader, 3);

        assert_int_equal(batch->event, DUET_READ_RECORDS);
        assert_int_equal(batch->partition, 1);
        assert_in_range(batch->count, 1, 3);
        for (size_t i = 0; i < batch->count; i++, seen++) {
            const struct duet_read_record *found = &batch->records[i];
            struct duet_stamp stamp = world_stamp(1, 100 + seen);

            assert_int_equal(found->position, seen);
            assert_int_equal(found->verdict, DUET_STAMP_OK);
            assert_true(duet_id_equal(&found->stamp.id, &stamp.id));
            assert_int_equal(found->stamp.window, stamp.window);
            assert_int_equal(found->stamp.day, stamp.day);
            assert_false(found->corrupt);
            assert_record(&found->record, &odd_records[seen]);
            if (world->side == DUET_KAFKA)
                assert_int_equal(found->record.timestamp_ms, world->now_ms + (int64_t)seen);
            else
                assert_true(found->broker_mark > 0);
        }
        assert_int_equal(batch->next_position, seen);
        duet_read_batch_free(batch);
    }
    duet_reader_free(reader);
    world_close(world);
}

static void send_many(struct world *world, struct duet_sender *sender, size_t count)
{
    const struct duet_record record = {
        .key = BYTES("key"), .value = BYTES("some value"), .timestamp_ms = world->now_ms};

    for (size_t i = 0; i < count; i++)
        must(world_send(world, sender, (int32_t)(i % PARTITIONS), i / PARTITIONS, &record,
                        i));
    duet_sender_flush(sender);
}

static void each_partition_keeps_its_order(void **state)
{
    enum { COUNT = 8000 };
    struct world *world = world_open();
    uint64_t next[PARTITIONS] = {0};
    struct duet_sender *sender;
    struct duet_reader *reader;
    size_t seen = 0;

    (void)state;
    reader = world_reader(world);
    for (int32_t p = 0; p < PARTITIONS; p++)
        must(duet_reader_assign(reader, p, 0));
    must(duet_sender_new(world->client, 16 << 20, world_sent, world, &sender));
    send_many(world, sender, COUNT);
    while (seen < COUNT) {
        struct duet_read_batch *batch = world_read(world, reader, 100);

        assert_int_equal(batch->event, DUET_READ_RECORDS);
        for (size_t i = 0; i < batch->count; i++, seen++) {
            assert_int_equal(batch->records[i].stamp.id.sequence, next[batch->partition]);
            assert_int_equal(batch->records[i].position, next[batch->partition]++);
        }
        duet_read_batch_free(batch);
    }
    world_wait_outcomes(world, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(world->sent[i].outcome, DUET_DONE);
    duet_sender_free(sender, 1000);
    duet_reader_free(reader);
    world_close(world);
}

static void nothing_from_before_a_move_comes_after_it(void **state)
{
    enum { COUNT = 4000 };
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;

    (void)state;
    must(duet_sender_new(world->client, 16 << 20, world_sent, world, &sender));
    send_many(world, sender, COUNT);
    world_wait_outcomes(world, COUNT);
    duet_sender_free(sender, 1000);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 0, 0));
    for (int64_t round = 0; round < 30; round++) {
        int64_t to = round * 13 % (COUNT / PARTITIONS - 20);
        struct duet_read_batch *batch = world_read(world, reader, 7);
        struct duet_read_batch *rest = NULL;

        duet_read_batch_free(batch); /* some are read ahead now */
        must(duet_reader_assign(reader, 0, to));
        batch = world_read(world, reader, 7);
        assert_int_equal(batch->event, DUET_READ_RECORDS);
        assert_int_equal(batch->records[0].position, to);
        duet_read_batch_free(batch);
        duet_reader_unassign(reader, 0);
        must(duet_reader_poll(reader, 7, &rest));
        assert_null(rest);
        must(duet_reader_assign(reader, 0, to));
    }
    duet_reader_free(reader);
    world_close(world);
}

static void a_position_outside_the_log_is_told_with_what_is_there(void **state)
{
    enum { COUNT = 40 };
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;
    int64_t begin, end, deadline_ms = dt_clock_ms() + TIMEOUT_MS;

    (void)state;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    send_many(world, sender, COUNT);
    world_wait_outcomes(world, COUNT);
    duet_sender_free(sender, 1000);
    do { /* RocketMQ acknowledges a moment before its queue shows a message */
        must(duet_side_bounds(world->client, &world->route, 2, TIMEOUT_MS, &begin, &end));
        assert_int_equal(begin, 0);
    } while (end < COUNT / PARTITIONS && dt_clock_ms() < deadline_ms);
    assert_int_equal(end, COUNT / PARTITIONS);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 2, end + 5));
    batch = world_read(world, reader, 100);
    assert_int_equal(batch->event, DUET_READ_MOVED);
    assert_int_equal(batch->partition, 2);
    assert_int_equal(batch->begin, 0);
    assert_int_equal(batch->end, end);
    assert_int_equal(batch->count, 0);
    duet_read_batch_free(batch);
    must(duet_reader_poll(reader, 100,
                          &batch)); /* nothing more until it is assigned again */
    assert_null(batch);
    must(duet_reader_assign(reader, 2, end - 1));
    batch = world_read(world, reader, 100);
    assert_int_equal(batch->event, DUET_READ_RECORDS);
    assert_int_equal(batch->records[0].position, end - 1);
    duet_read_batch_free(batch);
    duet_reader_free(reader);
    world_close(world);
}

static void an_idle_reader_is_woken_by_the_next_record(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;

    (void)state;
    reader = world_reader(world);
    must(duet_reader_assign(reader, 3, 0));
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    for (size_t i = 0; i < 5; i++) {
        must(duet_reader_poll(reader, 10, &batch));
        assert_null(batch);
        must(send_odd(world, sender, 3, i, 0, i));
        batch = world_read(world, reader, 10);
        assert_int_equal(batch->count, 1);
        assert_int_equal(batch->records[0].stamp.id.sequence, i);
        duet_read_batch_free(batch);
    }
    duet_sender_free(sender, 1000);
    duet_reader_free(reader);
    world_close(world);
}

static void a_stamp_that_does_not_count_gives_a_derived_id(void **state)
{
    struct world *world = world_open();
    struct duet_stamp stamp = world_stamp(0, 1);
    struct duet_record record = odd_record(world, 0);
    struct duet_stamp_key key = world->key;
    struct duet_sender *sender;
    struct duet_reader *reader;
    struct duet_read_batch *batch;
    size_t seen = 0;

    (void)state;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    world->key.key[0] ^= 1; /* another migration's key, same number */
    must(world_send_stamp(world, sender, &stamp, &record, 0));
    world->key = key;
    world->key.number ^= 1;
    must(world_send_stamp(world, sender, &stamp, &record, 1));
    world->key = key;
    world_wait_outcomes(world, 2);
    duet_sender_free(sender, 1000);
    reader = world_reader(world);
    must(duet_reader_assign(reader, 0, 0));
    while (seen < 2) {
        batch = world_read(world, reader, 1);
        assert_int_equal(batch->count, 1);
        const struct duet_read_record *found = &batch->records[0];
        int64_t when_ms = found->record.timestamp_ms;

        assert_int_equal(found->verdict,
                         seen == 0 ? DUET_STAMP_BAD_CHECK : DUET_STAMP_BAD_KEY_NUMBER);
        assert_int_equal(found->stamp.id.kind,
                         world->side == DUET_KAFKA ? DUET_ID_KAFKA : DUET_ID_ROCKETMQ);
        assert_int_equal(found->stamp.id.instance, 77);
        assert_int_equal(found->stamp.id.partition, 0);
        assert_int_equal(found->stamp.id.sequence, seen);
        assert_int_equal(found->stamp.window, when_ms / 60000);
        assert_int_equal(found->stamp.day, (when_ms + 8 * 3600000) / 86400000);
        assert_span(found->record.value, odd_records[0].value);
        duet_read_batch_free(batch);
        seen++;
    }
    duet_reader_free(reader);
    world_close(world);
}

static void a_groups_position_is_what_was_committed(void **state)
{
    struct world *world = world_open();
    struct duet_sender *sender;
    struct duet_reader *reader;
    char group[64];
    int64_t position;

    (void)state;
    world_name(group, sizeof(group), "group.with.dots");
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    must(send_odd(world, sender, 1, 0, 0, 0));
    reader = world_reader_of(world, group); /* RocketMQ knows a group by its first reader */
    must(duet_reader_assign(reader, 1, 0));
    duet_read_batch_free(world_read(world, reader, 1));
    world_wait_outcomes(world, 1);
    duet_sender_free(sender, 1000);
    assert_int_equal(
        duet_side_committed(world->client, &world->route, group, 1, TIMEOUT_MS, &position),
        DT_ENOTFOUND);
    for (int64_t at = 5; at > 3; at--) { /* it may go back */
        must(duet_side_commit(world->client, &world->route, group, 1, at, TIMEOUT_MS));
        must(duet_side_committed(world->client, &world->route, group, 1, TIMEOUT_MS,
                                 &position));
        assert_int_equal(position, at);
    }
    assert_int_equal(
        duet_side_committed(world->client, &world->route, group, 2, TIMEOUT_MS, &position),
        DT_ENOTFOUND);
    duet_reader_free(reader);
    world_close(world);
}

static void a_full_sender_says_so_and_ends_everything_once(void **state)
{
    static uint8_t large[64 * 1024];
    struct duet_record record = {.value = {large, sizeof(large)}, .timestamp_ms = -1};
    struct world *world = world_open();
    struct duet_sender *sender;
    size_t accepted = 0;
    dt_status status = DT_OK;

    (void)state;
    must(duet_sender_new(world->client, 1 << 20, world_sent, world, &sender));
    while (accepted < 1000) { /* faster than any broker takes 64 MB */
        status = world_send(world, sender, 0, accepted, &record, accepted);
        if (status != DT_OK)
            break;
        accepted++;
    }
    assert_int_equal(status, DT_ENOMEM);
    duet_sender_free(sender, 0);
    assert_int_equal(world->outcomes, accepted);
    for (size_t i = 0; i < accepted; i++)
        assert_int_equal(world->sent[i].calls, 1);
    world_close(world);
}

#endif
