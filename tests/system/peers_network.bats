#!/usr/bin/env bats
# Five instances, each in a network namespace of its own behind a bridge: members come, go and are cut off while rows flow. A table's rows end
# in the uploads of one instance, only the share of the one that comes or goes moves, and each row is there once.

load lib
load peers

NAMES=(n1 n2 n3 n4 n5)
TABLES=(T1 T2 T3 T4 T5 T6 T7 T8)

setup() {
    spillway_setup
    [ "$(id -u)" -eq 0 ] || skip "needs root: makes network namespaces"
    command -v ip >/dev/null || skip "needs ip (iproute2): scripts/deps"
    NET=spillway-${T##*.}
    ip netns add "$NET" 2>/dev/null || skip "network namespaces are not allowed here"
    ip -n "$NET" link add br0 type bridge 2>/dev/null || skip "no bridge in a network namespace here"
    ip -n "$NET" link set br0 up
}
teardown() {
    stop_all
    for n in "${NAMES[@]}"; do ip netns del "$NET-$n" 2>/dev/null || :; done
    ip netns del "$NET" 2>/dev/null || :
}

address() { echo "10.77.0.${1#n}"; }

# plug NAME: its namespace, with a cable to the bridge.
plug() {
    ip netns add "$NET-$1"
    ip link add eth0 netns "$NET-$1" type veth peer name "to-$1" netns "$NET"
    ip -n "$NET-$1" address add "$(address "$1")/24" dev eth0
    ip -n "$NET-$1" link set lo up
    ip -n "$NET-$1" link set eth0 up
    ip -n "$NET" link set "to-$1" master br0 up
}

# configure NAME MEMBER...: the ring as NAME is told of it.
configure() {
    local name=$1 member
    shift
    {
        printf '%s\n' "name = $name" "listen = $(address "$name"):7000" "no-guard = yes" "scan-interval = 50ms" "transfer-linger = 100ms" \
            "retry-min = 20ms" "retry-max = 300ms" "peer-poll = 50ms" "peer-hold = 5s" "peer-unhealthy = 200ms" "transfer-stall = 2s" \
            "segment-age = 300ms" "max-transfer-age = 1h" "peer-connect-timeout = 1s" "token-file = $T/token"
        for member in "$@"; do echo "peer = $member=http://$(address "$member"):7000"; done
    } >"$T/$name.conf"
}

instance() { # NAME
    mkdir -p "$T/$1" "$T/out-$1"
    start "peerd-$1" ip netns exec "$NET-$1" peerd --spool "$T/$1" --config "$T/$1.conf"
    start "uploader-$1" uploader --spool "$T/$1" --database "D=dir:$T/out-$1" --no-guard --scan-interval 50ms --batch-age 0
}

reload() { for n in "$@"; do kill -HUP "$(pid_of "peerd-$n")"; done; }

# see NAME MEMBER...: does NAME see exactly these?
see() {
    [ "$(spillway --spool "$T/$1" peers --json | jq -r '[.peers[] | select(.present) | .name] | sort | join(" ")')" = "${*:2}" ]
}
see_all() { for n in "$@"; do wait_until 20 see "$n" "$@"; done; }

# rows FIRST NAME...: a hundred rows of each table, from FIRST on, into each of these.
rows_from() {
    local first=$1 t n
    shift
    for t in "${TABLES[@]}"; do for n in "$@"; do write "$n" "$t" "$first" $((first + 99)); done; done
}

# uploaders FIRST: "TABLE INSTANCE..." for each table: who uploaded those hundred rows.
uploaders() {
    local t n
    for t in "${TABLES[@]}"; do
        echo "$t" "$(for n in "${NAMES[@]}"; do
            find "$T/out-$n/D/$t" -name '*.gz' -print0 2>/dev/null | xargs -0r zcat | awk -F, -v f="$1" -v n="$n" '$3 >= f && $3 < f + 100 {print n; exit}'
        done | paste -sd' ')"
    done
}
each_has_one() { run -1 grep -vE '^T[0-9]+ n[0-9]$' "$1"; }

@test "members in network namespaces come, go and are cut off while rows flow: one uploader a table, only a share moves, each row once" {
    (umask 077; echo a-secret-of-the-ring >"$T/token")
    for n in "${NAMES[@]}"; do plug "$n"; done
    for n in n1 n2 n3 n4; do configure "$n" n1 n2 n3 n4; instance "$n"; done
    see_all n1 n2 n3 n4
    rows_from 1000 n1 n2 n3 n4
    wait_until 60 is_at_rest
    uploaders 1000 >"$T/four"
    each_has_one "$T/four"
    [ "$(cut -d' ' -f2 "$T/four" | sort -u | wc -l)" -ge 2 ]

    # One comes, while rows flow.
    rows_from 2000 n1 n2
    for n in "${NAMES[@]}"; do configure "$n" "${NAMES[@]}"; done
    instance n5
    reload n1 n2 n3 n4
    rows_from 2100 n3 n4
    see_all "${NAMES[@]}"
    rows_from 3000 "${NAMES[@]}"
    wait_until 60 is_at_rest
    uploaders 3000 >"$T/five"
    each_has_one "$T/five"
    [ "$(diff "$T/four" "$T/five" | grep '^>' | grep -vc ' n5$')" -eq 0 ]
    [ "$(grep -c ' n5$' "$T/five")" -lt "${#TABLES[@]}" ]

    # One goes: the others are told, it is drained, it ends.
    rows_from 4000 n1 n2
    for n in n1 n3 n4 n5; do configure "$n" n1 n3 n4 n5; done
    reload n1 n3 n4 n5
    rows_from 4100 n2 n3
    see_all n1 n3 n4 n5
    wait_until 60 is_at_rest
    stop peerd-n2
    stop uploader-n2
    rows_from 5000 n1 n3 n4 n5
    wait_until 60 is_at_rest
    uploaders 5000 >"$T/without"
    each_has_one "$T/without"
    [ "$(diff "$T/five" "$T/without" | grep '^<' | grep -vc ' n2$')" -eq 0 ]

    # The cable of one is pulled, and put back: it uploads what it gets itself meanwhile.
    rows_from 6000 n1 n3
    ip -n "$NET" link set to-n3 down
    rows_from 6100 n3 n4
    for n in n1 n4 n5; do wait_until 30 see "$n" n1 n4 n5; done
    wait_until 30 see n3 n3
    rows_from 7000 n1 n3
    ip -n "$NET" link set to-n3 up
    see_all n1 n3 n4 n5
    rows_from 8000 n1 n3
    wait_until 90 is_at_rest
    uploaders 8000 >"$T/again"
    diff "$T/without" "$T/again"
    each_row_once
}
