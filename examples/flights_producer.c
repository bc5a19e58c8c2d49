/*
 * flights_producer - sends the rows of a flight file, one message a row, in the file's order.
 *
 *     flights_producer --config F --input CSV --name N [--topic T] [--rate PER_S]
 *                      [--shard I/N] [--resume]
 *
 * Key: `tailnum`, null where it is NA. Value: a compact JSON object of the 19 columns. Event
 * time: `time_hour`. The file is checked as a whole before the first row goes out.
 *
 * Order per aircraft: `--shard I/N` sends the rows whose key hashes to I (64-bit FNV-1a of the
 * key's bytes, modulo N; without a key: the row's number modulo N), so that N processes share a
 * file and each key still has one producer.
 *
 * Resuming: beside duet's own state for this name lies `app-flights.json` with the row from
 * which to go on: every row before it has been acknowledged. Rows behind it may have been, too;
 * they are sent again as new messages.
 *
 * The last line on stdout is {"rows":N,"done":N,"not_done":N,"in_doubt":N,"next_row":N}. Exit:
 * 0 all done, 1 some row not done or in doubt, 2 wrong usage, configuration or input, 3 store
 * or brokers not reachable, 4 cut short by a signal (--resume goes on), 5 no disk or memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "duet/duet.h"

enum {
    EXIT_DONE,
    EXIT_INCOMPLETE,
    EXIT_USAGE,
    EXIT_UNREACHABLE,
    EXIT_SIGNAL,
    EXIT_INTERNAL
};

static const char usage_text[] =
    "usage: flights_producer --config F --input CSV --name N [--topic T] [--rate PER_S]\n"
    "                        [--shard I/N] [--resume]\n";

/* ------------------------------------------------------------------ the flight file */

enum kind { INTEGER, TEXT, TIME };
enum { COLUMNS = 19, TAILNUM = 11, TIME_HOUR = 18, LINE_SIZE_MAX = 8000 };

static const struct column {
    const char *name;
    enum kind kind;
    bool required; /* NA is not enough */
} columns[COLUMNS] = {
    {"year", INTEGER, true},
    {"month", INTEGER, true},
    {"day", INTEGER, true},
    {"dep_time", INTEGER, false},
    {"sched_dep_time", INTEGER, false},
    {"dep_delay", INTEGER, false},
    {"arr_time", INTEGER, false},
    {"sched_arr_time", INTEGER, false},
    {"arr_delay", INTEGER, false},
    {"carrier", TEXT, true},
    {"flight", INTEGER, false},
    {"tailnum", TEXT, false},
    {"origin", TEXT, false},
    {"dest", TEXT, false},
    {"air_time", INTEGER, false},
    {"distance", INTEGER, false},
    {"hour", INTEGER, false},
    {"minute", INTEGER, false},
    {"time_hour", TIME, true},
};

struct field {
    const char *text; /* into the file, not NUL-terminated */
    size_t size;
};

struct row {
    struct field fields[COLUMNS];
    int64_t integers[COLUMNS]; /* of the INTEGER columns that are not NA */
    int64_t event_time_ms;
};

struct file {
    char *bytes;
    size_t size;
    struct field *lines; /* without the header; line n of the array is row n */
    size_t count;
};

static bool is_na(const struct field *field)
{
    return field->size == 2 && memcmp(field->text, "NA", 2) == 0;
}

static bool is_text(const struct field *field, const char *text)
{
    return field->size == strlen(text) && memcmp(field->text, text, field->size) == 0;
}

static bool parse_integer(const struct field *field, int64_t *value)
{
    size_t i = field->size > 0 && field->text[0] == '-';
    int64_t sum = 0;

    if (i == field->size || field->size > 18)
        return false;
    for (; i < field->size; i++) {
        if (field->text[i] < '0' || field->text[i] > '9')
            return false;
        sum = sum * 10 + (field->text[i] - '0');
    }
    *value = field->text[0] == '-' ? -sum : sum;
    return true;
}

/* The number in text[from, from + digits), or -1. */
static int digits_at(const struct field *field, size_t from, size_t digits)
{
    int value = 0;

    for (size_t i = from; i < from + digits; i++) {
        if (i >= field->size || field->text[i] < '0' || field->text[i] > '9')
            return -1;
        value = value * 10 + (field->text[i] - '0');
    }
    return value;
}

/* YYYY-MM-DD HH:MM:SS, the space may be a T and a Z may follow: UTC either way. */
static bool parse_time(const struct field *field, int64_t *ms)
{
    static const char form[] = "0000-00-00?00:00:00";
    struct tm tm = {0}, again;
    bool zulu = field->size == sizeof(form) && field->text[field->size - 1] == 'Z';

    if (field->size != sizeof(form) - 1 + (zulu ? 1 : 0))
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        char c = field->text[i];
        if (form[i] == '?' ? c != ' ' && c != 'T' : form[i] != '0' && form[i] != c)
            return false;
    }
    tm.tm_year = digits_at(field, 0, 4) - 1900;
    tm.tm_mon = digits_at(field, 5, 2) - 1;
    tm.tm_mday = digits_at(field, 8, 2);
    tm.tm_hour = digits_at(field, 11, 2);
    tm.tm_min = digits_at(field, 14, 2);
    tm.tm_sec = digits_at(field, 17, 2);
    if (tm.tm_year < 0 || tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_hour < 0 ||
        tm.tm_min < 0 || tm.tm_sec < 0)
        return false;
    again = tm;
    *ms = (int64_t)timegm(&again) * 1000;
    /* timegm makes March of February the 30th: such a date is none */
    return again.tm_mon == tm.tm_mon && again.tm_mday == tm.tm_mday &&
           again.tm_hour == tm.tm_hour && again.tm_min == tm.tm_min &&
           again.tm_sec == tm.tm_sec;
}

/* Cuts a line into at most `max` fields; returns how many there are. */
static size_t cut(const struct field *line, struct field *fields, size_t max)
{
    size_t count = 0, from = 0;

    for (size_t i = 0; i <= line->size; i++) {
        if (i < line->size && line->text[i] != ',')
            continue;
        if (count < max)
            fields[count] = (struct field){line->text + from, i - from};
        count++;
        from = i + 1;
    }
    return count;
}

/* On false `why` says what is wrong with the line. */
static bool parse_row(const struct field *line, struct row *row, char *why, size_t why_size)
{
    size_t count;

    if (line->size > LINE_SIZE_MAX)
        return snprintf(why, why_size, "%zu bytes long, at most %d are allowed", line->size,
                        LINE_SIZE_MAX),
               false;
    if (memchr(line->text, '"', line->size) || memchr(line->text, '\0', line->size))
        return snprintf(why, why_size, "a quote or a NUL byte, which no field may have"),
               false;
    count = cut(line, row->fields, COLUMNS);
    if (count != COLUMNS)
        return snprintf(why, why_size, "%zu columns, %d are expected", count, COLUMNS),
               false;
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct field *field = &row->fields[i];
        const char *need = NULL;

        if (is_na(field)) {
            if (columns[i].required)
                need = "a value";
        } else if (columns[i].kind == INTEGER) {
            if (!parse_integer(field, &row->integers[i]))
                need = columns[i].required ? "an integer" : "an integer or NA";
        } else if (columns[i].kind == TIME) {
            if (!parse_time(field, &row->event_time_ms))
                need = "a time as 2013-01-31T23:00:00Z";
        } else if (field->size == 0) {
            need = columns[i].required ? "a text" : "a text or NA";
        }
        if (need) {
            snprintf(why, why_size, "column %s is '%.*s', %s is expected", columns[i].name,
                     (int)(field->size < 60 ? field->size : 60), field->text, need);
            return false;
        }
    }
    return true;
}

/* Reads the whole file and finds its lines. 0, or an exit code; the reason is printed. */
static int file_read(const char *path, struct file *file)
{
    struct stat stat;
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        fprintf(stderr, "%s: %s\n", path, fd < 0 ? strerror(errno) : "not a regular file");
        if (fd >= 0)
            close(fd);
        return EXIT_USAGE;
    }
    file->size = (size_t)stat.st_size;
    file->bytes = malloc(file->size + 1);
    while (file->bytes && have < file->size) {
        ssize_t got = read(fd, file->bytes + have, file->size - have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    close(fd);
    if (!file->bytes || have < file->size) {
        fprintf(stderr, "%s: %s\n", path,
                file->bytes ? "could not be read" : "out of memory");
        return file->bytes ? EXIT_USAGE : EXIT_INTERNAL;
    }

    size_t lines = 1;
    for (size_t i = 0; i < file->size; i++)
        lines += file->bytes[i] == '\n';
    file->lines = calloc(lines, sizeof(*file->lines));
    if (!file->lines) {
        fprintf(stderr, "%s: out of memory\n", path);
        return EXIT_INTERNAL;
    }
    for (size_t from = 0; from < file->size;) {
        const char *start = file->bytes + from;
        const char *end = memchr(start, '\n', file->size - from);
        size_t size = end ? (size_t)(end - start) : file->size - from;
        from += size + 1;
        if (size > 0 && start[size - 1] == '\r')
            size--;
        file->lines[file->count++] = (struct field){start, size};
    }
    return 0;
}

/* Takes the header off and looks at every row, so that a broken file sends nothing. */
static int file_check(const char *path, struct file *file)
{
    struct field header[COLUMNS];
    struct row row;
    char why[256];

    if (file->count == 0 || cut(&file->lines[0], header, COLUMNS) != COLUMNS) {
        fprintf(stderr,
                "%s:1: not the header of a flight file (%d columns, from %s to %s)\n", path,
                COLUMNS, columns[0].name, columns[COLUMNS - 1].name);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        if (is_text(&header[i], columns[i].name))
            continue;
        fprintf(stderr, "%s:1: column %zu is '%.*s', %s is expected\n", path, i + 1,
                (int)(header[i].size < 60 ? header[i].size : 60), header[i].text,
                columns[i].name);
        return EXIT_USAGE;
    }
    memmove(file->lines, file->lines + 1, (file->count - 1) * sizeof(*file->lines));
    file->count--;
    for (size_t n = 0; n < file->count; n++) {
        if (parse_row(&file->lines[n], &row, why, sizeof(why)))
            continue;
        fprintf(stderr, "%s:%zu: %s\n", path, n + 2, why);
        return EXIT_USAGE;
    }
    return 0;
}

/* ------------------------------------------------------------------ a row as a message */

/* Every byte of a line can become six. */
static char value[LINE_SIZE_MAX * 6 + 1000];

static size_t put_string(char *out, const struct field *field)
{
    size_t n = 0;

    out[n++] = '"';
    for (size_t i = 0; i < field->size; i++) {
        unsigned char c = (unsigned char)field->text[i];
        if (c < 0x20)
            n += (size_t)sprintf(out + n, "\\u%04x", c);
        else if (c == '\\')
            n += (size_t)sprintf(out + n, "\\\\");
        else
            out[n++] = (char)c;
    }
    out[n++] = '"';
    return n;
}

/* The row as a compact JSON object, columns in the file's order; returns its size. */
static size_t row_json(const struct row *row)
{
    size_t n = 0;

    for (size_t i = 0; i < COLUMNS; i++) {
        n += (size_t)sprintf(value + n, "%c\"%s\":", i == 0 ? '{' : ',', columns[i].name);
        if (is_na(&row->fields[i]))
            n += (size_t)sprintf(value + n, "null");
        else if (columns[i].kind == INTEGER)
            n += (size_t)sprintf(value + n, "%" PRId64, row->integers[i]);
        else
            n += put_string(value + n, &row->fields[i]);
    }
    value[n++] = '}';
    return n;
}

static uint64_t fnv1a(const struct field *field)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < field->size; i++)
        hash = (hash ^ (unsigned char)field->text[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t shard_of(const struct field *line, size_t row_number, uint64_t shards)
{
    struct field fields[COLUMNS];

    cut(line, fields, COLUMNS);
    return (is_na(&fields[TAILNUM]) ? row_number : fnv1a(&fields[TAILNUM])) % shards;
}

/* ------------------------------------------------------------------ what has become of rows */

static struct progress {
    pthread_mutex_t lock; /* callbacks come on duet's threads */
    bool *settled;        /* per row of the file: acknowledged, or not of this share */
    size_t count, next;   /* all rows before `next` are settled */
    int64_t rows, done, not_done, in_doubt;
    char path[4200];
    char shard[32];
} progress = {.lock = PTHREAD_MUTEX_INITIALIZER};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void answered(void *opaque, duet_result result, const char *reason)
{
    bool *settled = opaque;

    pthread_mutex_lock(&progress.lock);
    if (result == DUET_RESULT_DONE) {
        progress.done++;
        *settled = true;
        while (progress.next < progress.count && progress.settled[progress.next])
            progress.next++;
    } else {
        const char *what = result == DUET_RESULT_NOT_DONE ? "not sent" : "in doubt";
        int64_t *counter =
            result == DUET_RESULT_NOT_DONE ? &progress.not_done : &progress.in_doubt;
        if ((*counter)++ < 10) /* the counts are in the last line; ten reasons are enough */
            fprintf(stderr, "row %td: %s: %s\n", settled - progress.settled, what, reason);
    }
    pthread_mutex_unlock(&progress.lock);
}

static size_t progress_next(void)
{
    pthread_mutex_lock(&progress.lock);
    size_t next = progress.next;
    pthread_mutex_unlock(&progress.lock);
    return next;
}

/* Rows were answered, and none of them was acknowledged: nobody is there. */
static bool progress_unreachable(void)
{
    pthread_mutex_lock(&progress.lock);
    bool unreachable = progress.done == 0 && progress.in_doubt > 0;
    pthread_mutex_unlock(&progress.lock);
    return unreachable;
}

/* Durable before it counts: written aside, synced, renamed over the old one, folder synced. */
static int progress_save(void)
{
    char aside[sizeof(progress.path) + 8], text[160], *slash;
    int size = snprintf(text, sizeof(text), "{\"next_row\":%zu,\"shard\":\"%s\"}\n",
                        progress_next(), progress.shard);
    int fd, folder = -1;
    bool good;

    snprintf(aside, sizeof(aside), "%s.new", progress.path);
    fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    good = fd >= 0 && write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        good = false;
    good = good && rename(aside, progress.path) == 0;
    if (good) {
        snprintf(aside, sizeof(aside), "%s", progress.path);
        slash = strrchr(aside, '/');
        *slash = '\0';
        folder = open(aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        good = folder >= 0 && fsync(folder) == 0;
    }
    if (!good)
        fprintf(stderr, "%s: %s\n", progress.path, strerror(errno));
    if (folder >= 0)
        close(folder);
    return good ? 0 : EXIT_INTERNAL;
}

/* The row to go on from; 0 if nothing was remembered. */
static int progress_load(size_t *next)
{
    char text[160] = "", shard[32] = "";
    FILE *in = fopen(progress.path, "re");

    *next = 0;
    if (!in && errno == ENOENT)
        return 0;
    if (!in || !fgets(text, sizeof(text), in) ||
        sscanf(text, "{\"next_row\":%zu,\"shard\":\"%31[0-9/]\"}", next, shard) != 2 ||
        *next > progress.count) {
        fprintf(stderr, "%s: does not say where to resume in this input\n", progress.path);
        if (in)
            fclose(in);
        return EXIT_USAGE;
    }
    fclose(in);
    if (strcmp(shard, progress.shard) != 0) {
        fprintf(stderr, "%s: was kept for --shard %s, not %s\n", progress.path, shard,
                progress.shard);
        return EXIT_USAGE;
    }
    return 0;
}

/* ------------------------------------------------------------------ the run */

struct options {
    const char *config, *input, *name, *topic;
    double rate; /* rows per second; 0: as fast as it goes */
    unsigned long shard, shards;
    bool resume;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_until(int64_t ns)
{
    struct timespec until = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    while (!interrupted &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static int exit_code(dt_status status)
{
    switch (status) {
    case DT_OK:
        return EXIT_DONE;
    case DT_EINVAL:
    case DT_EBUSY:
    case DT_ENOTFOUND:
    case DT_EUNSUPPORTED:
        return EXIT_USAGE;
    case DT_EUNREACH:
    case DT_ENOROUTE:
    case DT_ETIMEDOUT:
        return EXIT_UNREACHABLE;
    default:
        return EXIT_INTERNAL;
    }
}

static int send_row(duet_producer *producer, const struct options *options,
                    const struct file *file, size_t n)
{
    struct row row;
    char why[256];

    if (!parse_row(&file->lines[n], &row, why, sizeof(why)))
        return EXIT_INTERNAL; /* file_check() has let it through */

    const struct field *tailnum = &row.fields[TAILNUM];
    const bool keyed = !is_na(tailnum);
    const duet_message message = {.topic = options->topic,
                                  .key = keyed ? tailnum->text : NULL,
                                  .key_size = keyed ? tailnum->size : 0,
                                  .value = value,
                                  .value_size = row_json(&row),
                                  .event_time_ms = row.event_time_ms};
    progress.rows++;
    dt_status status = duet_produce(producer, &message, 0, answered, &progress.settled[n]);
    if (status == DT_OK)
        return 0;
    if (status == DT_ETIMEDOUT || status == DT_ETOOBIG) { /* this row alone is not sent */
        answered(&progress.settled[n], DUET_RESULT_NOT_DONE, dt_error_text());
        return 0;
    }
    fprintf(stderr, "row %zu: %s\n", n, dt_error_text());
    return exit_code(status);
}

enum { SAVE_EVERY_MS = 200, END_WITHIN_MS = 5000 };

/* Sends from row `first` on, saving how far it came. */
static int send_rows(duet_producer *producer, const struct options *options,
                     const struct file *file, size_t first)
{
    const int64_t start_ns = now_ns();
    int64_t save_ns = start_ns;
    int code = 0;

    for (size_t n = first; n < file->count && code == 0 && !interrupted; n++) {
        if (shard_of(&file->lines[n], n, options->shards) != options->shard)
            continue;
        if (options->rate > 0)
            sleep_until(start_ns + (int64_t)((double)progress.rows * 1e9 / options->rate));
        if (interrupted)
            break;
        code = progress_unreachable() ? EXIT_UNREACHABLE
                                      : send_row(producer, options, file, n);
        if (now_ns() - save_ns > SAVE_EVERY_MS * INT64_C(1000000)) {
            if (code == 0)
                code = progress_save();
            save_ns = now_ns();
        }
    }
    return code;
}

/* Waits until all is on each side or given up; after a signal not for long, and no longer than
 * the deadline of the first rows where no broker has ever answered. */
static int flush(duet_producer *producer)
{
    dt_status status;
    int64_t signal_ns = 0;

    while ((status = duet_producer_flush(producer, SAVE_EVERY_MS)) == DT_ETIMEDOUT) {
        if (interrupted && signal_ns == 0)
            signal_ns = now_ns();
        if (interrupted && now_ns() - signal_ns > END_WITHIN_MS * INT64_C(1000000))
            return EXIT_SIGNAL;
        int code = progress_save();
        if (code != 0)
            return code;
        if (progress_unreachable())
            return EXIT_UNREACHABLE;
    }
    if (status != DT_OK)
        fprintf(stderr, "%s\n", dt_error_text());
    return exit_code(status);
}

static int run(const struct options *options, const struct file *file)
{
    duet_producer *producer = NULL;
    size_t first = 0;
    int code;
    dt_status status = duet_producer_open(options->config, options->name, &producer);

    if (status != DT_OK) {
        fprintf(stderr, "%s\n", dt_error_text());
        return exit_code(status);
    }
    /* Inside the name's own folder, which is ours while the producer is open. */
    snprintf(progress.path, sizeof(progress.path), "%s/app-flights.json",
             duet_producer_state_dir(producer));
    snprintf(progress.shard, sizeof(progress.shard), "%lu/%lu", options->shard,
             options->shards);
    code = options->resume ? progress_load(&first) : 0;
    for (size_t n = 0; n < file->count; n++)
        progress.settled[n] =
            n < first || shard_of(&file->lines[n], n, options->shards) != options->shard;
    while (progress.next < progress.count && progress.settled[progress.next])
        progress.next++;
    if (code == 0)
        code =
            progress_save(); /* an older, further position must not outlive a new start */
    if (code == 0) {
        code = send_rows(producer, options, file, first);
        const bool cut_short = interrupted;
        int flushed = code == EXIT_UNREACHABLE ? code : flush(producer);
        if (code == 0)
            code = cut_short ? EXIT_SIGNAL : flushed;
        int saved = progress_save();
        if (saved != 0)
            code = saved;
    }
    const size_t next = progress_next(); /* as saved: what comes after it is sent again */
    duet_producer_stats stats;
    duet_producer_statistics(producer, &stats);
    fprintf(stderr,
            "waited for a secondary: %" PRId64 " times; copies dropped: %" PRId64 "\n",
            stats.waits, stats.dropped);
    duet_producer_close(producer);
    if (code == 0 && (progress.not_done > 0 || progress.in_doubt > 0))
        code = EXIT_INCOMPLETE;
    printf("{\"rows\":%" PRId64 ",\"done\":%" PRId64 ",\"not_done\":%" PRId64
           ",\"in_doubt\":%" PRId64 ",\"next_row\":%zu}\n",
           progress.rows, progress.done, progress.not_done, progress.in_doubt, next);
    return code;
}

static bool parse_shard(const char *text, struct options *options)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    options->shard = strtoul(text, &end, 10);
    if (*end != '/' || end[1] < '0' || end[1] > '9')
        return false;
    options->shards = strtoul(end + 1, &end, 10);
    return *end == '\0' && options->shard < options->shards && options->shards <= 1000000;
}

static bool parse_rate(const char *text, double *rate)
{
    char *end;

    *rate = strtod(text, &end);
    return end != text && *end == '\0' && *rate > 0 && *rate <= 1e9;
}

/* 0, or an exit code with the reason printed; -1: help was asked for. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"input", required_argument, NULL, 'i'},
        {"name", required_argument, NULL, 'n'},
        {"topic", required_argument, NULL, 't'},
        {"rate", required_argument, NULL, 'r'},
        {"shard", required_argument, NULL, 's'},
        {"resume", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    options->config = getenv("DUET_CONFIG");
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        const char *wrong = NULL;
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'i':
            options->input = optarg;
            break;
        case 'n':
            options->name = optarg;
            break;
        case 't':
            options->topic = optarg;
            break;
        case 'r':
            if (!parse_rate(optarg, &options->rate))
                wrong = "--rate: rows per second, a number above 0";
            break;
        case 's':
            if (!parse_shard(optarg, options))
                wrong = "--shard: I/N with I from 0 to N - 1";
            break;
        case 'R':
            options->resume = true;
            break;
        case 'h':
            return -1;
        default:
            fputs(usage_text, stderr);
            return EXIT_USAGE;
        }
        if (wrong) {
            fprintf(stderr, "'%s' does not fit %s\n", optarg, wrong);
            return EXIT_USAGE;
        }
    }
    if (optind < argc || !options->config || !options->input || !options->name) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {.shards = 1};
    struct file file = {0};
    struct sigaction action = {.sa_handler = on_signal};
    int code = parse_options(argc, argv, &options);

    if (code == -1)
        return fputs(usage_text, stdout), EXIT_DONE;
    if (code != 0)
        return code;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    code = file_read(options.input, &file);
    if (code == 0)
        code = file_check(options.input, &file);
    if (code == 0) {
        progress.count = file.count;
        progress.settled = calloc(file.count + 1, sizeof(*progress.settled));
        if (progress.settled) {
            code = run(&options, &file);
        } else {
            fprintf(stderr, "out of memory\n");
            code = EXIT_INTERNAL;
        }
    }
    free(progress.settled);
    free(file.lines);
    free(file.bytes);
    return code;
}
