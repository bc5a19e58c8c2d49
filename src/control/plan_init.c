#include "control/plan_init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "side/side.h"

#define SIDE_MS 15000

/* ---- the plan that the file asks for ---- */

static int compare_routes(const void *a, const void *b)
{
    const struct duet_plan_route *x = a, *y = b;

    return strcmp(x->topic, y->topic);
}

static dt_status fill_route(struct duet_plan_route *route,
                            const struct duet_route_config *from)
{
    snprintf(route->topic, sizeof(route->topic), "%s", from->topic);
    snprintf(route->rocketmq_topic, sizeof(route->rocketmq_topic), "%s",
             from->rocketmq_topic);
    route->partitions = from->partitions;
    route->step = DUET_STEP_PLANNED;
    route->write = duet_step_write(route->step);
    route->critical = 1u << DUET_KAFKA;
    route->queues = calloc((size_t)from->partitions, sizeof(*route->queues));
    route->groups = calloc(from->group_count + 1, sizeof(*route->groups));
    if (route->queues == NULL || route->groups == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for a plan");
    for (size_t g = 0; g < from->group_count; g++) {
        snprintf(route->groups[g].name, sizeof(route->groups[g].name), "%s",
                 from->groups[g]);
        route->groups[g].wish =
            calloc((size_t)from->partitions, sizeof(*route->groups[g].wish));
        route->group_count++;
        if (route->groups[g].wish == NULL)
            return dt_error_set(DT_ENOMEM, "no memory for a plan");
    }
    return DT_OK;
}

static dt_status check_names(const struct duet_plan *plan)
{
    for (size_t a = 0; a < plan->route_count; a++)
        for (size_t b = a + 1; b < plan->route_count; b++)
            if (strcmp(plan->routes[a].rocketmq_topic, plan->routes[b].rocketmq_topic) == 0)
                return dt_error_set(
                    DT_EINVAL,
                    "the routes of %s and %s would share the RocketMQ topic "
                    "%s: give one of them another with `rocketmq:`",
                    plan->routes[a].topic, plan->routes[b].topic,
                    plan->routes[a].rocketmq_topic);
    return DT_OK;
}

dt_status duet_plan_of_config(const struct duet_config *config, struct duet_plan **out)
{
    struct duet_plan *plan = calloc(1, sizeof(*plan));
    dt_status status = DT_OK;

    *out = NULL;
    if (plan != NULL)
        plan->routes = calloc(config->route_count + 1, sizeof(*plan->routes));
    if (plan == NULL || plan->routes == NULL) {
        free(plan);
        return dt_error_set(DT_ENOMEM, "no memory for a plan");
    }
    snprintf(plan->migration, sizeof(plan->migration), "%s", config->migration);
    snprintf(plan->timezone, sizeof(plan->timezone), "%s", config->timezone);
    for (size_t r = 0; r < config->route_count && status == DT_OK; r++) {
        plan->route_count++;
        status = fill_route(&plan->routes[r], &config->routes[r]);
    }
    if (status == DT_OK) {
        qsort(plan->routes, plan->route_count, sizeof(*plan->routes), compare_routes);
        for (size_t r = 0; r < plan->route_count; r++)
            plan->routes[r].topic_number = (uint32_t)r + 1;
        status = check_names(plan);
    }
    if (status != DT_OK) {
        duet_plan_free(plan);
        return status;
    }
    *out = plan;
    return DT_OK;
}

/* ---- topics ---- */

/* How many partitions the topic has on this side; it is made where it is missing. */
static dt_status ensure_topic(struct duet_side_client *client, const char *topic,
                              struct duet_plan_route *route,
                              struct duet_plan_queue **queues)
{
    const char *side = duet_side_name(duet_side_of(client));
    int32_t partitions = 0;
    dt_status status =
        duet_side_topic_partitions(client, topic, &partitions, queues, SIDE_MS);

    if (status == DT_ENOTFOUND || status == DT_ENOROUTE) {
        status = duet_side_topic_create(client, topic, route->partitions, SIDE_MS);
        if (status == DT_EUNSUPPORTED)
            return dt_error_set(DT_EINVAL,
                                "%s cannot create topic %s by request: create it with %d "
                                "partitions and run this again",
                                side, topic, (int)route->partitions);
        if (status == DT_OK || status == DT_EEXIST)
            status =
                duet_side_topic_partitions(client, topic, &partitions, queues, SIDE_MS);
    }
    if (status != DT_OK)
        return dt_error_wrap(status, "topic %s in %s", topic, side);
    if (partitions != route->partitions)
        return dt_error_set(
            DT_EINVAL,
            "topic %s has %d partitions in %s, and %d in the configuration: "
            "they must be equal",
            topic, (int)partitions, side, (int)route->partitions);
    return DT_OK;
}

static dt_status ensure_topics(const struct duet_config *config, struct duet_plan *plan)
{
    struct duet_side_client *client[DUET_SIDES] = {NULL, NULL};
    dt_status status = DT_OK;

    for (int side = 0; side < DUET_SIDES && status == DT_OK; side++)
        status =
            duet_side_open(config, (enum duet_side)side, "duet-plan-init", &client[side]);
    if (status == DT_EINVAL) /* a property that only the client library knows to be wrong */
        status = dt_error_wrap(status, "%s", config->path);
    for (size_t r = 0; r < plan->route_count && status == DT_OK; r++) {
        struct duet_plan_route *route = &plan->routes[r];
        struct duet_plan_queue *queues = NULL;

        status = ensure_topic(client[DUET_KAFKA], route->topic, route, NULL);
        if (status == DT_OK)
            status =
                ensure_topic(client[DUET_ROCKETMQ], route->rocketmq_topic, route, &queues);
        if (status == DT_OK && queues != NULL)
            memcpy(route->queues, queues, (size_t)route->partitions * sizeof(*queues));
        free(queues);
    }
    for (int side = 0; side < DUET_SIDES; side++)
        if (client[side] != NULL)
            duet_side_close(client[side]);
    return status;
}

/* ---- keys ---- */

dt_status duet_plan_keys(const struct duet_config *config, const struct duet_plan *plan,
                         struct duet_keys *keys)
{
    dt_status status = duet_keys_load(config->key_path, keys);

    if (status == DT_ENOTFOUND)
        return dt_error_set(DT_EINVAL,
                            "the key file %s is missing: the plan was made with it, put it "
                            "back",
                            config->key_path);
    if (status != DT_OK)
        return status;
    if (keys->number != plan->key_number ||
        strcmp(keys->fingerprint, plan->key_fingerprint) != 0)
        return dt_error_set(
            DT_EINVAL, "%s holds another key (%u, fingerprint %s) than the plan (%u, %s)",
            config->key_path, (unsigned)keys->number, keys->fingerprint,
            (unsigned)plan->key_number, plan->key_fingerprint);
    return DT_OK;
}

/* The number tells stamps of two migrations on one cluster apart before any key is tried. */
static dt_status make_keys(const struct duet_config *config, struct duet_keys *keys)
{
    uint8_t number = 0;
    dt_status status = duet_keys_load(config->key_path, keys);

    if (status != DT_ENOTFOUND)
        return status;
    while (number == 0)
        dt_random_bytes(&number, sizeof(number));
    status = duet_keys_create(config->key_path, number);
    if (status != DT_OK && status != DT_EEXIST)
        return status;
    return duet_keys_load(config->key_path, keys);
}

/* ---- all of it ---- */

static dt_status enter(struct duet_store *store, struct duet_plan *wanted,
                       const struct duet_keys *keys, bool *created)
{
    wanted->key_number = keys->number;
    snprintf(wanted->key_fingerprint, sizeof(wanted->key_fingerprint), "%s",
             keys->fingerprint);
    return duet_store_plan_init(store, wanted, created);
}

/* There is a plan: it is compared first, so that a changed file creates nothing. */
static dt_status create_again(const struct duet_config *config, struct duet_store *store,
                              const struct duet_plan *have, struct duet_plan *wanted)
{
    struct duet_keys keys;
    bool created;
    dt_status status = duet_plan_keys(config, have, &keys);

    if (status == DT_OK)
        status = enter(store, wanted, &keys, &created);
    return status == DT_OK ? ensure_topics(config, wanted) : status;
}

/* The store comes last: before both sides are fine there is nothing to remember. */
static dt_status create_first(const struct duet_config *config, struct duet_store **store,
                              struct duet_plan *wanted, bool *created)
{
    struct duet_keys keys;
    dt_status status = ensure_topics(config, wanted);

    if (status == DT_OK)
        status = make_keys(config, &keys);
    if (status == DT_OK && *store == NULL)
        status = duet_store_open(config->store, true, store);
    return status == DT_OK ? enter(*store, wanted, &keys, created) : status;
}

dt_status duet_plan_create(const struct duet_config *config, bool *created,
                           struct duet_plan **plan)
{
    struct duet_plan *wanted = NULL, *have = NULL;
    struct duet_store *store = NULL;
    dt_status status = duet_plan_of_config(config, &wanted);

    *created = false;
    *plan = NULL;
    if (status == DT_OK) {
        status = duet_store_open(config->store, false, &store);
        if (status == DT_OK)
            status = duet_store_plan_load(store, &have);
        if (status == DT_OK)
            status = create_again(config, store, have, wanted);
        else if (status == DT_ENOTFOUND)
            status = create_first(config, &store, wanted, created);
    }
    if (status == DT_OK)
        status = duet_store_plan_load(store, plan);
    if (store != NULL)
        duet_store_close(store);
    duet_plan_free(have);
    duet_plan_free(wanted);
    return status;
}

/* ---- differences ---- */

struct differences {
    struct duet_plan_difference *items;
    size_t count;
    dt_status status;
};

static void add(struct differences *all, const char *what, const char *detail,
                const char *in_plan, const char *in_file)
{
    struct duet_plan_difference *item;
    void *grown = realloc(all->items, (all->count + 1) * sizeof(*all->items));

    if (grown == NULL) {
        all->status = dt_error_set(DT_ENOMEM, "no memory for the differences");
        return;
    }
    all->items = grown;
    item = &all->items[all->count++];
    memset(item, 0, sizeof(*item));
    snprintf(item->what, sizeof(item->what), "%s%s", what, detail);
    snprintf(item->in_plan, sizeof(item->in_plan), "%.127s", in_plan);
    snprintf(item->in_file, sizeof(item->in_file), "%.127s", in_file);
}

static void compare_texts(struct differences *all, const char *what, const char *detail,
                          const char *in_plan, const char *in_file)
{
    if (strcmp(in_plan, in_file) != 0)
        add(all, what, detail, in_plan, in_file);
}

static void compare_route(struct differences *all, const struct duet_plan_route *have,
                          const struct duet_plan_route *want)
{
    char in_plan[16], in_file[16], detail[2 * DUET_NAME_SIZE + 8];

    compare_texts(all, "RocketMQ topic of ", have->topic, have->rocketmq_topic,
                  want->rocketmq_topic);
    snprintf(in_plan, sizeof(in_plan), "%d", (int)have->partitions);
    snprintf(in_file, sizeof(in_file), "%d", (int)want->partitions);
    compare_texts(all, "partitions of ", have->topic, in_plan, in_file);
    for (int turn = 0; turn < 2; turn++) {
        const struct duet_plan_route *a = turn == 0 ? have : want;
        const struct duet_plan_route *b = turn == 0 ? want : have;

        for (size_t g = 0; g < a->group_count; g++) {
            if (duet_plan_find_group(b, a->groups[g].name) != NULL)
                continue;
            snprintf(detail, sizeof(detail), "%.120s of %.120s", a->groups[g].name,
                     a->topic);
            add(all, "group ", detail, turn == 0 ? "there" : "missing",
                turn == 0 ? "missing" : "there");
        }
    }
}

dt_status duet_plan_differences(const struct duet_config *config,
                                const struct duet_plan *plan,
                                struct duet_plan_difference **out, size_t *count)
{
    struct differences all = {NULL, 0, DT_OK};
    struct duet_plan *want;
    dt_status status = duet_plan_of_config(config, &want);

    *out = NULL;
    *count = 0;
    if (status != DT_OK)
        return status;
    compare_texts(&all, "migration", "", plan->migration, want->migration);
    compare_texts(&all, "day.timezone", "", plan->timezone, want->timezone);
    for (size_t r = 0; r < plan->route_count; r++) {
        const struct duet_plan_route *found = duet_plan_find(want, plan->routes[r].topic);

        if (found == NULL)
            add(&all, "route ", plan->routes[r].topic, "there", "missing");
        else
            compare_route(&all, &plan->routes[r], found);
    }
    for (size_t r = 0; r < want->route_count; r++)
        if (duet_plan_find(plan, want->routes[r].topic) == NULL)
            add(&all, "route ", want->routes[r].topic, "missing", "there");
    duet_plan_free(want);
    *out = all.items;
    *count = all.count;
    return all.status;
}
