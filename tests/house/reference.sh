#!/usr/bin/env bash
# The HTML reference is made of the public headers without a warning: each function, type, value and
# field has a comment of its own.
set -euo pipefail

build=${DUET_BUILD:-build}
command -v doxygen >/dev/null || { echo "skipped: doxygen is not installed"; exit 77; }
[ -f "$build/Doxyfile" ] || { echo "skipped: $build is not configured"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

reference() { # INPUT: makes $scratch/html
    sed -E "s@^(OUTPUT_DIRECTORY =).*@\1 $scratch@; s@^(INPUT =|STRIP_FROM_PATH =|STRIP_FROM_INC_PATH =).*@\1 $1@" \
        "$build/Doxyfile" >"$scratch/Doxyfile"
    doxygen "$scratch/Doxyfile"
}
reference "$PWD/include" >"$scratch/log" 2>&1 || fail "doxygen warns: $(head -n 20 "$scratch/log")"
sed -nE 's/^.*[ *]((rmq|duet|dt)_[a-z0-9_]+)\(.*$/\1/p' <(grep -h '^DT_API' include/*/*.h) | sort -u >"$scratch/functions"
[ "$(wc -l <"$scratch/functions")" -gt 50 ] || fail 'found hardly a function'
while read -r function; do
    grep -q "$function" "$scratch"/html/globals_func*.html "$scratch"/html/*_8h.html || fail "$function is not in the reference"
done <"$scratch/functions"

# a comment that says what is not so is found
cp -r include "$scratch/broken"
sed -i '0,/@param config/s//@param konfig/' "$scratch/broken/rmq/client.h"
if reference "$scratch/broken" >"$scratch/log" 2>&1; then fail 'a wrong parameter name is not found'; fi
grep -q konfig "$scratch/log" || fail "the wrong parameter is not named: $(cat "$scratch/log")"

# so is what has no comment: a function, a field
undocumented() { # FILE SED-SCRIPT NAME
    rm -r "$scratch/broken"
    cp -r include "$scratch/broken"
    sed -i "$2" "$scratch/broken/$1"
    if cmp -s "include/$1" "$scratch/broken/$1"; then fail "nothing to take a comment from in $1"; fi
    if reference "$scratch/broken" >"$scratch/log" 2>&1; then fail "$3 without a comment is not found"; fi
    grep -q "$3.*is not documented" "$scratch/log" || fail "$3 is not named: $(head -n 5 "$scratch/log")"
}
undocumented rmq/client.h '/^\/\*\* Frees what a function of this library/d' rmq_free
undocumented rmq/message.h 's@^\(    int32_t queue_id;\).*@\1@' queue_id
