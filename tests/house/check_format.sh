#!/usr/bin/env bash
# scripts/check finds C that clang-format would lay out otherwise, and says so where it cannot tell.
# shellcheck source-path=SCRIPTDIR source=tree.inc
. "$(dirname "$0")/tree.inc"

output=$("$check" --root "$copy" format) || fail "the tree as it stands is not clean: $output"
if grep -q skipped <<<"$output"; then
    printf '%s\n' "$output"
    exit 77
fi
planted format src/base/planted.c 'int  planted;' 'not as clang-format leaves it'
planted format tests/unit/planted.h 'static inline int planted(void) {\n  return 1;\n}' 'not as clang-format leaves it'
clean format
