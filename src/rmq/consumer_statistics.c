#include "rmq/consumer_statistics.h"

#include "base/clock.h"
#include "rmq/consumer_inside.h"

/* A queue as it is shown, whoever reads it. */
struct row {
    const rmq_queue *queue;
    const char *state;
    int64_t next_offset, handled_offset, taken_offset, committed_offset;
    int64_t max_offset, max_offset_age_ms, lag;
    size_t held_messages, held_bytes;
    uint64_t pulls, messages, bytes;
    unsigned pulls_in_flight;
    bool is_locked;
};

struct lag {
    int64_t sum;
    uint64_t unknown; /* queues */
};

/* ---------------------------------------------------------------- queues */

/* What the pull knows; `position`: out, all before was given out. */
static void read_pull(struct rmq_pull *pull, struct row *row, int64_t *position)
{
    static const char *const states[] = {[RMQ_PULL_OFF] = "starting",
                                         [RMQ_PULL_ROUTE] = "route",
                                         [RMQ_PULL_RUNNING] = "reading",
                                         [RMQ_PULL_BACKOFF] = "backoff"};
    struct rmq_pull_consumer *consumer = pull->consumer;
    bool is_running;

    row->pulls = pull->request_count;
    row->messages = pull->message_count;
    row->bytes = pull->byte_count;
    pthread_mutex_lock(&consumer->mutex);
    is_running = pull->generation == pull->running;
    row->next_offset = is_running ? pull->window.next : pull->start_offset;
    row->held_messages = pull->buffered_count;
    row->held_bytes = pull->buffered;
    *position = dt_list_is_empty(&pull->chunks)
                    ? row->next_offset
                    : DT_CONTAINER(pull->chunks.next, struct rmq_chunk, link)->asked_offset;
    row->state = pull->is_paused ? "paused" : is_running ? states[pull->state] : "starting";
    pthread_mutex_unlock(&consumer->mutex);
    if (!is_running)
        return;
    row->held_bytes += pull->window.held; /* answered, with a gap before it */
    row->pulls_in_flight = rmq_pull_window_under_way(&pull->window);
    row->max_offset = pull->window.max;
    if (row->max_offset >= 0)
        row->max_offset_age_ms = dt_clock_ms() - pull->answered_ms;
}

static void add_lag(struct row *row, struct lag *lag)
{
    if (row->max_offset < 0 || row->handled_offset < 0) {
        lag->unknown++;
        return;
    }
    row->lag =
        row->max_offset > row->handled_offset ? row->max_offset - row->handled_offset : 0;
    lag->sum += row->lag;
}

static struct row empty_row(const rmq_queue *queue)
{
    return (struct row){.queue = queue,
                        .state = "starting",
                        .next_offset = -1,
                        .handled_offset = -1,
                        .taken_offset = -1,
                        .committed_offset = -1,
                        .max_offset = -1,
                        .max_offset_age_ms = -1,
                        .lag = -1};
}

static void put_row(struct dt_json *json, const struct row *row)
{
    dt_json_object(json);
    dt_json_kv_string(json, "broker_name", row->queue->broker_name);
    dt_json_kv_int(json, "queue_id", row->queue->queue_id);
    dt_json_kv_string(json, "state", row->state);
    dt_json_kv_bool(json, "locked", row->is_locked);
    dt_json_kv_int(json, "next_offset", row->next_offset);
    dt_json_kv_int(json, "taken_offset", row->taken_offset);
    dt_json_kv_int(json, "handled_offset", row->handled_offset);
    dt_json_kv_int(json, "committed_offset", row->committed_offset);
    dt_json_kv_int(json, "max_offset", row->max_offset);
    dt_json_kv_int(json, "max_offset_age_ms", row->max_offset_age_ms);
    dt_json_kv_int(json, "lag", row->lag);
    dt_json_kv_int(json, "held_messages", (int64_t)row->held_messages);
    dt_json_kv_int(json, "held_bytes", (int64_t)row->held_bytes);
    dt_json_kv_int(json, "pulls", (int64_t)row->pulls);
    dt_json_kv_int(json, "pulls_in_flight", row->pulls_in_flight);
    dt_json_kv_int(json, "messages", (int64_t)row->messages);
    dt_json_kv_int(json, "bytes", (int64_t)row->bytes);
    dt_json_object_end(json);
}

/* ---------------------------------------------------------------- topics */

static int64_t loaded(const atomic_uint_least64_t *counter)
{
    return (int64_t)atomic_load_explicit(counter, memory_order_relaxed);
}

/* Opens the topic's object. */
static void put_topic(struct dt_json *json, const struct rmq_pull_consumer *pulls,
                      bool is_retry, bool is_paused)
{
    const struct rmq_pull_counters *counters = &pulls->counters;

    dt_json_object(json);
    dt_json_kv_string(json, "topic", pulls->topic);
    dt_json_kv_string(json, "subscription", pulls->subscription);
    dt_json_kv_bool(json, "retry", is_retry);
    dt_json_kv_bool(json, "paused", is_paused);
    dt_json_kv_int(json, "pulls", loaded(&counters->requests));
    dt_json_kv_int(json, "answers", loaded(&counters->answers));
    dt_json_kv_int(json, "empty", loaded(&counters->empty));
    dt_json_kv_int(json, "discarded", loaded(&counters->discarded));
    dt_json_kv_int(json, "moved", loaded(&counters->moved));
    dt_json_kv_int(json, "failures", loaded(&counters->failures));
    dt_json_kv_int(json, "messages", loaded(&counters->messages));
    dt_json_kv_int(json, "bytes", loaded(&counters->bytes));
    dt_json_key(json, "queues");
    dt_json_array(json);
}

static void end_topic(struct dt_json *json)
{
    dt_json_array_end(json);
    dt_json_object_end(json);
}

static void put_lag(struct dt_json *json, const struct lag *lag)
{
    dt_json_kv_int(json, "lag", lag->sum);
    dt_json_kv_int(json, "lag_unknown", (int64_t)lag->unknown);
}

/* ---------------------------------------------------------------- a consumer without a group */

struct group_figures {
    const char *kind;
    bool is_orderly, is_paused;
    int64_t threads, active;
    int64_t handled, later, sent_back, dead_lettered, local_retry, rebalances, commits;
};

static void put_group(struct dt_json *json, const char *group,
                      const struct group_figures *figures)
{
    dt_json_kv_string(json, "group", group);
    dt_json_kv_string(json, "kind", figures->kind);
    dt_json_kv_bool(json, "orderly", figures->is_orderly);
    dt_json_kv_bool(json, "paused", figures->is_paused);
    dt_json_kv_int(json, "threads", figures->threads);
    dt_json_kv_int(json, "threads_active", figures->active);
    dt_json_kv_int(json, "handled", figures->handled);
    dt_json_kv_int(json, "later", figures->later);
    dt_json_kv_int(json, "sent_back", figures->sent_back);
    dt_json_kv_int(json, "dead_lettered", figures->dead_lettered);
    dt_json_kv_int(json, "local_retry", figures->local_retry);
    dt_json_kv_int(json, "rebalances", figures->rebalances);
    dt_json_kv_int(json, "commits", figures->commits);
}

static struct rmq_pull *first_pull(struct rmq_pull_consumer *consumer)
{
    struct rmq_pull *first;

    pthread_mutex_lock(&consumer->mutex);
    first = consumer->pulls;
    pthread_mutex_unlock(&consumer->mutex);
    return first;
}

static bool is_assigned(struct rmq_pull *pull)
{
    bool assigned;

    pthread_mutex_lock(&pull->consumer->mutex);
    assigned = pull->is_assigned;
    pthread_mutex_unlock(&pull->consumer->mutex);
    return assigned;
}

void rmq_pull_consumer_write_statistics(void *owner, struct dt_json *json,
                                        struct rmq_statistics_sums *sums)
{
    struct rmq_pull_consumer *consumer = owner;
    const struct group_figures figures = {.kind = "pull"};
    struct lag lag = {0, 0};

    dt_json_object(json);
    put_group(json, consumer->group, &figures);
    dt_json_key(json, "topics");
    dt_json_array(json);
    put_topic(json, consumer, false, false);
    for (struct rmq_pull *pull = first_pull(consumer); pull != NULL; pull = pull->next) {
        struct row row = empty_row(&pull->queue);

        if (!is_assigned(pull))
            continue;
        read_pull(pull, &row, &row.handled_offset);
        row.taken_offset = row.handled_offset;
        add_lag(&row, &lag);
        put_row(json, &row);
        sums->memory_used += row.held_bytes;
        sums->memory_max += consumer->queue_memory_max;
    }
    end_topic(json);
    dt_json_array_end(json);
    put_lag(json, &lag);
    dt_json_object_end(json);
}

/* ---------------------------------------------------------------- a group consumer */

/* Lock: consumer->mutex held. */
static void put_held(struct dt_json *json, const struct rmq_consumer *consumer,
                     struct rmq_held *held, struct rmq_statistics_sums *sums,
                     struct lag *lag)
{
    struct row row = empty_row(&held->queue);
    int64_t unused;

    if (held->pull == NULL)
        held->pull = rmq_pull_consumer_find(held->topic->pulls, &held->queue);
    if (held->is_started && held->pull != NULL)
        read_pull(held->pull, &row, &unused);
    if (held->is_started) {
        row.handled_offset = rmq_held_low(held);
        row.taken_offset = held->taken;
    }
    row.committed_offset = held->committed;
    row.is_locked = held->is_locked;
    if (held->is_leaving)
        row.state = "leaving";
    else if (rmq_topic_is_paused(consumer, held->topic))
        row.state = "paused";
    add_lag(&row, lag);
    put_row(json, &row);
    sums->memory_used += row.held_bytes;
    sums->memory_max += held->topic->pulls->queue_memory_max;
}

static void put_topics(struct dt_json *json, struct rmq_consumer *consumer,
                       struct rmq_statistics_sums *sums, struct lag *lag)
{
    struct dt_link *link, *at;

    dt_json_key(json, "topics");
    dt_json_array(json);
    for (link = consumer->topics.next; link != &consumer->topics; link = link->next) {
        struct rmq_consumer_topic *topic =
            DT_CONTAINER(link, struct rmq_consumer_topic, link);

        put_topic(json, topic->pulls, topic->is_retry,
                  rmq_topic_is_paused(consumer, topic));
        for (at = consumer->held.next; at != &consumer->held; at = at->next) {
            struct rmq_held *held = DT_CONTAINER(at, struct rmq_held, link);

            if (held->topic == topic)
                put_held(json, consumer, held, sums, lag);
        }
        end_topic(json);
    }
    dt_json_array_end(json);
}

void rmq_consumer_write_statistics(void *owner, struct dt_json *json,
                                   struct rmq_statistics_sums *sums)
{
    struct rmq_consumer *consumer = owner;
    const struct rmq_consumer_counters *counters = &consumer->counters;
    struct group_figures figures = {
        .kind = "group",
        .is_orderly = consumer->config.orderly,
        .threads = consumer->config.threads,
        .handled = loaded(&counters->handled),
        .later = loaded(&counters->later),
        .sent_back = loaded(&counters->sent_back),
        .dead_lettered = loaded(&counters->dead_lettered),
        .local_retry = loaded(&counters->local_retry),
        .rebalances = loaded(&counters->rebalances),
        .commits = loaded(&counters->commits),
    };
    struct lag lag = {0, 0};

    figures.is_paused = atomic_load_explicit(&consumer->is_paused, memory_order_relaxed);
    dt_json_object(json);
    pthread_mutex_lock(&consumer->mutex);
    figures.active = (int64_t)consumer->active;
    put_group(json, consumer->group, &figures);
    put_topics(json, consumer, sums, &lag);
    pthread_mutex_unlock(&consumer->mutex);
    put_lag(json, &lag);
    dt_json_object_end(json);
}
