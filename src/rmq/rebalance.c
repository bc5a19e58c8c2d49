/* Which queues are ours: the members as a broker knows them, the queues as a name server does. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/ask.h"
#include "rmq/assign.h"
#include "rmq/consumer_inside.h"
#include "rmq/json.h"

enum { MEMBERS_SIZE_MAX = 4 * 1024 * 1024, MEMBERS_MAX = 100000 };

/* ---------------------------------------------------------------- what there is */

struct world {
    struct rmq_consumer *consumer;
    rmq_queue *queues;
    size_t queue_count;
    char (*brokers)[RMQ_NAME_SIZE];
    size_t broker_count;
    struct dt_buf names; /* of members, each with its NUL */
    char **members;
    size_t member_count;
};

static void world_fini(struct world *world)
{
    free(world->queues);
    free(world->brokers);
    free(world->members);
    dt_buf_fini(&world->names);
}

static dt_status take_route(void *context, const struct rmq_route *route)
{
    struct world *world = context;
    dt_status status = rmq_route_read_queues(route, &world->queues, &world->queue_count);

    if (status != DT_OK)
        return status;
    world->brokers = calloc(route->broker_count + 1, sizeof(world->brokers[0]));
    if (world->brokers == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for brokers' names");
    for (size_t i = 0; i < route->broker_count; i++)
        memcpy(world->brokers[i], route->brokers[i].name, RMQ_NAME_SIZE);
    world->broker_count = route->broker_count;
    world->queue_count = rmq_queues_sort(world->queues, world->queue_count);
    return DT_OK;
}

/* What a name server says now; while none answers, what is known. */
static dt_status find_queues(struct world *world, const char *topic)
{
    struct rmq_client *client = world->consumer->client;
    int64_t timeout_ms = client->request_timeout_ms;
    dt_status status =
        rmq_ask_route(client, topic, true, rmq_deadline_ms(timeout_ms), take_route, world);

    if (status == DT_EUNREACH)
        status = rmq_ask_route(client, topic, false, rmq_deadline_ms(1), take_route, world);
    return status;
}

static void put_group(struct rmq_ask *ask, struct rmq_encoder *encoder)
{
    rmq_encode_str(encoder, "consumerGroup", ask->question);
}

static bool read_members(struct rmq_ask *ask, const struct rmq_command *command,
                         struct dt_span body)
{
    struct world *world = ask->result;
    struct rmq_json root, name;
    struct rmq_json_iter iter;

    (void)command;
    dt_buf_clear(&world->names);
    world->member_count = 0;
    if (!rmq_json_parse(body, &root))
        return false;
    iter = rmq_json_items(rmq_json_get(root, "consumerIdList"));
    while (rmq_json_next(&iter, NULL, &name) && world->member_count < MEMBERS_MAX) {
        char text[1024];

        if (!rmq_json_copy(name, text, sizeof(text)) || text[0] == 0)
            continue;
        dt_buf_put(&world->names, text, strlen(text) + 1);
        world->member_count++;
    }
    return !world->names.failed;
}

/* The first broker that knows members decides: each has heard all heartbeats. */
static dt_status find_members(struct world *world, const char *topic)
{
    struct rmq_consumer *consumer = world->consumer;
    struct rmq_client *client = consumer->client;
    dt_status status = DT_ENOTFOUND;
    char *name;

    world->member_count = 0;
    for (size_t i = 0; i < world->broker_count && world->member_count == 0; i++) {
        struct rmq_ask ask;

        rmq_ask_init(&ask, client, RMQ_GET_CONSUMER_LIST_BY_GROUP,
                     rmq_deadline_ms(client->request_timeout_ms));
        ask.put = put_group;
        ask.question = consumer->group;
        ask.read = read_members;
        ask.result = world;
        status = rmq_ask_broker(&ask, topic, world->brokers[i]);
        if (status != DT_OK)
            world->member_count = 0;
    }
    if (world->member_count == 0)
        return status == DT_OK ? DT_ENOTFOUND : status;
    world->members = calloc(world->member_count, sizeof(world->members[0]));
    if (world->members == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for members");
    name = (char *)world->names.data;
    for (size_t i = 0; i < world->member_count; i++) {
        world->members[i] = name;
        name += strlen(name) + 1;
    }
    world->member_count = rmq_members_sort(world->members, world->member_count);
    return DT_OK;
}

/* ---------------------------------------------------------------- what is ours */

/* An application's own division: each queue of the topic once, at the most. */
static size_t check_own(const struct world *world, rmq_queue *mine, size_t count)
{
    size_t left = 0;

    count = rmq_queues_sort(mine, count < world->queue_count ? count : world->queue_count);
    for (size_t i = 0; i < count; i++)
        if (rmq_queues_find(world->queues, world->queue_count, &mine[i]) <
            world->queue_count)
            mine[left++] = mine[i];
    return left;
}

static dt_status divide(const struct world *world, const char *topic, rmq_queue *mine,
                        size_t *count)
{
    const struct rmq_consumer *consumer = world->consumer;
    const rmq_consumer_config *config = &consumer->config;
    rmq_division division = {consumer->group,      topic,
                             consumer->client->id, (const char *const *)world->members,
                             world->member_count,  world->queues,
                             world->queue_count};
    bool is_member = false;

    if (config->strategy != RMQ_STRATEGY_OWN)
        return rmq_assign(config->strategy, &division, mine, count);
    *count = 0;
    for (size_t i = 0; i < world->member_count; i++)
        is_member |= strcmp(world->members[i], division.client_id) == 0;
    if (is_member)
        *count = check_own(world, mine, config->divide(config->opaque, &division, mine));
    return DT_OK;
}

/* What we have of the queues that are to be ours. */
enum { IS_HELD = 1, IS_LEAVING = 2 };

/* Lets go of what is not among `mine`, sorted, and says of the others what we have: held for the
 * topic, or still being let go of for a subscription that was. Lock: mutex held. */
static void look_at_held(struct rmq_consumer *consumer,
                         const struct rmq_consumer_topic *topic, const rmq_queue *mine,
                         size_t count, uint8_t *have)
{
    int64_t leave_ms = dt_clock_ms() + consumer->config.release_wait_ms;
    struct dt_link *link;

    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);
        size_t at;

        if (held->topic != topic && strcmp(held->topic->name, topic->name) != 0)
            continue;
        at = rmq_queues_find(mine, count, &held->queue);
        if (at == count && held->topic == topic)
            rmq_consumer_leave(consumer, held, leave_ms);
        else if (at < count)
            have[at] |=
                (held->topic == topic ? IS_HELD : 0) | (held->is_leaving ? IS_LEAVING : 0);
    }
}

/* Lets go of what is not ours any more, and takes what is. False: some has to wait until it has
 * been let go of, or for memory. */
static bool change(struct rmq_consumer *consumer, struct rmq_consumer_topic *topic,
                   const rmq_queue *mine, size_t count)
{
    uint8_t *have = calloc(count + 1, sizeof(*have));
    bool is_complete = true;

    if (have == NULL)
        return false;
    pthread_mutex_lock(&consumer->mutex);
    if (topic->is_old)
        count = 0;
    look_at_held(consumer, topic, mine, count, have);
    for (size_t i = 0; i < count && !consumer->is_stopping; i++) {
        struct rmq_held *held;

        if ((have[i] & IS_LEAVING) != 0)
            is_complete = false;
        if (have[i] != 0)
            continue;
        held = rmq_held_new(topic, &mine[i]);
        if (held == NULL)
            is_complete = false;
        else
            dt_list_append(&consumer->held, &held->link);
    }
    pthread_mutex_unlock(&consumer->mutex);
    free(have);
    return is_complete;
}

static bool rebalance_topic(struct rmq_consumer *consumer, struct rmq_consumer_topic *topic)
{
    struct world world = {.consumer = consumer};
    rmq_queue *mine = NULL;
    size_t count = 0;
    bool is_complete = false;
    dt_status status;

    dt_buf_init(&world.names, MEMBERS_SIZE_MAX);
    status = find_queues(&world, topic->name);
    if (status == DT_OK)
        status = find_members(&world, topic->name);
    if (status == DT_OK) {
        mine = calloc(world.queue_count + 1, sizeof(*mine));
        status = mine == NULL ? dt_error_set(DT_ENOMEM, "no memory for queues")
                              : divide(&world, topic->name, mine, &count);
    }
    if (status == DT_OK)
        is_complete = change(consumer, topic, mine, count);
    else if (status != DT_ENOTFOUND && !topic->is_retry)
        rmq_client_log(consumer->client, DT_LOG_DEBUG,
                       "group '%s': queues of '%s' stay as they are: %s", consumer->group,
                       topic->name, dt_error_text());
    free(mine);
    world_fini(&world);
    return is_complete;
}

/* The n-th topic that is subscribed to now. Topics stay until the consumer is freed. */
static struct rmq_consumer_topic *topic_at(struct rmq_consumer *consumer, size_t n)
{
    struct rmq_consumer_topic *topic = NULL;
    struct dt_link *link;

    pthread_mutex_lock(&consumer->mutex);
    for (link = consumer->topics.next; link != &consumer->topics; link = link->next) {
        struct rmq_consumer_topic *one =
            DT_CONTAINER(link, struct rmq_consumer_topic, link);

        if (one->number == n)
            topic = one;
    }
    pthread_mutex_unlock(&consumer->mutex);
    return topic;
}

bool rmq_consumer_rebalance(struct rmq_consumer *consumer)
{
    size_t most;
    bool is_complete = true;

    atomic_fetch_add(&consumer->counters.rebalances, 1);
    pthread_mutex_lock(&consumer->mutex);
    most = consumer->topic_numbers;
    pthread_mutex_unlock(&consumer->mutex);
    for (size_t n = 0; n < most; n++) {
        struct rmq_consumer_topic *topic = topic_at(consumer, n);

        if (topic != NULL)
            is_complete &= rebalance_topic(consumer, topic);
    }
    return is_complete;
}
