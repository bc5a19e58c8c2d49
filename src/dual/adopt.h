/*
 * adopt.h - takes over the journal of a producer whose host is gone: what it owes is sent, in
 * order and under its own ids, by whoever can read the folder.
 *
 * The folder is locked for as long as that lasts and marked before anything is sent: the producer
 * refuses it until it is whole, and begins another one after. Whatever ends it in between, the
 * next call goes on from there; some copies may then be stored twice, under one id.
 */
#ifndef DUAL_ADOPT_H
#define DUAL_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "rmq/status.h"

struct duet_adopt_config {
    const char *config_path;
    const char *dir;
    const char *reason;        /* for the audit log */
    int64_t patience_ms;       /* so long without any progress */
    bool (*interrupted)(void); /* asked now and then; may be NULL */
};

struct duet_adopt_result {
    int64_t messages; /* owed when it was opened */
    int64_t sent;     /* stored by the side they are owed to */
    int64_t refused, isolated, cancelled, in_doubt; /* listed in the ledger instead */
    int64_t left;                                   /* still owed */
    bool was_taken; /* by an earlier call, whole: nothing was done */
};

/**
 * Waits until nothing is owed. Thread: any; blocks.
 * @param result filled as far as it came, whatever is returned.
 * @returns DT_OK: nothing is owed any more, and the folder is marked; DT_ENOTFOUND: no journal, or
 *          no plan; DT_ESTATE: its producer lives; DT_ETIMEDOUT: no progress; DT_ECLOSED:
 *          interrupted; what opening a session or a journal returns.
 */
DT_MUST_USE dt_status duet_adopt(const struct duet_adopt_config *config,
                                 struct duet_adopt_result *result);

#endif
