#include "cli/demo_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"

#define WORDS_MAX  24
#define COMMAND_MS 45000
#define OUTPUT_MAX ((size_t)64 << 20)
#define LOOK_MS    20
#define END_MS     10000

const char *const demo_groups[DEMO_GROUPS] = {"carrier-stats", "fleet"};

static void pause_ms(long milliseconds)
{
    struct timespec pause = {0, milliseconds * 1000000};

    nanosleep(&pause, NULL);
}

/* ---- what it stands on ---- */

static dt_status find_one(char *out, const char *here, const char *const *places,
                          const char *what)
{
    for (; *places != NULL; places++) {
        if ((*places)[0] == '/')
            snprintf(out, PATH_MAX, "%s", *places);
        else
            snprintf(out, PATH_MAX, "%.2000s/%.2000s", here, *places);
        if (access(out, R_OK) == 0)
            return DT_OK;
    }
    return dt_error_set(DT_ENOTFOUND, "%s is not beside %s", what, here);
}

static dt_status find_programs(struct demo *demo)
{
    static const char *const producers[] = {"../examples/flights_producer",
                                            "../libexec/duet/flights_producer", NULL};
    static const char *const consumers[] = {"../examples/flights_consumer",
                                            "../libexec/duet/flights_consumer", NULL};
    static const char *const files[] = {"../../examples/data/flights-2013-01.csv",
                                        "../share/duet/flights-2013-01.csv",
#ifdef DUET_EXAMPLE_DATA
                                        DUET_EXAMPLE_DATA "/flights-2013-01.csv",
#endif
                                        NULL};
    char here[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", here, sizeof(here) - 1);
    dt_status status;

    if (size <= 0)
        return dt_error_errno(errno, "finding where this program lies");
    here[size] = '\0';
    snprintf(demo->duet, sizeof(demo->duet), "%s", here);
    *strrchr(here, '/') = '\0';
    status = find_one(demo->producer, here, producers, "the example flights_producer");
    if (status == DT_OK)
        status = find_one(demo->consumer, here, consumers, "the example flights_consumer");
    if (status == DT_OK)
        status = find_one(demo->csv, here, files, "the flight data");
    return status;
}

static dt_status write_config(struct demo *demo)
{
    struct dt_buf text;
    dt_status status;

    dt_buf_init(&text, 4096);
    dt_buf_printf(&text,
                  "migration: flights\n"
                  "store: sqlite:duet.db\n"
                  "kafka: {bootstrap.servers: \"%s\"}\n"
                  "rocketmq: {namesrv: \"%s\"}\n"
                  "gates: {preset: test}\n"
                  "routes:\n"
                  "  - topic: " DEMO_TOPIC "\n"
                  "    partitions: %d\n"
                  "    groups: [%s, %s]\n",
                  duet_kafka_mock_address(demo->brokers.kafka),
                  rmq_mock_namesrv(demo->brokers.rocketmq), DEMO_PARTITIONS, demo_groups[0],
                  demo_groups[1]);
    snprintf(demo->config, sizeof(demo->config), "%s/duet.yaml", demo->folder);
    status = dt_buf_status(&text, "the configuration");
    if (status == DT_OK)
        status = dt_file_replace(demo->config, text.data, text.size, 0644);
    dt_buf_fini(&text);
    return status;
}

dt_status demo_open(struct demo *demo, struct cli *cli)
{
    const char *base = getenv("TMPDIR");
    dt_status status;

    memset(demo, 0, sizeof(*demo));
    demo->cli = cli;
    demo->story = cli->json ? stderr : stdout;
    demo->begun_ms = dt_clock_ms();
    status = find_programs(demo);
    if (status != DT_OK)
        return status;
    if (base == NULL || strlen(base) > 32)
        base = "/tmp";
    snprintf(demo->folder, sizeof(demo->folder), "%s/duet-demo-XXXXXX", base);
    if (mkdtemp(demo->folder) == NULL) {
        demo->folder[0] = '\0';
        return dt_error_errno(errno, "a folder in %s", base);
    }
    status = cli_brokers_start(&demo->brokers);
    if (status == DT_OK)
        status = cli_brokers_topic(&demo->brokers, DEMO_TOPIC, DEMO_PARTITIONS);
    if (status == DT_OK)
        status = write_config(demo);
    return status;
}

/* ---- children ---- */

static void become(const struct demo *demo, const char *out, const char *const *words)
{
    char *arguments[WORDS_MAX];
    char error[PATH_MAX];
    size_t count = 0;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(demo->folder) != 0)
        _exit(127);
    fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
        _exit(127);
    snprintf(error, sizeof(error), "%.4000s.err", out);
    fd = open(error, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    /* execv does not change them; its type is older than const */
    for (; words[count] != NULL && count + 1 < WORDS_MAX; count++)
        memcpy(&arguments[count], &words[count], sizeof(arguments[count]));
    arguments[count] = NULL;
    execv(arguments[0], arguments);
    _exit(127);
}

dt_status demo_start(struct demo *demo, const char *label, const char *const *words)
{
    struct demo_process *process = &demo->processes[demo->process_count];

    if (demo->process_count == DEMO_PROCESSES)
        return dt_error_set(DT_ENOMEM, "too many processes");
    snprintf(process->label, sizeof(process->label), "%s", label);
    snprintf(process->out, sizeof(process->out), "%s/%s.out", demo->folder, label);
    fflush(demo->story);
    process->pid = fork();
    if (process->pid == 0)
        become(demo, process->out, words);
    if (process->pid < 0)
        return dt_error_errno(errno, "starting %s", words[0]);
    demo->process_count++;
    return DT_OK;
}

/* The last line that a child said on stderr, for the error of its end. */
static void last_words(const struct demo_process *process, char *out, size_t size)
{
    struct dt_buf text;
    char path[PATH_MAX];
    const char *line;
    char *end;

    out[0] = '\0';
    snprintf(path, sizeof(path), "%.4000s.err", process->out);
    dt_buf_init(&text, OUTPUT_MAX);
    if (dt_file_read(path, &text) == DT_OK) {
        line = dt_buf_str(&text);
        while ((end = strchr(line, '\n')) != NULL && end[1] != '\0')
            line = end + 1;
        snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    }
    dt_buf_fini(&text);
}

static void forget(struct demo *demo, struct demo_process *process)
{
    size_t index = (size_t)(process - demo->processes);

    memmove(process, process + 1, (demo->process_count - index - 1) * sizeof(*process));
    demo->process_count--;
}

/* Waits for one child. `ended` NULL: it must end with 0; else gets the exit code. */
static dt_status join(struct demo *demo, struct demo_process *process, int64_t timeout_ms,
                      int *ended)
{
    int64_t until_ms = dt_clock_ms() + timeout_ms;
    char said[256];
    int code;

    while (waitpid(process->pid, &code, WNOHANG) == 0) {
        if (cli_interrupted())
            return dt_error_set(DT_ECLOSED, "interrupted");
        if (dt_clock_ms() > until_ms)
            return dt_error_set(DT_ETIMEDOUT, "%s has not ended in %lld s", process->label,
                                (long long)timeout_ms / 1000);
        pause_ms(LOOK_MS);
    }
    code = WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
    last_words(process, said, sizeof(said));
    if (ended != NULL)
        *ended = code;
    else if (code != 0)
        dt_error_set(DT_ESTATE, "%s ended with %d: %s", process->label, code, said);
    forget(demo, process);
    return ended == NULL && code != 0 ? DT_ESTATE : DT_OK;
}

dt_status demo_join(struct demo *demo, const char *label, int64_t timeout_ms)
{
    for (size_t i = 0; i < demo->process_count; i++)
        if (strcmp(demo->processes[i].label, label) == 0)
            return join(demo, &demo->processes[i], timeout_ms, NULL);
    return dt_error_set(DT_ENOTFOUND, "no process %s", label);
}

dt_status demo_duet(struct demo *demo, bool quiet, cJSON **json, int *exit_code,
                    const char *const *words)
{
    const char *all[WORDS_MAX] = {demo->duet};
    char path[PATH_MAX];
    struct dt_buf text;
    size_t count = 1;
    dt_status status;

    *json = NULL;
    if (!quiet)
        fprintf(demo->story, "  $ duet");
    for (; *words != NULL && count + 4 < WORDS_MAX; words++) {
        if (!quiet)
            fprintf(demo->story, strchr(*words, ' ') != NULL ? " '%s'" : " %s", *words);
        all[count++] = *words;
    }
    if (!quiet)
        fprintf(demo->story, "\n");
    all[count++] = "--config";
    all[count++] = demo->config;
    all[count++] = "--json";
    status = demo_start(demo, "duet", all);
    if (status == DT_OK)
        status =
            join(demo, &demo->processes[demo->process_count - 1], COMMAND_MS, exit_code);
    if (status != DT_OK)
        return status;
    snprintf(path, sizeof(path), "%s/duet.out", demo->folder);
    dt_buf_init(&text, OUTPUT_MAX);
    status = dt_file_read(path, &text);
    if (status == DT_OK)
        *json = cJSON_Parse(dt_buf_str(&text));
    dt_buf_fini(&text);
    if (status == DT_OK && *json == NULL)
        return dt_error_set(DT_ECORRUPT, "duet %s gave no JSON", all[1]);
    if (status == DT_OK && *exit_code > CLI_DIFFERENT) {
        status = dt_error_set(
            DT_ESTATE, "duet %s: %s", all[1],
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*json, "error")));
        cJSON_Delete(*json);
        *json = NULL;
    }
    return status;
}

/* ---- waiting ---- */

/* A consumer that ends before it is told to has failed. */
static dt_status check_children(struct demo *demo)
{
    for (size_t i = 0; i < demo->process_count; i++) {
        struct demo_process *process = &demo->processes[i];
        siginfo_t info = {0};
        char said[256];

        if (strncmp(process->label, "consumer", 8) != 0 ||
            waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid == 0)
            continue;
        last_words(process, said, sizeof(said));
        return dt_error_set(DT_ESTATE, "%s has ended: %s", process->label, said);
    }
    return DT_OK;
}

dt_status demo_wait(struct demo *demo, const char *what, int64_t timeout_ms,
                    bool (*done)(struct demo *demo, void *context), void *context)
{
    int64_t until_ms = dt_clock_ms() + timeout_ms;

    for (;;) {
        dt_status status = check_children(demo);

        if (status != DT_OK)
            return status;
        if (done(demo, context))
            return DT_OK;
        if (cli_interrupted())
            return dt_error_set(DT_ECLOSED, "interrupted");
        if (dt_clock_ms() > until_ms)
            return dt_error_set(DT_ETIMEDOUT, "waited %lld s for %s",
                                (long long)timeout_ms / 1000, what);
        pause_ms(4 * LOOK_MS);
    }
}

int64_t demo_processed(struct demo *demo, const char *group, enum duet_role role)
{
    int64_t sum = 0;

    if (demo->store == NULL) {
        char url[PATH_MAX];

        snprintf(url, sizeof(url), "sqlite:%s/duet.db", demo->folder);
        if (duet_store_open(url, false, &demo->store) != DT_OK)
            return -1;
    }
    for (int side = 0; side < DUET_SIDES; side++) {
        struct duet_counts read, live, shadow;

        duet_counts_init(&read);
        duet_counts_init(&live);
        duet_counts_init(&shadow);
        if (duet_store_group_counts(demo->store, DEMO_TOPIC, group, (enum duet_side)side,
                                    &read, &live, &shadow) != DT_OK)
            sum = -1;
        else if (sum >= 0)
            sum += duet_counts_total(role == DUET_LIVE ? &live : &shadow,
                                     DUET_COUNT_PROCESSED);
        duet_counts_fini(&read);
        duet_counts_fini(&live);
        duet_counts_fini(&shadow);
    }
    return sum;
}

/* ---- the end ---- */

static int remove_one(const char *path, const struct stat *stat, int kind,
                      struct FTW *where)
{
    (void)stat, (void)kind, (void)where;
    return remove(path);
}

void demo_close(struct demo *demo, bool keep)
{
    int64_t until_ms = dt_clock_ms() + END_MS;

    for (size_t i = 0; i < demo->process_count; i++)
        kill(demo->processes[i].pid, SIGTERM);
    while (demo->process_count > 0) {
        struct demo_process *process = &demo->processes[demo->process_count - 1];

        if (waitpid(process->pid, NULL, WNOHANG) == 0) {
            if (dt_clock_ms() > until_ms)
                kill(process->pid, SIGKILL);
            pause_ms(LOOK_MS);
            continue;
        }
        demo->process_count--;
    }
    if (demo->store != NULL)
        duet_store_close(demo->store);
    cli_brokers_stop(&demo->brokers);
    if (demo->folder[0] == '\0')
        return;
    if (keep)
        fprintf(stderr, "duet demo: its files are kept in %s\n", demo->folder);
    else
        nftw(demo->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
