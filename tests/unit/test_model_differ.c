/* model/differ, order: random mutations of simulated logs, each reported with the right kind, id,
 * side and place, and nothing else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/order.h"
#include "support/case.h"
#include "support/sketches.h"

enum {
    MESSAGES = 200,
    EXTRA_MESSAGES =
        8, /* cancelled and foreign ones, which stand in no log unless planted */
    ALL = MESSAGES + EXTRA_MESSAGES,
    PRODUCERS = 3,
    PARTITIONS = 2,
    KEYS = 30,
    MUTATIONS = 5,
    LOG_MAX = ALL + 4 * MUTATIONS,
    EXPECTED_MAX = 400
};

/* ---- a small world ---- */

struct message {
    struct duet_id id;
    int key; /* -1: none */
    uint8_t value[12], header[4];
};

struct entry { /* of a log: which message, and the copy's own bytes */
    int message;
    struct message copy;
};

struct log {
    struct entry entry[LOG_MAX];
    size_t count;
};

struct expected {
    enum duet_difference_kind kind;
    enum duet_side side;
    int message;
    uint64_t copies;
    int64_t offset;
};

struct world {
    struct duet_digest_key key;
    struct test_random random;
    struct message message[ALL];
    enum duet_known known[ALL];
    bool touched[ALL];
    struct log log[DUET_SIDES][PARTITIONS];
    uint64_t result[DUET_ROLES][ALL];
    int times[DUET_ROLES][ALL];
    struct expected expected[EXPECTED_MAX];
    size_t expected_count;
};

static void make_messages(struct world *world)
{
    uint64_t sequence[PRODUCERS][PARTITIONS] = {{0}};

    for (int i = 0; i < ALL; i++) {
        struct message *message = &world->message[i];
        uint32_t producer = (uint32_t)test_random_below(&world->random, PRODUCERS);
        bool foreign = i >= MESSAGES + EXTRA_MESSAGES / 2;

        message->key = test_random_once_in(&world->random, 10)
                           ? -1
                           : (int)test_random_below(&world->random, KEYS);
        message->id.partition =
            (uint16_t)(message->key < 0 ? test_random_below(&world->random, PARTITIONS)
                                        : (size_t)message->key % PARTITIONS);
        message->id.instance = foreign ? 1000 + producer : 1 + producer;
        message->id.boot = 4;
        message->id.sequence = sequence[producer][message->id.partition]++;
        test_random_fill(&world->random, message->value, sizeof(message->value));
        test_random_fill(&world->random, message->header, sizeof(message->header));
        world->known[i] = foreign         ? DUET_KNOWN_NOT
                          : i >= MESSAGES ? DUET_KNOWN_CANCELLED
                                          : DUET_KNOWN_ISSUED;
        for (int role = 0; role < DUET_ROLES; role++) {
            world->times[role][i] = i < MESSAGES;
            world->result[role][i] = (uint64_t)i * 0x9e3779b97f4a7c15 & DUET_CONTENT_MAX;
        }
    }
}

static void insert(struct log *log, size_t at, const struct entry *entry)
{
    memmove(&log->entry[at + 1], &log->entry[at], (log->count - at) * sizeof(*entry));
    log->entry[at] = *entry;
    log->count++;
}

static struct world *healthy_world(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->random.state = seed;
    world->key = test_sketch_key(seed % 2 == 0 ? DUET_PRF_AES : DUET_PRF_SIPHASH);
    make_messages(world);
    for (int i = 0; i < MESSAGES; i++) {
        struct entry entry = {i, world->message[i]};

        for (int side = 0; side < DUET_SIDES; side++) {
            struct log *log = &world->log[side][entry.copy.id.partition];

            insert(log, log->count, &entry);
        }
    }
    return world;
}

/* ---- what duet makes of it ---- */

static uint64_t content_of(const struct world *world, const struct message *message)
{
    char key[16];
    struct duet_header header = {dt_span_str("h"),
                                 dt_span_of(message->header, sizeof(message->header))};
    struct duet_record record = {dt_span_of(NULL, 0),
                                 dt_span_of(message->value, sizeof(message->value)),
                                 &header, 1, 0};
    struct duet_stamp stamp = {7, 0, message->id, 22616640, 15706};
    struct dt_buf canonical;
    uint64_t content;

    if (message->key >= 0) {
        snprintf(key, sizeof(key), "key-%d", message->key);
        record.key = dt_span_str(key);
    }
    dt_buf_init(&canonical, 1000);
    duet_canonical(&canonical, &stamp, &record, false);
    content = duet_content_digest(&world->key, dt_buf_span(&canonical));
    dt_buf_fini(&canonical);
    return content;
}

static void add_order(const struct world *world, struct duet_sketch *sketch,
                      const struct log *log, int32_t times)
{
    struct duet_order order;
    bool seen[ALL] = {false};

    duet_order_init(&order, KEYS);
    for (size_t i = 0; i < log->count; i++) {
        const struct entry *entry = &log->entry[i];
        char key[16];
        uint64_t content;

        if (entry->copy.key < 0 || seen[entry->message] ||
            world->known[entry->message] == DUET_KNOWN_NOT)
            continue;
        seen[entry->message] = true;
        snprintf(key, sizeof(key), "key-%d", entry->copy.key);
        assert_int_equal(duet_order_next(&order, &world->key, dt_span_str(key),
                                         &entry->copy.id, &content),
                         DT_OK);
        duet_sketch_add(sketch, &world->key, &entry->copy.id, content, 0, times);
    }
    duet_order_fini(&order);
}

static struct duet_nets peeled(const struct world *world, struct duet_sketch *sketch)
{
    struct duet_nets nets;
    uint32_t width;

    assert_int_equal(duet_peel_ladder(sketch, &world->key, &nets, &width), DUET_PEELED);
    duet_sketch_fini(sketch);
    return nets;
}

static enum duet_known known(void *context, const struct duet_id *id)
{
    const struct world *world = context;

    for (int i = 0; i < ALL; i++)
        if (duet_id_equal(&world->message[i].id, id))
            return world->known[i];
    fail();
    return DUET_KNOWN_NOT;
}

static void find_stored(struct world *world, struct duet_differences *list)
{
    struct duet_sketch issued = test_sketch_new(&world->key, 256);
    struct duet_sketch order = test_sketch_new(&world->key, 256);
    struct duet_nets nets[DUET_SIDES], moved;

    for (int i = 0; i < MESSAGES; i++)
        duet_sketch_add(&issued, &world->key, &world->message[i].id,
                        content_of(world, &world->message[i]), 12, 1);
    for (int side = 0; side < DUET_SIDES; side++) {
        struct duet_sketch stored = test_sketch_new(&world->key, 256);

        for (int p = 0; p < PARTITIONS; p++) {
            const struct log *log = &world->log[side][p];

            for (size_t i = 0; i < log->count; i++)
                duet_sketch_add(&stored, &world->key, &log->entry[i].copy.id,
                                content_of(world, &log->entry[i].copy), 12, 1);
            add_order(world, &order, log, side == DUET_ROCKETMQ ? 1 : -1);
        }
        assert_int_equal(duet_sketch_subtract(&stored, &issued), DT_OK);
        nets[side] = peeled(world, &stored);
    }
    moved = peeled(world, &order);
    assert_int_equal(duet_differ_stored(list, nets, known, world), DT_OK);
    assert_int_equal(duet_differ_order(list, &moved, &world->key, DUET_ROCKETMQ), DT_OK);
    for (int side = 0; side < DUET_SIDES; side++)
        duet_nets_fini(&nets[side]);
    duet_nets_fini(&moved);
    duet_sketch_fini(&issued);
}

static void find_processed(struct world *world, struct duet_differences *list)
{
    static const enum duet_side sides[DUET_ROLES] = {DUET_KAFKA, DUET_ROCKETMQ};
    struct duet_sketch results = test_sketch_new(&world->key, 256);
    struct duet_nets result, presence[DUET_ROLES];

    for (int role = 0; role < DUET_ROLES; role++) {
        struct duet_sketch present = test_sketch_new(&world->key, 256);

        for (int i = 0; i < MESSAGES; i++) {
            const struct duet_id *id = &world->message[i].id;
            int32_t times = world->times[role][i];

            duet_sketch_add(&results, &world->key, id, world->result[role][i], 0,
                            role == DUET_LIVE ? times : -times);
            duet_sketch_add(&present, &world->key, id, 0, 0, times - 1);
        }
        presence[role] = peeled(world, &present);
    }
    result = peeled(world, &results);
    assert_int_equal(duet_differ_processed(list, &result, presence, sides), DT_OK);
    duet_nets_fini(&result);
    for (int role = 0; role < DUET_ROLES; role++)
        duet_nets_fini(&presence[role]);
}

static void locate(const struct world *world, struct duet_differences *list)
{
    for (int side = 0; side < DUET_SIDES; side++)
        for (int p = 0; p < PARTITIONS; p++)
            for (size_t i = 0; i < world->log[side][p].count; i++)
                duet_differences_locate(list, (enum duet_side)side,
                                        &world->log[side][p].entry[i].copy.id, (int64_t)i);
}

/* ---- mutations ---- */

static void expect(struct world *world, enum duet_difference_kind kind, int side,
                   int message, uint64_t copies)
{
    assert_true(world->expected_count < EXPECTED_MAX);
    world->expected[world->expected_count++] =
        (struct expected){kind, (enum duet_side)side, message, copies, -1};
}

/* A message that no mutation has touched. */
static int fresh(struct world *world)
{
    int message;

    do
        message = (int)test_random_below(&world->random, MESSAGES);
    while (world->touched[message]);
    world->touched[message] = true;
    return message;
}

static size_t place_of(const struct log *log, int message)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->entry[i].message == message)
            return i;
    fail();
    return 0;
}

static struct log *log_of(struct world *world, int side, int message)
{
    return &world->log[side][world->message[message].id.partition];
}

static struct message *copy_of(struct world *world, int side, int message)
{
    struct log *log = log_of(world, side, message);

    return &log->entry[place_of(log, message)].copy;
}

static void drop(struct world *world, int side)
{
    int message = fresh(world);
    struct log *log = log_of(world, side, message);
    size_t at = place_of(log, message);

    memmove(&log->entry[at], &log->entry[at + 1],
            (log->count - at - 1) * sizeof(log->entry[0]));
    log->count--;
    expect(world, DUET_DIFF_LOST, side, message, 1);
}

static void duplicate(struct world *world, int side)
{
    int message = fresh(world);
    struct log *log = log_of(world, side, message);
    size_t at = place_of(log, message);
    uint64_t copies = 1 + test_random_below(&world->random, 3);
    struct entry entry = log->entry[at];

    for (uint64_t i = 0; i < copies; i++)
        insert(log, at + 1 + test_random_below(&world->random, log->count - at), &entry);
    expect(world, DUET_DIFF_DUPLICATE, side, message, copies);
}

/* Swaps it with the next message of its key; what is then reordered is found by brute force. */
static void reorder(struct world *world, int side)
{
    int message = fresh(world);
    struct log *log = log_of(world, side, message);
    size_t at = place_of(log, message);

    if (world->message[message].key < 0)
        return;
    for (size_t i = at + 1; i < log->count; i++) {
        int other = log->entry[i].message;

        if (log->entry[i].copy.key == world->message[message].key &&
            !world->touched[other]) {
            struct entry kept = log->entry[at];

            log->entry[at] = log->entry[i];
            log->entry[i] = kept;
            world->touched[other] = true;
            return;
        }
    }
}

static void flip_a_bit(struct world *world, int side)
{
    int message = fresh(world);
    size_t bit = test_random_below(&world->random, 96);

    copy_of(world, side, message)->value[bit / 8] ^= (uint8_t)(1 << bit % 8);
    expect(world, DUET_DIFF_ALTERED, side, message, 1);
}

static void swap_payloads(struct world *world, int side)
{
    int a = fresh(world), b = fresh(world);
    struct message *x = copy_of(world, side, a), *y = copy_of(world, side, b), kept = *x;

    memcpy(x->value, y->value, sizeof(x->value));
    memcpy(y->value, kept.value, sizeof(x->value));
    expect(world, DUET_DIFF_ALTERED, side, a, 1);
    expect(world, DUET_DIFF_ALTERED, side, b, 1);
}

static void swap_keys(struct world *world, int side)
{
    int a = fresh(world), b = fresh(world);
    struct message *x = copy_of(world, side, a), *y = copy_of(world, side, b);
    int kept = x->key;

    if (x->key == y->key)
        return;
    x->key = y->key;
    y->key = kept;
    expect(world, DUET_DIFF_ALTERED, side, a, 1);
    expect(world, DUET_DIFF_ALTERED, side, b, 1);
}

static void change_a_header(struct world *world, int side)
{
    int message = fresh(world);

    copy_of(world, side, message)->header[1]++;
    expect(world, DUET_DIFF_ALTERED, side, message, 1);
}

static void plant(struct world *world, int side, int first, enum duet_difference_kind kind)
{
    int message = first + (int)test_random_below(&world->random, EXTRA_MESSAGES / 2);
    struct entry entry = {message, world->message[message]};
    struct log *log = log_of(world, side, message);

    if (world->touched[message])
        return;
    world->touched[message] = true;
    insert(log, test_random_below(&world->random, log->count + 1), &entry);
    expect(world, kind, side, message, 1);
}

static void alter_a_result(struct world *world, int side)
{
    int message = fresh(world);

    world->result[side][message] ^=
        1; /* either role: it is the shadow's that is suspected */
    expect(world, DUET_DIFF_RESULT, DUET_ROCKETMQ, message, 1);
}

static void process_wrongly(struct world *world, int role)
{
    int message = fresh(world);
    bool again = test_random_once_in(&world->random, 2);

    world->times[role][message] = again ? 2 : 0;
    expect(world, again ? DUET_DIFF_DUPLICATE : DUET_DIFF_UNPROCESSED, role, message, 1);
}

static void mutate(struct world *world)
{
    int side = (int)test_random_below(&world->random, DUET_SIDES);

    switch (test_random_below(&world->random, 11)) {
    case 0:
        drop(world, side);
        break;
    case 1:
        duplicate(world, side);
        break;
    case 2:
        reorder(world, side);
        break;
    case 3:
        flip_a_bit(world, side);
        break;
    case 4:
        swap_payloads(world, side);
        break;
    case 5:
        swap_keys(world, side);
        break;
    case 6:
        change_a_header(world, side);
        break;
    case 7:
        plant(world, side, MESSAGES, DUET_DIFF_EXTRA);
        break;
    case 8:
        plant(world, side, MESSAGES + EXTRA_MESSAGES / 2, DUET_DIFF_FOREIGN);
        break;
    case 9:
        alter_a_result(world, side);
        break;
    default:
        process_wrongly(world, side);
        break;
    }
}

/* ---- what should be found ---- */

/* Whether both sides have the message under the same key. */
static bool is_judged(const struct world *world, int message)
{
    int key[DUET_SIDES] = {-1, -1};

    for (int side = 0; side < DUET_SIDES; side++)
        for (int p = 0; p < PARTITIONS; p++)
            for (size_t i = 0; i < world->log[side][p].count; i++)
                if (world->log[side][p].entry[i].message == message)
                    key[side] = world->log[side][p].entry[i].copy.key;
    return key[DUET_KAFKA] >= 0 && key[DUET_KAFKA] == key[DUET_ROCKETMQ] &&
           world->known[message] != DUET_KNOWN_NOT;
}

/* For each message its predecessor of the same key on that side, -1 for none. */
static void predecessors(const struct world *world, int side, int *before)
{
    int last[KEYS];

    for (int k = 0; k < KEYS; k++)
        last[k] = -1;
    for (int p = 0; p < PARTITIONS; p++) {
        bool seen[ALL] = {false};

        for (size_t i = 0; i < world->log[side][p].count; i++) {
            const struct entry *entry = &world->log[side][p].entry[i];
            int key = world->message[entry->message].key;

            if (seen[entry->message] || key < 0 || !is_judged(world, entry->message))
                continue;
            seen[entry->message] = true;
            before[entry->message] = last[key];
            last[key] = entry->message;
        }
    }
}

static void expect_reordered(struct world *world)
{
    int before[DUET_SIDES][ALL];

    memset(before, 0xff, sizeof(before));
    predecessors(world, DUET_KAFKA, before[DUET_KAFKA]);
    predecessors(world, DUET_ROCKETMQ, before[DUET_ROCKETMQ]);
    for (int i = 0; i < ALL; i++)
        if (before[DUET_KAFKA][i] != before[DUET_ROCKETMQ][i])
            expect(world, DUET_DIFF_REORDERED, DUET_ROCKETMQ, i, 1);
}

static void expect_places(struct world *world)
{
    for (size_t n = 0; n < world->expected_count; n++) {
        struct expected *expected = &world->expected[n];
        int side = expected->kind == DUET_DIFF_LOST ? (int)duet_other_side(expected->side)
                                                    : (int)expected->side;
        const struct log *log = log_of(world, side, expected->message);
        int skip = expected->kind == DUET_DIFF_DUPLICATE;

        for (size_t i = 0; i < log->count && expected->offset < 0; i++)
            if (log->entry[i].message == expected->message && skip-- == 0)
                expected->offset = (int64_t)i;
    }
}

/* Every expected one is in the list, and nothing else: ranges hold several. */
static bool is_as_expected(const struct world *world, const struct duet_differences *list,
                           bool tell)
{
    uint64_t found = 0;

    for (size_t n = 0; n < world->expected_count; n++) {
        const struct expected *expected = &world->expected[n];
        struct duet_id id = world->message[expected->message].id;
        bool is_there = false;

        for (size_t i = 0; i < list->count; i++) {
            const struct duet_difference *d = &list->items[i];
            struct duet_id first = d->id;

            first.sequence = id.sequence;
            if (d->kind == expected->kind && d->side == expected->side &&
                d->copies == expected->copies && duet_id_equal(&first, &id) &&
                id.sequence >= d->id.sequence && id.sequence < d->sequence_to &&
                (id.sequence != d->id.sequence || d->offset == expected->offset))
                is_there = true;
        }
        found += is_there;
        if (!is_there && tell)
            print_error("not found: %s on %s, message %d, %d copies, at %d\n",
                        duet_difference_kind_name(expected->kind),
                        duet_side_name(expected->side), expected->message,
                        (int)expected->copies, (int)expected->offset);
    }
    if (tell && found != duet_differences_ids(list))
        print_error("%d expected, %d listed\n", (int)world->expected_count,
                    (int)duet_differences_ids(list));
    return found == world->expected_count && found == duet_differences_ids(list);
}

static bool one_round(uint64_t seed, int mutations, bool tell)
{
    struct world *world = healthy_world(seed);
    struct duet_differences list;
    bool right;

    for (int i = 0; i < mutations; i++)
        mutate(world);
    expect_reordered(world);
    expect_places(world);
    duet_differences_init(&list);
    find_stored(world, &list);
    find_processed(world, &list);
    duet_differences_sort(&list);
    locate(world, &list);
    right = is_as_expected(world, &list, tell);
    duet_differences_fini(&list);
    free(world);
    return right;
}

static uint64_t rounds(void)
{
    const char *text = getenv("SKETCH_MUTATIONS");

    return (text == NULL ? 1000 : strtoull(text, NULL, 10)) / MUTATIONS;
}

/* ---- cases ---- */

static void every_mutation_is_found_and_nothing_else(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= rounds(); seed++)
        if (!one_round(seed, MUTATIONS, true))
            fail_msg("seed %d", (int)seed);
}

static void a_healthy_world_has_no_difference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        assert_true(one_round(seed, 0, true));
}

static void no_comparison_can_be_left_out_unnoticed(void **state)
{
    (void)state;
    for (int kind = 0; kind < DUET_DIFF_KINDS; kind++) {
        int wrong = 0;

        duet_differ_without((enum duet_difference_kind)kind);
        for (uint64_t seed = 1; seed <= 100; seed++)
            wrong += !one_round(seed, MUTATIONS, false);
        duet_differ_without(DUET_DIFF_KINDS);
        if (wrong == 0)
            fail_msg("nothing failed without %s",
                     duet_difference_kind_name((enum duet_difference_kind)kind));
    }
}

/* The pairs of one id that a test makes by hand. */
static struct duet_nets nets_of(struct duet_net *items, size_t count)
{
    struct duet_nets nets = {items, count};

    return nets;
}

static enum duet_known always_tail(void *context, const struct duet_id *id)
{
    (void)context;
    (void)id;
    return DUET_KNOWN_TAIL;
}

static void the_tail_of_a_dead_producer_is_right_if_both_sides_agree(void **state)
{
    static const struct duet_id id = {DUET_ID_ISSUED, 1, 2, 0, 77};
    static const struct {
        int32_t kafka, rocketmq;
        uint64_t content; /* of RocketMQ's */
        size_t count;
        enum duet_difference_kind kind;
        enum duet_side side;
    } cases[] = {
        {1, 1, 5, 0, DUET_DIFF_LOST, DUET_KAFKA},
        {1, 0, 5, 1, DUET_DIFF_LOST, DUET_ROCKETMQ},
        {0, 1, 5, 1, DUET_DIFF_LOST, DUET_KAFKA},
        {1, 3, 5, 1, DUET_DIFF_DUPLICATE, DUET_ROCKETMQ},
        {1, 1, 6, 1, DUET_DIFF_ALTERED, DUET_ROCKETMQ},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct duet_net kafka = {id, 5, cases[i].kafka};
        struct duet_net rocketmq = {id, cases[i].content, cases[i].rocketmq};
        struct duet_nets nets[DUET_SIDES] = {nets_of(&kafka, cases[i].kafka != 0),
                                             nets_of(&rocketmq, cases[i].rocketmq != 0)};
        struct duet_differences list;

        duet_differences_init(&list);
        assert_int_equal(duet_differ_stored(&list, nets, always_tail, NULL), DT_OK);
        assert_int_equal(list.count, cases[i].count);
        if (list.count > 0) {
            assert_int_equal(list.items[0].kind, cases[i].kind);
            assert_int_equal(list.items[0].side, cases[i].side);
        }
        duet_differences_fini(&list);
    }
}

static void keys_beyond_the_bound_are_refused_not_guessed(void **state)
{
    static const struct duet_id id = {DUET_ID_ISSUED, 1, 2, 0, 77};
    struct duet_digest_key key = test_sketch_key(DUET_PRF_AES);
    struct duet_order order;
    uint64_t content;

    (void)state;
    duet_order_init(&order, 2);
    assert_int_equal(duet_order_next(&order, &key, dt_span_str("a"), &id, &content), DT_OK);
    assert_int_equal(duet_order_next(&order, &key, dt_span_str("b"), &id, &content), DT_OK);
    assert_int_equal(duet_order_next(&order, &key, dt_span_str("a"), &id, &content), DT_OK);
    assert_int_equal(duet_order_next(&order, &key, dt_span_str("c"), &id, &content),
                     DT_ENOMEM);
    duet_order_fini(&order);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mutation_is_found_and_nothing_else),
        cmocka_unit_test(a_healthy_world_has_no_difference),
        cmocka_unit_test(no_comparison_can_be_left_out_unnoticed),
        cmocka_unit_test(the_tail_of_a_dead_producer_is_right_if_both_sides_agree),
        cmocka_unit_test(keys_beyond_the_bound_are_refused_not_guessed),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
