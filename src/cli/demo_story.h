/*
 * demo_story.h - the demo's chapters; each does something, says why, and what was measured.
 */
#ifndef CLI_DEMO_STORY_H
#define CLI_DEMO_STORY_H

#include "cli/demo_world.h"

struct demo_story {
    struct demo world;
    int64_t from, to; /* rows of the file */
    int64_t withhold;
    uint64_t seed;
    int64_t sent;                        /* rows so far */
    bool equal;                          /* the verdict before copies are withheld */
    cJSON *report;                       /* the last daily report, with what is missing */
    char (*withheld)[DUET_ID_TEXT_SIZE]; /* ids, from the broker that withheld them */
    size_t withheld_count;
    size_t reported; /* ids that the report names */
    bool exact;      /* they are the same ids */
};

/* The whole story up to the verdict, then the withheld copies. DT_OK: it was told to its end;
 * what it showed stands in `story`. */
dt_status demo_tell(struct demo_story *story);
dt_status demo_expose(struct demo_story *story);

/* The same in parts that both use. */
void demo_chapter(struct demo_story *story, const char *title, const char *text);
dt_status demo_report(struct demo_story *story, bool quiet, bool want_equal);
void demo_daily_table(struct demo_story *story);
dt_status demo_wait_processed(struct demo_story *story, int64_t live, int64_t shadow);

#endif
