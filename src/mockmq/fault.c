/*
 * fault.c - faults by rule: what happens to the n-th request of a kind.
 */
#include <stdio.h>

#include "base/status.h"
#include "mockmq/mock.h"

static bool fits(const struct mock_fault *fault, const struct mock_node *node,
                 int32_t request_code, bool cuts_request)
{
    return (fault->is.action == RMQ_MOCK_CUT_REQUEST) == cuts_request &&
           (fault->is.request_code == request_code ||
            (fault->is.request_code == 0 && mock_is_send(request_code))) &&
           (fault->is.broker == 0 ||
            (!node->is_namesrv && node->number == fault->is.broker));
}

static void remove_fault(struct mockmq *mock, size_t index)
{
    if (mock->faults[index].is.action == RMQ_MOCK_CUT_REQUEST)
        mock->request_cuts--;
    mock->fault_count--;
    memmove(&mock->faults[index], &mock->faults[index + 1],
            (mock->fault_count - index) * sizeof(mock->faults[0]));
}

bool mock_fault_take(struct mockmq *mock, const struct mock_node *node,
                     int32_t request_code, bool cuts_request, struct mock_fault *out)
{
    for (size_t i = 0; i < mock->fault_count; i++) {
        struct mock_fault *fault = &mock->faults[i];

        if (!fits(fault, node, request_code, cuts_request))
            continue;
        if (fault->is.skip > 0) {
            fault->is.skip--;
            continue;
        }
        *out = *fault;
        if (--fault->is.count == 0)
            remove_fault(mock, i);
        return true;
    }
    return false;
}

dt_status rmq_mock_fault_add(rmq_mock *mock, const rmq_mock_fault *fault)
{
    struct mock_fault *made;
    bool has_room;

    if (fault->count <= 0 || fault->skip < 0 || fault->delay_ms < 0 || fault->broker < 0 ||
        fault->request_code < 0 || (unsigned)fault->action > RMQ_MOCK_DELAY)
        return dt_error_set(DT_EINVAL, "no such fault");
    pthread_mutex_lock(&mock->lock);
    has_room = mock->fault_count < MOCK_FAULTS_MAX;
    if (has_room) {
        made = &mock->faults[mock->fault_count++];
        made->is = *fault;
        made->is.remark = NULL;
        snprintf(made->remark, sizeof(made->remark), "%s",
                 fault->remark == NULL ? "answered so because it was asked for"
                                       : fault->remark);
        if (fault->action == RMQ_MOCK_CUT_REQUEST)
            mock->request_cuts++;
    }
    pthread_mutex_unlock(&mock->lock);
    return has_room ? DT_OK : dt_error_set(DT_ENOMEM, "too many faults wait");
}

void rmq_mock_faults_clear(rmq_mock *mock)
{
    pthread_mutex_lock(&mock->lock);
    mock->fault_count = mock->request_cuts = 0;
    pthread_mutex_unlock(&mock->lock);
}

int64_t rmq_mock_faults_left(rmq_mock *mock)
{
    int64_t left = 0;

    pthread_mutex_lock(&mock->lock);
    for (size_t i = 0; i < mock->fault_count; i++)
        left += mock->faults[i].is.count > INT64_MAX - left ? INT64_MAX - left
                                                            : mock->faults[i].is.count;
    pthread_mutex_unlock(&mock->lock);
    return left;
}

void rmq_mock_pieces(rmq_mock *mock, size_t bytes)
{
    pthread_mutex_lock(&mock->lock);
    mock->piece_max = bytes;
    pthread_mutex_unlock(&mock->lock);
}
