/* The smallest consumer: counts the messages of each key. One handler runs for Kafka's copies and
 * for RocketMQ's; its SQL lands in DIR/live.db or in DIR/shadow.db, and it need not know which.
 *     consumer duet.yaml GROUP NAME sqlite:DIR */
#include <stdio.h>

#include "duet/duet.h"

static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS words (word TEXT PRIMARY KEY, messages BIGINT)", NULL};
static const char count[] = "INSERT INTO words VALUES ($1, 1) ON CONFLICT (word) "
                            "DO UPDATE SET messages = words.messages + 1";

static dt_status handle(duet_delivery *delivery, void *state)
{
    size_t size;
    const void *key = duet_delivery_key(delivery, &size);
    duet_value word = duet_text_n(key ? key : "", size);

    (void)state;
    return duet_exec(delivery, count, &word, 1, NULL);
}

int main(int argc, char **argv)
{
    duet_consumer *consumer = NULL;
    duet_consumer_config config = {.schema = schema, .handler = handle};

    if (argc != 5)
        return fprintf(stderr, "usage: consumer CONFIG GROUP NAME sqlite:DIR\n"), 2;
    config.config_path = argv[1], config.group = argv[2];
    config.name = argv[3], config.sink = argv[4];
    dt_status status = duet_consumer_open(&config, &consumer);
    if (status == DT_OK) /* until it is killed: no effect is lost or done twice by that */
        status = duet_consumer_run(consumer, 0);
    fprintf(stderr, "%s\n", dt_error_text());
    duet_consumer_close(consumer);
    return status == DT_OK ? 0 : 1;
}
