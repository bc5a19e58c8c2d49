#include "rmq/topics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/status.h"
#include "rmq/client_inside.h"

enum {
    FORGET_MS = 300000 /* a topic that nobody uses */
};

static void fetch(struct rmq_topic *topic);

static void encode_fetch(struct rmq_call *call, struct dt_buf *out,
                         enum rmq_header_type type)
{
    struct rmq_topic *topic = DT_CONTAINER(DT_CONTAINER(call, struct rmq_names_call, call),
                                           struct rmq_topic, fetch);
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_GET_ROUTEINFO_BY_TOPIC, call->opaque, 0));
    rmq_encode_str(&encoder, "topic", topic->name);
    rmq_encode_bool(&encoder, "acceptStandardJsonOnly", true);
    rmq_encode_end(&encoder, 0);
}

/* A server whose route cannot be read is passed over. */
static bool is_good(struct rmq_names_call *names_call, const struct rmq_answer *answer)
{
    struct rmq_topic *topic = DT_CONTAINER(names_call, struct rmq_topic, fetch);

    return rmq_route_parse(answer->body, &topic->news) == DT_OK;
}

static dt_status take_answer(struct rmq_topic *topic, const struct rmq_answer *answer)
{
    const struct rmq_command *command = answer->command;
    struct rmq_route *route = topic->news;
    dt_status status = DT_OK;

    topic->news = NULL;
    if (answer->status == DT_ECLOSED)
        return dt_error_set(DT_ECLOSED, "%s", answer->reason);
    if (answer->status != DT_OK)
        return dt_error_set(DT_EUNREACH, "no name server answers: %s", answer->reason);
    if (command->code == RMQ_TOPIC_NOT_EXIST)
        return dt_error_set(DT_ENOROUTE, "the name server knows no topic '%s'",
                            topic->name);
    if (command->code != RMQ_SUCCESS)
        return dt_error_set(DT_EUNREACH, "the name server answers %d: %.*s", command->code,
                            (int)command->remark.size, (const char *)command->remark.data);
    if (route == NULL) /* why is still to be said */
        status = rmq_route_parse(answer->body, &route);
    if (status != DT_OK)
        return dt_error_wrap(status, "reading the route of topic '%s'", topic->name);
    if (topic->route != NULL && !rmq_route_equal(topic->route, route))
        rmq_client_log(topic->client, DT_LOG_DEBUG, "the route of topic '%s' has changed",
                       topic->name);
    if (topic->route == NULL || !rmq_route_equal(topic->route, route))
        topic->route_number++;
    if (topic->route != NULL && !rmq_route_equal(topic->route, route))
        topic->client->topics.changes++;
    rmq_route_free(topic->route);
    topic->route = route;
    return DT_OK;
}

static void on_fetched(struct rmq_names_call *names_call, const struct rmq_answer *answer)
{
    struct rmq_topic *topic = DT_CONTAINER(names_call, struct rmq_topic, fetch);
    struct rmq_client *client = topic->client;
    struct dt_link told;
    dt_status status = take_answer(topic, answer);
    char reason[RMQ_REASON_SIZE] = "";

    client->topics.refreshes += status == DT_OK;
    client->topics.failures += status != DT_OK && status != DT_ECLOSED;
    if (status != DT_OK)
        snprintf(reason, sizeof(reason), "%s", dt_error_text());
    topic->is_fetching = false;
    dt_list_init(&told);
    dt_list_move_all(&told, &topic->waiting);
    topic->users++; /* stays while we tell */
    while (!dt_list_is_empty(&told)) {
        struct rmq_topic_wait *wait = DT_CONTAINER(told.next, struct rmq_topic_wait, link);

        dt_list_remove(&wait->link);
        wait->done(wait, topic, status, reason);
    }
    topic->users--;
    if (status == DT_OK)
        rmq_heartbeat_route(client, topic);
    if (dt_list_is_empty(&topic->later) || topic->is_fetching)
        return;
    dt_list_move_all(&topic->waiting, &topic->later);
    fetch(topic);
}

static void fetch(struct rmq_topic *topic)
{
    topic->is_fetching = true;
    topic->fetch.call.encode = encode_fetch;
    topic->fetch.done = on_fetched;
    topic->fetch.is_good = is_good;
    rmq_names_ask(topic->client, &topic->fetch);
}

void rmq_topic_wait_init(struct rmq_topic_wait *wait)
{
    dt_list_init(&wait->link);
}

void rmq_topic_wait_cancel(struct rmq_topic_wait *wait)
{
    dt_list_remove(&wait->link);
}

void rmq_topic_refresh(struct rmq_topic *topic, struct rmq_topic_wait *wait)
{
    topic->used_ms = dt_clock_ms();
    if (wait != NULL)
        dt_list_append(topic->is_fetching ? &topic->later : &topic->waiting, &wait->link);
    if (!topic->is_fetching)
        fetch(topic);
}

struct rmq_topic *rmq_topic_get(struct rmq_client *client, const char *name)
{
    struct rmq_topics *topics = &client->topics;
    struct dt_link *link;
    struct rmq_topic *topic;

    for (link = topics->topics.next; link != &topics->topics; link = link->next) {
        topic = DT_CONTAINER(link, struct rmq_topic, link);
        if (strcmp(topic->name, name) == 0)
            return topic;
    }
    if (strlen(name) >= sizeof(topic->name))
        return NULL;
    topic = calloc(1, sizeof(*topic));
    if (topic == NULL)
        return NULL;
    topic->client = client;
    topic->used_ms = dt_clock_ms();
    memcpy(topic->name, name, strlen(name) + 1);
    rmq_call_init(&topic->fetch.call);
    dt_list_init(&topic->waiting);
    dt_list_init(&topic->later);
    dt_list_append(&topics->topics, &topic->link);
    return topic;
}

bool rmq_topics_have_address(const struct rmq_topics *topics, const char *address)
{
    const struct dt_link *link;

    for (link = topics->topics.next; link != &topics->topics; link = link->next) {
        const struct rmq_route *route = DT_CONTAINER(link, struct rmq_topic, link)->route;

        for (size_t i = 0; route != NULL && i < route->broker_count; i++)
            for (size_t j = 0; j < route->brokers[i].address_count; j++)
                if (strcmp(route->brokers[i].addresses[j].address, address) == 0)
                    return true;
    }
    return false;
}

static bool is_peer_of_interest(struct rmq_client *client, const char *address)
{
    return rmq_names_has(&client->names, address) ||
           rmq_topics_have_address(&client->topics, address);
}

static void free_topic(struct rmq_topic *topic)
{
    rmq_call_cancel(&topic->fetch.call);
    dt_list_move_all(&topic->waiting, &topic->later);
    while (!dt_list_is_empty(&topic->waiting)) {
        struct rmq_topic_wait *wait =
            DT_CONTAINER(topic->waiting.next, struct rmq_topic_wait, link);

        dt_list_remove(&wait->link);
        wait->done(wait, topic, DT_ECLOSED, "the client is being closed");
    }
    dt_list_remove(&topic->link);
    rmq_route_free(topic->route);
    free(topic);
}

static void on_period(void *context)
{
    struct rmq_topics *topics = context;
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link, *next;

    dt_timer_set(topics->timer, now_ms + topics->client->route_period_ms);
    for (link = topics->topics.next; link != &topics->topics; link = next) {
        struct rmq_topic *topic = DT_CONTAINER(link, struct rmq_topic, link);

        next = link->next;
        if (topic->is_fetching)
            continue;
        if (topic->users > 0)
            fetch(topic);
        else if (now_ms - topic->used_ms > FORGET_MS)
            free_topic(topic);
    }
    rmq_peers_prune(&topics->client->peers, is_peer_of_interest);
}

dt_status rmq_topics_init(struct rmq_topics *topics, struct rmq_client *client)
{
    topics->client = client;
    dt_list_init(&topics->topics);
    return dt_timer_new(client->loop, on_period, topics, &topics->timer);
}

void rmq_topics_start(struct rmq_topics *topics)
{
    dt_timer_set(topics->timer, dt_clock_ms() + topics->client->route_period_ms);
}

void rmq_topics_close(struct rmq_topics *topics)
{
    while (!dt_list_is_empty(&topics->topics))
        free_topic(DT_CONTAINER(topics->topics.next, struct rmq_topic, link));
    dt_timer_free(topics->timer);
    topics->timer = NULL;
}
