#!/usr/bin/env bash
# The scripts answer wrong usage with exit 2 and one sentence, and change nothing.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=$scratch/brokers

refused() { # EXPECTED-STATUS WORD COMMAND...
    local expected=$1 word=$2 status=0 said
    shift 2
    said=$("$@" 2>&1 >/dev/null) || status=$?
    [ "$status" -eq "$expected" ] || { echo "FAILED: '$*' exits $status, not $expected: $said"; exit 1; }
    [ "$(wc -l <<<"$said")" -eq 1 ] || { echo "FAILED: '$*' says more than a sentence: $said"; exit 1; }
    grep -qF -- "$word" <<<"$said" || { echo "FAILED: '$*' does not name '$word': $said"; exit 1; }
}

refused 2 'what to do?' scripts/brokers --dir "$folder"
refused 2 "'begin'" scripts/brokers begin --dir "$folder"
refused 2 "'zookeeper'" scripts/brokers start zookeeper --dir "$folder"
refused 2 '5.0.0' scripts/brokers start --rocketmq 5.0.0 --dir "$folder"
refused 2 '--dir' scripts/brokers start --dir
refused 2 '--force' scripts/brokers stop --force
refused 2 'name and a number' scripts/brokers topic flights --dir "$folder"
refused 2 "'with.dot'" scripts/brokers topic with.dot 4 --dir "$folder"
refused 2 "'none'" scripts/brokers topic flights none --dir "$folder"
refused 1 'nothing was ever started' scripts/brokers env --dir "$folder"
refused 1 'nothing was ever started' scripts/brokers kill broker --dir "$folder"
scripts/brokers stop --dir "$folder"
scripts/brokers status --dir "$folder" | grep '^kafka *stopped' >/dev/null
[ ! -e "$folder" ] || { echo "FAILED: a folder was made"; exit 1; }

refused 2 'demo|test' scripts/bootstrap
refused 2 "'all'" scripts/bootstrap all
refused 2 "'spelling'" scripts/check spelling
refused 2 '--root' scripts/check --root "$scratch/none"

# A process id that was given to somebody else since is not ours to end.
sleep 60 &
other=$!
mkdir -p "$folder/broker"
printf 'rocketmq=5.3.3\nports=12000\n' >"$folder/state"
printf '%s 1 %s\n' "$other" "$(cat /proc/sys/kernel/random/boot_id)" >"$folder/broker/pid"
scripts/brokers kill --dir "$folder"
scripts/brokers stop --dir "$folder"
kill -0 "$other" || { echo "FAILED: ended a process that it did not start"; exit 1; }
kill "$other"
echo fine
