/* Positions and members of consumer groups, asked without being a member. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "side/kafka.h"

static dt_status group_handle_new(struct duet_kafka_client *client, const char *group,
                                  struct duet_kafka_group **out)
{
    size_t size = strlen(group) + 1;
    struct duet_kafka_group *made = calloc(1, sizeof(*made) + size);
    rd_kafka_conf_t *conf;
    dt_status status;

    if (made == NULL)
        return dt_error_set(DT_ENOMEM, "kafka: no memory for a group");
    memcpy(made->name, group, size);
    conf = rd_kafka_conf_dup(client->template);
    status = duet_kafka_set(conf, "group.id", group);
    if (status == DT_OK)
        status = duet_kafka_set(conf, "enable.auto.commit", "false");
    if (status == DT_OK) /* bounds how long a commit looks for the coordinator */
        status = duet_kafka_set(conf, "session.timeout.ms", "6000");
    if (status != DT_OK)
        rd_kafka_conf_destroy(conf);
    else
        status = duet_kafka_handle_take(conf, RD_KAFKA_CONSUMER, "consumer", &made->handle);
    if (status != DT_OK) {
        free(made);
        return status;
    }
    *out = made;
    return DT_OK;
}

/* One handle per group, made once: librdkafka ties a group to a handle. It subscribes to
 * nothing, so it never becomes a member. */
static dt_status group_handle(struct duet_kafka_client *client, const char *group,
                              rd_kafka_t **out)
{
    struct duet_kafka_group *at;
    dt_status status = DT_OK;

    pthread_mutex_lock(&client->lock);
    for (at = client->groups; at != NULL && strcmp(at->name, group) != 0;)
        at = at->next;
    if (at == NULL) {
        status = group_handle_new(client, group, &at);
        if (status == DT_OK) {
            at->next = client->groups;
            client->groups = at;
        }
    }
    if (status == DT_OK)
        *out = at->handle;
    pthread_mutex_unlock(&client->lock);
    return status;
}

void duet_kafka_groups_free(struct duet_kafka_client *client)
{
    while (client->groups != NULL) {
        struct duet_kafka_group *group = client->groups;

        client->groups = group->next;
        /* closing would wait for a commit that no coordinator answers */
        rd_kafka_destroy_flags(group->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        free(group);
    }
}

dt_status duet_kafka_committed(struct duet_side_client *base,
                               const struct duet_plan_route *route, const char *group,
                               int32_t partition, int64_t timeout_ms, int64_t *position)
{
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t error;
    rd_kafka_t *handle;
    dt_status status = group_handle((struct duet_kafka_client *)base, group, &handle);

    if (status != DT_OK)
        return status;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, route->topic, partition);
    error = rd_kafka_committed(handle, list, duet_kafka_timeout(timeout_ms));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = list->elems[0].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = duet_kafka_error(error,
                                  "asking for the position of group '%s' in %s "
                                  "partition %d",
                                  group, route->topic, partition);
    else if (list->elems[0].offset < 0)
        status = dt_error_set(DT_ENOTFOUND,
                              "kafka: group '%s' has no position in %s partition %d", group,
                              route->topic, partition);
    else
        *position = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

/* Asks for the position first: a commit that finds no coordinator has no time-out of its own
 * and is not forgotten when its caller goes away. */
dt_status duet_kafka_commit(struct duet_side_client *base,
                            const struct duet_plan_route *route, const char *group,
                            int32_t partition, int64_t position, int64_t timeout_ms)
{
    rd_kafka_topic_partition_list_t *list;
    int64_t before, deadline_ms = dt_clock_ms() + timeout_ms;
    rd_kafka_resp_err_t error;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event = NULL;
    rd_kafka_t *handle;
    dt_status status =
        duet_kafka_committed(base, route, group, partition, timeout_ms, &before);

    if (status == DT_OK || status == DT_ENOTFOUND)
        status = group_handle((struct duet_kafka_client *)base, group, &handle);
    if (status != DT_OK)
        return status;
    list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, route->topic, partition)->offset = position;
    queue = rd_kafka_queue_new(handle);
    error = rd_kafka_commit_queue(handle, list, queue, NULL, NULL);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        event = rd_kafka_queue_poll(queue, duet_kafka_timeout(deadline_ms - dt_clock_ms()));
        error = event != NULL ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = rd_kafka_event_topic_partition_list(event)->elems[0].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = duet_kafka_error(error,
                                  "committing position %lld of group '%s' in %s "
                                  "partition %d",
                                  (long long)position, group, route->topic, partition);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

/* ---- members ---- */

static void look_for_member(const rd_kafka_ConsumerGroupDescription_t *group,
                            const char *self, bool *found, char member[DUET_NAME_SIZE])
{
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(group);

    for (size_t i = 0; i < count && !*found; i++) {
        const rd_kafka_MemberDescription_t *at =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        const char *name = rd_kafka_MemberDescription_group_instance_id(at);

        if (name == NULL)
            name = rd_kafka_MemberDescription_client_id(at);
        if (self != NULL && strcmp(name, self) == 0)
            continue;
        *found = true;
        snprintf(member, DUET_NAME_SIZE, "%.120s at %.100s", name,
                 rd_kafka_MemberDescription_host(at));
    }
}

static dt_status described(rd_kafka_event_t *event, const char *group, const char *self,
                           bool *found, char member[DUET_NAME_SIZE])
{
    const rd_kafka_ConsumerGroupDescription_t **groups;
    const rd_kafka_error_t *error;
    size_t count;

    if (event == NULL)
        return dt_error_set(
            DT_EUNREACH, "kafka: asking for the members of group '%s': no answer in time",
            group);
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return dt_error_set(duet_kafka_status(rd_kafka_event_error(event)),
                            "kafka: asking for the members of group '%s': %s", group,
                            rd_kafka_event_error_string(event));
    groups = rd_kafka_DescribeConsumerGroups_result_groups(
        rd_kafka_event_DescribeConsumerGroups_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        error = rd_kafka_ConsumerGroupDescription_error(groups[i]);
        if (error == NULL)
            look_for_member(groups[i], self, found, member);
        else if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
            return dt_error_set(duet_kafka_status(rd_kafka_error_code(error)),
                                "kafka: asking for the members of group '%s': %s", group,
                                rd_kafka_error_string(error));
    }
    return DT_OK;
}

dt_status duet_kafka_foreign_member(struct duet_side_client *base,
                                    const struct duet_plan_route *route, const char *group,
                                    const char *self, int64_t timeout_ms, bool *found,
                                    char member[DUET_NAME_SIZE])
{
    struct duet_kafka_client *client = (struct duet_kafka_client *)base;
    int64_t deadline_ms = dt_clock_ms() + timeout_ms;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    char text[256];
    dt_status status =
        duet_kafka_can_administer(client, "asking for a group's members", timeout_ms);
    int left_ms = duet_kafka_timeout(deadline_ms - dt_clock_ms());

    (void)route;
    if (status != DT_OK)
        return status;
    options =
        rd_kafka_AdminOptions_new(client->admin, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    queue = rd_kafka_queue_new(client->admin);
    rd_kafka_AdminOptions_set_request_timeout(options, left_ms, text, sizeof(text));
    rd_kafka_DescribeConsumerGroups(client->admin, &group, 1, options, queue);
    event = rd_kafka_queue_poll(queue, left_ms);
    status = described(event, group, self, found, member);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    return status;
}
