# Shared by all system tests:
#
#     load lib
#
# Behind it a file may have a setup() of its own, which begins with spillway_setup, and a teardown(), which ends with stop_all.
# Each test has a directory of its own, $T, an empty spool $SPOOL in it, and the programs of $BUILD in PATH. Nothing waits for a time:
# wait_until polls a condition with a deadline. What start() started is stopped and waited for, and $T removed (KEEP=1 keeps it).
# shellcheck shell=bash

bats_require_minimum_version 1.5.0 # run --separate-stderr

REPO=${REPO:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}

setup() { spillway_setup; }
teardown() { stop_all; }

spillway_setup() {
    PATH=$REPO/${BUILD:-build}/bin:$PATH
    T=$(mktemp -d "${TMPDIR:-/tmp}/spillway-test.XXXXXX")
    SPOOL=$T/spool
    mkdir "$SPOOL" "$T/.pids"
    export REPO PATH T SPOOL
    unset "${!SPILLWAY_@}" "${!AZURE_@}" "${!IDENTITY_@}"
}

# empty_spool: begin again with a new one.
empty_spool() { rm -rf "$SPOOL" && mkdir "$SPOOL"; }

# self_signed: $T/cert.pem and $T/key.pem, of this machine.
self_signed() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$T/key.pem" -out "$T/cert.pem" 2>"$T/openssl.log"
}

# wait_until SECONDS COMMAND...: run the command until it succeeds. Fails, naming it, when it has not within SECONDS on an idle machine;
# a busy one (all tests at once on two cores) gets WAIT_FACTOR times as long.
wait_until() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * ${WAIT_FACTOR:-4} * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((${EPOCHREALTIME/./} > deadline)); then
            echo "wait_until: still not so: $*" >&2
            return 1
        fi
        sleep 0.02
    done
}

# start NAME COMMAND...: run it in the background, stdin from /dev/null unless redirected, output appended to $T/NAME.log.
# A pipeline or a redirection goes into a function or bash -c 'exec ...'.
start() {
    local name=$1
    shift
    "$@" >>"$T/$name.log" 2>&1 3>&- &
    echo $! >"$T/.pids/$name"
}

pid_of() { cat "$T/.pids/$1"; }

is_running() { kill -0 "$(pid_of "$1")" 2>/dev/null; }

# Has it ended, and if not, does it within SECONDS? Ended but not yet waited for counts as ended.
has_ended() {
    local state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$(pid_of "$1")/stat" 2>/dev/null) || return 0
    [ "$state" = Z ] || [ -z "$state" ]
}

# wait_for NAME [SECONDS]: wait for its end; returns its exit code (124: it did not end in time, and is left running).
# Not under `run`, whose subshell cannot wait for our children: code=0; stop NAME || code=$?
wait_for() {
    local pid status=0
    pid=$(pid_of "$1")
    wait_until "${2:-20}" has_ended "$1" || return 124
    wait "$pid" 2>/dev/null || status=$?
    rm -f "$T/.pids/$1"
    return "$status"
}

# stop NAME [SIGNAL]: send it SIGTERM (or SIGNAL), wait for its end; returns its exit code (137 after KILL).
stop() {
    kill "-${2:-TERM}" "$(pid_of "$1")" 2>/dev/null || :
    wait_for "$1"
}

# For teardown(): end everything that start() started, show its log if the test failed, remove $T.
stop_all() {
    local file name
    for file in "$T"/.pids/*; do
        [ -e "$file" ] || continue
        kill -TERM "$(cat "$file")" 2>/dev/null || :
        kill -CONT "$(cat "$file")" 2>/dev/null || :
    done
    for file in "$T"/.pids/*; do
        [ -e "$file" ] || continue
        name=${file##*/}
        wait_until 10 has_ended "$name" || kill -KILL "$(cat "$file")" 2>/dev/null || :
        wait "$(cat "$file")" 2>/dev/null || :
    done
    if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
        for file in "$T"/*.log; do
            [ -s "$file" ] && { echo "--- ${file##*/}"; tail -n 40 "$file"; } >&2
        done
    fi
    if [ -n "${KEEP:-}" ]; then echo "kept: $T" >&2; else rm -rf "$T"; fi
}

# json FIELD: that field of the last line of $output (bats' run), as jq prints it.
# shellcheck disable=SC2154 # bats sets it
json() { tail -n 1 <<<"$output" | jq -r ".$1"; }

# segments QUEUE [DB]: paths of the segments there, one a line, oldest first.
segments() { find "$SPOOL/$1/${2:-}" -name '*.gz' 2>/dev/null | sort -t, -k3; }

# count QUEUE [DB]: how many they are.
count() { segments "$@" | wc -l; }

# rows QUEUE [DB]: their content.
rows() { segments "$@" | xargs -r -d '\n' zcat; }

# jq of 1.6 says 0 for -e when it read nothing, and so `PROGRAM | jq -e CONDITION` would hold for a program that failed. Here -e without any
# output is never 0: 4, as for a filter without output. Without -e it is the program as it is. A `bash -c` has to ask for [ "$(.. | jq ..)" = true ].
jq() {
    local said status=0
    if ! jq_wants_exit_status "$@"; then
        command jq "$@"
        return
    fi
    said=$(command jq "$@"; status=$?; echo .; exit "$status") || status=$? # the dot keeps the line ends
    said=${said%.}
    printf '%s' "$said"
    [ "$status" -ne 0 ] || [ -n "$said" ] || { echo "jq: nothing came in" >&2; return 4; }
    return "$status"
}

# jq_wants_exit_status ARGUMENT...: is -e among the options, alone or with others (-er)? What belongs to another option is none.
jq_wants_exit_status() {
    while [ $# -gt 0 ]; do
        case $1 in
        --exit-status) return 0 ;;
        --arg | --argjson | --slurpfile | --rawfile | --argfile) shift 2 ;;
        --indent | -L) shift ;;
        -L* | --*) ;;
        -*e*) return 0 ;;
        esac
        shift || break
    done
    return 1
}
