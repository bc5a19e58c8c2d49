/* assign: the same division of queues as the Java client's strategies compute */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/md5.h"
#include "rmq/assign.h"
#include "support/case.h"

enum { QUEUES_MAX = 128, MEMBERS_MAX = 16 };

struct world {
    char topic[128];
    rmq_queue queues[QUEUES_MAX];
    char names[MEMBERS_MAX][128];
    char *members[MEMBERS_MAX];
    rmq_division division;
};

static void add_queues(struct world *world, const char *broker, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        rmq_queue *queue = &world->queues[world->division.queue_count++];

        assert_true(world->division.queue_count <= QUEUES_MAX);
        snprintf(queue->broker_name, sizeof(queue->broker_name), "%s", broker);
        queue->queue_id = i;
    }
}

static void add_member(struct world *world, const char *name)
{
    size_t i = world->division.member_count++;

    assert_true(i < MEMBERS_MAX);
    snprintf(world->names[i], sizeof(world->names[i]), "%s", name);
    world->members[i] = world->names[i];
}

static void sort_all(struct world *world)
{
    world->division.group = "group";
    world->division.topic = world->topic;
    world->division.queue_count =
        rmq_queues_sort(world->queues, world->division.queue_count);
    world->division.member_count =
        rmq_members_sort(world->members, world->division.member_count);
    world->division.queues = world->queues;
    world->division.members = (const char *const *)world->members;
}

/* A line of the golden file against what we compute. */
static void compare(struct world *world, rmq_strategy strategy, char *member, char *rest)
{
    rmq_queue mine[QUEUES_MAX];
    size_t count, at = 0;

    world->division.client_id = member;
    assert_int_equal(rmq_assign(strategy, &world->division, mine, &count), DT_OK);
    for (char *word = strtok(rest, " \n"); word != NULL; word = strtok(NULL, " \n")) {
        char got[200];

        assert_true(at < count);
        snprintf(got, sizeof(got), "%.100s/%d", mine[at].broker_name,
                 (int)mine[at].queue_id);
        assert_string_equal(got, word);
        at++;
    }
    assert_int_equal(at, count);
}

static void every_strategy_divides_as_java_does(void **state)
{
    FILE *golden = fopen(SOURCE_DIR "/tests/golden/assign.txt", "r");
    static struct world world;
    char line[4096];
    int compared = 0;

    (void)state;
    assert_non_null(golden);
    while (fgets(line, sizeof(line), golden) != NULL) {
        char *rest = strchr(line, ' ');

        assert_non_null(rest);
        *rest++ = 0;
        rest[strcspn(rest, "\n")] = 0;
        if (strcmp(line, "topic") == 0) {
            memset(&world, 0, sizeof(world));
            snprintf(world.topic, sizeof(world.topic), "%s", rest);
        } else if (strcmp(line, "queues") == 0) {
            for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " ")) {
                char *slash = strchr(word, '/');

                *slash = 0;
                add_queues(&world, word, atoi(slash + 1));
            }
        } else if (strcmp(line, "members") == 0) {
            for (char *word = strtok(rest, " "); word != NULL; word = strtok(NULL, " "))
                add_member(&world, word);
            sort_all(&world);
        } else {
            char member[128], none[1] = "";
            char *queues = strchr(rest, ' ');

            if (queues != NULL)
                *queues++ = 0;
            snprintf(member, sizeof(member), "%s", rest);
            compare(&world,
                    line[0] == 'a'   ? RMQ_STRATEGY_AVERAGE
                    : line[0] == 'c' ? RMQ_STRATEGY_CIRCLE
                                     : RMQ_STRATEGY_CONSISTENT_HASH,
                    member, queues == NULL ? none : queues);
            compared++;
        }
    }
    fclose(golden);
    assert_true(compared > 200);
}

/* Over all members each queue once. */
static void each_queue_goes_to_one_member(void **state)
{
    (void)state;
    for (int members = 1; members <= MEMBERS_MAX; members++) {
        for (int queues = 0; queues <= 40; queues += 1 + queues / 8) {
            for (int strategy = 0; strategy < RMQ_STRATEGY_OWN; strategy++) {
                static struct world world;
                int owners[64] = {0};
                char name[32];

                memset(&world, 0, sizeof(world));
                snprintf(world.topic, sizeof(world.topic), "T");
                add_queues(&world, "b", queues);
                for (int i = 0; i < members; i++) {
                    snprintf(name, sizeof(name), "10.0.0.1@%d", i * 7919 % 97);
                    add_member(&world, name);
                }
                sort_all(&world);
                for (size_t i = 0; i < world.division.member_count; i++) {
                    rmq_queue mine[QUEUES_MAX];
                    size_t count;

                    world.division.client_id = world.members[i];
                    assert_int_equal(
                        rmq_assign((rmq_strategy)strategy, &world.division, mine, &count),
                        DT_OK);
                    for (size_t k = 0; k < count; k++)
                        owners[mine[k].queue_id]++;
                }
                for (int i = 0; i < queues; i++)
                    assert_int_equal(owners[i], 1);
            }
        }
    }
}

static void who_is_no_member_gets_nothing(void **state)
{
    static struct world world;
    rmq_queue mine[QUEUES_MAX];
    size_t count;

    (void)state;
    memset(&world, 0, sizeof(world));
    add_queues(&world, "b", 8);
    add_member(&world, "somebody");
    sort_all(&world);
    world.division.client_id = "somebody else";
    for (int strategy = 0; strategy < RMQ_STRATEGY_OWN; strategy++) {
        assert_int_equal(rmq_assign((rmq_strategy)strategy, &world.division, mine, &count),
                         DT_OK);
        assert_int_equal(count, 0);
    }
}

static void sorting_leaves_out_what_stands_twice(void **state)
{
    char b[] = "b", a[] = "a", again[] = "b", upper[] = "C";
    char *members[] = {b, a, again, upper};
    rmq_queue queues[] = {{"y", 10}, {"y", 9}, {"x", 3}, {"y", 10}};

    (void)state;
    assert_int_equal(rmq_members_sort(members, 4), 3);
    assert_string_equal(members[0], "C");
    assert_string_equal(members[1], "a");
    assert_string_equal(members[2], "b");
    assert_int_equal(rmq_queues_sort(queues, 4), 3);
    assert_string_equal(queues[0].broker_name, "x");
    assert_int_equal(queues[1].queue_id, 9);
    assert_int_equal(queues[2].queue_id, 10);
    assert_int_equal(rmq_members_sort(members, 0), 0);
    assert_int_equal(rmq_queues_sort(queues, 0), 0);
}

static void a_queue_is_found_among_ten_thousand_at_once(void **state)
{
    enum { COUNT = 10000, ROUNDS = 100, SECONDS_MAX = 5 };
    rmq_queue *queues = calloc(COUNT, sizeof(*queues)), none = {"broker-b", 1};
    clock_t start;

    (void)state;
    assert_non_null(queues);
    for (int32_t i = 0; i < COUNT; i++) { /* half on each of two brokers, in no order */
        snprintf(queues[i].broker_name, sizeof(queues[i].broker_name), "broker-%c",
                 i % 2 == 0 ? 'a' : 'c');
        queues[i].queue_id = (i * 7919) % COUNT;
    }
    assert_int_equal(rmq_queues_sort(queues, COUNT), COUNT);
    start = clock();
    /* one comparison after the other would take minutes */
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < COUNT; i++)
            assert_true(rmq_queues_find(queues, COUNT, &queues[i]) == i);
    assert_true((clock() - start) / CLOCKS_PER_SEC < SECONDS_MAX);
    assert_true(rmq_queues_find(queues, COUNT, &none) == COUNT);
    assert_true(rmq_queues_find(NULL, 0, &none) == 0);
    free(queues);
}

static void md5_gives_the_digests_of_its_rfc(void **state)
{
    static const struct {
        const char *text, *digest;
    } vectors[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0",
         "57edf4a22be3c955ac49da2e2107b67a"}};

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint8_t digest[DT_MD5_SIZE];
        char text[2 * DT_MD5_SIZE + 1];

        dt_md5(vectors[i].text, strlen(vectors[i].text), digest);
        for (size_t k = 0; k < DT_MD5_SIZE; k++)
            snprintf(text + 2 * k, 3, "%02x", digest[k]);
        assert_string_equal(text, vectors[i].digest);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_divides_as_java_does),
        cmocka_unit_test(each_queue_goes_to_one_member),
        cmocka_unit_test(who_is_no_member_gets_nothing),
        cmocka_unit_test(sorting_leaves_out_what_stands_twice),
        cmocka_unit_test(a_queue_is_found_among_ten_thousand_at_once),
        cmocka_unit_test(md5_gives_the_digests_of_its_rfc),
    };
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
