#!/usr/bin/env bash
#
# TLS and access control on a real RocketMQ of its own: security.sh BUILD VERSION
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/duet-security.XXXXXX")
brokers=("$here/scripts/brokers" --dir "$dir" --rocketmq "$2")
finish() {
    status=$?
    [ "$status" -eq 0 ] || tail -n 20 "$dir"/*/log >&2 || true
    "${brokers[@]}" kill namesrv broker >/dev/null 2>&1 || true
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT

"${brokers[@]}" --tls --acl start namesrv broker
namesrv=$("${brokers[@]}" env | sed -n 's/^NAMESRV=//p')
"$1/tests/rmq_security" "$namesrv" "$dir"
