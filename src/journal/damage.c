/* damage.c - what is damaged: listed, and looked at for what can still be known of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "journal/journal_inside.h"

enum { FILE_SIZE_MAX = 1 << 30 };

dt_status journal_damage_add(struct duet_journal_damage **damages, size_t *count,
                             const struct duet_journal_damage *damage)
{
    struct duet_journal_damage *grown = realloc(*damages, (*count + 1) * sizeof(*grown));

    if (grown == NULL)
        return dt_error_set(DT_ENOMEM, "no memory for the list of damages");
    *damages = grown;
    grown[(*count)++] = *damage;
    return DT_OK;
}

void journal_damage_place(struct duet_journal_damage *damage, uint64_t segment, size_t from,
                          size_t to)
{
    if (to > from)
        snprintf(damage->file, sizeof(damage->file), "%016" PRIx64 ".seg", segment);
    damage->from = from;
    damage->to = to;
}

size_t duet_journal_damages(const struct duet_journal *journal,
                            const struct duet_journal_damage **out)
{
    *out = journal->damages;
    return journal->damage_count;
}

dt_status duet_journal_found(struct duet_journal *journal, size_t n,
                             struct duet_journal_damage *out)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&journal->read_lock);
    if (n < journal->found_count)
        *out = journal->found[n];
    else
        status = dt_error_set(DT_ENOTFOUND, "no more damages were found");
    pthread_mutex_unlock(&journal->read_lock);
    return status;
}

dt_status duet_journal_damage_read(const struct duet_journal *journal,
                                   const struct duet_journal_damage *damage,
                                   struct dt_buf *out)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    size_t to;
    dt_status status;

    dt_buf_clear(out);
    if (damage->file[0] == '\0')
        return DT_OK;
    snprintf(path, sizeof(path), "%s/%s", journal->dir, damage->file);
    status = dt_file_read(path, out);
    if (status == DT_ENOTFOUND) {
        dt_buf_clear(out);
        return DT_OK;
    }
    if (status != DT_OK)
        return status;
    to = damage->to < out->size ? damage->to : out->size;
    if (damage->from >= to) {
        dt_buf_clear(out);
        return DT_OK;
    }
    memmove(out->data, out->data + damage->from, to - damage->from);
    out->size = to - damage->from;
    return DT_OK;
}

dt_status duet_journal_visit(const struct duet_journal *journal,
                             duet_journal_visit_fn *visit, void *context)
{
    struct dt_buf bytes;
    dt_status status = DT_OK;

    dt_buf_init(&bytes, FILE_SIZE_MAX);
    for (const struct journal_segment *at = journal->oldest; at != NULL && status == DT_OK;
         at = at->next) {
        char path[DUET_JOURNAL_PATH_SIZE];
        enum duet_walk_event event;
        struct duet_walk walk;

        journal_path(journal, at->header.number, path);
        dt_buf_clear(&bytes);
        status = dt_file_read(path, &bytes);
        if (status == DT_ENOTFOUND) { /* its owner has deleted it: nothing there is owed */
            status = DT_OK;
            continue;
        }
        if (status != DT_OK)
            break;
        duet_walk_init(&walk, dt_buf_span(&bytes), &at->header);
        while ((event = duet_walk_next(&walk)) == DUET_WALK_RECORD ||
               event == DUET_WALK_DAMAGED)
            if (event == DUET_WALK_RECORD && walk.record.kind == DUET_RECORD_MESSAGE)
                visit(context, &walk.record);
    }
    dt_buf_fini(&bytes);
    return status;
}

dt_status duet_journal_name(struct duet_journal *journal, uint32_t id, const char *topic,
                            int32_t partition, uint8_t side)
{
    dt_status status = DT_OK;

    pthread_mutex_lock(&journal->lock);
    for (uint32_t i = 0; i < journal->lane_count && status == DT_OK; i++) {
        const struct journal_lane *lane = &journal->lanes[i];
        bool is_named = lane->topic != NULL && lane->topic[0] != '\0';

        if (i == id ? is_named
                    : is_named && lane->partition == partition && lane->side == side &&
                          strcmp(lane->topic, topic) == 0)
            status = dt_error_set(DT_EINVAL, "the name or the lane is taken");
    }
    if (status == DT_OK && id >= journal->lane_count)
        status = dt_error_set(DT_EINVAL, "the journal has no lane %u", (unsigned)id);
    if (status == DT_OK)
        status = journal_lane_put(journal, id, topic, partition, side);
    pthread_mutex_unlock(&journal->lock);
    return status;
}

const char *duet_journal_dir(const struct duet_journal *journal)
{
    return journal->dir;
}

uint32_t duet_journal_tag(const struct duet_journal *journal)
{
    uint32_t tag = 0;

    for (size_t i = 0; i < 4; i++)
        tag = tag << 8 | journal->id[i];
    return tag >> 4;
}
