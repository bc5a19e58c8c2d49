/*
 * mockmq.h - the names that the in-memory RocketMQ had before it was public: rmq/mock.h.
 */
#ifndef MOCKMQ_MOCKMQ_H
#define MOCKMQ_MOCKMQ_H

#include "rmq/mock.h"

#define mockmq_config         rmq_mock_config
#define mockmq_withheld       rmq_mock_withheld
#define mockmq_broker         rmq_mock_broker
#define mockmq_connections    rmq_mock_connections
#define mockmq_control        rmq_mock_control
#define mockmq_cut            rmq_mock_cut
#define mockmq_delay          rmq_mock_delay
#define mockmq_down           rmq_mock_down
#define mockmq_error          rmq_mock_error
#define mockmq_free           rmq_mock_free
#define mockmq_lose_answers   rmq_mock_lose_answers
#define mockmq_max_offset     rmq_mock_max_offset
#define mockmq_namesrv        rmq_mock_namesrv
#define mockmq_pull_limit     rmq_mock_pull_limit
#define mockmq_requests       rmq_mock_requests
#define mockmq_restart        rmq_mock_restart
#define mockmq_sends_at_once  rmq_mock_sends_at_once
#define mockmq_start          rmq_mock_new
#define mockmq_topic_create   rmq_mock_topic_create
#define mockmq_up             rmq_mock_up
#define mockmq_wait_requests  rmq_mock_wait_requests
#define mockmq_withheld_count rmq_mock_withheld_count
#define mockmq_withheld_get   rmq_mock_withheld_get
#define mockmq_withhold       rmq_mock_withhold

#endif
