/* outbox_end.c - with both senders gone: the answers of all that was never answered. */
#include "base/log.h"
#include "dual/outbox_inside.h"

/* Lock: held. The first message of the lane's primary list ends, with both senders gone. */
static void end_first(struct duet_lane *lane, struct duet_answer *answer)
{
    static const char reason[] = "the producer was closed before it was stored";
    struct duet_outgoing *first = lane->primary_first;

    if (first->stored != 0) { /* after a takeover, on the side that was the primary */
        duet_outbox_link_told(first);
        if (!duet_outbox_waits_for_both(first)) {
            duet_outbox_resolve(first, true);
            duet_outbox_answer(first, answer, DUET_RESULT_DONE, "%s", "");
        }
        duet_outbox_primary_take(first);
        duet_outbox_owe_secondary(lane->outbox, first, answer);
    } else if (first->is_doubtful) {
        duet_outbox_in_doubt(first, lane->primary, reason, answer);
    } else {
        duet_outbox_cancel(first, reason, answer);
    }
}

/* Lock: held. Whoever waits for both sides is told that only one has it. */
static void end_list(struct duet_outgoing *first)
{
    for (struct duet_outgoing *at = first; at != NULL; at = at->next) {
        enum duet_side missing = duet_outgoing_target(at);

        if (at->answered)
            continue;
        if (!duet_outbox_answer_later(at, DUET_RESULT_IN_DOUBT,
                                      "%s has it; the producer was closed before %s had",
                                      duet_side_name(duet_other_side(missing)),
                                      duet_side_name(missing)))
            dt_log_error("no memory for a callback");
        duet_outbox_doubt(at, missing,
                          "closed before it was stored; the other side has it");
    }
}

void duet_outbox_answer_unsent(struct duet_outbox *outbox)
{
    for (size_t b = 0; b < outbox->box_count; b++)
        for (size_t p = 0; p < outbox->boxes[b].lane_count; p++) {
            struct duet_lane *lane = &outbox->boxes[b].lanes[p];
            bool any = true;

            while (any) {
                struct duet_answer answer;

                answer.callback = NULL;
                pthread_mutex_lock(&outbox->lock);
                any = lane->primary_first != NULL;
                if (any)
                    end_first(lane, &answer);
                pthread_mutex_unlock(&outbox->lock);
                duet_answer_run(&answer);
            }
            pthread_mutex_lock(&outbox->lock);
            end_list(lane->secondary_first);
            end_list(lane->spill.stub_first);
            end_list(lane->spill.behind_first);
            pthread_mutex_unlock(&outbox->lock);
            duet_outbox_run_later(outbox);
        }
}
