/* The smallest producer: each line of standard input is a message, its first word the key.
 *     producer duet.yaml NAME < lines
 * Where messages go, Kafka alone or RocketMQ too, is the plan's business, not this program's. */
#include <stdio.h>
#include <string.h>

#include "duet/duet.h"

static void answered(void *opaque, duet_result result, const char *reason)
{
    (void)opaque; /* whatever duet_produce() was given, to know the message again */
    if (result != DUET_RESULT_DONE)
        fprintf(stderr, "%s: %s\n",
                result == DUET_RESULT_NOT_DONE ? "not sent" : "in doubt", reason);
}

int main(int argc, char **argv)
{
    duet_producer *producer = NULL;
    char line[1000];

    if (argc != 3)
        return fprintf(stderr, "usage: producer CONFIG NAME < lines\n"), 2;
    dt_status status = duet_producer_open(argv[1], argv[2], &producer);
    while (status == DT_OK && fgets(line, sizeof(line), stdin)) {
        duet_message message = {.key = line, .value = line, .event_time_ms = -1};
        message.key_size = strcspn(line, " \n");
        message.value_size = strcspn(line, "\n");
        status = duet_produce(producer, &message, 0, answered, NULL);
    }
    if (status == DT_OK)
        status = duet_producer_flush(producer, -1);
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_text());
    duet_producer_close(producer);
    return status == DT_OK ? 0 : 1;
}
