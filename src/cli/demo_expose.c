/* demo_expose.c - the last chapter: copies that a broker acknowledged and did not keep. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/status.h"
#include "cli/demo_data.h"
#include "cli/demo_story.h"
#include "model/stamp.h"

#define LATE_ROWS 40 /* sent beside those whose copies are withheld */
#define SENT_MS   20000
#define TOLD_MS   10000

/* ---- what the broker withheld ---- */

/* Its own record of them: the id is at byte 8 of the stamp. */
static dt_status take_withheld(struct demo_story *story)
{
    rmq_mock *mock = story->world.brokers.rocketmq;
    size_t count = rmq_mock_withheld_count(mock);

    story->withheld = calloc(count + 1, sizeof(*story->withheld));
    if (story->withheld == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the ids");
    for (size_t i = 0; i < count; i++) {
        rmq_mock_withheld one;
        uint8_t bytes[sizeof(one.duet)];
        struct duet_id id;
        size_t size;

        if (rmq_mock_withheld_get(mock, i, &one) != DT_OK ||
            !dt_base64_decode(bytes, &size, one.duet, strlen(one.duet)) ||
            size != DUET_STAMP_SIZE)
            return dt_error_set(DT_ECORRUPT, "a withheld copy without a stamp");
        duet_id_decode(&id, bytes + 8);
        duet_id_text(story->withheld[story->withheld_count++], &id);
    }
    return DT_OK;
}

/* ---- what the report names ---- */

static bool is_withheld(const struct demo_story *story, const char *text)
{
    for (size_t i = 0; i < story->withheld_count; i++)
        if (strcmp(story->withheld[i], text) == 0)
            return true;
    return false;
}

static void say(struct demo_story *story, const cJSON *missing, const char *text)
{
    const cJSON *partition = cJSON_GetObjectItemCaseSensitive(missing, "partition");
    const char *window =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(missing, "window"));

    if (story->reported > 10)
        return;
    fprintf(story->world.story, "  -> partition %d, window %s: rocketmq lacks %s\n",
            cJSON_IsNumber(partition) ? partition->valueint : -1,
            window != NULL ? window : "?", text);
}

/* Reads the report's list of what is missing; counts what it names and what of it is right. */
static void read_missing(struct demo_story *story, bool tell)
{
    const cJSON *missing;
    size_t right = 0;

    story->reported = 0;
    cJSON_ArrayForEach(missing, cJSON_GetObjectItemCaseSensitive(story->report, "missing"))
    {
        const char *first =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(missing, "id"));
        const char *side =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(missing, "side"));
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(missing, "count");
        struct duet_id id;

        if (first == NULL || !duet_id_parse(&id, first) || !cJSON_IsNumber(count))
            continue;
        for (int i = 0; i < count->valueint; i++, id.sequence++) {
            char text[DUET_ID_TEXT_SIZE];

            duet_id_text(text, &id);
            story->reported++;
            right +=
                side != NULL && strcmp(side, "rocketmq") == 0 && is_withheld(story, text);
            if (tell)
                say(story, missing, text);
        }
    }
    story->exact = right == story->withheld_count && story->reported == right;
}

/* The counts of the two logs differ by the same number, and Kafka's by none. */
static bool counts_agree(const struct demo_story *story)
{
    const cJSON *row;
    int64_t lacking[DUET_SIDES] = {0, 0};

    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(story->report, "days"))
    {
        const cJSON *issued = cJSON_GetObjectItemCaseSensitive(row, "issued");
        const cJSON *stored = cJSON_GetObjectItemCaseSensitive(row, "stored");
        const char *side =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "side"));

        if (!cJSON_IsNumber(issued) || !cJSON_IsNumber(stored) || side == NULL)
            continue; /* a row of a group */
        lacking[strcmp(side, "rocketmq") == 0] +=
            (int64_t)(issued->valuedouble - stored->valuedouble);
    }
    return lacking[DUET_KAFKA] == 0 &&
           lacking[DUET_ROCKETMQ] == (int64_t)story->withheld_count;
}

/* ---- the chapter ---- */

static dt_status send_late(struct demo_story *story, int64_t rows)
{
    char input[PATH_MAX];
    const char *const words[] = {story->world.producer,
                                 "--config",
                                 story->world.config,
                                 "--input",
                                 input,
                                 "--name",
                                 "desk-3",
                                 NULL};
    dt_status status;

    snprintf(input, sizeof(input), "%s/late.csv", story->world.folder);
    status = demo_data_choose(story->world.csv, input, story->from, story->to, rows,
                              story->seed);
    if (status == DT_OK)
        status = demo_start(&story->world, "producer-2", words);
    if (status == DT_OK)
        status = demo_join(&story->world, "producer-2", SENT_MS);
    story->sent += rows;
    return status;
}

dt_status demo_expose(struct demo_story *story)
{
    int64_t rows = story->withhold + LATE_ROWS, until_ms;
    char text[500];
    dt_status status = DT_OK;

    if (rows > story->to - story->from)
        rows = story->to - story->from;
    snprintf(text, sizeof(text),
             "  A third producer sends %" PRId64 " more flights, and the RocketMQ broker "
             "acknowledges\n  and then forgets %" PRId64
             " of the copies. No acknowledgement "
             "shows that; the counts\n  must, with window, partition and id.\n",
             rows, story->withhold);
    demo_chapter(story, "11. A broker that lies", text);
    if (story->withhold > 0)
        status =
            rmq_mock_withhold(story->world.brokers.rocketmq, DEMO_TOPIC, story->withhold);
    if (status == DT_OK)
        status = send_late(story, rows);
    if (status == DT_OK)
        status = take_withheld(story);
    if (status == DT_OK)
        status = demo_wait_processed(story, story->sent - (int64_t)story->withheld_count,
                                     story->sent);
    until_ms = dt_clock_ms() + TOLD_MS;
    for (bool quiet = false; status == DT_OK; quiet = true) {
        status = demo_report(story, quiet, story->withhold == 0);
        if (status != DT_OK)
            break;
        read_missing(story, false);
        story->exact = story->exact && counts_agree(story);
        if (story->exact || dt_clock_ms() > until_ms)
            break;
    }
    if (status == DT_OK) {
        bool exact = story->exact;

        read_missing(story, true);
        story->exact = exact;
    }
    return status;
}
