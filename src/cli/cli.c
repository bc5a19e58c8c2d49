#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"

#define JSON_MAX ((size_t)256 << 20)

/* ---- errors ---- */

static int exit_of(dt_status status)
{
    switch (status) {
    case DT_OK:
        return CLI_OK;
    case DT_EINVAL:
    case DT_ENOTFOUND:
    case DT_EEXIST:
    case DT_ECONFLICT:
    case DT_EUNSUPPORTED:
        return CLI_USAGE;
    case DT_ESTATE:
        return CLI_DIFFERENT;
    case DT_EUNREACH:
    case DT_ENOROUTE:
    case DT_ETIMEDOUT:
    case DT_EBUSY:
    case DT_EREFUSED:
        return CLI_UNREACHABLE;
    case DT_ECLOSED:
        return CLI_INTERRUPTED;
    default:
        return CLI_INTERNAL;
    }
}

/* `where`: the file and line that an error of the configuration starts with, else the command. */
static void say(struct cli *cli, const char *text)
{
    char where[512];
    size_t length = 0;
    struct dt_json json;
    struct dt_buf out;

    if (!cli->json) {
        fprintf(stderr, "duet%s%s: %s\n", cli->command[0] != '\0' ? " " : "", cli->command,
                text);
        return;
    }
    snprintf(where, sizeof(where), "%s", cli->command);
    if (cli->config_path != NULL &&
        strncmp(text, cli->config_path, strlen(cli->config_path)) == 0) {
        length = strlen(cli->config_path);
        if (text[length] == ':')
            length += 1 + strspn(text + length + 1, "0123456789");
        if (length < sizeof(where) && text[length] == ':')
            snprintf(where, sizeof(where), "%.*s", (int)length, text);
    }
    cli_json_start(&json, &out);
    dt_json_object(&json);
    dt_json_kv_string(&json, "error", text);
    dt_json_kv_string(&json, "where", where);
    dt_json_object_end(&json);
    (void)cli_json_end(cli, &out);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    char text[DT_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say(cli, text);
    return CLI_USAGE;
}

int cli_fail(struct cli *cli, dt_status status)
{
    const char *text = dt_error_text();

    say(cli, text[0] != '\0' ? text : dt_status_name(status));
    return exit_of(status);
}

/* ---- options ---- */

static const struct cli_option *find(const struct cli_option *options, const char *name,
                                     size_t length)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

static void take(const struct cli_option *option, const char *value)
{
    if (option->text != NULL)
        *option->text = value;
    else
        option->add(option->context, value);
}

bool cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options,
               const char **words, size_t words_max, size_t *word_count)
{
    const struct cli_option common[] = {{"--config", NULL, &cli->config_path, NULL, NULL},
                                        {"--json", &cli->json, NULL, NULL, NULL},
                                        {NULL, NULL, NULL, NULL, NULL}};

    *word_count = 0;
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t length = value != NULL ? (size_t)(value - argv[i]) : strlen(argv[i]);
        const struct cli_option *option;

        if (argv[i][0] != '-') {
            if (*word_count == words_max) {
                cli_usage(cli, "'%s' is more than this command takes", argv[i]);
                return false;
            }
            words[(*word_count)++] = argv[i];
            continue;
        }
        option = find(options, argv[i], length);
        if (option == NULL)
            option = find(common, argv[i], length);
        if (option == NULL) {
            cli_usage(cli, "there is no option '%s'; see duet %s --help", argv[i],
                      cli->command);
            return false;
        }
        if (option->flag != NULL) {
            if (value != NULL) {
                cli_usage(cli, "%s takes no value", option->name);
                return false;
            }
            *option->flag = true;
            continue;
        }
        if (value == NULL && i + 1 == argc) {
            cli_usage(cli, "%s needs a value", option->name);
            return false;
        }
        take(option, value != NULL ? value + 1 : argv[++i]);
    }
    return true;
}

bool cli_number(struct cli *cli, const char *option, const char *text, int64_t min,
                int64_t max, int64_t *number)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    if (end == text || *end != '\0' || value < min || value > max) {
        cli_usage(cli, "%s '%s' is no number from %lld to %lld", option, text,
                  (long long)min, (long long)max);
        return false;
    }
    *number = value;
    return true;
}

/* ---- configuration and store ---- */

bool cli_config(struct cli *cli, struct duet_config **config, int *exit_code)
{
    dt_status status;

    *config = NULL;
    if (cli->config_path == NULL) {
        *exit_code = cli_usage(cli, "no configuration: give --config FILE or set "
                                    "DUET_CONFIG");
        return false;
    }
    status = duet_config_load(cli->config_path, config);
    if (status != DT_OK) {
        *exit_code = cli_fail(cli, status);
        if (status == DT_EIO) /* a file that cannot be read is a wrong --config */
            *exit_code = CLI_USAGE;
        return false;
    }
    return true;
}

bool cli_store(struct cli *cli, struct duet_config **config, struct duet_store **store,
               int *exit_code)
{
    dt_status status;

    *store = NULL;
    if (!cli_config(cli, config, exit_code))
        return false;
    status = duet_store_open((*config)->store, false, store);
    if (status == DT_OK)
        return true;
    if (status == DT_ENOTFOUND)
        dt_error_wrap(status, "there is no plan yet (duet plan init makes it)");
    *exit_code = cli_fail(cli, status);
    duet_config_free(*config);
    *config = NULL;
    return false;
}

/* ---- output ---- */

void cli_json_start(struct dt_json *json, struct dt_buf *out)
{
    dt_buf_init(out, JSON_MAX);
    dt_json_start(json, out);
}

bool cli_json_end(struct cli *cli, struct dt_buf *out)
{
    bool ok = dt_buf_status(out, "the output") == DT_OK;

    if (ok) {
        fwrite(out->data, 1, out->size, stdout);
        fputc('\n', stdout);
        fflush(stdout);
    } else {
        fprintf(stderr, "duet %s: %s\n", cli->command, dt_error_text());
    }
    dt_buf_fini(out);
    return ok;
}

bool cli_colour(void)
{
    return isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void cli_catch_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}
