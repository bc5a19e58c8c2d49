/*
 * golden.h - looks up a line of tests/golden/model.txt: a name, a space, the value.
 *
 * The file is written by tests/golden/model.py, which shares no code with src/.
 */
#ifndef SUPPORT_GOLDEN_H
#define SUPPORT_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_GOLDEN_MAX = 4096 };

/* The text of `name`; fails the test if there is none. `out` holds TEST_GOLDEN_MAX. */
static inline void test_golden_text(char *out, const char *name)
{
    FILE *file = fopen(SOURCE_DIR "/tests/golden/model.txt", "r");
    size_t length = strlen(name);
    char line[TEST_GOLDEN_MAX];
    bool found = false;

    assert_non_null(file);
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, name, length) == 0 && line[length] == ' ';
    }
    fclose(file);
    if (!found)
        fail_msg("no golden value %s", name);
    memcpy(out, line + length + 1, strlen(line) - length);
}

static inline void test_assert_golden_text(const char *name, const char *actual)
{
    char expected[TEST_GOLDEN_MAX];

    test_golden_text(expected, name);
    assert_string_equal(actual, expected);
}

/* Compares bytes with the hex digits of `name`. */
static inline void test_assert_golden(const char *name, const void *data, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)data;
    char *actual = (char *)malloc(2 * size + 1);

    assert_non_null(actual);
    actual[0] = '\0';
    for (size_t i = 0; i < size; i++)
        snprintf(actual + 2 * i, 3, "%02x", bytes[i]);
    test_assert_golden_text(name, actual);
    free(actual);
}

#endif
