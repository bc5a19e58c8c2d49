/*
 * link_list.h - what is still to be told by a link: numbers that were given up, boots that ended.
 *
 * In the order in which it came; what touches or overlaps an entry of its kind and boot becomes
 * one with it, so that a long run of dropped messages is one entry.
 *
 * Pure.
 */
#ifndef MODEL_LINK_LIST_H
#define MODEL_LINK_LIST_H

#include "model/link.h"

struct duet_link_list {
    struct duet_link_entry *entries;
    size_t count, capacity;
};

void duet_link_list_init(struct duet_link_list *list);
void duet_link_list_fini(struct duet_link_list *list);
/* A valid entry. False without memory: the list is as it was. */
bool duet_link_list_add(struct duet_link_list *list, const struct duet_link_entry *entry);
/* Takes out the first `count`. */
void duet_link_list_take(struct duet_link_list *list, size_t count);

#endif
