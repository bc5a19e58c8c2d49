#!/usr/bin/env bash
# The administration of librmq on a real RocketMQ: the cases of test_rmq_admin, and what Apache's
# own tool says of a topic that ours has made.
#     admin.sh BUILD-FOLDER BROKERS-FOLDER
set -euo pipefail

build=$1 brokers=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

namesrv=$(scripts/brokers env --dir "$brokers" | sed -n 's/^NAMESRV=//p')
DUET_TEST_NAMESRV=$namesrv "$build/tests/test_rmq_admin" >"$scratch/log" 2>&1 || fail "$(tail -n 30 "$scratch/log")"

topic=A$$-admin
"$build/examples/rmq_admin" "$namesrv" "$topic" readers || fail 'rmq_admin failed'
for i in 1 2 3 4 5; do echo "key $i"; done | "$build/examples/rmq_producer" "$namesrv" "$topic" || fail 'rmq_producer failed'
jars=${DUET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/duet}/jars/rocketmq-5.3.3
mqadmin() {
    java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Drocketmq.home.dir="$scratch" -Duser.home="$scratch" \
        -cp "$jars/*" org.apache.rocketmq.tools.command.MQAdminStartup "$@" -n "$namesrv" 2>&1
}
mqadmin topicStatus -t "$topic" >"$scratch/status"
# broker name, queue, minimum, maximum
read -r queues messages < <(awk '$1 == "broker-a" { queues++; sum += $4 } END { print queues + 0, sum + 0 }' "$scratch/status")
[ "$queues" -eq 4 ] || fail "Apache's tool sees $queues queues: $(tail -n 8 "$scratch/status")"
[ "$messages" -eq 5 ] || fail "Apache's tool sees $messages messages: $(tail -n 8 "$scratch/status")"
