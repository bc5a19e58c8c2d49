#include "rmq/assign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/md5.h"
#include "base/status.h"

enum { VIRTUAL_NODES = 10 };

/* ---------------------------------------------------------------- sorting */

int rmq_queue_compare(const rmq_queue *a, const rmq_queue *b)
{
    int names = strcmp(a->broker_name, b->broker_name);

    if (names != 0)
        return names;
    return (a->queue_id > b->queue_id) - (a->queue_id < b->queue_id);
}

static int compare_queues(const void *a, const void *b)
{
    return rmq_queue_compare(a, b);
}

static int compare_members(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t rmq_members_sort(char **members, size_t count)
{
    size_t left = 0;

    if (count > 1)
        qsort(members, count, sizeof(*members), compare_members);
    for (size_t i = 0; i < count; i++)
        if (left == 0 || strcmp(members[left - 1], members[i]) != 0)
            members[left++] = members[i];
    return left;
}

size_t rmq_queues_sort(rmq_queue *queues, size_t count)
{
    size_t left = 0;

    if (count > 1)
        qsort(queues, count, sizeof(*queues), compare_queues);
    for (size_t i = 0; i < count; i++)
        if (left == 0 || rmq_queue_compare(&queues[left - 1], &queues[i]) != 0)
            queues[left++] = queues[i];
    return left;
}

size_t rmq_queues_find(const rmq_queue *queues, size_t count, const rmq_queue *queue)
{
    const rmq_queue *found =
        count == 0 ? NULL : bsearch(queue, queues, count, sizeof(*queues), compare_queues);

    return found == NULL ? count : (size_t)(found - queues);
}

/* ---------------------------------------------------------------- average, in turn */

/* Neighbours; the first members have one more where it does not come out even. */
static size_t average(const rmq_division *division, size_t index, rmq_queue *mine)
{
    size_t share = division->queue_count / division->member_count;
    size_t left_over = division->queue_count % division->member_count;
    size_t count = share + (index < left_over ? 1 : 0);
    size_t start = index * share + (index < left_over ? index : left_over);

    for (size_t i = 0; i < count; i++)
        mine[i] = division->queues[start + i];
    return count;
}

static size_t circle(const rmq_division *division, size_t index, rmq_queue *mine)
{
    size_t count = 0;

    for (size_t i = index; i < division->queue_count; i += division->member_count)
        mine[count++] = division->queues[i];
    return count;
}

/* ---------------------------------------------------------------- consistent hash */

struct node {
    uint32_t hash;
    size_t member;
};

static uint32_t hash_of(const char *text)
{
    uint8_t digest[DT_MD5_SIZE];

    dt_md5(text, strlen(text), digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 |
           (uint32_t)digest[2] << 8 | digest[3];
}

/* Of equal hashes the one that was put last counts, as in a map. */
static int compare_nodes(const void *a, const void *b)
{
    const struct node *one = a, *other = b;

    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    return one->member > other->member ? -1 : one->member < other->member;
}

/* The first node at the hash or behind it, going round. */
static size_t member_at(const struct node *ring, size_t count, uint32_t hash)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ring[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return ring[low == count ? 0 : low].member;
}

static dt_status consistent_hash(const rmq_division *division, size_t index,
                                 rmq_queue *mine, size_t *mine_count)
{
    size_t count = division->member_count * VIRTUAL_NODES, longest = 0;
    struct node *ring = calloc(count, sizeof(*ring));
    char text[512], *key;

    for (size_t i = 0; i < division->member_count; i++)
        if (strlen(division->members[i]) > longest)
            longest = strlen(division->members[i]);
    key = malloc(longest + 8);
    if (ring == NULL || key == NULL) {
        free(ring);
        free(key);
        return dt_error_set(DT_ENOMEM, "no memory to divide queues");
    }
    for (size_t i = 0; i < count; i++) {
        snprintf(key, longest + 8, "%s-%d", division->members[i / VIRTUAL_NODES],
                 (int)(i % VIRTUAL_NODES));
        ring[i] = (struct node){hash_of(key), i / VIRTUAL_NODES};
    }
    qsort(ring, count, sizeof(*ring), compare_nodes);
    for (size_t i = 0; i < division->queue_count; i++) {
        const rmq_queue *queue = &division->queues[i];

        snprintf(text, sizeof(text), "MessageQueue [topic=%s, brokerName=%s, queueId=%d]",
                 division->topic, queue->broker_name, (int)queue->queue_id);
        if (member_at(ring, count, hash_of(text)) == index)
            mine[(*mine_count)++] = *queue;
    }
    free(ring);
    free(key);
    return DT_OK;
}

/* ---------------------------------------------------------------- all of them */

dt_status rmq_assign(rmq_strategy strategy, const rmq_division *division, rmq_queue *mine,
                     size_t *mine_count)
{
    size_t index = 0;

    *mine_count = 0;
    while (index < division->member_count &&
           strcmp(division->members[index], division->client_id) != 0)
        index++;
    if (index == division->member_count)
        return DT_OK;
    if (strategy == RMQ_STRATEGY_CONSISTENT_HASH)
        return consistent_hash(division, index, mine, mine_count);
    *mine_count = strategy == RMQ_STRATEGY_CIRCLE ? circle(division, index, mine)
                                                  : average(division, index, mine);
    return DT_OK;
}
