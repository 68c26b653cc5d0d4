# Azurite as the Blob, Queue and Table storage behind the ADX stand-in, with two accounts. Needs lib.bash and adxsim.bash
# (load lib, load adxsim first), and `make node`. stop_all (lib.bash) ends it.
# shellcheck shell=bash

AZURITE=$REPO/build/node/current/node_modules/azurite/dist/src/azurite.js
ACCOUNTS=(stacct1 stacct2)
# Keys of no worth, 64 bytes each.
account_key() { printf '%s' "$1-spillway-test-key-0123456789abcdef0123456789abcdef0123456789ab" | head -c 64 | base64 -w 0; }

# azurite_start: on ports of the kernel's choice, on $T/azurite (kept from one start to the next). After it:
# $BLOB, $QUEUE, $TABLE are base URLs, to be followed by /ACCOUNT/..
azurite_start() {
    local account accounts=
    [ -e "$AZURITE" ] || { echo "azurite.bash: $AZURITE is not there: make node" >&2; return 1; }
    for account in "${ACCOUNTS[@]}"; do accounts+="$account:$(account_key "$account");"; done
    : >"$T/azurite.log"
    AZURITE_ACCOUNTS=$accounts start azurite node "$AZURITE" --silent --skipApiVersionCheck --disableTelemetry \
        --blobHost 127.0.0.1 --queueHost 127.0.0.1 --tableHost 127.0.0.1 \
        --blobPort "${BLOB_PORT:-0}" --queuePort "${QUEUE_PORT:-0}" --tablePort "${TABLE_PORT:-0}" -l "$T/azurite"
    wait_until 20 grep -q 'Table service is successfully listening' "$T/azurite.log"
    BLOB=$(azurite_url Blob) QUEUE=$(azurite_url Queue) TABLE=$(azurite_url Table)
    # A restart keeps the ports: the URLs that were given out stay good.
    BLOB_PORT=${BLOB##*:} QUEUE_PORT=${QUEUE##*:} TABLE_PORT=${TABLE##*:}
    export BLOB QUEUE TABLE
}

azurite_url() { sed -n "s/^Azurite $1 service is successfully listening at //p" "$T/azurite.log"; }

# The options that have adxsim use it.
storage_options() {
    local account
    for account in "${ACCOUNTS[@]}"; do
        echo --storage "$account,$(account_key "$account"),$BLOB/$account,$QUEUE/$account,$TABLE/$account"
    done
}

# cluster_start [OPTION]...: adxsim with both hosts over Azurite (started first if it does not run). After it $SIM is the
# engine's base URL, $DM data management's; batches are sealed after 0.1 s.
cluster_start() {
    [ -e "$T/.pids/azurite" ] || azurite_start
    rm -f "$T/ready.json"
    # shellcheck disable=SC2046 # words are wanted
    sim_start --dm 127.0.0.1:0 $(storage_options) --ready-file "$T/ready.json" --set batch-ms=100 "$@"
    DM=$(jq -r .dm "$T/ready.json")
    export DM
}

# dm_mgmt CSL [CURL-OPTION]...: a command to data management.
dm_mgmt() {
    local csl=$1
    shift
    SIM=$DM sim_mgmt "$csl" NetDefaultDB "$@"
}

# resources TYPE: the URLs of .get ingestion resources of that type, one a line. identity_token: a fresh one.
resources() {
    dm_mgmt '.get ingestion resources'
    # shellcheck disable=SC2154 # sim_curl sets it
    jq -r --arg type "$1" '.Tables[0].Rows[] | select(.[0] == $type) | .[1]' <<<"$output"
}
identity_token() {
    dm_mgmt '.get kusto identity token'
    jq -r '.Tables[0].Rows[0][0]' <<<"$output"
}

# in_url URL NAME: the URL of something below it: the SAS stays behind the question mark.
in_url() { echo "${1%%\?*}/$2?${1#*\?}"; }

# blob_put NAME [CURL-OPTION]... <data: into the first container; prints the blob's URL with its SAS.
blob_put() {
    local url
    cat >"$T/blob" # before anything else: what feeds us may be asking the stand-in, too
    url=$(in_url "$(resources TempStorage | head -n 1)" "$1")
    shift
    curl -sSf -o /dev/null -X PUT -H 'Expect:' -H 'x-ms-blob-type: BlockBlob' --data-binary "@$T/blob" "$@" "$url" || return
    echo "$url"
}

# message BLOB-URL TABLE [JQ-FILTER]: a message of queued ingestion as JSON, changed by the filter.
message() {
    jq -nc --arg url "$1" --arg table "$2" --arg token "$(identity_token)" --arg id "$(cat /proc/sys/kernel/random/uuid)" \
        '{Id: $id, BlobPath: $url, DatabaseName: "NetDefaultDB", TableName: $table, RawDataSize: 1, RetainBlobOnSuccess: true,
          FlushImmediately: false, ReportLevel: 0, ReportMethod: 0, AdditionalProperties:
          {authorizationContext: $token, format: "csv"}} | '"${3:-.}"
}

# queue_post_text <MessageText: into the first input queue. queue_post <JSON.
queue_post_text() {
    local url
    { printf '<QueueMessage><MessageText>'; cat; printf '</MessageText></QueueMessage>'; } >"$T/message.xml"
    url=$(in_url "$(resources SecuredReadyForAggregationQueue | head -n 1)" messages)
    curl -sSf -o /dev/null -H 'Content-Type: application/xml' --data-binary "@$T/message.xml" "$url"
}
queue_post() { base64 -w 0 | queue_post_text; }

# sim_messages [JQ]: what the stand-in knows of messages. ended N: have so many come to an end?
sim_messages() { curl -sSf "$SIM/_sim/messages" | jq -r "${1:-.}"; }
ended() { [ "$(sim_messages '[.messages[] | select(.state == ("succeeded", "skipped", "failed"))] | length')" -ge "$1" ]; }

# sim_set NAME=N...: settings.
sim_set() {
    local pair
    for pair in "$@"; do
        curl -sSf -o /dev/null -d "{\"${pair%%=*}\": ${pair#*=}}" "$SIM/_sim/settings" || return
    done
}

# failures_reported: the reports in the failure queue, one JSON object a line, without taking them out.
failures_reported() { peek "$(resources FailedIngestionsQueue)"; }
peek() {
    curl -sSf "$(in_url "$1" messages)&peekonly=true&numofmessages=32" | grep -oE '<MessageText>[^<]*' | cut -d '>' -f 2 |
        while read -r text; do base64 -d <<<"$text"; echo; done
}
