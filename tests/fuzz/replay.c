/*
 * replay - runs a fuzz target over files, and over those of folders; for builds without libFuzzer.
 *
 *   fuzz_NAME FILE-OR-FOLDER...
 *
 * Each input is also cut short at a few places and changed in a few bytes, so that a replay sees
 * more than what is written down. Exit: 0; 1 if there was nothing to run.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

enum { CUTS = 16, CHANGES = 32, NAME_MAX_SIZE = 4096 };

/* A copy of just this size, so that AddressSanitizer sees a byte too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    FUZZ_NEED(copy != NULL);
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_and_vary(uint8_t *data, size_t size)
{
    uint32_t random = (uint32_t)size * 2654435761u + 1;

    run(data, size);
    for (size_t i = 0; i < CUTS && size > 0; i++)
        run(data, size * i / CUTS);
    for (size_t i = 0; i < CHANGES && size > 0; i++) {
        size_t at;
        uint8_t kept;

        random = random * 1664525u + 1013904223u;
        at = (random >> 8) % size;
        kept = data[at];
        data[at] = (uint8_t)(i % 2 == 0 ? random >> 24 : kept ^ (1u << (random >> 29)));
        run(data, size);
        data[at] = kept;
    }
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    long size;

    FUZZ_NEED(file != NULL && fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    rewind(file);
    FUZZ_NEED(size >= 0);
    data = malloc((size_t)size + 1);
    FUZZ_NEED(data != NULL);
    FUZZ_NEED(fread(data, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    run_and_vary(data, (size_t)size);
    free(data);
}

static size_t run_path(const char *path)
{
    struct stat what;
    struct dirent *entry;
    size_t count = 0;
    DIR *folder;

    if (stat(path, &what) != 0)
        return 0;
    if (!S_ISDIR(what.st_mode)) {
        run_file(path);
        return 1;
    }
    folder = opendir(path);
    FUZZ_NEED(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        char inner[NAME_MAX_SIZE];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        count += run_path(inner);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}
