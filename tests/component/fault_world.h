/*
 * fault_world.h - what became of messages, held against what the in-memory broker has in its log.
 *
 * Include it after <cmocka.h>.
 */
#ifndef COMPONENT_FAULT_WORLD_H
#define COMPONENT_FAULT_WORLD_H

#include "rmq_world.h"

enum { FAULT_QUEUES_MAX = 8 };

/* Failures follow each other fast here. */
static inline void fault_open(struct world *world, int32_t queues,
                              const rmq_client_config *settings)
{
    rmq_client_config config = {0};

    if (settings != NULL)
        config = *settings;
    config.backoff_ms_min = 1;
    config.backoff_ms_max = 5;
    world_open(world, true, queues, &config);
}

static inline rmq_mock_fault fault_of(rmq_mock_action action, int32_t request_code,
                                      int64_t count)
{
    rmq_mock_fault fault = {0};

    fault.action = action;
    fault.request_code = request_code;
    fault.count = count;
    return fault;
}

static inline void fault_add(struct world *world, rmq_mock_fault fault)
{
    assert_done(rmq_mock_fault_add(world->mock, &fault));
}

static inline void fault_answer(struct world *world, int32_t request_code,
                                int32_t response_code, const char *remark, int64_t count)
{
    rmq_mock_fault fault = fault_of(RMQ_MOCK_ANSWER, request_code, count);

    fault.response_code = response_code;
    fault.remark = remark;
    fault_add(world, fault);
}

/* The number in the body that stands at an offset of the log. */
static inline int logged(struct world *world, int broker, int32_t queue_id, int64_t offset)
{
    char text[16] = "";
    size_t size;

    assert_done(rmq_mock_body(world->mock, broker, world->topic, queue_id, offset, text,
                              sizeof(text) - 1, &size));
    return atoi(text);
}

/* How often each number below `count` is in the logs of a broker's queues; in each queue every
 * number stands for the first time behind all smaller ones of it. */
static inline void read_logs(struct world *world, int broker, int *copies, int count)
{
    for (int32_t queue = 0; queue < FAULT_QUEUES_MAX; queue++) {
        int64_t end = rmq_mock_broker_max_offset(world->mock, broker, world->topic, queue);
        int last = -1;

        for (int64_t offset = 0; offset < end; offset++) {
            int number = logged(world, broker, queue, offset);

            assert_in_range(number, 0, count - 1);
            if (copies[number]++ == 0) {
                if (number < last)
                    print_error("queue %d: %d stands behind %d\n", (int)queue, number,
                                last);
                assert_true(number > last);
                last = number;
            }
        }
    }
}

/* Nothing reported done is missing, nothing reported not done is there; how many are done. */
static inline int outcomes_agree(const struct sent *sent, const int *copies, int count)
{
    int done = 0;

    for (int i = 0; i < count; i++) {
        dt_status status = sent->one[i].status;

        if (sent->one[i].calls != 1 || (status == DT_OK && copies[i] == 0) ||
            (status != DT_OK && status != DT_EINDOUBT && copies[i] != 0))
            print_error("message %d: %s (%s), %d calls, %d copies\n", i,
                        dt_status_name(status), sent->one[i].reason, sent->one[i].calls,
                        copies[i]);
        assert_int_equal(sent->one[i].calls, 1);
        if (status == DT_OK)
            assert_true(copies[i] > 0);
        else if (status != DT_EINDOUBT)
            assert_int_equal(copies[i], 0);
        done += status == DT_OK;
    }
    return done;
}

#endif
