/*
 * numbers.h - the numbers file of a producer: <state_dir>/<name>/numbers, mapped into memory.
 *
 * Per partition it holds the boot that runs, the next number of it, and what no record has told
 * yet: ranges that were given up, boots that ended. Each is a plain store into the mapping, so a
 * message costs no system call, and a process that is killed leaves it exact. After the host
 * itself went down it may be old: the kernel's boot id in it says so, and the next number is then
 * "at least". docs/numbers-file.md has the format.
 *
 * The file is written anew, whole, when a producer starts; so what is read was either complete or
 * changed by such stores. What is damaged is said in the log and treated as not known.
 *
 * Thread: under outbox->lock. The folder is locked by its owner (home.h).
 */
#ifndef DUAL_NUMBERS_H
#define DUAL_NUMBERS_H

#include "base/span.h"
#include "model/link_list.h"
#include "rmq/status.h"

struct duet_numbers;
struct duet_numbers_lane; /* one partition, in the mapping */

struct duet_numbers_name { /* in */
    const char *topic;     /* Kafka's name */
    int32_t partition;
    struct duet_link_list *untold; /* out: what earlier boots left is added */
};

/**
 * Reads what an earlier process left, adds it to the lanes' `untold`, and starts the file of the
 * boot that begins: its next numbers are 0.
 * @param lanes out, one per name; they live as long as *out.
 * @returns DT_OK; DT_ENOSPC, DT_EIO: the file cannot be written; DT_ENOMEM.
 */
dt_status duet_numbers_open(const char *folder, uint32_t instance, uint16_t boot,
                            const struct duet_numbers_name *names, size_t count,
                            struct duet_numbers_lane **lanes, struct duet_numbers **out);
/* NULL: no-op. */
void duet_numbers_close(struct duet_numbers *numbers);

/* `next` is the number after the highest that may have been used. */
void duet_numbers_next(struct duet_numbers_lane *lane, uint64_t next);
/* Until it was told. More than fits is counted, and said at the next start. */
void duet_numbers_keep(struct duet_numbers_lane *lane, const struct duet_link_entry *entry);
void duet_numbers_forget(struct duet_numbers_lane *lane,
                         const struct duet_link_entry *entry);

#endif
