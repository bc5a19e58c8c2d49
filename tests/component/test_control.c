/* control: steps forward and back against a store on which threads play instances */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "component/control_world.h"
#include "support/case.h"

static void steps_forward_set_what_is_written_and_are_confirmed(void **state)
{
    struct world world;
    struct actor *producer;

    (void)state;
    world_open(&world);
    producer = world_actor(&world, "p", NULL);
    world_actor(&world, "c", "g");
    world_expect(&world, DUET_STEP_PLANNED, 0, KAFKA_CRITICAL);
    world_go(&world, true, (struct duet_change){0});
    /* it returned: the producer has confirmed */
    assert_int_equal(producer->seen[atomic_load(&producer->seen_count) - 1].step,
                     DUET_STEP_DUAL_WRITE);
    world_expect(&world, DUET_STEP_DUAL_WRITE, 0, KAFKA_CRITICAL);
    world_go(&world, true, (struct duet_change){0});
    world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    world_close(&world);
}

static void a_switch_makes_rocketmq_critical_before_anything_is_wished(void **state)
{
    struct world world;
    struct actor *producer;
    bool critical_first = false;

    (void)state;
    world_open(&world);
    producer = world_actor(&world, "p", NULL);
    world_actor(&world, "c", "g");
    world_dual_read(&world);
    world_go(&world, true, (struct duet_change){0});
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    for (int i = 0; i < atomic_load(&producer->seen_count); i++) {
        if (producer->seen[i].wishes > 0)
            break;
        critical_first = producer->seen[i].critical == BOTH_CRITICAL;
    }
    assert_true(critical_first); /* it worked by such a plan before one with wishes */
    world_close(&world);
}

static void a_producer_that_does_not_confirm_holds_the_switch_up(void **state)
{
    struct world world;
    struct actor *producer;
    struct duet_change change = {.wait_ms = 300};
    struct duet_change_result result;

    (void)state;
    world_open(&world);
    producer = world_actor(&world, "deaf-one", NULL);
    world_actor(&world, "c", "g");
    world_dual_read(&world);
    atomic_store(&producer->deaf, true);
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_int_equal(result.step_count, 0);
    assert_string_equal(result.refused[0].name, "confirmed");
    assert_non_null(strstr(result.refused[0].why, "deaf-one"));
    duet_change_result_fini(&result);
    /* nothing is wished; the critical side stays until a command goes on or leads back */
    world_expect(&world, DUET_STEP_DUAL_READ, 0, BOTH_CRITICAL);
    atomic_store(&producer->deaf, false);
    world_go(&world, false, (struct duet_change){0});
    world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    world_go(&world, true, (struct duet_change){0});
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    world_close(&world);
}

static void a_wish_that_is_not_carried_out_stays_and_is_completed_later(void **state)
{
    struct world world;
    struct actor *consumer;
    struct duet_change change = {.wait_ms = 300};
    struct duet_change_result result;

    (void)state;
    world_open(&world);
    consumer = world_actor(&world, "stubborn-one", "g");
    world_dual_read(&world);
    atomic_store(&consumer->stubborn, true);
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_int_equal(result.step_count, 1);
    assert_string_equal(result.refused[0].name, "carried-out");
    assert_non_null(strstr(result.refused[0].why, "stubborn-one"));
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, BOTH_CRITICAL);
    /* the way back waits for it, too, and keeps rocketmq critical as long */
    assert_int_equal(duet_rollback(world.store, &change, &result), DT_OK);
    assert_true(result.done); /* it is on kafka: it never left */
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    world_close(&world);
}

static void rocketmq_stays_critical_until_the_last_has_left_it(void **state)
{
    struct world world;
    struct actor *consumer;
    struct duet_change change = {.wait_ms = 300, .has_to = true, .to = DUET_STEP_PLANNED};
    struct duet_change_result result;

    (void)state;
    world_open(&world);
    consumer = world_actor(&world, "c", "g");
    world_dual_read(&world);
    world_go(&world, true, (struct duet_change){0});
    atomic_store(&consumer->stubborn, true);
    assert_int_equal(duet_rollback(world.store, &change, &result), DT_OK);
    assert_false(result.done);
    duet_change_result_fini(&result);
    /* the wish is written at once; what is written and critical waits */
    world_expect(&world, DUET_STEP_DUAL_READ, 0, BOTH_CRITICAL);
    atomic_store(&consumer->stubborn, false);
    change.wait_ms = 10000;
    world_go(&world, false, change);
    world_expect(&world, DUET_STEP_PLANNED, 0, KAFKA_CRITICAL);
    world_close(&world);
}

static void groups_and_partitions_move_one_by_one(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world_actor(&world, "c", "g");
    world_actor(&world, "d", "h");
    world_dual_read(&world);
    world_go(&world, true, (struct duet_change){.group = "g", .partitions = "25%"});
    world_expect(&world, DUET_STEP_SWITCHING, 0x01, BOTH_CRITICAL);
    world_go(&world, true, (struct duet_change){.partitions = "2,3"});
    world_expect(&world, DUET_STEP_SWITCHING, 0xcd, BOTH_CRITICAL);
    world_go(&world, false, (struct duet_change){.group = "h"});
    world_expect(&world, DUET_STEP_SWITCHING, 0x0d, BOTH_CRITICAL);
    world_go(&world, true, (struct duet_change){.group = "h"});
    world_expect(&world, DUET_STEP_SWITCHING, 0xfd, BOTH_CRITICAL);
    world_go(&world, true, (struct duet_change){.group = "g", .partitions = "1"});
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    world_go(&world, false, (struct duet_change){.partitions = "0"});
    world_expect(&world, DUET_STEP_SWITCHING, 0xee, BOTH_CRITICAL);
    world_go(&world, false, (struct duet_change){0});
    world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    world_close(&world);
}

static void at_switched_the_next_command_is_named(void **state)
{
    struct world world;
    struct duet_change change = {.wait_ms = 1000, .force = true, .reason = "no matter"};
    struct duet_change_result result;

    (void)state;
    world_open(&world);
    world_dual_read(&world);
    world_go(&world, true, (struct duet_change){0});
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_non_null(strstr(result.refused[0].why, "duet finish"));
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    world_close(&world);
}

static void a_gate_refuses_until_it_is_forced_with_a_reason(void **state)
{
    struct world world;
    struct duet_change change = {.wait_ms = 1000};
    struct duet_change_result result;
    struct duet_audit_line *lines;
    size_t count;

    (void)state;
    world_open(&world);
    world_dual_read(&world);
    world.limits.dual_write_min_s = 1000;
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_int_equal(result.refused_count, 1);
    assert_string_equal(result.refused[0].name, "dual-write-time");
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    change.force = true;
    change.reason = "we know better";
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_true(result.done);
    assert_int_equal(result.refused_count, 1);
    duet_change_result_fini(&result);
    assert_int_equal(duet_store_audit_lines(world.store, &lines, &count), DT_OK);
    assert_true(count > 1); /* the last says that kafka is critical no more */
    assert_non_null(strstr(lines[count - 1].detail, "no group is live on kafka"));
    assert_string_equal(lines[count - 2].command, "advance");
    assert_string_equal(lines[count - 2].reason, "we know better");
    assert_non_null(strstr(lines[count - 2].detail, "dual-read -> switched"));
    assert_non_null(strstr(lines[count - 2].detail, "dual-write-time"));
    free(lines);
    world_close(&world);
}

static void a_dry_run_says_it_and_changes_nothing(void **state)
{
    struct world world;
    struct duet_change change = {.dry_run = true};
    struct duet_change_result result;

    (void)state;
    world_open(&world);
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_true(result.done);
    assert_int_equal(result.step_count, 1);
    assert_int_equal(result.steps[0].to, DUET_STEP_DUAL_WRITE);
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_PLANNED, 0, KAFKA_CRITICAL);
    world_dual_read(&world);
    world_go(&world, true, (struct duet_change){0});
    assert_int_equal(duet_rollback(world.store, &change, &result), DT_OK);
    assert_int_equal(result.steps[0].from, DUET_STEP_SWITCHED);
    assert_int_equal(result.steps[0].to, DUET_STEP_DUAL_READ);
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    world_close(&world);
}

static void wrong_selections_are_errors(void **state)
{
    struct world world;
    struct duet_change_result result;
    const struct duet_change wrong[] = {
        {.topic = "x"},        {.group = "x"},        {.partitions = "4"},
        {.partitions = ""},    {.partitions = "1,"},  {.partitions = "a"},
        {.partitions = "0%"},  {.partitions = "-1"},  {.partitions = "101%"},
        {.partitions = "1;2"}, {.partitions = "25%x"}};

    (void)state;
    world_open(&world);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(duet_advance(world.store, NULL, &world.limits, &wrong[i], &result),
                         DT_EINVAL);
        assert_int_equal(duet_rollback(world.store, &wrong[i], &result), DT_EINVAL);
    }
    /* a part of a route moves from dual-read on */
    assert_int_equal(duet_advance(world.store, NULL, &world.limits,
                                  &(struct duet_change){.group = "g"}, &result),
                     DT_EINVAL);
    /* the way back leads back */
    assert_int_equal(
        duet_rollback(world.store,
                      &(struct duet_change){.has_to = true, .to = DUET_STEP_DUAL_READ},
                      &result),
        DT_EINVAL);
    world_dual_read(&world);
    assert_int_equal(
        duet_rollback(world.store,
                      &(struct duet_change){.has_to = true, .to = DUET_STEP_SWITCHED},
                      &result),
        DT_EINVAL);
    assert_int_equal(
        duet_rollback(
            world.store,
            &(struct duet_change){.has_to = true, .to = DUET_STEP_DUAL_WRITE, .group = "g"},
            &result),
        DT_EINVAL);
    world_close(&world);
}

static void who_is_dead_holds_nothing_up_but_the_next_step_forward(void **state)
{
    struct world world;
    struct duet_change change = {.wait_ms = 500};
    struct duet_change_result result;
    struct duet_instance dead = {.role = DUET_CONSUMER, .plan = 1};

    (void)state;
    world_open(&world);
    snprintf(dead.name, sizeof(dead.name), "dead");
    snprintf(dead.group, sizeof(dead.group), "g");
    dead.heartbeat_ms = dt_clock_wall_ms() - DUET_ALIVE_MS - 1000;
    assert_int_equal(duet_store_heartbeat(world.store, &dead), DT_OK);
    world_go(&world, true, change); /* it is on the plan, and nobody waits for it */
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_string_equal(result.refused[0].name, "instances");
    assert_non_null(strstr(result.refused[0].why, "'dead'"));
    duet_change_result_fini(&result);
    dead.closed = true;
    assert_int_equal(duet_store_heartbeat(world.store, &dead), DT_OK);
    world_go(&world, true, change);
    world_close(&world);
}

/* It may be cut off from the store only, and go on by a plan in which rocketmq's trouble is
 * nobody's. */
static void a_silent_producer_has_to_confirm_unless_it_is_forced(void **state)
{
    struct world world;
    struct duet_change change = {.wait_ms = 300};
    struct duet_change_result result;
    struct duet_instance silent = {.role = DUET_PRODUCER, .plan = 3};

    (void)state;
    world_open(&world);
    world_actor(&world, "c", "g");
    world_dual_read(&world);
    snprintf(silent.name, sizeof(silent.name), "silent-one");
    silent.heartbeat_ms = dt_clock_wall_ms() - DUET_ALIVE_MS - 1000;
    assert_int_equal(duet_store_heartbeat(world.store, &silent), DT_OK);
    assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                     DT_OK);
    assert_false(result.done);
    assert_string_equal(result.refused[0].name, "confirmed");
    assert_non_null(strstr(result.refused[0].why, "silent-one"));
    duet_change_result_fini(&result);
    world_expect(&world, DUET_STEP_DUAL_READ, 0, BOTH_CRITICAL);
    change.force = true;
    change.reason = "its host is gone";
    world_go(&world, true, change);
    world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    world_close(&world);
}

/* ---- a controller that is killed ---- */

enum point { AFTER_CRITICAL, AFTER_WISHES, AFTER_UNCRITICAL, AFTER_WAY_BACK, POINTS };

static struct {
    const char *url;
    enum point point;
} doomed;

/* Asked while the command waits for others: the plan says how far it has come. */
static bool die_at_point(void)
{
    struct duet_store *store;
    struct duet_plan *plan;
    const struct duet_plan_route *route;
    bool wished, here = false;

    if (duet_store_open(doomed.url, false, &store) != DT_OK ||
        duet_store_plan_load(store, &plan) != DT_OK)
        _exit(3);
    route = &plan->routes[0];
    wished = route->groups[0].wish[0] == DUET_ROCKETMQ;
    switch (doomed.point) {
    case AFTER_CRITICAL:
        here = route->critical == BOTH_CRITICAL && !wished;
        break;
    case AFTER_WISHES:
        here = route->critical == BOTH_CRITICAL && wished;
        break;
    case AFTER_UNCRITICAL:
        here = route->critical == ROCKETMQ_CRITICAL;
        break;
    case AFTER_WAY_BACK:
        here = route->step == DUET_STEP_DUAL_READ;
        break;
    case POINTS:
        break;
    }
    if (here)
        raise(SIGKILL);
    duet_plan_free(plan);
    duet_store_close(store);
    return false;
}

/* The child. Exits 0 if the command came through. */
static int run_doomed(const char *url, enum point point)
{
    struct duet_change change = {.wait_ms = 10000, .interrupted = die_at_point};
    struct duet_gate_limits limits = {.lag_max = 1000};
    struct duet_change_result result;
    struct duet_store *store;
    dt_status status;

    doomed.url = url;
    doomed.point = point;
    if (duet_store_open(url, false, &store) != DT_OK)
        return 2;
    status = point == AFTER_WAY_BACK ? duet_rollback(store, &change, &result)
                                     : duet_advance(store, NULL, &limits, &change, &result);
    return status == DT_OK ? 0 : 4;
}

static void run_and_kill(struct world *world, enum point point)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        char text[16];

        snprintf(text, sizeof(text), "%d", (int)point);
        execl("/proc/self/exe", "test_control", "--doomed", world->url, text, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void kill_at(enum point point, bool forward)
{
    struct world world;
    struct actor *slow;

    world_open(&world);
    slow = world_actor(&world, "p", NULL);
    world_actor(&world, "c", "g");
    world_dual_read(&world);
    if (point == AFTER_WAY_BACK)
        world_go(&world, true, (struct duet_change){0});
    atomic_store(&slow->lags_ms, 300); /* so that every wait asks at least once */
    run_and_kill(&world, point);
    atomic_store(&slow->lags_ms, 0);
    if (forward && (point == AFTER_WISHES || point == AFTER_UNCRITICAL)) {
        struct duet_change change = {.wait_ms = 10000};
        struct duet_change_result result;

        /* only what was left is done: the next step is the point of no return */
        assert_int_equal(duet_advance(world.store, NULL, &world.limits, &change, &result),
                         DT_OK);
        assert_string_equal(result.refused[0].name, "finish");
        duet_change_result_fini(&result);
    } else {
        world_go(&world, forward, (struct duet_change){0});
    }
    if (forward)
        world_expect(&world, DUET_STEP_SWITCHED, 0xff, ROCKETMQ_CRITICAL);
    else
        world_expect(&world, DUET_STEP_DUAL_READ, 0, KAFKA_CRITICAL);
    world_close(&world);
}

static void what_a_killed_controller_left_is_completed(void **state)
{
    (void)state;
    for (int point = 0; point < POINTS; point++)
        kill_at((enum point)point, true);
}

static void what_a_killed_controller_left_is_led_back(void **state)
{
    (void)state;
    for (int point = 0; point < POINTS; point++)
        kill_at((enum point)point, false);
}

struct racer {
    struct world *world;
    pthread_t thread;
    atomic_int failed;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct duet_store *store;

    if (duet_store_open(racer->world->url, false, &store) != DT_OK) {
        atomic_fetch_add(&racer->failed, 1);
        return NULL;
    }
    for (int i = 0; i < 6; i++) {
        struct duet_change change = {
            .group = "g", .partitions = i % 2 == 0 ? "0,1" : "2", .wait_ms = 10000};
        struct duet_change_result result;
        dt_status status =
            i % 3 == 2 ? duet_rollback(store, &change, &result)
                       : duet_advance(store, NULL, &racer->world->limits, &change, &result);

        if (status != DT_OK && status != DT_ECONFLICT)
            atomic_fetch_add(&racer->failed, 1);
        if (status == DT_OK)
            duet_change_result_fini(&result);
    }
    duet_store_close(store);
    return NULL;
}

static void controllers_at_the_same_time_leave_a_plan_that_makes_sense(void **state)
{
    struct world world;
    struct racer racers[3];
    struct duet_plan_route route;
    unsigned live;

    (void)state;
    world_open(&world);
    world_actor(&world, "c", "g");
    world_dual_read(&world);
    for (size_t i = 0; i < 3; i++) {
        racers[i].world = &world;
        atomic_store(&racers[i].failed, 0);
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(racers[i].thread, NULL);
        assert_int_equal(atomic_load(&racers[i].failed), 0);
    }
    route = world_route(&world, &live);
    assert_int_equal(route.step, live != 0 ? DUET_STEP_SWITCHING : DUET_STEP_DUAL_READ);
    if (live != 0) /* never live where trouble is nobody's */
        assert_int_equal(route.critical, BOTH_CRITICAL);
    world_close(&world);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_forward_set_what_is_written_and_are_confirmed),
        cmocka_unit_test(a_switch_makes_rocketmq_critical_before_anything_is_wished),
        cmocka_unit_test(a_producer_that_does_not_confirm_holds_the_switch_up),
        cmocka_unit_test(a_wish_that_is_not_carried_out_stays_and_is_completed_later),
        cmocka_unit_test(rocketmq_stays_critical_until_the_last_has_left_it),
        cmocka_unit_test(groups_and_partitions_move_one_by_one),
        cmocka_unit_test(at_switched_the_next_command_is_named),
        cmocka_unit_test(a_gate_refuses_until_it_is_forced_with_a_reason),
        cmocka_unit_test(a_dry_run_says_it_and_changes_nothing),
        cmocka_unit_test(wrong_selections_are_errors),
        cmocka_unit_test(who_is_dead_holds_nothing_up_but_the_next_step_forward),
        cmocka_unit_test(a_silent_producer_has_to_confirm_unless_it_is_forced),
        cmocka_unit_test(what_a_killed_controller_left_is_completed),
        cmocka_unit_test(what_a_killed_controller_left_is_led_back),
        cmocka_unit_test(controllers_at_the_same_time_leave_a_plan_that_makes_sense),
    };

    if (argc == 4 && strcmp(argv[1], "--doomed") == 0)
        return run_doomed(argv[2], (enum point)atoi(argv[3]));
    return test_main(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
