/*
 * test_store_support.h - folders, plans and ids for the tests of the stores.
 *
 * Include it after <cmocka.h>.
 */
#ifndef TEST_STORE_SUPPORT_H
#define TEST_STORE_SUPPORT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "store/control_store.h"

#define assert_ok(expression)                                                              \
    do {                                                                                   \
        dt_status status_ = (expression);                                                  \
        if (status_ != DT_OK)                                                              \
            fail_msg("%s: %s: %s", #expression, dt_status_name(status_), dt_error_text()); \
    } while (0)
#define assert_status(expression, expected)                                                \
    do {                                                                                   \
        dt_status status_ = (expression);                                                  \
        if (status_ != (expected))                                                         \
            fail_msg("%s: %s, not %s: %s", #expression, dt_status_name(status_),           \
                     dt_status_name(expected), status_ == DT_OK ? "" : dt_error_text());   \
    } while (0)
/* The sentence of the last failure on this thread contains `part`. */
#define assert_said(part)                                                                  \
    do {                                                                                   \
        if (strstr(dt_error_text(), part) == NULL)                                         \
            fail_msg("'%s' is not in: %s", part, dt_error_text());                         \
    } while (0)

struct place { /* a folder of the test's own, and addresses in it */
    char folder[64];
    char path[128]; /* of the control store */
    char url[144];
    char sink[128];
};

static inline int remove_one(const char *path, const struct stat *st, int flag,
                             struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline int place_make(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (place == NULL)
        return -1;
    snprintf(place->folder, sizeof(place->folder), "/tmp/duet-store-XXXXXX");
    if (mkdtemp(place->folder) == NULL)
        return -1;
    snprintf(place->path, sizeof(place->path), "%s/sub/duet.db", place->folder);
    snprintf(place->url, sizeof(place->url), "sqlite:%s", place->path);
    snprintf(place->sink, sizeof(place->sink), "sqlite:%s/sink", place->folder);
    *state = place;
    return 0;
}

static inline int place_remove(void **state)
{
    struct place *place = *state;

    nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

/* Each case has a place of its own. */
#define cmocka_unit_test_in_place(test)                                                    \
    cmocka_unit_test_setup_teardown(test, place_make, place_remove)

static inline struct duet_plan *plan_make(size_t routes, int32_t partitions, size_t groups)
{
    struct duet_plan *plan = calloc(1, sizeof(*plan));

    snprintf(plan->migration, sizeof(plan->migration), "flights");
    snprintf(plan->timezone, sizeof(plan->timezone), "UTC");
    snprintf(plan->key_fingerprint, sizeof(plan->key_fingerprint), "0123456789abcdef");
    plan->key_number = 7;
    plan->route_count = routes;
    plan->routes = calloc(routes + 1, sizeof(*plan->routes));
    for (size_t r = 0; r < routes; r++) {
        struct duet_plan_route *route = &plan->routes[r];

        snprintf(route->topic, sizeof(route->topic), "topic.%zu", r);
        snprintf(route->rocketmq_topic, sizeof(route->rocketmq_topic), "topic_%zu", r);
        route->topic_number = (uint32_t)r + 1;
        route->partitions = partitions;
        route->queues = calloc((size_t)partitions, sizeof(*route->queues));
        for (int32_t p = 0; p < partitions; p++) {
            snprintf(route->queues[p].broker_name, sizeof(route->queues[p].broker_name),
                     "broker-%d", (int)(p % 2));
            route->queues[p].queue_id = p / 2;
        }
        route->group_count = groups;
        route->groups = calloc(groups + 1, sizeof(*route->groups));
        for (size_t g = 0; g < groups; g++) { /* not in alphabetical order */
            snprintf(route->groups[g].name, sizeof(route->groups[g].name), "group-%zu",
                     groups - g);
            route->groups[g].wish = calloc((size_t)partitions, sizeof(enum duet_side));
        }
    }
    return plan;
}

static inline struct duet_store *store_open(const struct place *place)
{
    struct duet_store *store;

    assert_ok(duet_store_open(place->url, true, &store));
    return store;
}

static inline struct duet_id id_of(uint32_t instance, uint16_t boot, uint64_t sequence)
{
    struct duet_id id = {.kind = DUET_ID_ISSUED, .instance = instance, .boot = boot};

    id.sequence = sequence;
    return id;
}

#endif
