/* main.c - finds the sub-command and hands over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "duet/duet.h"

static const struct cli_command commands[] = {
    {"demo", cli_demo, "[--rows A:B] [--withhold N] [--seed S]",
     "the whole story on embedded brokers with real data"},
    {"sandbox", cli_sandbox, "[--topic NAME:N]... [--control SOCKET]",
     "embedded Kafka and RocketMQ until interrupted"},
    {"plan", cli_plan, "init|show|diff",
     "makes the migration, shows it, compares the file"},
    {"status", cli_status, "", "where everything is, and what the next step waits for"},
    {"advance", cli_advance,
     "[--route R] [--group G] [--partitions LIST|PERCENT] [--dry-run]\n"
     "               [--force --reason T] [--wait S]",
     "one step forward, or a part of the switch"},
    {"rollback", cli_rollback,
     "[--route R] [--group G] [--partitions LIST|PERCENT] [--to STEP]\n"
     "                [--dry-run] [--force --reason T] [--wait S]",
     "the way back to Kafka"},
    {"report", cli_report, "[--daily] [--from DAY] [--to DAY] [--ledger] [--csv]",
     "counts per day, and what left the normal path"},
    {"compare", cli_compare, "[--group G] [--tables T,...]",
     "rows of the live stores against the shadow stores"},
    {"journal", cli_journal,
     "list DIR [--payload] | check DIR | adopt DIR --reason T [--wait S]",
     "what a producer still owes to a side, and what of it is damaged"},
};

/* Named so that nobody looks for them in vain. */
static const struct {
    const char *name, *summary;
} later[] = {
    {"finish", "the point of no return"},
    {"doctor", "checks clusters, topics, groups and messages beforehand"},
    {"verify", "scans both clusters itself"},
    {"mirror", "the copy engine"},
    {"verifier", "the verifying worker"},
    {"server", "API, dashboard, metrics"},
    {"token", "access to the server"},
    {"bench", "benchmarks beside their peers"},
};

enum {
    COMMANDS = sizeof(commands) / sizeof(commands[0]),
    LATER = sizeof(later) / sizeof(later[0])
};

static void print_help(void)
{
    printf("duet moves live traffic from Apache Kafka to Apache RocketMQ and back.\n\n"
           "usage: duet COMMAND [--config FILE] [--json] [--help]\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\ncoming later:\n");
    for (size_t i = 0; i < LATER; i++)
        printf("  %-10s %s\n", later[i].name, later[i].summary);
    printf("\nDUET_CONFIG names the configuration where --config is absent.\n"
           "Exit codes: 0 fine, 1 a difference or a gate that refused, 2 wrong usage or\n"
           "configuration, 3 broker or store not reachable, 4 cut short by a signal, 5 "
           "internal "
           "error.\n");
}

static void print_command_help(const struct cli_command *command)
{
    printf("duet %s: %s\n\nusage: duet %s%s%s [--config FILE] [--json]\n", command->name,
           command->summary, command->name, command->usage[0] != '\0' ? " " : "",
           command->usage);
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

static int print_document(void)
{
    struct dt_buf out;

    dt_buf_init(&out, 1 << 20);
    duet_config_document(&out);
    fwrite(out.data, 1, out.size, stdout);
    dt_buf_fini(&out);
    return CLI_OK;
}

/* An error of writing (a full disk, a closed pipe) is not swallowed. */
static int end(int exit_code)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return exit_code == CLI_OK ? CLI_INTERNAL : exit_code;
    return exit_code;
}

int main(int argc, char **argv)
{
    struct cli cli = {"", getenv("DUET_CONFIG"), false};

    if (argc < 2)
        return end(cli_usage(&cli, "name a command; see duet --help"));
    cli.json = has_word(argc - 1, argv + 1, "--json");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return end(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("duet %s\n", duet_version());
        return end(CLI_OK);
    }
    if (strcmp(argv[1], "config-doc") == 0) /* docs/configuration.md is made with it */
        return end(print_document());
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        cli.command = commands[i].name;
        if (has_word(argc - 2, argv + 2, "--help")) {
            print_command_help(&commands[i]);
            return end(CLI_OK);
        }
        return end(commands[i].run(&cli, argc - 2, argv + 2));
    }
    cli.command = argv[1];
    for (size_t i = 0; i < LATER; i++)
        if (strcmp(argv[1], later[i].name) == 0)
            return end(cli_usage(&cli,
                                 "'%s' (%s) comes later: this version does not have it",
                                 later[i].name, later[i].summary));
    return end(cli_usage(&cli, "there is no command '%s'; see duet --help", argv[1]));
}
