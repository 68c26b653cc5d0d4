#!/usr/bin/env bats
# Three real instances: rows that come in anywhere end in the uploads of the one that owns their table, each once, whatever is killed and
# whatever the network between them does. Values are compared, not counts.

load lib
load peers

NAMES=(a b c)

# ports: one for each instance, known before they start, because the others must know them. Taken by someone else meanwhile: said by peerd.
choose_ports() {
    for n in "${NAMES[@]}"; do
        declare -g "PORT_$n=$(free_port)"
        mkdir -p "$T/$n" "$T/out-$n"
    done
}

# url_of NAME: where others reach it: directly, or through its proxy.
url_of() {
    local port=PORT_$1 via=VIA_$1
    echo "http://127.0.0.1:${!via:-${!port}}"
}

peerd_of() { # NAME
    local port=PORT_$1 flags=() n
    for n in "${NAMES[@]}"; do flags+=(--peer "$n=$(url_of "$n")"); done
    start "peerd-$1" peerd --spool "$T/$1" --name "$1" --listen "127.0.0.1:${!port}" "${flags[@]}" --no-guard --scan-interval 50ms \
        --transfer-linger 100ms --retry-min 20ms --retry-max 300ms --peer-poll 50ms --peer-hold 5s --peer-unhealthy 200ms \
        --transfer-stall 2s --segment-age 300ms
}

uploader_of() { # NAME
    start "uploader-$1" uploader --spool "$T/$1" --database "D=dir:$T/out-$1" --no-guard --scan-interval 50ms --batch-age 0
}

see_each_other() { # each of them sees all as present
    local n
    for n in "${NAMES[@]}"; do
        [ "$(spillway --spool "$T/$n" peers --json | jq -s '[.. | objects | select(.present == true or .is_present == true)] | length')" -ge 3 ] || return 1
    done
}

ring_up() {
    local n
    for n in "${NAMES[@]}"; do
        peerd_of "$n"
        uploader_of "$n"
    done
    wait_until 20 see_each_other
}

@test "a table's rows from all instances end in the uploads of the one that owns it" {
    choose_ports
    ring_up
    for t in T1 T2 T3 T4 T5 T6; do
        for n in "${NAMES[@]}"; do write "$n" $t 1 500; done
    done
    wait_until 30 is_at_rest
    each_row_once
    for t in T1 T2 T3 T4 T5 T6; do
        key=D_${t}_$(find "$T"/out-*/D/$t -name '*.gz' | head -n 1 | xargs -r basename | cut -d, -f2)
        owners=$(find "$T"/out-* -path "*/D/$t/*.gz" | sed "s|$T/out-||; s|/.*||" | sort -u)
        [ "$(wc -w <<<"$owners")" -eq 1 ] || { echo "$t: uploaded by $owners ($key)"; false; }
    done
    # Both sides count the same rows.
    sent=$(cat "$T"/[abc]/state/peerd.json | jq -s '[.[].databases.D.rows_sent // 0] | add')
    [ "$sent" -gt 0 ]
    # One request has one name, in both logs.
    request=$(grep -ho 'segments-sent.*' "$T"/peerd-a.log | head -n 1 | sed 's/.* request=//')
    [ -n "$request" ]
    run grep -l "request=$request" "$T"/peerd-b.log "$T"/peerd-c.log
    [ "$status" -ne 2 ]
    [ "${#lines[@]}" -eq 1 ]
}

@test "peerds killed at random: no row is lost, none is there twice" {
    choose_ports
    ring_up
    for round in $(seq 8); do
        for n in "${NAMES[@]}"; do write "$n" "T$((round % 4 + 1))" $((round * 100)) $((round * 100 + 99)); done
        victim=${NAMES[RANDOM % 3]}
        read -rt "$(printf '0.%03d' $((RANDOM % 400)))" <> <(:) || : # when it is hit is what is tried out
        stop "peerd-$victim" KILL || :
        peerd_of "$victim"
    done
    wait_until 60 is_at_rest
    each_row_once
}

@test "a network that cuts, drops answers, stalls and delays: exactly once" {
    choose_ports
    for n in "${NAMES[@]}"; do
        port=PORT_$n
        proxy "proxy-$n" "${!port}"
        declare -g "VIA_$n=$(cat "$T/proxy-$n/port")"
    done
    ring_up
    for n in "${NAMES[@]}"; do echo chaos >"$T/proxy-$n/mode"; done
    for round in $(seq 8); do
        for n in "${NAMES[@]}"; do write "$n" "T$((round % 4 + 1))" $((round * 1000)) $((round * 1000 + 999)); done
    done
    for n in "${NAMES[@]}"; do
        victim=$n
        stop "peerd-$victim" KILL || :
        peerd_of "$victim"
    done
    sleepless() { [ "$(jq '.drop // 0' "$T"/proxy-*/connections | awk '{s += $1} END {print s}')" -gt 3 ]; }
    wait_until 30 sleepless
    for n in "${NAMES[@]}"; do echo pass >"$T/proxy-$n/mode"; done
    wait_until 60 is_at_rest
    each_row_once
}
