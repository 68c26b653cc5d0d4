#!/usr/bin/env bash
# P3: transfers of 4 KiB segments a second into one peerd, from 16 keep-alive clients, plain and over TLS, beside a libmicrohttpd
# server that throws the bodies away, round by round. Two cores are shared by the server and its clients, so what a transfer costs each server
# in processor time is told too: the rest of a round is the clients' and the network's.
set -euo pipefail
seconds=3 rounds=5
[ "${BENCH:-full}" = quick ] && seconds=0.3 rounds=1
work=$(mktemp -d "${TMPDIR:-/tmp}/spillway-p3.XXXXXX")
bench=$BUILD/bench/bench_transfer
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || :; done
    wait
    rm -rf "$work"
}
trap finish EXIT

mkdir "$work/made" "$work/spool"
"$BUILD/bench/gen_rows" metrics 24000 | walwriter --spool "$work/made" --db D --table T --no-guard 2>/dev/null
cp "$work"/made/sealed/D/*.gz "$work/segment.gz"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -subj /CN=127.0.0.1 -days 2 2>/dev/null

sink() { # [CERT KEY]: SINK_PORT
    mkfifo "$work/in$#" "$work/out$#"
    "$bench" sink "$@" <"$work/in$#" >"$work/out$#" &
    pids+=($!)
    SINK_PID=$!
    # shellcheck disable=SC2034 # held open until we end
    exec {hold}>"$work/in$#"
    read -r SINK_PORT <"$work/out$#"
}
receiver() { # NAME [FLAG...]: PEER_PORT
    local name=$1
    shift
    mkdir "$work/$name"
    peerd --spool "$work/$name" --name "$name" --listen 127.0.0.1:0 --no-guard "$@" 2>"$work/$name.log" &
    pids+=($!)
    PEER_PID=$!
    until grep -q 'info started' "$work/$name.log"; do kill -0 $!; sleep 0.02; done
    PEER_PORT=$(sed -n 's/.*listening.* http=127.0.0.1:\([0-9]*\) .*/\1/p' "$work/$name.log")
}
load() { # PORT ID [tls]: requests a second, and how many; every one must be taken
    "$bench" load "$1" 16 "${LOAD_SECONDS:-$seconds}" "$work/segment.gz" "/transfer?db=D&table=T&format=csv&id=$2-" ${3:+"$3"} |
        jq -rn 'input | if .ok == .requests then "\(.requests / .seconds)\t\(.requests)" else error("refused: \(.requests - .ok)") end'
}
cpu() { # PID: microseconds that its threads had
    cat "/proc/$1"/task/*/schedstat | awk '{sum += $1} END {printf "%.0f", sum / 1000}'
}
timed() { # PID PORT ID [tls]: what load() prints, and microseconds of processor time a request
    local pid=$1 before
    shift
    before=$(cpu "$pid")
    load "$@" >"$work/load"
    awk -v spent="$(($(cpu "$pid") - before))" '{print $1 "\t" spent / $2}' "$work/load"
}
measure() { # NAME PEER SINK [tls]; of the processes PEER_PID and SINK_PID
    local name=$1 i
    : >"$work/peer"; : >"$work/sink"
    for ((i = 0; i <= rounds; i++)); do # the first warms up
        timed "$SINK_PID" "$3" "s$i" ${4:+"$4"} >>"$work/sink"
        timed "$PEER_PID" "$2" "r$i" ${4:+"$4"} >>"$work/peer"
    done
    paste "$work/peer" "$work/sink" | tail -n +2 | jq -Rcn --arg name "$name" '
        def median: sort | .[length / 2 | floor];
        [inputs | split("\t") | map(tonumber)] as $rounds |
        {row: "P3", name: "\($name): transfers of 4 KiB, 16 clients", value: ($rounds | map(.[0]) | median), unit: "1/s"},
        {row: "P3", name: "\($name): beside a server that throws away", value: ($rounds | map(.[0] / .[2]) | median), unit: "x",
         target: ">= 0.5", spread: ($rounds | map(.[0] / .[2]) | "\(min * 1000 | floor / 1000) to \(max * 1000 | floor / 1000)")},
        {row: "P3", name: "\($name): processor time of peerd for one", value: ($rounds | map(.[1]) | median), unit: "us"},
        {row: "P3", name: "\($name): the same of the server that throws away", value: ($rounds | map(.[3]) | median), unit: "us"}'
}

receiver plain
sink
plain_sink=$SINK_PORT
measure plain "$PEER_PORT" "$plain_sink"
for times in 1 10 100; do
    span=$(jq -n "$seconds / 30 * $times")
    rate=$(LOAD_SECONDS=$span load "$PEER_PORT" "g$times" | cut -f1)
    jq -cn --arg name "plain: growth, for $span s without a pause" --argjson value "$rate" '{row: "P3", $name, $value, unit: "1/s"}'
done
receiver always --sync always
measure "plain, --sync always" "$PEER_PORT" "$plain_sink"
receiver tls --tls-cert "$work/cert.pem" --tls-key "$work/key.pem"
sink "$work/cert.pem" "$work/key.pem"
measure TLS "$PEER_PORT" "$SINK_PORT" tls
