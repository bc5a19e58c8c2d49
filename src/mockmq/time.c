/*
 * time.c - the mock's time: the system's, or one that goes on only when it is told to.
 */
#include "base/clock.h"
#include "base/status.h"
#include "mockmq/mock.h"

int64_t mock_now_ms(const struct mockmq *mock)
{
    return mock->is_virtual ? mock->now_ms : dt_clock_ms();
}

int64_t mock_wall_ms(const struct mockmq *mock)
{
    return mock->is_virtual ? mock->wall_ms : dt_clock_wall_ms();
}

void mock_run_due(struct mockmq *mock)
{
    int64_t now_ms = mock_now_ms(mock);

    mock_scheduled_run(mock, now_ms);
    mock_pulls_run(mock, now_ms);
    mock_delayed_run(mock, now_ms);
    mock_members_run(mock, now_ms);
}

int64_t mock_due_ms(const struct mockmq *mock)
{
    int64_t due_ms = mock_delayed_due_ms(mock), pulls_due_ms = mock_pulls_due_ms(mock);

    if (mock_members_due_ms(mock) < due_ms)
        due_ms = mock_members_due_ms(mock);
    if (mock_scheduled_due_ms(mock) < due_ms)
        due_ms = mock_scheduled_due_ms(mock);
    return pulls_due_ms < due_ms ? pulls_due_ms : due_ms;
}

dt_status rmq_mock_time_advance(rmq_mock *mock, int64_t ms)
{
    int64_t end_ms, due_ms;

    if (!mock->is_virtual)
        return dt_error_set(DT_ESTATE, "this mock keeps the system's time");
    if (ms < 0 || ms > INT64_MAX / 4)
        return dt_error_set(DT_EINVAL, "time does not move by %lld ms", (long long)ms);
    pthread_mutex_lock(&mock->lock);
    end_ms = mock->now_ms + ms;
    /* step by step, so that what one thing leads to happens in its own time */
    while ((due_ms = mock_due_ms(mock)) <= end_ms) {
        if (due_ms > mock->now_ms) {
            mock->wall_ms += due_ms - mock->now_ms;
            mock->now_ms = due_ms;
        }
        mock_run_due(mock);
    }
    mock->wall_ms += end_ms - mock->now_ms;
    mock->now_ms = end_ms;
    mock_conns_settle(mock);
    pthread_mutex_unlock(&mock->lock);
    return DT_OK;
}

int64_t rmq_mock_time_wall_ms(rmq_mock *mock)
{
    int64_t wall_ms;

    pthread_mutex_lock(&mock->lock);
    wall_ms = mock_wall_ms(mock);
    pthread_mutex_unlock(&mock->lock);
    return wall_ms;
}
