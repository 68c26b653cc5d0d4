#!/usr/bin/env bats
# An answer that points elsewhere is not followed, whatever was asked and of whom: the other host hears nothing, so no token, signature or
# secret can reach it, and the error says what happened.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load sink
load uploader

setup() {
    spillway_setup
    sink_start
    ELSEWHERE=$SINK
    cp "$T/.pids/sink" "$T/.pids/elsewhere"
    sink_start
    echo planted-token >"$T/token"
    echo planted-secret >"$T/secret"
    TURN=0
}

up() { uploader --spool "$SPOOL" --queue sealed --no-guard --once --retry-min 10ms --retry-max 20ms --database D="$SINK" --log-level debug "$@"; }

# redirect MATCH: from now on such requests are sent elsewhere, by each of the four statuses in turn
redirect() {
    local i status
    sink_reset
    for i in 0 1 2 3; do
        status=$(((i + TURN) % 4))
        status=$(set -- 301 302 307 308 && shift "$status" && echo "$1")
        sink_fault "{\"match\":\"$1\",\"status\":$status,\"count\":$((i == 3 ? 1000 : 1)),\"headers\":{\"Location\":\"$ELSEWHERE/elsewhere?sig=planted\"}}"
    done
    TURN=$((TURN + 1))
}

# was_kept MATCH: it was asked, it said what happened, nobody else heard of it, and no secret is told
was_kept() {
    sink_log '.[] | .method + " " + .path + "?" + .query + " " + (.csl // "")' | tr -d '"' | grep -qE "$1" || { echo "nothing matched $1" >&2; return 1; }
    grep -Eq 'status 30[1278]: it redirects to 127.0.0.1, which is not followed' <<<"$output" || { echo "$1: $output" >&2; return 1; }
    [ "$(curl -sSf "$ELSEWHERE/_sink/log")" = '[]' ] || { echo "$1 went elsewhere" >&2; return 1; }
    if grep -E 'planted|geheim' <<<"$output" || grep -rlaE planted "$SPOOL"; then echo "$1: a secret" >&2; return 1; fi
}

# kept MATCH COMMAND...: with such requests sent elsewhere, it waits; without, it gets through
kept() {
    local match=$1
    shift
    redirect "$match"
    numbers 1 5 | write A
    run -75 "$@"
    was_kept "$match"
    [ "$(count quarantine)" = 0 ]
    sink_reset
    run -0 "$@"
    nothing_left
}

@test "redirects: of the engine, data management, blobs, blocks and queues, with a token or a signature" {
    kept create-merge up --ingest queued --adx-token-file "$T/token"
    kept 'v1/rest/ingest/' up --ingest streaming --adx-token-file "$T/token"
    kept 'ingest inline' up --ingest inline --adx-token-file "$T/token"
    kept 'get ingestion resources' up --ingest queued --adx-token-file "$T/token"
    kept 'get kusto identity' up --ingest queued --adx-token-file "$T/token"
    kept '^PUT' up --ingest queued
    kept /messages up --ingest queued
}

@test "redirects: of blocks and their list" {
    noise 100000 | write Thin --block-bytes 4K
    for match in 'comp=block&' 'comp=blocklist'; do
        redirect "$match"
        run -75 up --ingest queued
        was_kept "$match"
    done
    sink_reset
    run -0 up --ingest queued
    [ "$(sink_rows | wc -l)" = 100000 ]
}

@test "redirects: of questions about what failed, by the engine and in queues" {
    for way in show:'show ingestion failures' peek:peekonly; do
        redirect "${way#*:}"
        numbers 1 5 | write A
        run -75 up --ingest queued --confirm "${way%%:*}" --confirm-after 100ms --adx-token-file "$T/token"
        was_kept "${way#*:}"
        sink_reset
        run -0 up --ingest queued --confirm "${way%%:*}" --confirm-after 100ms --adx-token-file "$T/token"
        nothing_left
    done
}

@test "redirects: of sign-in services, identities of machines and of App Service, and an endpoint's metadata" {
    by_secret() { up --auth client-secret --client-id c --tenant-id t --client-secret-file "$T/secret" --authority "$SINK" "$@"; }
    by_workload() { up --auth workload --client-id c --tenant-id t --authority "$SINK" "$@"; }
    numbers 1 5 | write A
    redirect 'oauth2|msi'
    run -75 by_secret
    was_kept 'POST /t/oauth2/v2.0/token'
    AZURE_FEDERATED_TOKEN_FILE=$T/secret run -75 by_workload
    was_kept 'POST /t/oauth2/v2.0/token'
    AZURE_POD_IDENTITY_AUTHORITY_HOST=$SINK run -75 up --auth managed
    was_kept '/metadata/identity/oauth2/token'
    IDENTITY_ENDPOINT=$SINK/msi/token IDENTITY_HEADER=planted-header run -75 up --auth managed
    was_kept '/msi/token'
    redirect auth/metadata
    run -75 by_secret
    was_kept auth/metadata
}

@test "redirects: of spillway count" {
    redirect v1/rest/query
    run -75 spillway count D/A --database D="$SINK" --adx-token-file "$T/token"
    was_kept v1/rest/query
}

@test "redirects: of a probe, and of what is asked to know an emulator; the database is down, and says why" {
    sink_fault "{\"match\":\"show tables|show cluster|show version\",\"status\":308,\"count\":1000,\"headers\":{\"Location\":\"$ELSEWHERE/x\"}}"
    start uploader uploader --spool "$SPOOL" --no-guard --database D="$SINK" --adx-token-file "$T/token" --idle-probe 50ms --breaker-failures 2 \
        --breaker-time 0 --probe-interval 50ms --log-level debug
    says() { [[ $(spillway --spool "$SPOOL" status --json | jq -r '.programs.uploader.databases.D | .health + " " + .reason') == "down "*"it redirects to"* ]]; }
    wait_until 10 says
    stop uploader
    output=$(cat "$T/uploader.log")
    was_kept 'show tables'
}
