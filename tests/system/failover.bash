# For tests of failover: three real instances (peerd, diskguard, uploader each) and two databases, A and B, each a directory that all three
# upload to. Load after lib and peers. A database is dead while a file is where its directory should be.
# shellcheck shell=bash disable=SC2034

NAMES=(n0 n1 n2)

setup() { failover_setup; }

failover_setup() {
    spillway_setup
    mkdir -p "$T/adx/A" "$T/adx/B"
    : >"$T/written-A"
    : >"$T/written-B"
    local n
    for n in "${NAMES[@]}"; do
        declare -g "PORT_$n=$(free_port)"
        mkdir -p "$T/$n"
    done
    BUDGET=64M
    PEERD_FLAGS=()
    UPLOADER_FLAGS=()
    GUARD_FLAGS=()
    declare -gA VIA=() # FROM-TO: another URL by which one peerd reaches the other
}

# BUDGET_NAME, GUARD_NAME, PEERD_NAME, UPLOADER_NAME: that instance's own budget and flags; the last of a flag counts.
guard_of() {
    local budget=BUDGET_$1
    declare -n own=GUARD_$1
    start "guard-$1" diskguard --spool "$T/$1" --max-disk-usage "${!budget:-$BUDGET}" --min-free 0 --scan-interval 100ms "${GUARD_FLAGS[@]}" "${own[@]}"
}

peerd_of() {
    local port=PORT_$1 flags=() n
    declare -n own=PEERD_$1
    for n in "${NAMES[@]}"; do
        local other=PORT_$n
        flags+=(--peer "$n=${VIA[$1-$n]:-http://127.0.0.1:${!other}}")
    done
    start "peerd-$1" peerd --spool "$T/$1" --name "$1" --listen "127.0.0.1:${!port}" "${flags[@]}" --scan-interval 100ms --transfer-linger 50ms \
        --retry-min 20ms --retry-max 300ms --peer-poll 100ms --peer-hold 3s --peer-unhealthy 300ms --segment-age 300ms "${PEERD_FLAGS[@]}" "${own[@]}"
}

# B_NAME: where B is, as that instance sees it.
uploader_of() {
    local b=B_$1
    declare -n own=UPLOADER_$1
    start "uploader-$1" uploader --spool "$T/$1" --database "A=dir:$T/adx/A" --database "B=dir:${!b:-$T/adx/B}" --scan-interval 100ms --batch-age 0 \
        --retry-min 20ms --retry-max 200ms --breaker-failures 2 --breaker-time 100ms --probe-interval 300ms --idle-probe 500ms \
        --recovery-hold 300ms "${UPLOADER_FLAGS[@]}" "${own[@]}"
}

ring_up() {
    local n
    for n in "${NAMES[@]}"; do guard_of "$n"; done
    for n in "${NAMES[@]}"; do uploader_of "$n"; done
    for n in "${NAMES[@]}"; do peerd_of "$n"; done
    wait_until 30 see_each_other
}

see_each_other() {
    local n
    for n in "${NAMES[@]}"; do
        [ "$(spillway --spool "$T/$n" peers --json | jq -s '[.. | objects | select(.present == true)] | length')" -ge ${#NAMES[@]} ] || return 1
    done
}

kill_db() { mv "$T/adx/$1" "$T/adx/$1.away" && : >"$T/adx/$1"; }
heal_db() { rm "$T/adx/$1" && mv "$T/adx/$1.away" "$T/adx/$1"; }

# bulk NAME DB TABLE FIRST LAST: the same with a kilobyte in each row that hardly compresses.
bulk() {
    python3 -c '
import random, sys
who, table, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for n in range(first, last + 1):
    print(who, table, n, random.Random(who + table + str(n)).randbytes(700).hex(), sep=",")' "$1" "$3" "$4" "$5" >"$T/bulk-$1-$2-$3-$4"
    cut -d, -f1-3 "$T/bulk-$1-$2-$3-$4" >>"$T/written-$2"
    walwriter --spool "$T/$1" --db "$2" --table "$3" --schema who:string,t:string,n:long,x:string --segment-bytes 128K --block-bytes 32K \
        <"$T/bulk-$1-$2-$3-$4" 2>>"$T/writers.log"
    rm "$T/bulk-$1-$2-$3-$4"
}

# write NAME DB TABLE FIRST LAST: rows "NAME,TABLE,n" in that instance; recorded as written.
write() {
    seq "$4" "$5" | sed "s/^/$1,$3,/" | walwriter --spool "$T/$1" --db "$2" --table "$3" --schema who:string,t:string,n:long \
        --segment-bytes "${SEGMENT_BYTES:-16K}" --block-bytes 4K 2>>"$T/writers.log"
    seq "$4" "$5" | sed "s/^/$1,$3,/" >>"$T/written-$2"
}

expected() { sort "$T/written-$1"; } # DB: the first three columns of all rows
uploaded() { find "$T/adx/$1" "$T/adx/$1.away" -name '*.gz' -print0 2>/dev/null | xargs -0r zcat | cut -d, -f1-3 | sort; } # DB
held() { find "$T/$1"/{sealed,upload,batch,transfer}/"$2" -name '*.gz' 2>/dev/null | wc -l; }        # NAME DB: segments

state_of() { spillway --spool "$T/$1" failover --json | jq -e --arg db "$2" ".databases[] | select(.db == \$db) | $3"; } # NAME DB FILTER
all_say() { # DB FILTER
    local n
    for n in "${NAMES[@]}"; do state_of "$n" "$@" >/dev/null || return 1; done
}
# lose_db DB TABLE FIRST LAST: it dies; rows for it come in everywhere; it is in failover, with $AT to buffer for it.
lose_db() {
    local n
    kill_db "$1"
    for n in "${NAMES[@]}"; do write "$n" "$@"; done
    wait_until 60 all_say "$1" ".active and .at == \"$AT\""
}
sacrificial() { spillway --spool "$T/n0" failover --json | jq -r --arg db "$1" '.databases[] | select(.db == $db).at'; }

rows_held() { # DB: in all spools
    local n
    for n in "${NAMES[@]}"; do find "$T/$n"/{active,sealed,upload,batch,transfer,quarantine}/"$1" -name '*.gz' -print0 2>/dev/null | xargs -0r zcat; done | wc -l
}

has_all() { [ "$(uploaded "$1")" = "$(expected "$1")" ]; } # DB: each row once, none else
given_up() { # DB FATE: rows
    local n
    for n in "${NAMES[@]}"; do spillway --spool "$T/$n" failover --json; done | jq -s --arg db "$1" --arg fate "$2" \
        '[.[].databases[] | select(.db == $db).given_up[] | select(.fate == $fate).rows] | add // 0'
}

# others_of NAME: the other instances. who_buffers DB: the sacrificial instance, computed apart from our own code.
others_of() { printf '%s\n' "${NAMES[@]}" | grep -vx "$1"; }
who_buffers() { python3 "$REPO/tests/tools/owner.py" "$1" "${NAMES[@]}"; }

audits() { # each instance's sum adds up, by itself
    local n
    for n in "${NAMES[@]}"; do spillway --spool "$T/$n" audit >"$T/audit-$n" || return 1; done
}
