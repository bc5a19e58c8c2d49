/* adopted.c - who took a journal over: the file `adopted` in its folder. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "journal/journal_inside.h"

enum { TEXT_MAX = 4096 };

static const char head[] = "duet-adopted 1\n";
static const char taking[] = "state taking\n", taken[] = "state taken\n";

static dt_status path_of(const char *dir, char path[DUET_JOURNAL_PATH_SIZE])
{
    int length = snprintf(path, DUET_JOURNAL_PATH_SIZE, "%s/adopted", dir);

    return length < DUET_JOURNAL_PATH_SIZE
               ? DT_OK
               : dt_error_set(DT_EINVAL, "journal '%s': the path is too long", dir);
}

dt_status duet_journal_adoption(const char *dir, enum duet_journal_adoption *state)
{
    char path[DUET_JOURNAL_PATH_SIZE];
    struct dt_buf text;
    dt_status status = path_of(dir, path);

    *state = DUET_JOURNAL_OWN;
    if (status != DT_OK)
        return status;
    dt_buf_init(&text, TEXT_MAX);
    status = dt_file_read(path, &text);
    if (status == DT_ENOTFOUND) {
        status = DT_OK;
    } else if (status == DT_OK) {
        const char *found = dt_buf_str(&text);
        bool is_ours = found != NULL && strncmp(found, head, sizeof(head) - 1) == 0;

        if (is_ours && strncmp(found + sizeof(head) - 1, taking, sizeof(taking) - 1) == 0)
            *state = DUET_JOURNAL_TAKING;
        else if (is_ours &&
                 strncmp(found + sizeof(head) - 1, taken, sizeof(taken) - 1) == 0)
            *state = DUET_JOURNAL_TAKEN;
        else
            status =
                dt_error_set(DT_ECORRUPT, "'%s' does not say whose the journal is", path);
    }
    dt_buf_fini(&text);
    return status;
}

dt_status duet_journal_adopt_mark(const char *dir, enum duet_journal_adoption state,
                                  const char *about)
{
    char path[DUET_JOURNAL_PATH_SIZE], text[TEXT_MAX];
    dt_status status = path_of(dir, path);
    int length;

    if (status != DT_OK)
        return status;
    length = snprintf(text, sizeof(text), "%s%s%s\n", head,
                      state == DUET_JOURNAL_TAKEN ? taken : taking, about);
    if (length >= (int)sizeof(text))
        length = (int)sizeof(text) - 1;
    return dt_file_replace(path, text, (size_t)length, 0644);
}
