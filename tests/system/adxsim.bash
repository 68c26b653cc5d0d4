# For tests that talk to the ADX stand-in (adxsim) with curl and jq. Needs lib.bash (load lib first).
# After sim_start: $SIM is its base URL. stop_all (lib.bash) ends it.
# shellcheck shell=bash

# `data | sim_ingest` sets $status and $output here, not in a subshell.
shopt -s lastpipe

# sim_start [OPTION]...: start it on a port of the kernel's choice, on $T/adx (kept from one start to the next).
sim_start() {
    rm -f "$T/port"
    start adxsim adxsim --listen 127.0.0.1:0 --data "$T/adx" --port-file "$T/port" "$@"
    wait_until 10 test -s "$T/port"
    SIM=http://127.0.0.1:$(cat "$T/port")
    export SIM
}

# sim_curl PATH [CURL-OPTION]...: status to $status, body to $output.
sim_curl() {
    local path=$1
    shift
    status=$(curl -sS -o "$T/body" -D "$T/headers" -w '%{http_code}' -H 'Accept: application/json' \
        -H 'x-ms-client-request-id: test;1' "$@" "$SIM$path") || { status=curl-$?; return 0; }
    output=$(cat "$T/body")
}

# sim_mgmt CSL [DB] [CURL-OPTION]...: run a management command.
sim_mgmt() {
    local csl=$1 db=${2:-NetDefaultDB}
    shift $(($# > 1 ? 2 : 1))
    jq -nc --arg csl "$csl" --arg db "$db" '{db: $db, csl: $csl}' >"$T/command.json"
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json' --data-binary "@$T/command.json" "$@"
}

# sim_query CSL: its rows as JSON to $output.
sim_query() {
    jq -nc --arg csl "$1" '{db: "NetDefaultDB", csl: $csl}' >"$T/command.json"
    sim_curl /v1/rest/query -H 'Content-Type: application/json' --data-binary "@$T/command.json"
}

# sim_ingest TABLE ARGUMENTS [CURL-OPTION]...: streaming ingestion of standard input.
sim_ingest() {
    local table=$1 arguments=$2
    shift 2
    cat >"$T/data"
    sim_curl "/v1/rest/ingest/NetDefaultDB/$table?$arguments" -H 'Expect:' -X POST --data-binary "@$T/data" "$@"
}

# sim_fault JSON: add a rule.
sim_fault() { curl -sSf -o /dev/null -d "$1" "$SIM/_sim/fault"; }
sim_no_faults() { curl -sSf -X DELETE "$SIM/_sim/fault"; }

# sim_rows TABLE [DB]: how many it has; sim_csv TABLE [DB]: all of them.
sim_rows() { curl -sSf "$SIM/_sim/rows?db=${2:-NetDefaultDB}&table=$1" | jq -r .rows; }
sim_csv() { curl -sSf "$SIM/_sim/csv?db=${2:-NetDefaultDB}&table=$1"; }

# sim_header NAME: of the last answer.
sim_header() { sed -n "s/^$1: //Ip" "$T/headers" | tr -d '\r'; }

# sim_is STATUS CODE [PERMANENT]: was the last answer this error, in the shape of adx.md 1.3?
sim_is() {
    [ "$status" = "$1" ] || { echo "status $status instead of $1: $output" >&2; return 1; }
    jq -e --arg code "$2" --argjson permanent "${3:-true}" --argjson status "$1" '.error
        | .code == $code and ."@permanent" == $permanent and ."@failureCode" == $status and (.message | type) == "string"
          and (."@type" | startswith("Kusto.")) and (."@message" | startswith($code))
          and ."@context".clientRequestId == "test;1" and (."@context".activityId | length) == 36' <<<"$output" >/dev/null ||
        { echo "not the error $2: $output" >&2; return 1; }
}

# sim_is_ok [JQ-CONDITION on Tables[0]]: 200, and the condition holds.
sim_is_ok() {
    [ "$status" = 200 ] || { echo "status $status: $output" >&2; return 1; }
    jq -e ".Tables[0] | ${1:-true}" <<<"$output" >/dev/null || { echo "not so: $1: $output" >&2; return 1; }
}
