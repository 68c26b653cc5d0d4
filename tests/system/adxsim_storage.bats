#!/usr/bin/env bats
# Storage that fails on order, and what tests can ask of the ADX stand-in afterwards.
# shellcheck disable=SC2154 # bats sets status and output

bats_require_minimum_version 1.5.0
load lib
load adxsim
load azurite

setup() { spillway_setup; }
teardown() { stop_all; }

table_t() { sim_mgmt '.create-merge table T (s:string, n:long)'; sim_is_ok; }

# put_status URL [CURL-OPTION]...: PUT a little blob; $status, $output.
put_status() {
    local url=$1
    shift
    SIM=$url sim_curl '' -X PUT -H 'Expect:' -H 'x-ms-blob-type: BlockBlob' --data-binary x,1 "$@"
}

@test "adxsim storage: the proxy passes on what Azurite would see and say" {
    cluster_start --storage-proxy
    jq -e '.storage | length == 2' "$T/ready.json"
    url=$(resources TempStorage | head -n 1)
    [[ $url != "$BLOB"/* && $url == http://127.0.0.1:*/stacct1/adxsim-ingestdata-0\?* ]]
    put_status "$(in_url "$url" a.csv)"
    [ "$status" = 201 ]
    [ -n "$(sim_header ETag)" ] && [ -n "$(sim_header x-ms-request-id)" ]
    [ "$(curl -sSf "$(in_url "$url" a.csv)")" = x,1 ]
    put_status "$(in_url "$url" a.csv)" -H 'If-None-Match: *'
    [ "$status" = 409 ]
    [ "$(sim_header x-ms-error-code)" = BlobAlreadyExists ]
    # A chunked body stays one: storage refuses it.
    put_status "$(in_url "$url" b.csv)" -H 'Transfer-Encoding: chunked'
    [ "$status" = 400 ]
    # Blocks, of sizes that a pipe does not hold.
    head -c 3000000 /dev/urandom >"$T/block"
    block=$(in_url "$url" c.bin)
    for id in MDAx MDAy; do
        curl -sSf -o /dev/null -X PUT -H 'Expect:' --data-binary "@$T/block" "$block&comp=block&blockid=$id"
    done
    curl -sSf -o /dev/null -X PUT -H 'Content-Type: application/xml' "$block&comp=blocklist" \
        --data '<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>MDAx</Latest><Latest>MDAy</Latest></BlockList>'
    curl -sSf "$block" | cmp - <(cat "$T/block" "$T/block")
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "${url%%\?*}/a.csv")" != 200 ]
    curl -sSf "$SIM/_sim/requests" | jq -e '.by_endpoint["PUT blob"] == 6 and .with_sig == 0'
    curl -sSf "$SIM/_sim/requests" | jq -e '[.last[] | select(.host == "storage") | .path | test("sig=[^*]")] | any | not'
}

@test "adxsim storage: the proxy has the same ports after kill -9: what was lent is good, and waiting messages are ingested" {
    cluster_start --storage-proxy --set paused=1
    table_t
    url=$(echo x,1 | blob_put x.csv)
    message "$url" T | queue_post
    before=$(jq -c .storage "$T/ready.json")
    stop adxsim KILL || :
    cluster_start --storage-proxy
    [ "$(jq -c .storage "$T/ready.json")" = "$before" ]
    wait_until 20 ended 1
    [ "$(sim_rows T)" = 1 ]
}

@test "adxsim storage: faults by account, service and method; errors are storage's" {
    cluster_start --storage-proxy
    one=$(in_url "$(resources TempStorage | head -n 1)" a.csv)
    two=$(in_url "$(resources TempStorage | tail -n 1)" a.csv)
    sim_fault '{"match":"blob","account":"stacct1","method":"PUT","status":503,"retry_after":9,"count":0}'
    put_status "$one"
    [ "$status" = 503 ]
    [ "$(sim_header x-ms-error-code)" = ServerBusy ]
    [ "$(sim_header Retry-After)" = 9 ]
    [[ $output == *"<Error><Code>ServerBusy</Code>"* ]]
    put_status "$two"
    [ "$status" = 201 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$one")" = 404 ]
    sim_no_faults
    sim_fault '{"match":"blob","mode":"drop-after"}'
    put_status "$one"
    [ "$status" = curl-52 ]
    curl -sSf -o /dev/null "$one"
    sim_fault '{"match":"blob","account":"stacct2","mode":"drop-before","count":0}'
    put_status "$two"
    [ "$status" = curl-52 ]
    put_status "$one"
    [ "$status" = 201 ]
}

@test "adxsim storage: a message that is stored though its POST answers 500; a POST that is lost" {
    cluster_start --storage-proxy
    table_t
    url=$(echo x,1 | blob_put x.csv)
    sim_fault '{"match":"queue","method":"POST","mode":"status-after","status":500}'
    message "$url" T >"$T/one"
    run queue_post <"$T/one"
    [ "$status" != 0 ]
    wait_until 10 ended 1
    [ "$(sim_rows T)" = 1 ]
    sim_fault '{"match":"queue","method":"POST","mode":"drop-before"}'
    run queue_post <"$T/one"
    [ "$status" != 0 ]
    queue_post <"$T/one"
    wait_until 10 ended 2
    [ "$(sim_messages .total)" = 2 ]
    # The same message again beyond its batch is ingested again: only a tag would have stopped it.
    [ "$(sim_rows T)" = 2 ]
    curl -sSf "$SIM/_sim/duplicates?table=T" | jq -e '. == {rows: 2, distinct: 1, duplicates: 1, examples: [{key: ["x", 1], times: 2}]}'
    curl -sSf "$SIM/_sim/duplicates?table=T&key=n" | jq -e '.duplicates == 1 and .examples[0].key == [1]'
    SIM=$SIM sim_curl '/_sim/duplicates?table=T&key=none'
    [ "$status" = 400 ]
}

@test "adxsim storage: a SAS that has expired is refused by storage, and what was posted before it is still read" {
    cluster_start
    table_t
    sim_set sas-seconds=-60
    put_status "$(in_url "$(resources TempStorage | head -n 1)" a.csv)"
    [ "$status" = 403 ]
    SIM=$(in_url "$(resources SecuredReadyForAggregationQueue | head -n 1)" messages) sim_curl '' \
        -H 'Content-Type: application/xml' -d '<QueueMessage><MessageText>eA==</MessageText></QueueMessage>'
    [ "$status" = 403 ]
    sim_set sas-seconds=60
    message "$(echo x,1 | blob_put x.csv)" T | queue_post
    wait_until 10 ended 1
    [ "$(sim_rows T)" = 1 ]
}

@test "adxsim storage: while it is down messages stay where they are; blobs that cannot be read are tried again" {
    cluster_start
    table_t
    url=$(echo x,1 | blob_put x.csv)
    # The message is in the queue of an account that lives; its blob cannot be read for a while.
    message "${url/"$BLOB"/http://127.0.0.1:1}" T '.Id = "00000000-0000-0000-0000-000000000001"' | queue_post
    retried() { sim_messages '.messages[0] | "\(.state) \(.code)"' | grep -q 'retried Download_UnknownError'; }
    wait_until 10 retried
    sim_set paused=1
    message "$url" T | queue_post
    stop azurite
    sim_set paused=0
    unreadable() { grep -q queue-not-readable "$T/adxsim.log"; }
    wait_until 10 unreadable
    azurite_start
    rows() { [ "$(sim_rows T)" = 1 ]; }
    wait_until 20 rows
}

@test "adxsim storage: two clusters share the accounts and keep to their own queues" {
    cluster_start --cluster one
    table_t
    first=$SIM
    mv "$T/.pids/adxsim" "$T/.pids/adxsim-one"
    mv "$T/adx" "$T/adx-one"
    cluster_start --cluster two
    table_t
    message "$(echo x,1 | blob_put x.csv)" T | queue_post
    wait_until 10 ended 1
    [ "$(sim_rows T)" = 1 ]
    [ "$(curl -sSf "$first/_sim/messages" | jq .total)" = 0 ]
}

@test "adxsim storage: settings: how an unknown database is refused; what is not a setting" {
    sim_start
    sim_mgmt '.show tables' Nope
    sim_is 404 NotFound
    curl -sSf -d '{"database-missing": 400}' "$SIM/_sim/settings" | jq -e '."database-missing" == 400'
    sim_mgmt '.show tables' Nope
    sim_is 400 BadRequest_DatabaseNotExist
    curl -sSf -o /dev/null -d '{"streaming": 0}' "$SIM/_sim/settings"
    table_t
    sim_ingest T streamFormat=csv <<<x,1
    sim_is 404 StreamingIngestionFunctionalityDisabled
    for bad in x '[]' '{"typo": 1}' '{"paused": 2}' '{"streaming": "1"}' '{"database-missing": 402}' '{"paused": 0, "typo": 1}'; do
        sim_curl /_sim/settings -d "$bad"
        [ "$status" = 400 ]
    done
}

# ticks: hundredths of a second of processor time that adxsim has used. now_ms: since some moment.
ticks() { awk '{print $14 + $15}' "/proc/$(pid_of adxsim)/stat"; }
now_ms() { awk '{printf "%d\n", $1 * 1000}' /proc/uptime; }

@test "adxsim storage: when it is gone, adxsim answers, does next to nothing, and ends when told" {
    cluster_start --storage-proxy
    table_t
    one=$(in_url "$(resources TempStorage | head -n 1)" a.csv)
    # Messages that it holds, in a batch that is (unless all of this takes long) sealed when storage is gone.
    sim_set batch-ms=2000
    for i in 1 2 3; do message "$(echo "x,$i" | blob_put "$i.csv")" T | queue_post; done
    taken() { [ "$(sim_messages .total)" = 3 ]; }
    wait_until 20 taken
    stop azurite # which writes down what it has
    gone() { [ "$(grep -c queue-not-readable "$T/adxsim.log")" = 2 ]; }
    wait_until 10 gone
    # For three seconds, all of which it is asked something.
    since=$(now_ms) before=$(ticks) asked=0
    while [ $(($(now_ms) - since)) -lt 3000 ]; do
        curl -sSf -o /dev/null "$SIM/_sim/health"
        put_status "$one" 2>/dev/null
        [ "$status" = curl-52 ]
        asked=$((asked + 1))
    done
    used=$(($(ticks) - before)) took=$(($(now_ms) - since))
    echo "$asked requests, $used ticks in $took ms"
    [ $((used * 10)) -lt $((took / 2)) ]
    gone
    azurite_start
    all_rows() { [ "$(sim_rows T)" -ge 3 ]; } # more: what was ingested and could not be deleted comes again
    wait_until 30 all_rows
    stop azurite KILL || :
    stop adxsim
}

@test "adxsim storage: when it takes requests and answers none, adxsim ends when told, also while it starts" {
    cluster_start --storage-proxy
    one=$(in_url "$(resources TempStorage | head -n 1)" a.csv)
    # Nothing is under way when it stops: what comes then is read by nobody.
    sim_set paused=1
    put_status "$one"
    [ "$status" = 201 ]
    kill -STOP "$(pid_of azurite)"
    sim_set paused=0
    # unanswered BASE-URL: have bytes come there that nobody has read?
    unanswered() {
        awk -v port=":$(printf %04X "${1##*:}")" \
            'substr($2, 9) == port && substr($5, 10) != "00000000" && $4 == "01" { found = 1 } END { exit !found }' /proc/net/tcp
    }
    curl -s -o /dev/null "$one" 3>&- &
    asking=$!
    wait_until 10 unanswered "$BLOB"  # the proxy waits
    wait_until 10 unanswered "$QUEUE" # the worker waits
    curl -sSf -o /dev/null "$SIM/_sim/health"
    stop adxsim
    ! wait "$asking" || false
    mkdir "$T/adx-two"
    # shellcheck disable=SC2046 # words are wanted
    start two adxsim --listen 127.0.0.1:0 --dm 127.0.0.1:0 --data "$T/adx-two" $(storage_options)
    wait_until 10 unanswered "$BLOB"
    code=0
    stop two || code=$?
    [ "$code" = 143 ]
}
