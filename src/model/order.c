#include "model/order.h"

#include <stdlib.h>

#include "base/status.h"

/* ---- following keys ---- */

void duet_order_init(struct duet_order *order, size_t max)
{
    memset(order, 0, sizeof(*order));
    order->max = max;
}

void duet_order_fini(struct duet_order *order)
{
    free(order->entries);
    duet_order_init(order, order->max);
}

/* The key's entry, or the free one where it belongs. There always is a free one. */
static struct duet_order_entry *entry_of(struct duet_order *order, struct dt_u128 key)
{
    size_t at = (size_t)key.lo & (order->capacity - 1);

    while (order->entries[at].used && !dt_u128_equal(order->entries[at].key, key))
        at = (at + 1) & (order->capacity - 1);
    return &order->entries[at];
}

/* Twice the room, half of which stays free. */
static bool grow(struct duet_order *order)
{
    struct duet_order larger = {.capacity = order->capacity == 0 ? 64 : 2 * order->capacity,
                                .count = order->count,
                                .max = order->max};

    larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
    if (larger.entries == NULL)
        return false;
    for (size_t i = 0; i < order->capacity; i++)
        if (order->entries[i].used)
            *entry_of(&larger, order->entries[i].key) = order->entries[i];
    free(order->entries);
    *order = larger;
    return true;
}

enum { BEFORE_BITS = 32 };

/* What stands for an id as predecessor. */
static uint32_t mark_of(const struct duet_digest_key *key, const struct duet_id *id)
{
    return (uint32_t)duet_digest_term(key, id, DUET_CONTENT_MAX).lo;
}

dt_status duet_order_next(struct duet_order *order, const struct duet_digest_key *key,
                          struct dt_span message_key, const struct duet_id *id,
                          uint64_t *content)
{
    struct dt_u128 hash = dt_siphash128(key->k1, message_key.data, message_key.size);
    struct duet_order_entry *entry;
    uint32_t before;

    *content = 0;
    if (2 * (order->count + 1) > order->capacity && !grow(order))
        return dt_error_set(DT_ENOMEM, "no memory to follow the order of keys");
    entry = entry_of(order, hash);
    if (entry->used) {
        before = mark_of(key, &entry->last);
    } else {
        if (order->count == order->max)
            return dt_error_set(
                DT_ENOMEM, "more than %zu keys: their order is not followed", order->max);
        before = (uint32_t)hash.hi;
        entry->used = true;
        entry->key = hash;
        order->count++;
    }
    entry->last = *id;
    *content = (hash.hi >> 48) << BEFORE_BITS | before;
    return DT_OK;
}

/* ---- comparing ---- */

/* A listed id: its predecessor on the side and on the other; only one of them if it is missing on
 * a side, none that counts if it has another key there. Sorted by `mark`, which stands for the id
 * itself. */
struct link {
    uint32_t mark;
    struct duet_id id;
    bool here, there, rekeyed;
    uint64_t content_here, content_there;
};

static int by_mark(const void *a, const void *b)
{
    uint32_t x = ((const struct link *)a)->mark, y = ((const struct link *)b)->mark;

    return x < y ? -1 : x > y;
}

/* The mark of the predecessor that both sides have under the key: others are passed over. */
static uint32_t common(const struct link *links, size_t count, uint32_t before, bool here)
{
    for (size_t steps = 0; steps <= count; steps++) { /* a damaged chain may be a circle */
        const struct link wanted = {.mark = before};
        const struct link *link = bsearch(&wanted, links, count, sizeof(wanted), by_mark);

        if (link == NULL || (link->here && link->there && !link->rekeyed))
            break;
        before = (uint32_t)(here ? link->content_here : link->content_there);
    }
    return before;
}

static size_t gather(struct link *links, const struct duet_nets *nets,
                     const struct duet_digest_key *key)
{
    size_t count = 0;

    for (size_t i = 0; i < nets->count; i++) {
        const struct duet_net *net = &nets->items[i];
        struct link *link;

        if (count == 0 || !duet_id_equal(&links[count - 1].id, &net->id)) {
            memset(&links[count], 0, sizeof(*links));
            links[count].id = net->id;
            links[count++].mark = mark_of(key, &net->id);
        }
        link = &links[count - 1];
        if (net->net > 0) {
            link->here = true;
            link->content_here = net->content;
        } else {
            link->there = true;
            link->content_there = net->content;
        }
        link->rekeyed =
            link->here && link->there &&
            link->content_here >> BEFORE_BITS != link->content_there >> BEFORE_BITS;
    }
    qsort(links, count, sizeof(*links), by_mark);
    return count;
}

dt_status duet_differ_order(struct duet_differences *list, const struct duet_nets *nets,
                            const struct duet_digest_key *key, enum duet_side side)
{
    struct link *links = malloc((nets->count + 1) * sizeof(*links));
    dt_status status = DT_OK;
    size_t count;

    if (links == NULL)
        return dt_error_set(DT_ENOMEM, "no memory to compare the order of keys");
    count = gather(links, nets, key);
    for (size_t i = 0; i < count && status == DT_OK; i++) {
        const struct link *link = &links[i];

        if (link->here && link->there && !link->rekeyed &&
            common(links, count, (uint32_t)link->content_here, true) !=
                common(links, count, (uint32_t)link->content_there, false))
            status = duet_differences_add(list, DUET_DIFF_REORDERED, side, &link->id, 1);
    }
    free(links);
    return status;
}
