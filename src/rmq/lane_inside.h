/*
 * lane_inside.h - what the files of a lane need of each other. Thread: net loop, all of it.
 */
#ifndef RMQ_LANE_INSIDE_H
#define RMQ_LANE_INSIDE_H

#include "rmq/lane.h"
#include "rmq/producer_inside.h"

/* lane.c */
void rmq_lane_go(struct rmq_lane *lane); /* starts whatever can be, if it can */
void rmq_lane_collect(struct rmq_lane *lane);
void rmq_lane_set_timer(struct rmq_lane *lane);
void rmq_lane_set_trouble(struct rmq_lane *lane, const char *reason);
void rmq_lane_back_off(struct rmq_lane *lane);
void rmq_lane_post(struct rmq_lane *lane); /* rmq_lane_go(), a little later */
/* Takes all of `line` over, which other lanes had before. */
void rmq_lane_push_line(struct rmq_lane *lane, struct rmq_line *line);
void rmq_lane_unsort(struct rmq_lane *lane); /* deadlines of `pending` may go down */

/* lane_end.c */
void rmq_lane_make_room(struct rmq_lane *lane, const struct rmq_line *line);
void rmq_lane_stored(struct rmq_lane *lane, struct rmq_line *line,
                     const struct rmq_command *command);
/* The last of a message: its callback runs, unless it has. */
void rmq_lane_finish(struct rmq_lane *lane, struct rmq_outgoing *message, dt_status status,
                     const char *reason);
void rmq_lane_end_unsent(struct rmq_lane *lane, struct rmq_outgoing *message,
                         dt_status status, const char *what);
/* Ends what is due; returns the next deadline. */
int64_t rmq_lane_expire(struct rmq_lane *lane, int64_t now_ms, bool is_sorted);

/* lane_flight.c */
void rmq_flight_init(struct rmq_flight *flight, struct rmq_lane *lane);
bool rmq_lane_may_fly(const struct rmq_lane *lane);            /* one more */
bool rmq_lane_fly(struct rmq_lane *lane, const char *address); /* false: no memory for it */
/* Ends requests that have not been sent. */
void rmq_lane_cancel_waiting(struct rmq_lane *lane);

/* lane_spread.c */
void rmq_lane_spread(struct rmq_lane *lane);
/* Gives what waits in a RMQ_LANE_SPREAD back for another broker. False: there is no better. */
bool rmq_lane_pass_on(struct rmq_lane *lane);
void rmq_spread_fini(struct rmq_spread *spread);

#endif
