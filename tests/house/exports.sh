#!/usr/bin/env bash
# The shared libraries export what the headers of include/ declare, and nothing else; the state
# that librmq and libduet share (error sentences, the log) exists once.
set -euo pipefail
export LC_ALL=C

build=${DUET_BUILD:-build}
[ -e "$build/librmq.so" ] || { echo "skipped: a build without shared libraries"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

# The compiler's own list of the functions that our headers declare.
declared() { # FOLDER
    local header
    for header in "include/$1"/*.h; do
        printf '#include "%s"\n' "${header#include/}"
    done >"$scratch/all.c"
    gcc -std=c11 -Iinclude -fsyntax-only -aux-info "$scratch/aux" "$scratch/all.c"
    # shellcheck disable=SC2016
    sed -nE "s@^/\* include/$1/[^ ]* \*/ .*[ *]([a-z0-9_]+) \(.*@\1@p" "$scratch/aux" | sort -u
}
exported() { nm -D --defined-only "$1" | awk '{ print $NF }' | sort -u; }

for library in rmq duet; do
    declared $library >"$scratch/declared"
    exported "$build/lib$library.so" >"$scratch/exported"
    [ "$(wc -l <"$scratch/declared")" -gt 20 ] || fail "found hardly a function in include/$library"
    difference=$(diff "$scratch/declared" "$scratch/exported") ||
        fail "lib$library.so: < is declared and not exported, > exported and not declared:
$difference"
    soname=$(readelf -d "$build/lib$library.so" | sed -nE 's/.*SONAME.*\[(.*)\]/\1/p')
    [[ $soname =~ ^lib$library\.so\.[0-9]+$ ]] || fail "lib$library.so has the soname '$soname'"
done

for shared in dt_error_set dt_error_text dt_log; do
    nm -D "$build/libduet.so" | grep " U $shared$" >/dev/null || fail "libduet.so does not take $shared from librmq.so"
    if nm "$build/libduet.so" | grep -i " [tdb] $shared$" >/dev/null; then fail "libduet.so has a $shared of its own"; fi
done
readelf -d "$build/libduet.so" | grep 'NEEDED.*librmq\.so\.0' >/dev/null || fail "libduet.so does not ask for librmq.so.0"

# Every symbol of the archives that a program could meet has one of our prefixes.
foreign=$(nm --defined-only "$build/librmq.a" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBR]/ { print $3 }' |
    grep -vE '^(dt|rmq|mock|mockmq)_' || true)
[ -z "$foreign" ] || fail "librmq.a defines names without our prefix: $foreign"
