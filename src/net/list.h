/*
 * list.h - a doubly linked list through its members: joining and leaving cost nothing, and a
 * member leaves whatever list it is in without knowing which.
 *
 * The head is a link of its own; an empty head, and a member of no list, points at itself.
 */
#ifndef NET_LIST_H
#define NET_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct dt_link {
    struct dt_link *prev, *next;
};

/* The structure around a link. */
#define DT_CONTAINER(pointer, type, member)                                                \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void dt_list_init(struct dt_link *link)
{
    link->prev = link->next = link;
}

static inline bool dt_list_is_empty(const struct dt_link *head)
{
    return head->next == head;
}

static inline void dt_list_append(struct dt_link *head, struct dt_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Leaves its list; does nothing for a member of none. */
static inline void dt_list_remove(struct dt_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    dt_list_init(link);
}

/* Moves every member of `from` to the end of `to`. */
static inline void dt_list_move_all(struct dt_link *to, struct dt_link *from)
{
    if (dt_list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    dt_list_init(from);
}

#endif
