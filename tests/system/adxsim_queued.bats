#!/usr/bin/env bats
# Queued ingestion in the ADX stand-in, over Azurite: what it does with good messages, and with all others.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load azurite

table_t() { sim_mgmt '.create-merge table T (s:string, n:long)'; sim_is_ok; }

# The state, code and rows of the last message that ended.
last() { sim_messages '.messages[-1] | "\(.state) \(.code) \(.rows)"'; }

# refused N CODE: the N-th message has ended as a failure with that code.
refused() {
    wait_until 10 ended "$1"
    [ "$(last)" = "failed $2 0" ] || { echo "not refused with $2: $(sim_messages '.messages[-1]')" >&2; return 1; }
}

@test "adxsim queued: options that do not go together end with 100, absent storage with 111" {
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --dm 127.0.0.1:0
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --storage a,Zm9v,http://127.0.0.1:1/a,http://127.0.0.1:1/a
    for storage in x a,b a,Zm9v,ftp://x,http://y a,Zm9v,http://x/,http://y a,---,http://x,http://y; do
        run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --dm 127.0.0.1:0 --storage "$storage"
    done
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --emulator --dm 127.0.0.1:0 \
        --storage a,Zm9v,http://127.0.0.1:1/a,http://127.0.0.1:1/a
    for setting in nonsense=1 batch-ms=x batch-ms batch-ms=-1 database-missing=402; do
        run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --set "$setting"
    done
    run -111 adxsim --listen 127.0.0.1:0 --data "$T/adx" --dm 127.0.0.1:0 \
        --storage a,Zm9v,http://127.0.0.1:1/a,http://127.0.0.1:1/a
}

@test "adxsim queued: data management gives resources on two accounts with a fresh SAS, and refuses all else" {
    cluster_start
    dm_mgmt '.get ingestion resources'
    first=$output
    sim_is_ok '.Columns | map(.ColumnName) == ["ResourceTypeName", "StorageRoot"]'
    sim_is_ok '[.Rows[] | select(.[0] == "TempStorage")] | length >= 2 and (map(.[1] | split("/")[3]) | unique | length) == 2'
    sim_is_ok '[.Rows[] | select(.[0] == "SecuredReadyForAggregationQueue")] | length >= 2'
    sim_is_ok '.Rows | map(.[0]) | unique | length == 5'
    sim_is_ok 'all(.Rows[]; .[1] | test("[?&]se=[0-9].*&sig=."))'
    sim_set sas-seconds=7200
    dm_mgmt '.get ingestion resources'
    [ "$output" != "$first" ]
    dm_mgmt '.get kusto identity token'
    sim_is_ok '.Columns[0].ColumnName == "AuthorizationContext" and (.Rows | length) == 1'
    first=$output
    dm_mgmt '.get kusto identity token'
    [ "$output" != "$first" ]
    dm_mgmt '.show version | project ServiceType'
    sim_is_ok '.Rows == [["DataManagement"]]'
    for command in '.show tables' '.create-merge table T (a:int)' '.show cluster' '.get nothing' '.ingest inline into table T <|a'; do
        dm_mgmt "$command"
        sim_is 400 BadRequest_SyntaxError
    done
    SIM=$DM sim_ingest T streamFormat=csv <<<a
    [ "$status" = 404 ]
    for command in '.get ingestion resources' '.get kusto identity token'; do
        sim_mgmt "$command"
        sim_is 400 BadRequest_SyntaxError
    done
}

@test "adxsim queued: a blob becomes rows; the message is gone, the blob as the message says" {
    cluster_start
    table_t
    url=$(printf 'a,1\nb,2\n' | gzip | blob_put a.csv.gz)
    message "$url" T '.RawDataSize = 8' | queue_post
    wait_until 10 ended 1
    [ "$(last)" = "succeeded  2" ]
    [ "$(sim_csv T)" = $'a,1\nb,2' ]
    [ "$(sim_messages '.messages[0] | [.raw_size, .deliveries, .message.TableName] | join(" ")')" = "8 1 T" ]
    curl -sSf -o /dev/null "$url"
    url=$(echo 'c,3' | blob_put c.csv)
    message "$url" T 'del(.RetainBlobOnSuccess)' | queue_post
    wait_until 10 ended 2
    # Deleted after it was counted.
    gone() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$url")" = 404 ]; }
    wait_until 10 gone
    [ -z "$(failures_reported)" ]
    curl -sSf "$SIM/_sim/ingestions" | jq -e '.ingestions | length == 2 and all(.kind == "queued")'
}

@test "adxsim queued: mappings, formats, a heading, several members" {
    cluster_start
    table_t
    sim_mgmt ".create-or-alter table T ingestion csv mapping 'M' '[{\"Column\":\"n\",\"Properties\":{\"Ordinal\":\"0\"}},{\"Column\":\"s\",\"Properties\":{\"Ordinal\":\"1\"}}]'"
    sim_mgmt ".create-or-alter table T ingestion json mapping 'J' '[{\"Column\":\"s\",\"Properties\":{\"Path\":\"\$.x\"}}]'"
    url=$({ echo 1,a | gzip; echo 2,b | gzip; } | blob_put m.csv.gz)
    message "$url" T '.AdditionalProperties += {ingestionMappingReference: "M", ingestionMappingType: "Csv"}' | queue_post
    wait_until 10 ended 1
    url=$(printf 'head,line\nc,3\n' | blob_put h.csv)
    message "$url" T '.AdditionalProperties.ignoreFirstRecord = true' | queue_post
    wait_until 10 ended 2
    url=$(echo '{"x":"d"}' | blob_put j.json)
    message "$url" T '.AdditionalProperties += {format: "json", ingestionMappingReference: "J", ingestionMappingType: "Json"}' | queue_post
    wait_until 10 ended 3
    url=$(echo '[{"s":"e","n":5},{"s":"f"}]' | gzip | blob_put k.json.gz)
    message "$url" T '.AdditionalProperties.format = "multijson"' | queue_post
    wait_until 10 ended 4
    [ "$(sim_csv T)" = $'a,1\nb,2\nc,3\nd,\ne,5\nf,' ]
    [ "$(sim_messages '.by_state.succeeded')" = 4 ]
}

@test "adxsim queued: what is not a message, or not one that may be obeyed, is refused with its code" {
    cluster_start
    table_t
    good=$(echo x,1 | blob_put x.csv)
    echo '{not base64}' | queue_post_text
    refused 1 BadRequest_CorruptedMessage
    message "$good" T | base64 -w 0 | tr -d = | tr '+/' '-_' | queue_post_text
    refused 2 BadRequest_CorruptedMessage
    n=2
    while read -r code filter; do
        message "$good" T "$filter" | queue_post
        refused $((++n)) "$code"
    done <<'EOF'
BadRequest_CorruptedMessage .Id = "1"
BadRequest_CorruptedMessage del(.BlobPath)
BadRequest_CorruptedMessage .TableName = 5
BadRequest_CorruptedMessage [.]
BadRequest_MalformedIngestionProperty .ReportLevel = "0"
BadRequest_MalformedIngestionProperty .ReportLevel = 3
BadRequest_MalformedIngestionProperty .FlushImmediately = "false"
BadRequest_MalformedIngestionProperty .RawDataSize = "5"
BadRequest_MalformedIngestionProperty .ReportMethod = 1
BadRequest_MalformedIngestionProperty .AdditionalProperties.tags = ["a"]
BadRequest_MalformedIngestionProperty .AdditionalProperties.ingestIfNotExists = ["a"]
BadRequest_MalformedIngestionProperty .AdditionalProperties.tags = "a"
BadRequest_MalformedIngestionProperty .AdditionalProperties.ingestionMappingType = "csv"
BadRequest_MalformedIngestionProperty del(.AdditionalProperties)
BadRequest_InvalidKustoIdentityToken del(.AdditionalProperties.authorizationContext)
BadRequest_InvalidKustoIdentityToken .AdditionalProperties.authorizationContext = "guess"
BadRequest_FormatNotSupported .AdditionalProperties.format = "morse"
BadRequest_DuplicateMapping .AdditionalProperties += {ingestionMapping: "[]", ingestionMappingReference: "M"}
BadRequest_MappingReferenceWasNotFound .AdditionalProperties.ingestionMappingReference = "M"
BadRequest_TableNotExist .TableName = "U"
BadRequest_DatabaseNotExist .DatabaseName = "U"
EOF
    # Those that name a source and a target are reported, and shown by the engine.
    [ "$(failures_reported | jq -s 'length')" = 16 ]
    failures_reported | jq -se 'all(.FailureStatus == "Permanent" and .ShouldRetry == false and (.IngestionSourceId | length) == 36)'
    sim_mgmt '.show ingestion failures | where ErrorCode == "BadRequest_TableNotExist"'
    sim_is_ok '.Rows | length == 1 and .[0][2] == "U" and (.[0][4] | endswith("/x.csv")) and .[0][6] == "Permanent"'
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim queued: an identity token that has gone stale is refused" {
    cluster_start --set identity-seconds=0
    table_t
    message "$(echo x,1 | blob_put x.csv)" T | queue_post
    refused 1 BadRequest_InvalidKustoIdentityToken
}

@test "adxsim queued: blobs that cannot be read, or are not what their name says, are refused with their code" {
    cluster_start
    table_t
    n=0
    while read -r code name content; do
        url=$(bash -c "$content" | blob_put "$name")
        message "$url" T | queue_post
        refused $((++n)) "$code"
    done <<'EOF'
BadRequest_InvalidBlob a.csv.gz echo x,1
BadRequest_InvalidBlob b.csv echo x,1 | gzip
BadRequest_InvalidBlob c.csv.gz echo x,1 | gzip | head -c 20
BadRequest_EmptyBlob d.csv true
BadRequest_EmptyBlob e.csv.gz gzip </dev/null
Stream_ClosingQuoteMissing f.csv echo '"x,1'
BadRequest_NoRecordsOrWrongFormat g.csv echo 'x"y,1'
EOF
    message "$(in_url "$(resources TempStorage | head -n 1)" none.csv)" T | queue_post
    refused $((++n)) Download_SourceNotFound
    url=$(echo x,1 | blob_put h.csv)
    message "${url%%\?*}" T | queue_post
    refused $((++n)) Download_Forbidden
    message "${url/sig=/sig=x}" T | queue_post
    refused $((++n)) Download_Forbidden
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim queued: ingestIfNotExists takes a tag once; the tag is kept with the rows" {
    cluster_start
    table_t
    for name in a b; do
        message "$(echo $name,1 | blob_put $name.csv)" T \
            '.AdditionalProperties += {tags: "[\"ingest-by:k\",\"x\"]", ingestIfNotExists: "[\"k\"]"}' | queue_post
    done
    wait_until 10 ended 2
    [ "$(sim_messages '.by_state | [.succeeded, .skipped] | join(" ")')" = "1 1" ]
    [ "$(sim_rows T)" = 1 ]
    curl -sSf "$SIM/_sim/ingestions" | jq -e '.ingestions[0].tags == ["ingest-by:k", "x"]'
    curl -sSf "$SIM/_sim/batches" | jq -e '.batches | length == 2 and all(.sealed_by == "SingleBlob_IngestIfNotExists")'
}

@test "adxsim queued: one blob posted twice is taken once within a batch, and twice beyond it" {
    cluster_start --set paused=1
    table_t
    url=$(echo x,1 | blob_put x.csv)
    message "$url" T | queue_post
    message "$url" T | queue_post
    sim_set paused=0
    wait_until 10 ended 2
    [ "$(sim_messages '[.messages[].code] | sort | join(" ")')" = " BlobAlreadyReceived_BlobAlreadyFoundInBatch" ]
    [ "$(sim_rows T)" = 1 ]
    message "$url" T | queue_post
    wait_until 10 ended 3
    [ "$(sim_rows T)" = 2 ]
}

@test "adxsim queued: batches are sealed by count, size and time; what cannot be shared is alone" {
    cluster_start --set paused=1 --set batch-count=2 --set batch-bytes=100
    table_t
    for i in 1 2; do message "$(echo $i,1 | blob_put $i.csv)" T | queue_post; done
    message "$(echo 3,1 | blob_put 3.csv)" T '.RawDataSize = 100' | queue_post
    message "$(echo 4,1 | blob_put 4.csv)" T '.RawDataSize = null' | queue_post
    message "$(echo 5,1 | blob_put 5.csv)" T '.FlushImmediately = true' | queue_post
    message "$(echo 6,1 | blob_put 6.csv)" T '.AdditionalProperties.tags = "[\"drop-by:d\"]"' | queue_post
    message "$(echo 7,1 | blob_put 7.csv)" T | queue_post
    sim_set paused=0
    wait_until 10 ended 7
    [ "$(curl -sSf "$SIM/_sim/batches" | jq -r '[.batches[] | "\(.sealed_by):\(.blobs)"] | sort | join(" ")')" = \
        "Count:2 SingleBlob_DropByTag:1 SingleBlob_FlushImmediately:1 SingleBlob_SizeUnknown:1 Size:1 Time:1" ]
}

@test "adxsim queued: successes are reported when that was asked for, failures unless that was not" {
    cluster_start
    table_t
    url=$(echo x,1 | blob_put x.csv)
    message "$url" T '.ReportLevel = 2' | queue_post
    message "$url" U '.ReportLevel = 1' | queue_post
    wait_until 10 ended 2
    reported() { [ -n "$(peek "$(resources SuccessfulIngestionsQueue)")" ]; }
    wait_until 10 reported
    peek "$(resources SuccessfulIngestionsQueue)" | jq -e --arg id "$(sim_messages '.messages[0].source_id')" \
        '.IngestionSourceId == $id and .Table == "T" and (.IngestionSourcePath | endswith("/x.csv"))'
    [ -z "$(failures_reported)" ]
}

@test "adxsim queued: the status table's entity follows the ingestion" {
    cluster_start
    table_t
    status_table=$(resources IngestionsStatusTable)
    entity() { echo "${status_table%%\?*}(PartitionKey='p',RowKey='$1')?${status_table#*\?}"; }
    for row in good bad; do
        curl -sSf -o /dev/null -H 'Content-Type: application/json' -H 'Accept: application/json;odata=nometadata' \
            -d "{\"PartitionKey\":\"p\",\"RowKey\":\"$row\",\"Status\":\"Pending\"}" "$status_table"
    done
    url=$(echo x,1 | blob_put x.csv)
    export status_table
    message "$url" T '.ReportMethod = 1 | .ReportLevel = 2
        | .IngestionStatusInTable = {tableConnectionString: env.status_table, partitionKey: "p", rowKey: "good"}' | queue_post
    message "$url" U '.ReportMethod = 2
        | .IngestionStatusInTable = {TableConnectionString: env.status_table, PartitionKey: "p", RowKey: "bad"}' | queue_post
    is_status() { curl -sSf -H 'Accept: application/json;odata=nometadata' "$(entity "$1")" | jq -e "$2"; }
    wait_until 10 is_status good '.Status == "Succeeded"'
    wait_until 10 is_status bad '.Status == "Failed" and .ErrorCode == "BadRequest_TableNotExist"'
    [ "$(failures_reported | wc -l)" = 1 ]
}

@test "adxsim queued: a message is delivered again when the work was not confirmed; passing trouble is retried" {
    cluster_start
    table_t
    url=$(echo x,1 | blob_put x.csv)
    sim_fault '{"match":"queued","table":"T","mode":"drop-after"}'
    message "$url" T | queue_post
    wait_until 10 ended 1
    # Done twice: the price of at-least-once.
    [ "$(sim_rows T)" = 2 ]
    [ "$(sim_messages '.messages[0].deliveries')" = 2 ]
    sim_fault '{"match":"queued","status":503,"code":"General_ThrottledIngestion","count":2}'
    message "$url" T | queue_post
    wait_until 20 ended 2
    [ "$(last)" = "succeeded  1" ]
    sim_fault '{"match":"queued","status":400,"code":"BadRequest_MyOwn","message":"just because"}'
    message "$url" T | queue_post
    refused 3 BadRequest_MyOwn
    [ "$(failures_reported | jq -r .Details)" = "just because" ]
    sim_set retries=1
    sim_fault '{"match":"queued","status":503,"count":0}'
    message "$url" T | queue_post
    refused 4 General_RetryAttemptsExceeded
    failures_reported | jq -se 'any(.FailureStatus == "Exhausted")'
}

@test "adxsim queued: while it stands still messages wait; a restart, even by kill -9, loses none" {
    cluster_start --set paused=1 --set hidden-seconds=1
    table_t
    for i in 1 2 3; do message "$(echo $i,1 | blob_put $i.csv)" T | queue_post; done
    [ "$(sim_rows T)" = 0 ]
    sim_set batch-ms=60000 paused=0
    held() { [ "$(sim_messages .total)" = 3 ]; }
    wait_until 10 held
    # Held in an open batch: after SIGTERM they come back at once.
    stop adxsim
    cluster_start --set hidden-seconds=1
    wait_until 10 ended 3
    [ "$(sim_rows T)" = 3 ]
    sim_set paused=1
    message "$(echo 4,1 | blob_put 4.csv)" T | queue_post
    stop adxsim KILL || [ $? = 137 ]
    cluster_start --set hidden-seconds=1
    wait_until 10 ended 4
    [ "$(sim_rows T)" = 4 ]
}
