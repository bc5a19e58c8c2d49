/*
 * demo_world.h - the stage of the demo: embedded brokers in this process, a folder with a
 * configuration, and duet's own programs as children, run exactly as a user would run them.
 */
#ifndef CLI_DEMO_WORLD_H
#define CLI_DEMO_WORLD_H

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/brokers.h"
#include "cli/cli.h"

enum { DEMO_PROCESSES = 8, DEMO_PARTITIONS = 4, DEMO_GROUPS = 2 };
#define DEMO_TOPIC "flights"
extern const char *const demo_groups[DEMO_GROUPS];

struct demo_process {
    pid_t pid;
    char label[32];
    char out[PATH_MAX];
};

struct demo {
    struct cli *cli;
    FILE *story; /* stdout, or stderr when stdout is for JSON */
    struct cli_brokers brokers;
    char folder[64], config[PATH_MAX];
    char duet[PATH_MAX], producer[PATH_MAX], consumer[PATH_MAX], csv[PATH_MAX];
    struct duet_store *store;
    struct demo_process processes[DEMO_PROCESSES];
    size_t process_count;
    int64_t begun_ms;
};

/* Finds the programs and the data, starts the brokers, writes the configuration. */
dt_status demo_open(struct demo *demo, struct cli *cli);
/* Ends all children and brokers; removes the folder unless `keep`. */
void demo_close(struct demo *demo, bool keep);

/* Runs `duet WORDS --config ... --json` to its end. *json is the caller's, cJSON_Delete(). The
 * words are told in the story unless `quiet`. DT_ESTATE: it ended with more than 1. */
dt_status demo_duet(struct demo *demo, bool quiet, cJSON **json, int *exit_code,
                    const char *const *words);

/* Starts a child; NULL-terminated words, the first is the program. Its output goes to files. */
dt_status demo_start(struct demo *demo, const char *label, const char *const *words);
/* Waits for its end; DT_ESTATE if it was not 0. */
dt_status demo_join(struct demo *demo, const char *label, int64_t timeout_ms);

/* Asks until `done` is true. DT_ETIMEDOUT; DT_ECLOSED: interrupted; DT_ESTATE: a consumer has
 * ended. */
dt_status demo_wait(struct demo *demo, const char *what, int64_t timeout_ms,
                    bool (*done)(struct demo *demo, void *context), void *context);

/* Messages that a role of a group has processed, both sides together; -1 if not known. */
int64_t demo_processed(struct demo *demo, const char *group, enum duet_role role);

#endif
