/*
 * line.h - a singly linked queue of messages on their way out.
 */
#ifndef RMQ_LINE_H
#define RMQ_LINE_H

#include "rmq/outgoing.h"

struct rmq_line {
    struct rmq_outgoing *first, *last;
};

static inline void rmq_line_append(struct rmq_line *line, struct rmq_outgoing *message)
{
    message->next = NULL;
    if (line->last != NULL)
        line->last->next = message;
    else
        line->first = message;
    line->last = message;
}

/* The first, or NULL. */
static inline struct rmq_outgoing *rmq_line_take(struct rmq_line *line)
{
    struct rmq_outgoing *message = line->first;

    if (message == NULL)
        return NULL;
    line->first = message->next;
    if (line->first == NULL)
        line->last = NULL;
    return message;
}

/* Puts all of `tail` behind `line`. */
static inline void rmq_line_join(struct rmq_line *line, struct rmq_line *tail)
{
    if (tail->first == NULL)
        return;
    if (line->last != NULL)
        line->last->next = tail->first;
    else
        line->first = tail->first;
    line->last = tail->last;
    tail->first = tail->last = NULL;
}

/* Puts all of `head` before `line`. */
static inline void rmq_line_join_front(struct rmq_line *line, struct rmq_line *head)
{
    rmq_line_join(head, line);
    *line = *head;
    head->first = head->last = NULL;
}

#endif
