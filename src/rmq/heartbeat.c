#include "rmq/heartbeat.h"

#include <stdlib.h>

#include "base/clock.h"
#include "rmq/client_inside.h"

enum {
    LEAVE_MS = 1000,   /* to answer that we have left */
    UNKNOWN_MS = 1000, /* until the route of a member's topic is asked for again */
    NO_MEMORY_MS = 500 /* until a heartbeat that could not be written is tried again */
};

struct beat {
    struct rmq_call call;
    struct dt_link link; /* in heartbeat->beats */
    char address[RMQ_ADDRESS_SIZE];
};

/* ---------------------------------------------------------------- content */

static void encode_beat(struct rmq_call *call, struct dt_buf *out,
                        enum rmq_header_type type)
{
    struct rmq_client *client = call->owner;
    struct rmq_encoder encoder;
    struct dt_json json;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_HEART_BEAT, call->opaque, 0));
    rmq_encode_end(&encoder, 0);
    dt_json_start(&json, out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "clientID", client->id);
    dt_json_key(&json, "producerDataSet");
    rmq_heartbeat_write_members(&json, &client->heartbeat, false);
    dt_json_key(&json, "consumerDataSet");
    rmq_heartbeat_write_members(&json, &client->heartbeat, true);
    dt_json_kv_int(&json, "heartbeatFingerprint", 0);
    dt_json_kv_bool(&json, "withoutSub", false);
    dt_json_object_end(&json);
    rmq_encode_body_end(&encoder);
}

/* ---------------------------------------------------------------- sending */

/* Not in half a minute only: until a broker has heard of us it gives us no queues. */
static void beat_soon(struct rmq_heartbeat *heartbeat)
{
    int64_t soon_ms = dt_clock_ms() + NO_MEMORY_MS;

    if (heartbeat->next_ms > soon_ms)
        heartbeat->next_ms = soon_ms;
    dt_timer_set_sooner(heartbeat->timer, heartbeat->next_ms);
}

static void on_beaten(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct beat *beat = DT_CONTAINER(call, struct beat, call);
    struct rmq_client *client = call->owner;

    /* with no connection, the next one brings a heartbeat of its own */
    if ((answer->status == DT_EUNREACH || answer->status == DT_ENOMEM) &&
        rmq_peer_is_open(&client->peers, beat->address))
        beat_soon(&client->heartbeat);
    if (answer->status != DT_OK)
        rmq_client_log(client, DT_LOG_DEBUG, "heartbeat: %s", answer->reason);
    else if (answer->command->code != RMQ_SUCCESS)
        rmq_client_log(client, DT_LOG_DEBUG, "heartbeat to %s: answer %d", beat->address,
                       answer->command->code);
    dt_list_remove(&beat->link);
    free(beat);
}

static void beat_address(struct rmq_client *client, const char *address)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct dt_link *link;
    struct beat *beat;

    for (link = heartbeat->beats.next; link != &heartbeat->beats; link = link->next) {
        beat = DT_CONTAINER(link, struct beat, link);
        if (beat->call.state == RMQ_CALL_WAITING && strcmp(beat->address, address) == 0)
            return; /* will say what is known when it leaves */
    }
    beat = calloc(1, sizeof(*beat));
    if (beat == NULL) {
        beat_soon(heartbeat);
        return;
    }
    rmq_call_init(&beat->call);
    beat->call.owner = client;
    beat->call.encode = encode_beat;
    beat->call.done = on_beaten;
    beat->call.timeout_ms = client->request_timeout_ms;
    strcpy(beat->address, address);
    dt_list_append(&heartbeat->beats, &beat->link);
    rmq_call_start(client, address, &beat->call);
}

/* The topic's consumer, or NULL. */
static struct rmq_member *member_of_topic(struct rmq_heartbeat *heartbeat,
                                          const char *topic)
{
    struct dt_link *link;

    for (link = heartbeat->members.next; link != &heartbeat->members; link = link->next) {
        struct rmq_member *member = DT_CONTAINER(link, struct rmq_member, link);

        if (member->topic != NULL && strcmp(member->topic, topic) == 0)
            return member;
    }
    return NULL;
}

/* To each broker of the topic: those that are connected to, or those that are not. */
static void beat_topic(struct rmq_client *client, const struct rmq_topic *topic, bool open,
                       bool closed)
{
    for (size_t i = 0; topic->route != NULL && i < topic->route->broker_count; i++) {
        const struct rmq_route_broker *broker = &topic->route->brokers[i];

        for (size_t j = 0; j < broker->address_count; j++) {
            const char *address = broker->addresses[j].address;

            if (rmq_peer_is_open(&client->peers, address) ? open : closed)
                beat_address(client, address);
        }
    }
}

void rmq_heartbeat_opened(struct rmq_client *client, const char *address)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct dt_link *link;

    if (dt_list_is_empty(&heartbeat->members) ||
        !rmq_topics_have_address(&client->topics, address))
        return;
    /* one that had waited for this connection has just left */
    for (link = heartbeat->beats.next; link != &heartbeat->beats; link = link->next)
        if (strcmp(DT_CONTAINER(link, struct beat, link)->address, address) == 0)
            return;
    beat_address(client, address);
}

void rmq_heartbeat_route(struct rmq_client *client, struct rmq_topic *topic)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct dt_link *link;
    bool is_news = false;

    if (member_of_topic(heartbeat, topic->name) == NULL)
        return;
    for (link = heartbeat->members.next; link != &heartbeat->members; link = link->next) {
        struct rmq_member *member = DT_CONTAINER(link, struct rmq_member, link);

        if (member->topic == NULL || strcmp(member->topic, topic->name) != 0)
            continue;
        is_news |= !member->is_announced;
        member->is_announced = true;
    }
    beat_topic(client, topic, is_news, true);
}

/* Asks for the routes that are still missing; false: none is. */
static bool look_for_brokers(struct rmq_client *client)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct dt_link *link;
    bool is_missing = false;

    for (link = heartbeat->members.next; link != &heartbeat->members; link = link->next) {
        struct rmq_member *member = DT_CONTAINER(link, struct rmq_member, link);
        struct rmq_topic *topic;

        if (member->topic == NULL || member->is_announced)
            continue;
        is_missing = true;
        topic = member->route_topic;
        if (topic == NULL) {
            topic = member->route_topic = rmq_topic_get(client, member->topic);
            if (topic == NULL)
                continue;
            topic->users++;
        }
        if (!topic->is_fetching)
            rmq_topic_refresh(topic, NULL);
    }
    return is_missing;
}

static void on_timer(void *context)
{
    struct rmq_client *client = context;
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    int64_t now_ms = dt_clock_ms();
    struct dt_link *link;

    if (dt_list_is_empty(&heartbeat->members))
        return; /* whoever joins starts it again */
    if (now_ms >= heartbeat->next_ms) {
        heartbeat->next_ms = now_ms + client->heartbeat_period_ms;
        for (link = client->topics.topics.next; link != &client->topics.topics;
             link = link->next) {
            struct rmq_topic *topic = DT_CONTAINER(link, struct rmq_topic, link);

            beat_topic(client, topic, true,
                       member_of_topic(heartbeat, topic->name) != NULL);
        }
    }
    dt_timer_set(heartbeat->timer, heartbeat->next_ms);
    if (look_for_brokers(client))
        dt_timer_set_sooner(heartbeat->timer, now_ms + UNKNOWN_MS);
}

/* ---------------------------------------------------------------- joining and leaving */

void rmq_heartbeat_join(struct rmq_client *client, struct rmq_member *member)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct dt_link *link;

    member->since_wall_ms = dt_clock_wall_ms();
    member->is_announced = false;
    member->route_topic = NULL;
    dt_list_append(&heartbeat->members, &member->link);
    if (member->topic != NULL) {
        dt_timer_set(heartbeat->timer, dt_clock_ms());
        return;
    }
    dt_timer_set_sooner(heartbeat->timer, heartbeat->next_ms);
    for (link = client->topics.topics.next; link != &client->topics.topics;
         link = link->next)
        beat_topic(client, DT_CONTAINER(link, struct rmq_topic, link), true, false);
}

void rmq_heartbeat_now(struct rmq_client *client)
{
    client->heartbeat.next_ms = dt_clock_ms();
    dt_timer_set(client->heartbeat.timer, client->heartbeat.next_ms);
}

/* Brokers that are being told that a member has left. */
struct leave {
    int left; /* answers to come, and one while we ask */
    void (*done)(void *context);
    void *context;
    const char *client_id;
    const char *field; /* producerGroup or consumerGroup */
    char group[RMQ_GROUP_SIZE_MAX + 1];
};

struct leave_call {
    struct rmq_call call;
    struct leave *leave;
};

static void leave_one_less(struct leave *leave)
{
    if (--leave->left > 0)
        return;
    leave->done(leave->context);
    free(leave);
}

static void encode_leave(struct rmq_call *call, struct dt_buf *out,
                         enum rmq_header_type type)
{
    struct leave *leave = DT_CONTAINER(call, struct leave_call, call)->leave;
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_UNREGISTER_CLIENT, call->opaque, 0));
    rmq_encode_str(&encoder, "clientID", leave->client_id);
    rmq_encode_str(&encoder, leave->field, leave->group);
    rmq_encode_end(&encoder, 0);
}

static void on_left(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct leave_call *leave_call = DT_CONTAINER(call, struct leave_call, call);

    (void)answer;
    leave_one_less(leave_call->leave);
    free(leave_call);
}

static void leave_broker(struct rmq_client *client, const char *address,
                         struct leave *leave)
{
    struct leave_call *leave_call = calloc(1, sizeof(*leave_call));

    if (leave_call == NULL)
        return; /* the broker will notice by itself */
    rmq_call_init(&leave_call->call);
    leave_call->leave = leave;
    leave_call->call.encode = encode_leave;
    leave_call->call.done = on_left;
    leave_call->call.timeout_ms =
        client->request_timeout_ms < LEAVE_MS ? client->request_timeout_ms : LEAVE_MS;
    leave->left++;
    rmq_call_start(client, address, &leave_call->call);
}

static bool has_other(const struct rmq_heartbeat *heartbeat,
                      const struct rmq_member *member)
{
    const struct dt_link *link;

    for (link = heartbeat->members.next; link != &heartbeat->members; link = link->next) {
        const struct rmq_member *other = DT_CONTAINER(link, struct rmq_member, link);

        if ((other->topic != NULL) == (member->topic != NULL) &&
            strcmp(other->group, member->group) == 0)
            return true;
    }
    return false;
}

void rmq_heartbeat_leave(struct rmq_client *client, struct rmq_member *member,
                         void (*done)(void *context), void *context)
{
    struct rmq_heartbeat *heartbeat = &client->heartbeat;
    struct leave *leave;
    struct dt_link *link;

    dt_list_remove(&member->link);
    if (member->route_topic != NULL)
        member->route_topic->users--;
    leave = has_other(heartbeat, member) ? NULL : calloc(1, sizeof(*leave));
    if (leave == NULL) {
        done(context);
        return;
    }
    leave->left = 1;
    leave->done = done;
    leave->context = context;
    leave->client_id = client->id;
    leave->field = member->topic != NULL ? "consumerGroup" : "producerGroup";
    strcpy(leave->group, member->group);
    for (link = client->peers.peers.next; link != &client->peers.peers; link = link->next) {
        const char *address = DT_CONTAINER(link, struct rmq_peer, link)->address;

        if (rmq_peer_is_open(&client->peers, address) &&
            rmq_topics_have_address(&client->topics, address))
            leave_broker(client, address, leave);
    }
    leave_one_less(leave);
}

/* ---------------------------------------------------------------- life */

dt_status rmq_heartbeat_init(struct rmq_heartbeat *heartbeat, struct rmq_client *client)
{
    heartbeat->client = client;
    heartbeat->next_ms = dt_clock_ms() + client->heartbeat_period_ms;
    dt_list_init(&heartbeat->members);
    dt_list_init(&heartbeat->beats);
    return dt_timer_new(client->loop, on_timer, client, &heartbeat->timer);
}

void rmq_heartbeat_close(struct rmq_heartbeat *heartbeat)
{
    while (!dt_list_is_empty(&heartbeat->beats)) {
        struct beat *beat = DT_CONTAINER(heartbeat->beats.next, struct beat, link);

        rmq_call_cancel(&beat->call);
        dt_list_remove(&beat->link);
        free(beat);
    }
    dt_timer_free(heartbeat->timer);
    heartbeat->timer = NULL;
}
