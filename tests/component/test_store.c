/* the control store: what is written is read back, sent twice counts once, one writer wins */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "support/case.h"
#include "test_store_support.h"

/* ---- plan ---- */

static void a_plan_is_read_as_it_was_written(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_plan *plan = plan_make(2, 4, 3), *back;
    bool created;
    int64_t version;

    assert_status(duet_store_plan_version(store, &version), DT_ENOTFOUND);
    assert_said("duet plan init");
    assert_status(duet_store_plan_load(store, &back), DT_ENOTFOUND);
    assert_null(back);
    assert_ok(duet_store_plan_init(store, plan, &created));
    assert_true(created);
    assert_ok(duet_store_plan_version(store, &version));
    assert_int_equal(version, 1);
    assert_ok(duet_store_plan_load(store, &back));
    assert_int_equal(back->version, 1);
    assert_string_equal(back->migration, "flights");
    assert_string_equal(back->timezone, "UTC");
    assert_int_equal(back->key_number, 7);
    assert_string_equal(back->key_fingerprint, plan->key_fingerprint);
    assert_int_equal(back->route_count, 2);
    for (size_t r = 0; r < 2; r++) {
        const struct duet_plan_route *route = &back->routes[r];

        assert_string_equal(route->topic, plan->routes[r].topic);
        assert_string_equal(route->rocketmq_topic, plan->routes[r].rocketmq_topic);
        assert_int_equal(route->topic_number, r + 1);
        assert_int_equal(route->partitions, 4);
        assert_int_equal(route->step, DUET_STEP_PLANNED);
        assert_int_equal(route->write, DUET_WRITE_KAFKA);
        assert_int_equal(route->critical, 1 << DUET_KAFKA);
        assert_string_equal(route->queues[3].broker_name, "broker-1");
        assert_int_equal(route->queues[3].queue_id, 1);
        assert_int_equal(route->group_count, 3);
        assert_string_equal(route->groups[0].name, "group-3"); /* the order of the file */
        assert_int_equal(route->groups[2].wish[3], DUET_KAFKA);
    }
    duet_plan_free(plan);
    duet_plan_free(back);
    duet_store_close(store);
}

static void init_again(struct duet_store *store, struct duet_plan *plan, const char *said)
{
    bool created = true;

    if (said == NULL) {
        assert_ok(duet_store_plan_init(store, plan, &created));
    } else {
        assert_status(duet_store_plan_init(store, plan, &created), DT_ECONFLICT);
        assert_said(said);
    }
    assert_false(created);
    duet_plan_free(plan);
}

static void a_second_init_changes_nothing_and_says_what_differs(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_plan *plan = plan_make(2, 4, 2);
    bool created;

    assert_ok(duet_store_plan_init(store, plan, &created));
    duet_plan_free(plan);
    plan = plan_make(2, 4, 2);
    plan->routes[0].queues[0].queue_id = 9; /* the map does not move by itself */
    init_again(store, plan, NULL);
    plan = plan_make(2, 4, 2);
    snprintf(plan->migration, sizeof(plan->migration), "trains");
    init_again(store, plan, "migration flights, not trains");
    plan = plan_make(2, 4, 2);
    snprintf(plan->timezone, sizeof(plan->timezone), "+08:00");
    init_again(store, plan, "UTC");
    plan = plan_make(2, 4, 2);
    plan->key_fingerprint[0] = 'f';
    init_again(store, plan, "fingerprint");
    plan = plan_make(2, 4, 2);
    plan->routes[1].rocketmq_topic[0] = 'T';
    init_again(store, plan, "topic_1");
    init_again(store, plan_make(2, 8, 2), "4 partitions in the plan, not 8");
    init_again(store, plan_make(2, 4, 3), "group-3");
    init_again(store, plan_make(2, 4, 1), "group-2");
    init_again(store, plan_make(3, 4, 2), "topic.2 is not in the plan");
    init_again(store, plan_make(1, 4, 2), "topic.1 is in the plan, but not in this one");
    init_again(store, plan_make(2, 4, 2), NULL);
    duet_store_close(store);
}

static void of_two_updates_of_one_version_the_first_wins(void **state)
{
    struct duet_store *one = store_open(*state), *other = store_open(*state);
    struct duet_plan *plan = plan_make(2, 4, 2), *mine, *theirs;
    struct duet_audit_line *lines;
    bool created;
    int64_t version;
    size_t count;

    assert_ok(duet_store_plan_init(one, plan, &created));
    assert_ok(duet_store_plan_load(one, &mine));
    assert_ok(duet_store_plan_load(other, &theirs));
    mine->routes[1].step = DUET_STEP_DUAL_READ;
    mine->routes[1].write = DUET_WRITE_KAFKA_ROCKETMQ;
    mine->routes[1].critical = 3;
    mine->routes[1].dual_write_since_ms = 12345;
    mine->routes[1].groups[1].wish[2] = DUET_ROCKETMQ;
    assert_ok(duet_store_plan_update(one, mine, "advance", "topic.1", "because"));
    assert_int_equal(mine->version, 2);
    theirs->routes[0].step = DUET_STEP_FINISHED;
    assert_status(duet_store_plan_update(other, theirs, "finish", "all", NULL),
                  DT_ECONFLICT);
    assert_int_equal(theirs->version, 1);
    assert_ok(duet_store_plan_version(other, &version));
    assert_int_equal(version, 2);
    duet_plan_free(theirs);
    assert_ok(duet_store_plan_load(other, &theirs));
    assert_int_equal(theirs->version, 2);
    assert_int_equal(theirs->routes[0].step, DUET_STEP_PLANNED);
    assert_int_equal(theirs->routes[1].step, DUET_STEP_DUAL_READ);
    assert_int_equal(theirs->routes[1].write, DUET_WRITE_KAFKA_ROCKETMQ);
    assert_int_equal(theirs->routes[1].critical, 3);
    assert_int_equal(theirs->routes[1].dual_write_since_ms, 12345);
    assert_int_equal(theirs->routes[1].groups[1].wish[2], DUET_ROCKETMQ);
    assert_int_equal(theirs->routes[1].groups[1].wish[1], DUET_KAFKA);
    assert_int_equal(theirs->routes[1].groups[0].wish[2], DUET_KAFKA);
    assert_ok(duet_store_audit_lines(one, &lines, &count)); /* none of the loser */
    assert_int_equal(count, 2);
    assert_string_equal(lines[0].command, "plan init");
    assert_string_equal(lines[1].command, "advance");
    assert_string_equal(lines[1].detail, "topic.1");
    assert_string_equal(lines[1].reason, "because");
    assert_true(lines[1].actor[0] != '\0' && lines[1].at_ms > 0);
    free(lines);
    duet_plan_free(plan);
    duet_plan_free(mine);
    duet_plan_free(theirs);
    duet_store_close(one);
    duet_store_close(other);
}

/* ---- instances ---- */

static void a_name_keeps_its_number_and_its_boots_go_up(void **state)
{
    struct duet_store *store = store_open(*state);
    uint32_t a, b;
    uint16_t boot;

    assert_ok(duet_store_producer_boot(store, "a", -1, &a, &boot));
    assert_int_equal(boot, 0);
    assert_ok(duet_store_producer_boot(store, "b", -1, &b, &boot));
    assert_int_equal(boot, 0);
    assert_int_not_equal(a, b);
    assert_ok(duet_store_producer_boot(store, "a", -1, &b, &boot));
    assert_int_equal(b, a);
    assert_int_equal(boot, 1);
    assert_ok(
        duet_store_producer_boot(store, "a", 17, &b, &boot)); /* its state_dir knows more */
    assert_int_equal(boot, 18);
    assert_ok(duet_store_producer_boot(store, "a", 3, &b, &boot)); /* or less */
    assert_int_equal(boot, 19);
    assert_ok(duet_store_producer_boot(store, "a", 65534, &b, &boot));
    assert_int_equal(b, a);
    assert_int_equal(boot, 65535);
    assert_ok(
        duet_store_producer_boot(store, "a", 7, &b, &boot)); /* the number is used up */
    assert_int_equal(b, 3);
    assert_int_equal(boot, 0);
    assert_ok(duet_store_producer_boot(store, "a", -1, &b, &boot));
    assert_int_equal(b, 3);
    assert_int_equal(boot, 1);
    duet_store_close(store);
}

static struct duet_instance consumer(const char *name, int64_t heartbeat_ms)
{
    struct duet_instance it = {.role = DUET_CONSUMER, .heartbeat_ms = heartbeat_ms};

    snprintf(it.name, sizeof(it.name), "%s", name);
    return it;
}

static void a_heartbeat_replaces_all_fields(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_instance it = {.role = DUET_PRODUCER,
                               .number = 268435455,
                               .boot = 65535,
                               .pid = 42,
                               .plan = 3,
                               .heartbeat_ms = 1000,
                               .in_doubt = 1,
                               .dropped = 2,
                               .pending_messages = 3,
                               .pending_bytes = 4,
                               .oldest_s = 5,
                               .window = 4000000000u,
                               .name = "p",
                               .host = "h",
                               .breaker = {"closed", "open"}};
    struct duet_instance other = consumer("p", 5), *out;
    size_t count;

    assert_ok(duet_store_heartbeat(store, &it));
    it.plan = 4;
    it.closed = true;
    assert_ok(duet_store_heartbeat(store, &it));
    snprintf(other.group, sizeof(other.group), "g");
    assert_ok(duet_store_heartbeat(store, &other)); /* the same name in another role */
    assert_ok(duet_store_instances(store, &out, &count));
    assert_int_equal(count, 2);
    assert_string_equal(out[0].name, "p");
    assert_int_equal(out[0].role, DUET_PRODUCER);
    assert_int_equal(out[0].number, 268435455);
    assert_int_equal(out[0].boot, 65535);
    assert_int_equal(out[0].pid, 42);
    assert_int_equal(out[0].plan, 4);
    assert_int_equal(out[0].heartbeat_ms, 1000);
    assert_true(out[0].closed);
    assert_int_equal(out[0].in_doubt, 1);
    assert_int_equal(out[0].dropped, 2);
    assert_int_equal(out[0].pending_messages, 3);
    assert_int_equal(out[0].pending_bytes, 4);
    assert_int_equal(out[0].oldest_s, 5);
    assert_int_equal(out[0].window, 4000000000u);
    assert_string_equal(out[0].host, "h");
    assert_string_equal(out[0].breaker[DUET_KAFKA], "closed");
    assert_string_equal(out[0].breaker[DUET_ROCKETMQ], "open");
    assert_int_equal(out[1].role, DUET_CONSUMER);
    assert_string_equal(out[1].group, "g");
    free(out);
    duet_store_close(store);
}

static void a_group_has_one_living_holder(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_instance it;
    char holder[DUET_NAME_SIZE];

    assert_ok(duet_store_group_take(store, "t", "g", "one", 10000, holder));
    assert_string_equal(holder, "one");
    assert_ok(
        duet_store_group_take(store, "t", "g", "one", 10000, holder)); /* after kill -9 */
    assert_status(duet_store_group_take(store, "t", "g", "two", 10000, holder), DT_EBUSY);
    assert_string_equal(holder, "one");
    assert_said("'one'");
    assert_ok(duet_store_group_take(store, "t", "other", "two", 10000, holder));
    assert_ok(duet_store_group_take(store, "t", "g", "two", 0, holder)); /* it was stale */
    assert_status(duet_store_group_take(store, "t", "g", "one", 10000, holder), DT_EBUSY);

    it = consumer("two", dt_clock_wall_ms() + 1000);
    assert_ok(duet_store_heartbeat(store, &it));
    assert_status(duet_store_group_take(store, "t", "g", "one", 500, holder), DT_EBUSY);
    it.closed = true; /* ended in order: free at once */
    assert_ok(duet_store_heartbeat(store, &it));
    assert_ok(duet_store_group_take(store, "t", "g", "one", 10000, holder));
    assert_ok(duet_store_group_release(store, "t", "g", "two")); /* it is not two's */
    assert_status(duet_store_group_take(store, "t", "g", "three", 10000, holder), DT_EBUSY);
    assert_ok(duet_store_group_release(store, "t", "g", "one"));
    assert_ok(duet_store_group_take(store, "t", "g", "three", 10000, holder));
    duet_store_close(store);
}

static void a_sink_is_found_again(void **state)
{
    struct duet_store *store = store_open(*state);
    char url[32];

    assert_status(duet_store_sink(store, "t", "g", url, sizeof(url)), DT_ENOTFOUND);
    assert_ok(duet_store_sink_register(store, "t", "g", "sqlite:/a"));
    assert_ok(duet_store_sink_register(store, "t", "g", "sqlite:/b"));
    assert_ok(duet_store_sink(store, "t", "g", url, sizeof(url)));
    assert_string_equal(url, "sqlite:/b");
    assert_status(duet_store_sink(store, "t", "g", url, 9), DT_ETOOBIG);
    duet_store_close(store);
}

/* ---- reports ---- */

static struct duet_role_report report_of(enum duet_role role, int32_t partition,
                                         int64_t version, int64_t read_to_kafka,
                                         int64_t read_to_rocketmq)
{
    struct duet_role_report it = {.role = role,
                                  .partition = partition,
                                  .version = version,
                                  .side = DUET_ROCKETMQ,
                                  .position = {11, 12},
                                  .read_to = {read_to_kafka, read_to_rocketmq},
                                  .end = {21, 22},
                                  .updated_ms = 99,
                                  .starting = true,
                                  .topic = "t",
                                  .group = "g"};

    return it;
}

static void counts_init(struct duet_counts counts[DUET_SIDES])
{
    duet_counts_init(&counts[0]);
    duet_counts_init(&counts[1]);
}

static void counts_fini(struct duet_counts counts[DUET_SIDES])
{
    duet_counts_fini(&counts[0]);
    duet_counts_fini(&counts[1]);
}

struct sums {
    struct duet_counts read, live, shadow;
};

static void sums_get(struct duet_store *store, enum duet_side side, struct sums *sums)
{
    duet_counts_init(&sums->read);
    duet_counts_init(&sums->live);
    duet_counts_init(&sums->shadow);
    assert_ok(duet_store_group_counts(store, "t", "g", side, &sums->read, &sums->live,
                                      &sums->shadow));
}

static void sums_fini(struct sums *sums)
{
    duet_counts_fini(&sums->read);
    duet_counts_fini(&sums->live);
    duet_counts_fini(&sums->shadow);
}

static void a_role_report_counts_once_and_an_older_one_not_at_all(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_role_report it = report_of(DUET_LIVE, 0, 5, 100, 0), *out;
    struct duet_counts counts[DUET_SIDES];
    struct sums sums;
    size_t count;

    counts_init(counts);
    assert_ok(duet_counts_add(&counts[DUET_KAFKA], 10, 3, DUET_COUNT_READ, 100));
    assert_ok(duet_counts_add(&counts[DUET_KAFKA], 11, 3, DUET_COUNT_PROCESSED, 98));
    for (int i = 0; i < 2; i++)
        assert_ok(duet_store_role_report(store, &it, counts));
    assert_true(counts[DUET_KAFKA].rows[0].dirty); /* theirs to clean */
    it.version = 4;
    it.read_to[DUET_KAFKA] = 7;
    assert_ok(duet_counts_add(&counts[DUET_KAFKA], 10, 3, DUET_COUNT_READ, 1000));
    assert_ok(duet_store_role_report(store, &it, counts));
    assert_ok(duet_store_role_reports(store, "t", &out, &count));
    assert_int_equal(count, 1);
    assert_int_equal(out[0].version, 5);
    assert_int_equal(out[0].side, DUET_ROCKETMQ);
    assert_int_equal(out[0].position[1], 12);
    assert_int_equal(out[0].read_to[0], 100);
    assert_int_equal(out[0].end[1], 22);
    assert_int_equal(out[0].updated_ms, 99);
    assert_true(out[0].starting);
    free(out);
    sums_get(store, DUET_KAFKA, &sums);
    assert_int_equal(duet_counts_total(&sums.read, DUET_COUNT_READ), 100);
    assert_int_equal(duet_counts_total(&sums.live, DUET_COUNT_PROCESSED), 98);
    sums_fini(&sums);

    duet_counts_clean(&counts[DUET_KAFKA]); /* a clean row is not sent */
    it.version = 6;
    assert_ok(duet_store_role_report(store, &it, counts));
    sums_get(store, DUET_KAFKA, &sums);
    assert_int_equal(duet_counts_total(&sums.read, DUET_COUNT_READ), 100);
    sums_fini(&sums);
    counts_fini(counts);
    duet_store_close(store);
}

/* Partition 0: shadow has read Kafka further; partition 1: live has. */
static void a_group_has_read_what_its_further_role_has(void **state)
{
    static const int64_t read_to[DUET_ROLES][2] = {{10, 50}, {30, 20}};
    struct duet_store *store = store_open(*state);
    struct sums sums;

    for (int role = 0; role < DUET_ROLES; role++) {
        for (int partition = 0; partition < 2; partition++) {
            struct duet_role_report it = report_of((enum duet_role)role, partition, 1,
                                                   read_to[role][partition], 1000);
            struct duet_counts counts[DUET_SIDES];

            counts_init(counts);
            assert_ok(duet_counts_add(&counts[0], 1, 1, DUET_COUNT_READ,
                                      read_to[role][partition]));
            assert_ok(duet_counts_add(&counts[0], 1, 1, DUET_COUNT_DUPLICATE, role + 1));
            assert_ok(duet_counts_add(&counts[0], 1, 1, DUET_COUNT_UNSTAMPED, 1));
            assert_ok(duet_counts_add(&counts[0], 1, 1, DUET_COUNT_PROCESSED, 100 + role));
            assert_ok(duet_counts_add(&counts[0], 1, 1, DUET_COUNT_FAILED, 10 + role));
            assert_ok(duet_counts_add(&counts[1], 1, 1, DUET_COUNT_READ, 7777));
            assert_ok(duet_store_role_report(store, &it, counts));
            counts_fini(counts);
        }
    }
    sums_get(store, DUET_KAFKA, &sums);
    assert_int_equal(sums.read.count, 1);
    assert_int_equal(sums.read.rows[0].n[DUET_COUNT_READ], 30 + 50);
    assert_int_equal(sums.read.rows[0].n[DUET_COUNT_DUPLICATE], 2 + 1);
    assert_int_equal(sums.read.rows[0].n[DUET_COUNT_UNSTAMPED], 2);
    assert_int_equal(sums.read.rows[0].n[DUET_COUNT_PROCESSED], 0);
    assert_int_equal(sums.live.rows[0].n[DUET_COUNT_PROCESSED], 200);
    assert_int_equal(sums.live.rows[0].n[DUET_COUNT_FAILED], 20);
    assert_int_equal(sums.live.rows[0].n[DUET_COUNT_READ], 0);
    assert_int_equal(sums.shadow.rows[0].n[DUET_COUNT_PROCESSED], 202);
    assert_int_equal(sums.shadow.rows[0].n[DUET_COUNT_FAILED], 22);
    sums_fini(&sums);
    sums_get(store, DUET_ROCKETMQ, &sums); /* both as far: read by one of them, once */
    assert_int_equal(duet_counts_total(&sums.read, DUET_COUNT_READ), 2 * 7777);
    sums_fini(&sums);
    duet_store_close(store);
}

static void issued_counts_are_absolute_per_boot(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_issue_report it = {
        .partition = 1, .instance = 2, .boot = 3, .issued_to = 10};
    struct duet_issue_report *out;
    struct duet_counts counts, back;
    size_t count;

    snprintf(it.topic, sizeof(it.topic), "t");
    duet_counts_init(&counts);
    assert_ok(duet_counts_add(&counts, 5, 6, DUET_COUNT_ISSUED_KAFKA, 10));
    assert_ok(duet_store_issue_report(store, &it, &counts));
    it.issued_to = 12;
    it.closed = true;
    assert_ok(duet_counts_add(&counts, 5, 6, DUET_COUNT_ISSUED_KAFKA, 2));
    assert_ok(duet_counts_add(&counts, 5, 7, DUET_COUNT_NOT_DONE, 1));
    for (int i = 0; i < 2; i++)
        assert_ok(duet_store_issue_report(store, &it, &counts));
    it.issued_to = 11; /* a delayed one */
    assert_ok(duet_counts_add(&counts, 5, 6, DUET_COUNT_ISSUED_KAFKA, 50));
    assert_ok(duet_store_issue_report(store, &it, &counts));
    it.issued_to = 12;
    it.closed = false;
    assert_ok(duet_store_issue_report(store, &it, &counts));
    assert_ok(duet_store_issue_reports(store, "t", &out, &count));
    assert_int_equal(count, 1);
    assert_int_equal(out[0].issued_to, 12);
    assert_true(out[0].closed);
    assert_int_equal(out[0].instance, 2);
    assert_int_equal(out[0].boot, 3);
    duet_counts_init(&back);
    assert_ok(duet_store_issue_counts(store, &out[0], &back));
    assert_int_equal(duet_counts_total(&back, DUET_COUNT_ISSUED_KAFKA), 12);
    assert_int_equal(duet_counts_total(&back, DUET_COUNT_NOT_DONE), 1);
    assert_int_equal(back.count, 2);
    free(out);
    duet_counts_fini(&back);
    duet_counts_fini(&counts);
    duet_store_close(store);
}

static void a_range_of_a_log_is_counted_by_one_reader(void **state)
{
    struct duet_store *one = store_open(*state), *other = store_open(*state);
    struct duet_log_state mine, theirs;
    struct duet_id id;
    bool added;

    assert_ok(duet_store_log_load(one, "t", 2, DUET_ROCKETMQ, &mine));
    assert_int_equal(mine.position, 0);
    assert_ok(duet_store_log_load(other, "t", 2, DUET_ROCKETMQ, &theirs));
    for (uint64_t i = 0; i < 10; i += 3) { /* 0 3 6 9 */
        id = id_of(1, 0, i);
        assert_ok(duet_idset_add(&mine.ids, &id, 55, &added));
    }
    assert_ok(duet_counts_add(&mine.counts, 55, 9, DUET_COUNT_STORED, 4));
    mine.position = 4;
    mine.end = 6;
    assert_ok(duet_store_log_save(one, &mine, 0));
    assert_false(mine.ids.entries[0].dirty || mine.counts.rows[0].dirty);
    id = id_of(1, 0, 1);
    assert_ok(duet_idset_add(&theirs.ids, &id, 55, &added));
    theirs.position = 3;
    assert_status(duet_store_log_save(other, &theirs, 0), DT_ECONFLICT);
    assert_true(theirs.ids.entries[0].dirty);
    duet_log_state_fini(&theirs);
    assert_ok(duet_store_log_load(other, "t", 2, DUET_ROCKETMQ, &theirs));
    assert_int_equal(theirs.position, 4);
    assert_int_equal(theirs.end, 6);
    assert_int_equal(duet_idset_size(&theirs.ids), 4);
    for (uint64_t i = 0; i < 10; i++) {
        id = id_of(1, 0, i);
        assert_int_equal(duet_idset_has(&theirs.ids, &id), i % 3 == 0);
    }
    assert_int_equal(theirs.ids.entries[0].newest_window, 55);
    assert_int_equal(duet_counts_total(&theirs.counts, DUET_COUNT_STORED), 4);
    assert_false(theirs.ids.entries[0].dirty || theirs.counts.rows[0].dirty);
    theirs.end = 8; /* nothing new but the end */
    assert_ok(duet_store_log_save(other, &theirs, 4));
    duet_log_state_fini(&theirs);
    assert_ok(duet_store_log_load(other, "t", 2, DUET_KAFKA, &theirs)); /* the other side */
    assert_int_equal(theirs.position, 0);
    duet_log_state_fini(&theirs);
    duet_log_state_fini(&mine);
    duet_store_close(one);
    duet_store_close(other);
}

/* ---- ledger ---- */

static struct duet_ledger_entry dropped(uint64_t from, uint64_t to, int64_t position)
{
    struct duet_ledger_entry it = {.kind = DUET_LEDGER_DROPPED,
                                   .partition = 3,
                                   .side = DUET_ROCKETMQ,
                                   .id = id_of(9, 8, from),
                                   .sequence_to = to,
                                   .position = position,
                                   .at_ms = 1000,
                                   .topic = "t",
                                   .group = "g",
                                   .reason = "full"};

    return it;
}

static void a_ledger_entry_put_again_is_extended_not_doubled(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_ledger_entry entries[3] = {dropped(10, 15, -1), dropped(20, 21, -1),
                                           dropped(10, 15, 7)};
    struct duet_ledger_entry *out;
    int64_t totals[DUET_LEDGER_KINDS];
    size_t count;

    assert_ok(duet_store_ledger_put(store, entries, 3));
    assert_ok(duet_store_ledger_put(store, entries, 3));
    entries[0].sequence_to = 40;
    entries[0].at_ms = 2000;
    snprintf(entries[0].reason, sizeof(entries[0].reason), "still full");
    assert_ok(duet_store_ledger_put(store, entries, 1));
    entries[0].sequence_to = 12; /* an older one after it */
    assert_ok(duet_store_ledger_put(store, entries, 1));
    assert_ok(duet_store_ledger(store, &out, &count));
    assert_int_equal(count, 3);
    assert_int_equal(out[0].id.sequence, 10);
    assert_int_equal(out[0].id.instance, 9);
    assert_int_equal(out[0].id.boot, 8);
    assert_int_equal(out[0].sequence_to, 40);
    assert_int_equal(out[0].at_ms, 1000); /* first seen */
    assert_string_equal(out[0].reason, "still full");
    assert_int_equal(out[0].kind, DUET_LEDGER_DROPPED);
    assert_int_equal(out[0].side, DUET_ROCKETMQ);
    assert_int_equal(out[0].partition, 3);
    assert_string_equal(out[0].group, "g");
    assert_int_equal(out[2].position, 7);
    free(out);
    assert_ok(duet_store_ledger_totals(store, totals));
    assert_int_equal(totals[DUET_LEDGER_DROPPED], 30 + 1 + 5);
    assert_int_equal(totals[DUET_LEDGER_GAP], 0);
    assert_ok(duet_store_ledger_put(store, NULL, 0));
    duet_store_close(store);
}

static void a_doubt_that_was_resolved_stays_resolved(void **state)
{
    struct duet_store *store = store_open(*state);
    struct duet_ledger_entry it = dropped(5, 0, -1); /* no end: one message all the same */
    int64_t totals[DUET_LEDGER_KINDS];

    it.kind = DUET_LEDGER_IN_DOUBT;
    assert_ok(duet_store_ledger_put(store, &it, 1));
    assert_ok(duet_store_ledger_totals(store, totals));
    assert_int_equal(totals[DUET_LEDGER_IN_DOUBT], 1);
    it.resolved = true;
    assert_ok(duet_store_ledger_put(store, &it, 1));
    it.resolved = false;
    assert_ok(duet_store_ledger_put(store, &it, 1));
    assert_ok(duet_store_ledger_totals(store, totals));
    assert_int_equal(totals[DUET_LEDGER_IN_DOUBT], 0);
    assert_string_equal(duet_ledger_kind_name(DUET_LEDGER_IN_DOUBT), "in_doubt");
    assert_string_equal(duet_ledger_kind_name(DUET_LEDGER_GAP), "gap");
    duet_store_close(store);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_in_place(a_plan_is_read_as_it_was_written),
        cmocka_unit_test_in_place(a_second_init_changes_nothing_and_says_what_differs),
        cmocka_unit_test_in_place(of_two_updates_of_one_version_the_first_wins),
        cmocka_unit_test_in_place(a_name_keeps_its_number_and_its_boots_go_up),
        cmocka_unit_test_in_place(a_heartbeat_replaces_all_fields),
        cmocka_unit_test_in_place(a_group_has_one_living_holder),
        cmocka_unit_test_in_place(a_sink_is_found_again),
        cmocka_unit_test_in_place(a_role_report_counts_once_and_an_older_one_not_at_all),
        cmocka_unit_test_in_place(a_group_has_read_what_its_further_role_has),
        cmocka_unit_test_in_place(issued_counts_are_absolute_per_boot),
        cmocka_unit_test_in_place(a_range_of_a_log_is_counted_by_one_reader),
        cmocka_unit_test_in_place(a_ledger_entry_put_again_is_extended_not_doubled),
        cmocka_unit_test_in_place(a_doubt_that_was_resolved_stays_resolved),
    };

    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
