/* Committing many offsets: all requests at once, then one wait for the answers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "rmq/consumer_inside.h"

struct commits;

struct commit {
    struct rmq_call call;
    struct commits *commits;
    rmq_queue queue;
    int64_t offset;
    dt_status status;
    char topic[RMQ_TOPIC_SIZE_MAX + 1];
    char reason[RMQ_REASON_SIZE];
};

struct commits {
    struct rmq_consumer *consumer;
    size_t count, left;
    struct dt_event done;
    struct commit all[];
};

static void one_less(struct commits *commits)
{
    if (--commits->left == 0)
        dt_event_set(&commits->done);
}

static void encode(struct rmq_call *call, struct dt_buf *out, enum rmq_header_type type)
{
    struct commit *commit = DT_CONTAINER(call, struct commit, call);
    struct rmq_encoder encoder;

    rmq_encode_begin(&encoder, out, type,
                     rmq_head_request(RMQ_UPDATE_CONSUMER_OFFSET, call->opaque, 0));
    rmq_encode_str(&encoder, "consumerGroup", commit->commits->consumer->group);
    rmq_encode_str(&encoder, "topic", commit->topic);
    rmq_encode_int(&encoder, "queueId", commit->queue.queue_id);
    rmq_encode_int(&encoder, "commitOffset", commit->offset);
    rmq_encode_end(&encoder, 0);
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct commit *commit = DT_CONTAINER(call, struct commit, call);
    const struct rmq_command *command = answer->command;

    commit->status = answer->status;
    if (answer->status != DT_OK) {
        snprintf(commit->reason, sizeof(commit->reason), "%s", answer->reason);
    } else if (command->code != RMQ_SUCCESS) {
        commit->status = DT_EREFUSED;
        snprintf(commit->reason, sizeof(commit->reason), "the broker answers %d: %.*s",
                 command->code, (int)command->remark.size,
                 command->remark.size == 0 ? "" : (const char *)command->remark.data);
    }
    one_less(commit->commits);
}

static void start_all(void *context)
{
    struct commits *commits = context;
    struct rmq_client *client = commits->consumer->client;

    commits->left++; /* while we start */
    for (size_t i = 0; i < commits->count; i++) {
        struct commit *commit = &commits->all[i];
        struct rmq_topic *topic = rmq_topic_get(client, commit->topic);
        const char *address = NULL;

        if (topic != NULL && topic->route != NULL)
            address = rmq_route_master(topic->route, commit->queue.broker_name);
        if (address == NULL) {
            commit->status = DT_EUNREACH;
            snprintf(commit->reason, sizeof(commit->reason), "no master of '%s' is known",
                     commit->queue.broker_name);
            one_less(commits);
            continue;
        }
        rmq_call_start(client, address, &commit->call);
    }
    one_less(commits);
}

/* What is to be committed; NULL: nothing, or (*status) no memory. Lock: mutex held. */
static struct commits *collect(struct rmq_consumer *consumer, bool only_leaving,
                               dt_status *status)
{
    struct commits *commits;
    struct dt_link *link;
    size_t most = 0;

    *status = DT_OK;
    for (link = consumer->held.next; link != &consumer->held; link = link->next)
        most++;
    if (most == 0)
        return NULL;
    commits = calloc(1, sizeof(*commits) + most * sizeof(commits->all[0]));
    if (commits == NULL) {
        *status = dt_error_set(DT_ENOMEM, "no memory to commit offsets");
        return NULL;
    }
    commits->consumer = consumer;
    for (link = consumer->held.next; link != &consumer->held; link = link->next) {
        struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);
        struct commit *commit = &commits->all[commits->count];
        int64_t low = rmq_held_low(held);

        if (!held->is_started || low == held->committed ||
            (only_leaving && !held->is_leaving))
            continue;
        rmq_call_init(&commit->call);
        commit->call.encode = encode;
        commit->call.done = on_answer;
        commit->call.timeout_ms = consumer->client->request_timeout_ms;
        commit->call.deadline_ms = rmq_deadline_ms(consumer->client->request_timeout_ms);
        commit->commits = commits;
        commit->queue = held->queue;
        commit->offset = low;
        memcpy(commit->topic, held->topic->name, sizeof(commit->topic));
        commits->count++;
    }
    commits->left = commits->count;
    if (commits->count > 0)
        return commits;
    free(commits);
    return NULL;
}

static bool is_of(const struct rmq_held *held, const struct commit *commit)
{
    return held->queue.queue_id == commit->queue.queue_id &&
           strcmp(held->queue.broker_name, commit->queue.broker_name) == 0 &&
           strcmp(held->topic->name, commit->topic) == 0;
}

/* Lock: mutex held. */
static dt_status note(struct rmq_consumer *consumer, const struct commits *commits)
{
    dt_status status = DT_OK;

    for (size_t i = 0; i < commits->count; i++) {
        const struct commit *commit = &commits->all[i];
        struct dt_link *link;

        if (commit->status != DT_OK) {
            status = dt_error_set(commit->status, "committing %lld of %s %s/%d: %s",
                                  (long long)commit->offset, commit->topic,
                                  commit->queue.broker_name, (int)commit->queue.queue_id,
                                  commit->reason);
            continue;
        }
        atomic_fetch_add_explicit(&consumer->counters.commits, 1, memory_order_relaxed);
        for (link = consumer->held.next; link != &consumer->held; link = link->next) {
            struct rmq_held *held = DT_CONTAINER(link, struct rmq_held, link);

            if (is_of(held, commit))
                held->committed = commit->offset;
        }
    }
    return status;
}

dt_status rmq_consumer_commit_held(struct rmq_consumer *consumer, bool only_leaving)
{
    struct commits *commits;
    dt_status status;

    pthread_mutex_lock(&consumer->commit_mutex); /* an older offset never comes last */
    pthread_mutex_lock(&consumer->mutex);
    commits = collect(consumer, only_leaving, &status);
    pthread_mutex_unlock(&consumer->mutex);
    if (commits != NULL) {
        dt_event_init(&commits->done);
        status = rmq_client_run(consumer->client, start_all, commits);
        if (status == DT_OK) {
            dt_event_wait(&commits->done, INT64_MAX); /* every call has a deadline */
            pthread_mutex_lock(&consumer->mutex);
            status = note(consumer, commits);
            pthread_mutex_unlock(&consumer->mutex);
        }
        dt_event_fini(&commits->done);
        free(commits);
    }
    pthread_mutex_unlock(&consumer->commit_mutex);
    return status;
}
