#include "rmq/names.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/status.h"
#include "net/address.h"
#include "rmq/client_inside.h"

static dt_status add(struct rmq_names *names, const char *text, size_t length)
{
    struct dt_address parsed;
    void *grown;

    while (length > 0 && text[0] == ' ') {
        text++;
        length--;
    }
    while (length > 0 && text[length - 1] == ' ')
        length--;
    if (length == 0)
        return DT_OK;
    if (length >= RMQ_ADDRESS_SIZE || !dt_address_parse(text, length, &parsed))
        return dt_error_set(DT_EINVAL, "name server '%.*s' is not host:port", (int)length,
                            text);
    grown = realloc(names->addresses, (names->count + 1) * sizeof(names->addresses[0]));
    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for name servers");
    names->addresses = grown;
    memcpy(names->addresses[names->count], text, length);
    names->addresses[names->count][length] = 0;
    names->count++;
    return DT_OK;
}

dt_status rmq_names_init(struct rmq_names *names, const char *list)
{
    dt_status status = DT_OK;
    uint32_t start;

    memset(names, 0, sizeof(*names));
    while (status == DT_OK && list != NULL && *list != 0) {
        size_t length = strcspn(list, ";,");

        status = add(names, list, length);
        list += length;
        list += *list != 0;
    }
    if (status == DT_OK && names->count == 0)
        status = dt_error_set(DT_EINVAL, "no name server given");
    if (status != DT_OK) {
        rmq_names_fini(names);
        return status;
    }
    /* not everybody begins with the first */
    dt_random_bytes(&start, sizeof(start));
    names->current = start % names->count;
    return DT_OK;
}

void rmq_names_fini(struct rmq_names *names)
{
    free(names->addresses);
    memset(names, 0, sizeof(*names));
}

bool rmq_names_has(const struct rmq_names *names, const char *address)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->addresses[i], address) == 0)
            return true;
    return false;
}

static void ask_current(struct rmq_names_call *names_call)
{
    struct rmq_names *names = &names_call->client->names;

    names_call->asked = names->current;
    names_call->left--;
    rmq_call_start(names_call->client, names->addresses[names->current], &names_call->call);
}

static bool is_good(struct rmq_names_call *names_call, const struct rmq_answer *answer)
{
    if (answer->status != DT_OK || answer->command->code != RMQ_SUCCESS)
        return false;
    return names_call->is_good == NULL || names_call->is_good(names_call, answer);
}

/* All were asked. The one that gave a refusal said more than one that gave nothing. */
static void end(struct rmq_names_call *names_call, const struct rmq_answer *answer)
{
    struct rmq_command command = {0};
    struct rmq_answer refusal = {DT_OK, "", &command, {NULL, 0}};

    command.code = names_call->refusal;
    if (answer->status != DT_OK && answer->status != DT_ECLOSED && names_call->refusal != 0)
        answer = &refusal;
    names_call->done(names_call, answer);
}

static void on_answer(struct rmq_call *call, const struct rmq_answer *answer)
{
    struct rmq_names_call *names_call = DT_CONTAINER(call, struct rmq_names_call, call);
    struct rmq_names *names = &names_call->client->names;

    if (answer->status == DT_ECLOSED || is_good(names_call, answer)) {
        names_call->done(names_call, answer);
        return;
    }
    if (answer->status == DT_OK && answer->command->code != RMQ_SUCCESS)
        names_call->refusal = answer->command->code;
    /* unless another call has moved on already */
    if (names->current == names_call->asked)
        names->current = (names->current + 1) % names->count;
    if (names_call->left == 0) {
        end(names_call, answer);
        return;
    }
    rmq_client_log(names_call->client, DT_LOG_DEBUG, "name server %s: %s; asking %s",
                   names->addresses[names_call->asked],
                   answer->status == DT_OK ? "an answer of no use" : answer->reason,
                   names->addresses[names->current]);
    ask_current(names_call);
}

void rmq_names_ask(struct rmq_client *client, struct rmq_names_call *names_call)
{
    names_call->client = client;
    names_call->left = client->names.count;
    names_call->refusal = 0;
    names_call->call.done = on_answer;
    names_call->call.timeout_ms = client->request_timeout_ms;
    names_call->call.repeatable = true;
    ask_current(names_call);
}
