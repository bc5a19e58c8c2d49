/*
 * case.h - runs all cases of a cmocka program, or the one named on its command line.
 *
 * Include it after <cmocka.h>.
 */
#ifndef SUPPORT_CASE_H
#define SUPPORT_CASE_H

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A filter that matches nothing would pass silently, so an unknown name is a failure. */
static inline int test_main(int argc, char **argv, const struct CMUnitTest *tests,
                            size_t count)
{
    if (argc > 1) {
        for (size_t i = 0; i < count; i++)
            if (strcmp(tests[i].name, argv[1]) == 0)
                return _cmocka_run_group_tests(argv[1], &tests[i], 1, NULL, NULL);
        fprintf(stderr, "no case %s\n", argv[1]);
        return 2;
    }
    return _cmocka_run_group_tests("all", tests, count, NULL, NULL);
}

#endif
