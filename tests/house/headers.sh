#!/usr/bin/env bash
# Each public header stands alone, in C and in C++, without a warning.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=0
for header in include/*/*.h; do
    printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "${header#include/}" \
        "${header#include/}" >"$scratch/program.c"
    cp "$scratch/program.c" "$scratch/program.cc"
    for compiler in "gcc -std=c11" "clang -std=c11"; do
        $compiler -Wall -Wextra -pedantic -Wconversion -Wstrict-prototypes -Werror -Iinclude \
            -fsyntax-only "$scratch/program.c" || { echo "FAILED: $compiler: $header"; exit 1; }
    done
    for compiler in "g++ -std=c++11" "g++ -std=c++20"; do
        $compiler -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only "$scratch/program.cc" ||
            { echo "FAILED: $compiler: $header"; exit 1; }
    done
    grep -qE 'extern "C"' "$header" || ! grep -qE '^(DT_API|typedef)' "$header" ||
        { echo "FAILED: $header is not for C++: no extern \"C\""; exit 1; }
    count=$((count + 1))
done
[ "$count" -gt 5 ] || { echo "FAILED: found only $count headers"; exit 1; }
