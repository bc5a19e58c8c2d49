/* model/windows under a simulated fleet: producers that are killed and started again, journals,
 * readers that rebalance and go back, deltas that are late, doubled and out of order. Healthy
 * windows give no alarm, ever; damage is told exactly. SKETCH_WINDOWS: how many healthy ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/windows.h"
#include "support/case.h"
#include "support/sketches.h"

enum {
    PRODUCERS = 3,
    PARTITIONS = 2,
    FIRST = 1000, /* window */
    LOG_MAX = 20000,
    MAIL_MAX = 4000,
    OWED_MAX = 400,
    LANES = 2 * PARTITIONS, /* of readers */
    WINDOWS_MAX = 4096
};

struct message {
    struct duet_id id;
    uint32_t window;
    uint64_t content;
    bool counted; /* else a record of somebody else's */
};

struct log {
    struct message message[LOG_MAX];
    size_t count;
};

struct letter { /* on its way to the collector */
    struct dt_buf delta;
    struct duet_windows_producer said; /* if delta.size is 0 */
    struct duet_windows_end end[PARTITIONS * 2];
    int due;
    bool again; /* it will be delivered once more */
};

struct producer {
    uint16_t boot;
    uint64_t next[PARTITIONS], told[PARTITIONS];
    uint32_t window_of[PARTITIONS][LOG_MAX / 8]; /* by sequence, of this boot */
    bool cancelled[PARTITIONS][LOG_MAX / 8];     /* the same */
    struct duet_delta counts[PARTITIONS];
    struct message owed[PARTITIONS][OWED_MAX]; /* copies in the journal */
    size_t owed_count[PARTITIONS];
    struct duet_windows_end earlier[PARTITIONS]; /* of the boot before */
};

struct reader {
    uint64_t position;
    struct duet_delta counts;
};

struct fleet {
    struct duet_digest_key key;
    struct test_random random;
    struct duet_windows windows;
    struct log log[DUET_SIDES][PARTITIONS];
    struct producer producer[PRODUCERS];
    struct reader reader[DUET_SIDES][PARTITIONS];
    struct letter mail[MAIL_MAX];
    size_t mail_count;
    int now; /* minutes since FIRST */
    uint32_t width;
    struct dt_buf away[WINDOWS_MAX]; /* windows that were put away, by number */
    int alarms, verified;
    bool is_verified[WINDOWS_MAX];
    /* damage */
    bool damaged;
    struct duet_differences expected;
    int lose, duplicate, alter, plant; /* still to be done */
};

/* ---- producers ---- */

static struct duet_lane issue_lane(int p, uint16_t boot, uint16_t partition,
                                   enum duet_stage stage)
{
    return (struct duet_lane){.stage = stage,
                              .id_kind = DUET_ID_ISSUED,
                              .instance = (uint32_t)p + 1,
                              .boot = boot,
                              .partition = partition};
}

static struct letter *new_letter(struct fleet *fleet)
{
    struct letter *letter = &fleet->mail[fleet->mail_count++];

    assert_true(fleet->mail_count <= MAIL_MAX);
    memset(letter, 0, sizeof(*letter));
    letter->due = fleet->now + (int)test_random_below(&fleet->random, 4);
    letter->again = test_random_once_in(&fleet->random, 8);
    return letter;
}

static void post_delta(struct fleet *fleet, struct duet_delta *delta)
{
    struct letter *letter = new_letter(fleet);

    dt_buf_init(&letter->delta, DUET_DELTA_BYTES_MAX);
    duet_delta_encode(delta, &letter->delta);
    assert_false(letter->delta.failed);
    duet_delta_fini(delta);
}

static void tell_issued(struct fleet *fleet, int p, uint16_t partition)
{
    struct producer *producer = &fleet->producer[p];
    struct duet_lane lane = producer->counts[partition].lane;
    uint64_t to = producer->counts[partition].to;

    if (to == producer->told[partition])
        return;
    post_delta(fleet, &producer->counts[partition]);
    producer->told[partition] = to;
    duet_delta_init(&producer->counts[partition], &lane, fleet->windows.key, fleet->width,
                    to);
}

static void append(struct log *log, const struct message *message)
{
    assert_true(log->count < LOG_MAX);
    log->message[log->count++] = *message;
}

/* What happens to a copy on its way into a log, if there is damage left to be done. */
static void store(struct fleet *fleet, enum duet_side side, uint16_t partition,
                  const struct message *message)
{
    struct log *log = &fleet->log[side][partition];
    struct message copy = *message;
    bool harmed = fleet->damaged && test_random_once_in(&fleet->random, 40);
    dt_status status = DT_OK;

    if (harmed && fleet->lose > 0) {
        fleet->lose--;
        status = duet_differences_add(&fleet->expected, DUET_DIFF_LOST, side, &copy.id, 1);
    } else if (harmed && fleet->duplicate > 0) {
        uint64_t copies = test_random_once_in(&fleet->random, 4) ? 40 : 1;

        fleet->duplicate--;
        for (uint64_t i = 0; i <= copies; i++)
            append(log, &copy);
        status = duet_differences_add(&fleet->expected, DUET_DIFF_DUPLICATE, side, &copy.id,
                                      copies);
    } else if (harmed && fleet->alter > 0) {
        fleet->alter--;
        copy.content ^= 1;
        append(log, &copy);
        status =
            duet_differences_add(&fleet->expected, DUET_DIFF_ALTERED, side, &copy.id, 1);
    } else if (harmed && fleet->plant > 0) {
        fleet->plant--;
        append(log, &copy);
        copy.id.instance = 900000;
        copy.id.sequence = log->count;
        append(log, &copy);
        status =
            duet_differences_add(&fleet->expected, DUET_DIFF_FOREIGN, side, &copy.id, 1);
    } else {
        append(log, &copy);
    }
    assert_int_equal(status, DT_OK);
    if (test_random_once_in(&fleet->random, 30)) { /* a marker of a transaction, say */
        memset(&copy, 0, sizeof(copy));
        append(log, &copy);
    }
}

static void cancel(struct fleet *fleet, int p, const struct message *message)
{
    struct duet_lane lane =
        issue_lane(p, message->id.boot, message->id.partition, DUET_STAGE_X);
    struct duet_counted counted = {&message->id, message->window, 1, message->content, 10,
                                   NULL};
    struct duet_delta delta;

    duet_delta_init(&delta, &lane, fleet->windows.key, fleet->width, message->id.sequence);
    assert_int_equal(duet_delta_count(&delta, &fleet->key, message->id.sequence, &counted),
                     DT_OK);
    post_delta(fleet, &delta);
}

static void issue(struct fleet *fleet, int p)
{
    struct producer *producer = &fleet->producer[p];
    uint16_t partition = (uint16_t)test_random_below(&fleet->random, PARTITIONS);
    uint64_t sequence = producer->next[partition]++;
    struct message message = {
        {DUET_ID_ISSUED, (uint32_t)p + 1, producer->boot, partition, sequence},
        (uint32_t)(FIRST + fleet->now),
        test_random_next(&fleet->random) & DUET_CONTENT_MAX,
        true};
    struct duet_counted counted = {&message.id, message.window, 1, message.content, 10,
                                   NULL};

    producer->window_of[partition][sequence] = message.window;
    assert_int_equal(
        duet_delta_count(&producer->counts[partition], &fleet->key, sequence, &counted),
        DT_OK);
    if (!fleet->damaged && test_random_once_in(&fleet->random, 50)) {
        producer->cancelled[partition][sequence] = true; /* definitely not sent */
        cancel(fleet, p, &message);
        return;
    }
    store(fleet, DUET_KAFKA, partition, &message);
    assert_true(producer->owed_count[partition] < OWED_MAX);
    producer->owed[partition][producer->owed_count[partition]++] = message;
}

/* Some of what the journal holds reaches RocketMQ, in order. */
static void replay(struct fleet *fleet, int p, uint16_t partition, size_t count)
{
    struct producer *producer = &fleet->producer[p];
    struct message *owed = producer->owed[partition];

    if (count > producer->owed_count[partition])
        count = producer->owed_count[partition];
    for (size_t i = 0; i < count; i++)
        store(fleet, DUET_ROCKETMQ, partition, &owed[i]);
    producer->owed_count[partition] -= count;
    memmove(owed, owed + count, producer->owed_count[partition] * sizeof(*owed));
}

/* Of the boot's numbers below `to`. */
static uint64_t count_cancelled(const struct producer *producer, uint16_t partition,
                                uint64_t to)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < to; i++)
        count += producer->cancelled[partition][i];
    return count;
}

static void say(struct fleet *fleet, int p)
{
    struct producer *producer = &fleet->producer[p];
    struct letter *letter = new_letter(fleet);
    uint32_t open_from = (uint32_t)(FIRST + fleet->now);

    for (int t = 0; t < PARTITIONS; t++)
        if (producer->owed_count[t] > 0 && producer->owed[t][0].window < open_from)
            open_from = producer->owed[t][0].window;
    for (uint16_t t = 0; t < PARTITIONS; t++) {
        uint64_t to = producer->next[t];

        while (to > 0 && producer->window_of[t][to - 1] >= open_from)
            to--;
        letter->end[t] = (struct duet_windows_end){producer->boot, t, to,
                                                   count_cancelled(producer, t, to)};
        letter->end[PARTITIONS + t] = producer->earlier[t];
    }
    letter->said = (struct duet_windows_producer){.id_kind = DUET_ID_ISSUED,
                                                  .instance = (uint32_t)p + 1,
                                                  .boot = producer->boot,
                                                  .open_from = open_from,
                                                  .newest = (uint32_t)(FIRST + fleet->now),
                                                  .heard_ms = fleet->now,
                                                  .end_count = 2 * PARTITIONS};
}

static void boot(struct fleet *fleet, int p)
{
    struct producer *producer = &fleet->producer[p];

    producer->boot++;
    memset(producer->cancelled, 0, sizeof(producer->cancelled));
    for (uint16_t t = 0; t < PARTITIONS; t++) {
        struct duet_lane lane = issue_lane(p, producer->boot, t, DUET_STAGE_I);

        producer->next[t] = producer->told[t] = 0;
        duet_delta_init(&producer->counts[t], &lane, fleet->windows.key, fleet->width, 0);
    }
}

/* Killed and started again: it finds its counts and its journal. */
static void restart(struct fleet *fleet, int p)
{
    struct producer *producer = &fleet->producer[p];

    for (uint16_t t = 0; t < PARTITIONS; t++) {
        tell_issued(fleet, p, t);
        duet_delta_fini(&producer->counts[t]);
        producer->earlier[t] =
            (struct duet_windows_end){producer->boot, t, producer->next[t],
                                      count_cancelled(producer, t, producer->next[t])};
    }
    boot(fleet, p);
}

/* ---- readers ---- */

static struct duet_lane read_lane(enum duet_side side, uint16_t partition)
{
    return (struct duet_lane){.stage = side == DUET_KAFKA ? DUET_STAGE_K : DUET_STAGE_R,
                              .partition = partition};
}

static struct duet_delta count_range(struct fleet *fleet, const struct duet_lane *lane,
                                     uint64_t from, uint64_t to)
{
    enum duet_side side = lane->stage == DUET_STAGE_K ? DUET_KAFKA : DUET_ROCKETMQ;
    const struct log *log = &fleet->log[side][lane->partition];
    struct duet_delta delta;

    duet_delta_init(&delta, lane, fleet->windows.key, fleet->width, from);
    for (uint64_t at = from; at < to; at++) {
        const struct message *message = &log->message[at];
        struct duet_counted counted = {
            &message->id, message->window, 1, message->content, 10, NULL};

        if (message->counted)
            assert_int_equal(duet_delta_count(&delta, &fleet->key, at, &counted), DT_OK);
        else
            duet_delta_pass(&delta, at + 1);
    }
    return delta;
}

/* A range is read and told; a member that dies first leaves it to the next, which may begin
 * earlier than that. */
static void read_some(struct fleet *fleet, enum duet_side side, uint16_t partition)
{
    struct reader *reader = &fleet->reader[side][partition];
    struct duet_lane lane = read_lane(side, partition);
    size_t end = fleet->log[side][partition].count;
    uint64_t from = reader->position, to;
    struct duet_delta delta;

    if (test_random_once_in(&fleet->random,
                            12)) /* rebalanced: back to what was committed */
        from -= test_random_below(&fleet->random, (size_t)(from < 40 ? from : 40) + 1);
    to = from + test_random_below(&fleet->random, 60);
    if (to > end)
        to = end;
    if (from >= to)
        return;
    delta = count_range(fleet, &lane, from, to);
    if (test_random_once_in(&fleet->random, 15)) { /* killed before it told */
        duet_delta_fini(&delta);
        return;
    }
    post_delta(fleet, &delta);
    if (to > reader->position)
        reader->position = to;
}

/* ---- the collector ---- */

static void put_away(struct fleet *fleet)
{
    struct duet_window window;
    uint32_t number = 0;
    struct dt_buf *bytes;

    assert_true(duet_windows_evictable(&fleet->windows, &number));
    assert_int_equal(duet_windows_take(&fleet->windows, number, &window), DT_OK);
    bytes = &fleet->away[number - FIRST];
    dt_buf_init(bytes, DUET_DELTA_BYTES_MAX);
    duet_window_encode(&window, bytes);
    duet_window_fini(&window);
}

static void bring_back(struct fleet *fleet, uint32_t number)
{
    struct dt_buf *bytes = &fleet->away[number - FIRST];
    struct duet_window window;

    if (fleet->windows.count == DUET_WINDOWS_MAX)
        put_away(fleet);
    assert_int_equal(duet_window_decode(&window, dt_buf_span(bytes)), DT_OK);
    dt_buf_fini(bytes);
    assert_int_equal(duet_windows_give(&fleet->windows, &window), DT_OK);
}

/* Until it is in: makes room, brings back, counts again what overlaps. */
static void take_in(struct fleet *fleet, struct duet_delta *delta)
{
    enum duet_applied applied;
    struct duet_interval rest;

    for (;;) {
        assert_int_equal(duet_windows_apply(&fleet->windows, delta, &applied, &rest),
                         DT_OK);
        if (applied == DUET_FULL)
            put_away(fleet);
        else if (applied == DUET_AWAY)
            bring_back(fleet, (uint32_t)rest.from);
        else if (applied == DUET_OVERLAPS && delta->lane.stage >= DUET_STAGE_K) {
            struct duet_delta part = count_range(fleet, &delta->lane, rest.from, rest.to);

            take_in(fleet, &part);
        } else {
            assert_int_not_equal(applied, DUET_OVERLAPS); /* producers tell ranges once */
            break;
        }
    }
    duet_delta_fini(delta);
}

static void deliver(struct fleet *fleet, struct letter *letter)
{
    struct duet_delta delta;

    if (letter->delta.size == 0) {
        letter->said.ends = letter->end;
        assert_int_equal(duet_windows_hear(&fleet->windows, &letter->said), DT_OK);
        return;
    }
    assert_int_equal(duet_delta_decode(&delta, dt_buf_span(&letter->delta)), DT_OK);
    take_in(fleet, &delta);
}

static void deliver_due(struct fleet *fleet)
{
    size_t kept = 0;

    for (size_t i = 0; i < fleet->mail_count; i++) {
        struct letter letter = fleet->mail[i];

        if (letter.due <= fleet->now) {
            deliver(fleet, &letter);
            if (!letter.again) {
                if (letter.delta.size > 0)
                    dt_buf_fini(&letter.delta);
                continue;
            }
            letter.again = false;
            letter.due = fleet->now + 1 + (int)test_random_below(&fleet->random, 8);
        }
        fleet->mail[kept++] = letter;
    }
    fleet->mail_count = kept;
}

static void look(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->windows.count; i++) {
        const struct duet_window *window = fleet->windows.windows[i];
        bool *is_verified = &fleet->is_verified[window->number - FIRST];

        fleet->alarms += window->state == DUET_WINDOW_DIVERGED ||
                         window->state == DUET_WINDOW_UNVERIFIABLE;
        fleet->verified += window->state == DUET_WINDOW_VERIFIED && !*is_verified;
        *is_verified |= window->state == DUET_WINDOW_VERIFIED;
    }
}

static void collect(struct fleet *fleet)
{
    uint64_t ends[LANES];

    deliver_due(fleet);
    duet_windows_step(&fleet->windows, fleet->now, (uint32_t)(FIRST + fleet->now));
    if (duet_windows_want_ends(&fleet->windows)) {
        for (int side = 0; side < DUET_SIDES; side++)
            for (int t = 0; t < PARTITIONS; t++)
                ends[side * PARTITIONS + t] = fleet->log[side][t].count;
        assert_int_equal(duet_windows_give_ends(&fleet->windows, ends, LANES), DT_OK);
    }
    duet_windows_step(&fleet->windows, fleet->now, (uint32_t)(FIRST + fleet->now));
    look(fleet);
}

/* ---- a run ---- */

static struct fleet *new_fleet(uint64_t seed, uint32_t width)
{
    struct fleet *fleet = calloc(1, sizeof(*fleet));

    assert_non_null(fleet);
    fleet->random.state = seed;
    fleet->width = width;
    fleet->key = test_sketch_key(DUET_PRF_AES);
    duet_windows_init(&fleet->windows, duet_digest_key_number(&fleet->key),
                      DUET_COMPARED_STORED_KAFKA | DUET_COMPARED_STORED_ROCKETMQ);
    for (int side = 0; side < DUET_SIDES; side++)
        for (uint16_t t = 0; t < PARTITIONS; t++) {
            struct duet_lane lane = read_lane((enum duet_side)side, t);

            assert_int_equal(duet_windows_expect(&fleet->windows, &lane, 0), DT_OK);
        }
    for (int p = 0; p < PRODUCERS; p++) {
        assert_int_equal(
            duet_windows_declare(&fleet->windows, DUET_ID_ISSUED, (uint32_t)p + 1, FIRST),
            DT_OK);
        boot(fleet, p);
    }
    return fleet;
}

static void free_fleet(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->mail_count; i++)
        if (fleet->mail[i].delta.size > 0)
            dt_buf_fini(&fleet->mail[i].delta);
    for (int p = 0; p < PRODUCERS; p++)
        for (int t = 0; t < PARTITIONS; t++)
            duet_delta_fini(&fleet->producer[p].counts[t]);
    for (size_t i = 0; i < WINDOWS_MAX; i++)
        if (fleet->away[i].data != NULL)
            dt_buf_fini(&fleet->away[i]);
    duet_differences_fini(&fleet->expected);
    duet_windows_fini(&fleet->windows);
    free(fleet);
}

static void one_minute(struct fleet *fleet, bool issuing)
{
    for (int p = 0; p < PRODUCERS; p++) {
        size_t count = issuing ? test_random_below(&fleet->random, 4) : 0;
        bool in_trouble = issuing && test_random_once_in(&fleet->random, 4);

        for (size_t i = 0; i < count; i++)
            issue(fleet, p);
        for (uint16_t t = 0; t < PARTITIONS; t++) {
            if (!in_trouble)
                replay(fleet, p, t, 1 + test_random_below(&fleet->random, 8));
            if (!issuing || test_random_once_in(&fleet->random, 2))
                tell_issued(fleet, p, t);
        }
        if (issuing && test_random_once_in(&fleet->random, 40))
            restart(fleet, p);
        if (!issuing || test_random_once_in(&fleet->random, 2))
            say(fleet, p);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        for (uint16_t t = 0; t < PARTITIONS; t++)
            read_some(fleet, (enum duet_side)side, t);
    fleet->now++;
    collect(fleet);
}

static void run(struct fleet *fleet, int minutes)
{
    for (int i = 0; i < minutes; i++)
        one_minute(fleet, true);
    for (int i = 0; i < 80; i++)
        one_minute(fleet, false);
}

/* The brokers' own arithmetic: what the logs hold is what was counted, each position once. */
static void assert_counted_once(struct fleet *fleet)
{
    int64_t counted[DUET_SIDES] = {0}, held[DUET_SIDES] = {0};

    for (uint32_t n = 0; n < WINDOWS_MAX; n++) {
        struct duet_window *window = duet_windows_find(&fleet->windows, FIRST + n);

        if (window == NULL && fleet->away[n].data != NULL) {
            bring_back(fleet, FIRST + n);
            window = duet_windows_find(&fleet->windows, FIRST + n);
        }
        for (int side = 0; window != NULL && side < DUET_SIDES; side++)
            counted[side] += window->stage[side == DUET_KAFKA ? DUET_STAGE_K : DUET_STAGE_R]
                                 .digest.count;
    }
    for (int side = 0; side < DUET_SIDES; side++)
        for (int t = 0; t < PARTITIONS; t++)
            for (size_t i = 0; i < fleet->log[side][t].count; i++)
                held[side] += fleet->log[side][t].message[i].counted;
    assert_int_equal(counted[DUET_KAFKA], held[DUET_KAFKA]);
    assert_int_equal(counted[DUET_ROCKETMQ], held[DUET_ROCKETMQ]);
}

static void assert_nothing_open(const struct fleet *fleet, uint64_t seed)
{
    for (size_t i = 0; i < fleet->windows.count; i++)
        if (fleet->windows.windows[i]->state != DUET_WINDOW_VERIFIED)
            fail_msg("seed %d: window %d is %s", (int)seed,
                     (int)fleet->windows.windows[i]->number - FIRST,
                     duet_window_state_name(fleet->windows.windows[i]->state));
}

static void healthy_windows_give_no_alarm(void **state)
{
    const char *text = getenv("SKETCH_WINDOWS");
    long wanted = text == NULL ? 10000 : strtol(text, NULL, 10), verified = 0;

    (void)state;
    for (uint64_t seed = 1; verified < wanted; seed++) {
        struct fleet *fleet = new_fleet(seed, 0);

        run(fleet, 600);
        if (fleet->alarms > 0)
            fail_msg("seed %d: %d alarms", (int)seed, fleet->alarms);
        assert_nothing_open(fleet, seed);
        verified += fleet->verified;
        assert_counted_once(fleet);
        free_fleet(fleet);
    }
    print_message("%ld windows, no alarm\n", verified);
}

/* ---- damage ---- */

static void list_all(struct fleet *fleet, struct duet_differences *list)
{
    for (size_t i = 0; i < fleet->windows.count; i++) {
        struct duet_window *window = fleet->windows.windows[i];
        struct duet_nets nets[DUET_SIDES] = {{NULL, 0}, {NULL, 0}};

        if (window->state != DUET_WINDOW_DIVERGED)
            continue;
        for (int side = 0; side < DUET_SIDES; side++) {
            struct duet_sketch sketch;
            uint32_t width;

            assert_int_equal(duet_window_difference(
                                 window, side == DUET_KAFKA ? DUET_STAGE_K : DUET_STAGE_R,
                                 DUET_STAGE_I, false, &sketch),
                             DT_OK);
            assert_int_equal(duet_peel_ladder(&sketch, &fleet->key, &nets[side], &width),
                             DUET_PEELED);
            duet_sketch_fini(&sketch);
        }
        assert_int_equal(
            duet_differ_stored(list, nets, duet_windows_known, &fleet->windows), DT_OK);
        duet_nets_fini(&nets[DUET_KAFKA]);
        duet_nets_fini(&nets[DUET_ROCKETMQ]);
    }
    duet_differences_sort(list);
}

static void damage_in_a_fleet_is_told_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fleet *fleet = new_fleet(seed, 64);
        struct duet_differences list;

        fleet->damaged = true;
        fleet->lose = 6;
        fleet->duplicate = 3;
        fleet->alter = 3;
        fleet->plant = 2;
        run(fleet, 60); /* all windows stay in memory */
        duet_differences_init(&list);
        list_all(fleet, &list);
        duet_differences_sort(&fleet->expected);
        assert_true(fleet->expected.count > 0);
        assert_int_equal(list.count, fleet->expected.count);
        for (size_t i = 0; i < list.count; i++) {
            const struct duet_difference *a = &list.items[i],
                                         *b = &fleet->expected.items[i];

            assert_int_equal(a->kind, b->kind);
            assert_int_equal(a->side, b->side);
            assert_true(duet_id_equal(&a->id, &b->id));
            assert_int_equal(a->sequence_to, b->sequence_to);
            assert_int_equal(a->copies, b->copies);
        }
        assert_counted_once(fleet);
        duet_differences_fini(&list);
        free_fleet(fleet);
    }
}

/* One instance's counts are gone with its host: a hole, not a loss; counted again, it heals. */
static void a_range_that_nobody_told_is_a_hole_until_it_is_counted_again(void **state)
{
    struct fleet *fleet = new_fleet(77, 0);
    struct duet_lane lane = read_lane(DUET_ROCKETMQ, 1);
    int open = 0;
    struct duet_delta delta;

    (void)state;
    for (int i = 0; i < 30; i++) {
        struct reader *reader = &fleet->reader[DUET_ROCKETMQ][1];

        if (reader->position < 10 && fleet->log[DUET_ROCKETMQ][1].count > 12)
            reader->position = 10; /* 0 to 9 were read by a host that is gone */
        one_minute(fleet, true);
    }
    for (int i = 0; i < 60; i++)
        one_minute(fleet, false);
    for (size_t i = 0; i < fleet->windows.count; i++)
        open += fleet->windows.windows[i]->state == DUET_WINDOW_SEALED;
    if (duet_ranges_covered(&fleet->windows.lanes[3].covered, 0, 10) < 10)
        assert_true(open > 0);
    assert_int_equal(fleet->alarms, 0);
    delta = count_range(fleet, &lane, 0, 10);
    take_in(fleet, &delta);
    collect(fleet);
    collect(fleet);
    assert_int_equal(fleet->alarms, 0);
    assert_nothing_open(fleet, 77);
    assert_counted_once(fleet);
    free_fleet(fleet);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_windows_give_no_alarm),
        cmocka_unit_test(damage_in_a_fleet_is_told_exactly),
        cmocka_unit_test(a_range_that_nobody_told_is_a_hole_until_it_is_counted_again),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
