#!/usr/bin/env bats
# The ADX stand-in, judged by a client that is not ours: Kusto's official Node SDK ingests in each of its ways and reads the
# rows back. And by clients that err: what the real service would not take, the stand-in must not take either.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load azurite

setup() {
    spillway_setup
    printf 'a,1,2024-01-01T00:00:00Z\n"b ""q"", c",-2,\n' >"$T/t.csv"
}

# sdk COMMAND...: the SDK's client (tests/node/client.mjs).
sdk() { PEERS=$REPO/build/node/current ENGINE=$SIM DM=$DM node "$REPO/tests/node/client.mjs" "$@"; }

table_t() {
    sim_mgmt '.create-merge table T (s:string, n:long, t:datetime)'
    sim_is_ok
}

ROWS='["a",1,"2024-01-01T00:00:00Z"]
["b \"q\", c",-2,null]'

@test "node sdk: a file and a stream, queued, are read back by query; sizes and identity are as the service wants them" {
    cluster_start
    table_t
    sdk queued T "$T/t.csv"
    wait_until 10 ended 1
    run -0 sdk query T
    [ "$output" = "$ROWS" ]
    sdk queued-stream T "$T/t.csv"
    wait_until 10 ended 2
    run -0 sdk query 'T | count'
    [ "$output" = '[4]' ]
    [ "$(sim_messages '.by_state.succeeded')" = 2 ]
    size=$(wc -c <"$T/t.csv")
    # What the SDK says of the size is what the blob held; of a stream it says nothing, and that is ingested alone.
    [ "$(sim_messages '[.messages[] | "\(.message.RawDataSize) \(.raw_size)"] | join(", ")')" = "$size $size, null $size" ]
    curl -sSf "$SIM/_sim/batches" | jq -e '[.batches[].sealed_by] == ["Time", "SingleBlob_SizeUnknown"]'
}

@test "node sdk: what it asks of data management it asks once, by name, without a signature where none belongs" {
    cluster_start
    table_t
    sdk queued-twice T "$T/t.csv"
    wait_until 10 ended 2
    curl -sSf "$SIM/_sim/requests" | jq -e '.without_request_id == 1 and .with_sig == 0
        and .by_host.dm.commands == {".get ingestion resources": 1, ".get kusto identity token": 1}
        and .get_commands[".get ingestion resources"].last_hour == 1 and .by_host.dm.without_request_id == 1
        and ([.last[] | select(.request_id == null) | .path] == ["/v1/rest/auth/metadata"])'
}

@test "node sdk: mappings, tags and ingestIfNotExists" {
    cluster_start
    table_t
    sim_mgmt ".create-or-alter table T ingestion csv mapping 'M' '[{\"Column\":\"n\",\"Properties\":{\"Ordinal\":\"1\"}}]'"
    for _ in 1 2; do sdk queued T "$T/t.csv" '{"mapping":"M","tags":["k"],"ifNotExists":["k"]}'; done
    wait_until 10 ended 2
    [ "$(sim_messages '.by_state | [.succeeded, .skipped] | join(" ")')" = "1 1" ]
    [ "$(sim_csv T)" = $',1,\n,-2,' ]
    sdk queued T "$T/t.csv" '{"mapping":"N"}'
    wait_until 10 ended 3
    run -0 sdk failures
    jq -e '.ErrorCode == "BadRequest_MappingReferenceWasNotFound" and .Table == "T" and .FailureStatus == "Permanent"' <<<"$output"
    [ "$(jq -r .IngestionSourceId <<<"$output")" = "$(sim_messages '.messages[2].source_id')" ]
    run -0 sdk successes
    [ -z "$output" ]
    sdk queued T "$T/t.csv" '{"level":"FailuresAndSuccesses"}'
    reported() { sdk successes | jq -e '.Table == "T"'; }
    wait_until 20 reported
}

@test "node sdk: streaming, and its errors" {
    cluster_start
    table_t
    sdk streaming T "$T/t.csv"
    run -0 sdk query T
    [ "$output" = "$ROWS" ]
    run -1 sdk streaming U "$T/t.csv"
    [[ $output == *BadRequest_TableNotExist* ]]
    sim_mgmt '.alter table T policy streamingingestion disable'
    run -1 sdk streaming T "$T/t.csv"
    [[ $output == *BadRequest_StreamingIngestionPolicyNotEnabled* ]]
    sim_set streaming=0
    run -1 sdk streaming T "$T/t.csv"
    [[ $output == *StreamingIngestionFunctionalityDisabled* ]]
    [ "$(sim_rows T)" = 2 ]
}

@test "node sdk: managed streaming streams, and falls back to the queue when it may not" {
    cluster_start
    table_t
    sdk managed T "$T/t.csv"
    [ "$(sim_rows T)" = 2 ]
    [ "$(sim_messages .total)" = 0 ]
    sim_mgmt '.alter table T policy streamingingestion disable'
    sdk managed T "$T/t.csv"
    wait_until 10 ended 1
    [ "$(sim_rows T)" = 4 ]
    curl -sSf "$SIM/_sim/ingestions" | jq -e '[.ingestions[].kind] == ["streaming", "queued"]'
}

@test "node sdk: through the storage proxy; an account that fails is left for the other one" {
    cluster_start --storage-proxy
    table_t
    sim_fault '{"match":"blob","account":"stacct1","status":403,"count":0}'
    sim_fault '{"match":"queue","account":"stacct2","method":"POST","status":403,"count":0}'
    sdk queued T "$T/t.csv"
    wait_until 10 ended 1
    [ "$(sim_rows T)" = 2 ]
    [[ $(sim_messages '.messages[0].message.BlobPath') == */stacct2/* ]]
    [ "$(sim_messages '.messages[0].account')" = stacct1 ]
}

@test "node sdk: over TLS, with a token that @azure/identity got for a secret" {
    self_signed
    echo '{"tenant": "tenant1", "principals": [{"client_id": "app", "client_secret": "s3cret"}]}' >"$T/auth.json"
    cluster_start --auth "$T/auth.json" --aad 127.0.0.1:0 --tls-cert "$T/cert.pem" --tls-key "$T/key.pem" --storage-proxy
    SIM=$(jq -r .engine "$T/ready.json")
    export NODE_EXTRA_CA_CERTS=$T/cert.pem CURL_CA_BUNDLE=$T/cert.pem
    run -1 sdk query T
    [[ $output == *401* ]]
    export TENANT=tenant1 CLIENT=app SECRET=wrong AAD
    AAD=$(jq -r .aad "$T/ready.json")
    run -1 sdk query T
    [[ $output == *AADSTS7000215* ]]
    SECRET=s3cret
    TOKEN=$(curl -sSf "$AAD/tenant1/oauth2/v2.0/token" -d grant_type=client_credentials -d client_id=app -d client_secret=s3cret \
        --data-urlencode scope=https://kusto.kusto.windows.net/.default | jq -r .access_token)
    sim_mgmt '.create-merge table T (s:string, n:long, t:datetime)' NetDefaultDB -H "Authorization: Bearer $TOKEN"
    sim_is_ok
    sdk queued T "$T/t.csv"
    wait_until 10 ended 1
    [ "$(sim_messages '.messages[0].state')" = succeeded ]
    run -0 sdk query T
    [ "$output" = "$ROWS" ]
}

@test "wrong clients are refused, each with its code" {
    cluster_start
    table_t
    url=$(in_url "$(resources TempStorage | head -n 1)" x.csv)
    # No blob type.
    [ "$(curl -sS -o /dev/null -w '%{http_code}' -X PUT --data-binary x,1 "$url")" = 400 ]
    # Base64 without its padding.
    good=$(echo x,1 | blob_put x.csv)
    message "$good" T '.pad = ""' >"$T/one"
    while [ $(($(wc -c <"$T/one") % 3)) = 0 ]; do message "$good" T '.pad = "x"' >"$T/one"; done
    base64 -w 0 <"$T/one" | tr -d = | queue_post_text
    # A mapping that is not there; plain data named .gz; an identity token made up.
    message "$good" T '.AdditionalProperties.ingestionMappingReference = "none"' | queue_post
    message "$(echo x,1 | blob_put x.csv.gz)" T | queue_post
    message "$good" T '.AdditionalProperties.authorizationContext = "stale"' | queue_post
    wait_until 10 ended 4
    [ "$(sim_messages '[.messages[].code] | sort | join(" ")')" = "BadRequest_CorruptedMessage BadRequest_InvalidBlob BadRequest_InvalidKustoIdentityToken BadRequest_MappingReferenceWasNotFound" ]
    # Data management's command to the engine, and the engine's to data management.
    sim_mgmt '.get ingestion resources'
    sim_is 400 BadRequest_SyntaxError
    dm_mgmt '.create-merge table T (s:string)'
    sim_is 400 BadRequest_SyntaxError
    # No bearer token.
    stop adxsim
    echo secret >"$T/tokens"
    cluster_start --token-file "$T/tokens"
    sim_mgmt '.show tables'
    [ "$status" = 401 ]
    dm_mgmt '.get ingestion resources'
    [ "$status" = 401 ]
    sim_ingest T streamFormat=csv <<<a
    [ "$status" = 401 ]
    [ "$(sim_rows T)" = 0 ]
}
