#!/usr/bin/env bash
# The examples of librmq do what they say, on the RocketMQ in memory, and are short.
set -euo pipefail

build=${DUET_BUILD:-build}
[ -x "$build/bin/duet" ] || { echo "skipped: nothing is built"; exit 77; }
scratch=$(mktemp -d)
started=()
cleanup() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap cleanup EXIT
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }
within() { # SECONDS WHAT COMMAND...: until the command succeeds
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "$what"
        sleep 0.1
    done
}

for name in rmq_producer rmq_consumer rmq_orderly_consumer rmq_admin; do
    lines=$(wc -l <"examples/$name.c")
    [ "$lines" -le 40 ] || fail "examples/$name.c has $lines lines"
    status=0
    "$build/examples/$name" >/dev/null 2>&1 || status=$?
    [ "$status" -ne 0 ] || fail "$name without arguments exits 0"
done

"$build/bin/duet" sandbox --topic other:1 >"$scratch/sandbox" 2>"$scratch/sandbox.err" &
started+=($!)
within 20 'the sandbox does not start' grep -q '^NAMESRV=' "$scratch/sandbox"
namesrv=$(sed -n 's/^NAMESRV=//p' "$scratch/sandbox")

"$build/examples/rmq_admin" "$namesrv" numbers readers >"$scratch/admin" || fail 'rmq_admin cannot make the topic'
"$build/examples/rmq_orderly_consumer" "$namesrv" numbers in-order >"$scratch/orderly" &
orderly=$!
started+=("$orderly")
"$build/examples/rmq_consumer" "$namesrv" numbers readers >"$scratch/plain" &
plain=$!
started+=("$plain")
is_member() { "$build/examples/rmq_admin" "$namesrv" numbers "$1" | grep '^member .*, CPP 4\.9\.4$'; }
within 20 'rmq_admin does not show the consumer' is_member readers
within 20 'rmq_admin does not show the orderly consumer' is_member in-order

has_all() { [ "$(wc -l <"$scratch/$1")" -ge "$2" ]; }
for i in $(seq 300); do printf 'key%d %d\n' $((i % 7)) "$i"; done >"$scratch/sent"
"$build/examples/rmq_producer" "$namesrv" numbers <"$scratch/sent" || fail 'rmq_producer failed'
within 30 'the orderly consumer does not get all messages' has_all orderly 300
within 30 'the consumer does not get all messages' has_all plain 300
for i in $(seq 0 6); do
    grep "key$i " "$scratch/sent" >"$scratch/one"
    grep "key$i " "$scratch/orderly" | cmp -s - "$scratch/one" ||
        fail "key$i is not in order"
done
[ "$(sort -u "$scratch/plain" | wc -l)" -eq 300 ] || fail 'the consumer did not get each message'

for process in "$orderly" "$plain"; do
    kill -TERM "$process"
    wait "$process" || fail "a consumer exits with $? when it is ended"
done
"$build/examples/rmq_admin" "$namesrv" numbers readers >"$scratch/admin" || fail 'rmq_admin failed'
if grep '^member' "$scratch/admin"; then fail 'a consumer that has ended is still a member'; fi
[ "$(grep -c ': 0 to be read$' "$scratch/admin")" -ge 1 ] || fail "rmq_admin says: $(cat "$scratch/admin")"
if grep ' to be read$' "$scratch/admin" | grep -v ': 0 to'; then fail 'something is left to be read'; fi
