/* journal_adopt.c - sends what the journal of a vanished host owes. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "dual/adopt.h"

#define WAIT_S     60
#define WAIT_S_MAX 86400

static bool is_listed(const struct duet_adopt_result *result)
{
    return result->refused + result->isolated + result->in_doubt > 0;
}

static bool write_json(struct cli *cli, const char *dir,
                       const struct duet_adopt_result *result)
{
    struct dt_json json;
    struct dt_buf out;

    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "journal", dir);
    dt_json_kv_int(&json, "messages", result->messages);
    dt_json_kv_int(&json, "sent", result->sent);
    dt_json_kv_int(&json, "refused", result->refused);
    dt_json_kv_int(&json, "isolated", result->isolated);
    dt_json_kv_int(&json, "cancelled", result->cancelled);
    dt_json_kv_int(&json, "in_doubt", result->in_doubt);
    dt_json_kv_int(&json, "left", result->left);
    dt_json_kv_bool(&json, "was_taken", result->was_taken);
    dt_json_object_end(&json);
    return cli_json_end(cli, &out);
}

static void write_text(const struct duet_adopt_result *result)
{
    if (result->was_taken) {
        printf("it was taken over before, whole: nothing is owed\n");
        return;
    }
    printf("%lld messages were owed: %lld sent", (long long)result->messages,
           (long long)result->sent);
    if (result->cancelled > 0)
        printf(", %lld cancelled", (long long)result->cancelled);
    if (result->refused > 0)
        printf(", %lld refused", (long long)result->refused);
    if (result->isolated > 0)
        printf(", %lld isolated", (long long)result->isolated);
    if (result->in_doubt > 0)
        printf(", %lld in doubt", (long long)result->in_doubt);
    printf("%s\n", is_listed(result) || result->cancelled > 0
                       ? "; duet report --ledger lists what was not sent"
                       : "");
}

int cli_journal_adopt(struct cli *cli, int argc, char **argv)
{
    const char *word, *wait = NULL, *reason = NULL;
    const struct cli_option options[] = {{"--reason", NULL, &reason, NULL, NULL},
                                         {"--wait", NULL, &wait, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
    struct duet_adopt_config config = {.interrupted = cli_interrupted};
    struct duet_adopt_result result;
    int64_t wait_s = WAIT_S;
    size_t count;
    dt_status status;

    if (!cli_parse(cli, argc, argv, options, &word, 1, &count))
        return CLI_USAGE;
    if (count != 1)
        return cli_usage(cli,
                         "journal adopt DIR --reason T: DIR is the folder 'journal' in the "
                         "vanished producer's folder of state_dir");
    if (reason == NULL || reason[strspn(reason, " \t")] == '\0')
        return cli_usage(cli,
                         "journal adopt needs --reason: why its producer will not come "
                         "back; it goes to the audit log");
    if (wait != NULL && !cli_number(cli, "--wait", wait, 1, WAIT_S_MAX, &wait_s))
        return CLI_USAGE;
    if (cli->config_path == NULL)
        return cli_usage(cli, "no configuration: give --config FILE or set DUET_CONFIG");
    config.config_path = cli->config_path;
    config.dir = word;
    config.reason = reason;
    config.patience_ms = wait_s * 1000;
    cli_catch_signals();
    status = duet_adopt(&config, &result);
    if (status != DT_OK)
        return cli_fail(cli, status);
    if (!cli->json)
        write_text(&result);
    else if (!write_json(cli, word, &result))
        return CLI_INTERNAL;
    return is_listed(&result) ? CLI_DIFFERENT : CLI_OK;
}
