/*
 * cli.h - what the sub-commands share: options, exit codes, errors, output, signals.
 *
 * People get aligned tables; --json gives one object on stdout and nothing else there, also for
 * errors. Logs go to stderr.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stddef.h>

#include "base/json_writer.h"
#include "config/config.h"
#include "store/control_store.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_DIFFERENT = 1, /* a difference was found, or a gate refused */
    CLI_USAGE = 2,     /* wrong usage or configuration */
    CLI_UNREACHABLE = 3,
    CLI_INTERRUPTED = 4, /* cut short by a signal, resumable */
    CLI_INTERNAL = 5
};

struct cli { /* the options that every command has */
    const char *command;
    const char *config_path; /* --config, else DUET_CONFIG, else NULL */
    bool json;
};

struct cli_option {
    const char *name;                              /* "--route" */
    bool *flag;                                    /* either of these two: a switch, */
    const char **text;                             /* or one with a value */
    void (*add)(void *context, const char *value); /* or one that may be repeated */
    void *context;
};

/* The commands; each returns an exit code. */
struct cli_command {
    const char *name;
    int (*run)(struct cli *cli, int argc, char **argv);
    const char *usage;   /* behind the name */
    const char *summary; /* one line */
};
int cli_demo(struct cli *cli, int argc, char **argv);
int cli_sandbox(struct cli *cli, int argc, char **argv);
int cli_plan(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_advance(struct cli *cli, int argc, char **argv);
int cli_rollback(struct cli *cli, int argc, char **argv);
int cli_report(struct cli *cli, int argc, char **argv);
int cli_journal(struct cli *cli, int argc, char **argv);
int cli_journal_adopt(struct cli *cli, int argc, char **argv); /* behind `adopt` */
int cli_compare(struct cli *cli, int argc, char **argv);

/* Reads `--name value` and `--name=value`; ends with an option of name NULL. Words that are no
 * options go to `words` (at most words_max of them). False: said what is wrong, exit CLI_USAGE. */
bool cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options,
               const char **words, size_t words_max, size_t *word_count);

/* A number from text; false, and said, if it is none of min..max. */
bool cli_number(struct cli *cli, const char *option, const char *text, int64_t min,
                int64_t max, int64_t *number);

/* Says what is wrong, with or without JSON; returns the exit code. */
int cli_usage(struct cli *cli, const char *format, ...) DT_PRINTF(2, 3);
/* Says this thread's sentence for the status; returns its exit code. */
int cli_fail(struct cli *cli, dt_status status);

/* Loads the configuration. False: said, *exit_code is set. */
bool cli_config(struct cli *cli, struct duet_config **config, int *exit_code);
/* And opens its control store. */
bool cli_store(struct cli *cli, struct duet_config **config, struct duet_store **store,
               int *exit_code);

/* One object on stdout. `out` is initialised by cli_json_start() and freed by cli_json_end(),
 * which returns false after a failure of memory. */
void cli_json_start(struct dt_json *json, struct dt_buf *out);
bool cli_json_end(struct cli *cli, struct dt_buf *out);

/* From now on SIGINT and SIGTERM only set what cli_interrupted() says. */
void cli_catch_signals(void);
bool cli_interrupted(void);

bool cli_colour(void); /* stdout is a terminal, and NO_COLOR is not set */

#endif
