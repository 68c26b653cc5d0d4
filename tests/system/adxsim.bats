#!/usr/bin/env bats
# The ADX stand-in, by itself: what it promises to the tests that lean on it.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim

table_t() { sim_mgmt '.create-merge table T (s:string, n:long, t:datetime, d:dynamic)'; sim_is_ok; }

# --- the program ---

@test "adxsim: wrong usage ends with 100" {
    run -100 adxsim
    run -100 adxsim --listen 127.0.0.1:0
    run -100 adxsim --nonsense
    for address in 0.0.0.0:0 192.168.0.1:0 127.0.0.1 127.0.0.1:x 127.0.0.1:70000 example.com:0 '[::]:0'; do
        run -100 adxsim --listen "$address" --data "$T/adx"
    done
    [ ! -e "$T/adx" ]
}

@test "adxsim: --help and --version" {
    run -0 adxsim --help
    [[ $output == "Usage: adxsim"* ]]
    run -0 adxsim --version
    [[ $output == "adxsim "[0-9]* ]]
}

@test "adxsim: says where it listens; a port that is taken ends with 111; SIGTERM with 0" {
    sim_start
    [ "$(head -n 1 "$T/adxsim.log")" = "listening on $SIM" ]
    run -111 adxsim --listen "${SIM#http://}" --data "$T/other"
    [[ $output == *"cannot listen"* ]]
    run -111 adxsim --listen 127.0.0.1:0 --data "$T/adx"
    [[ $output == *"another adxsim has it"* ]]
    run -111 adxsim --listen 127.0.0.1:0 --data "$T/no/such/place"
    stop adxsim
}

@test "adxsim: metadata, unknown paths, wrong methods" {
    sim_start
    sim_curl /v1/rest/auth/metadata
    [ "$status" = 200 ]
    jq -e '.AzureAD.KustoServiceResourceId == "https://kusto.kusto.windows.net"' <<<"$output"
    sim_curl /nothing
    [ "$status" = 404 ]
    sim_curl /v1/rest/mgmt
    [ "$status" = 405 ]
}

@test "adxsim: request ids are echoed, activity ids are fresh" {
    sim_start
    sim_mgmt '.show version'
    [ "$(sim_header x-ms-client-request-id)" = "test;1" ]
    first=$(sim_header x-ms-activity-id)
    sim_mgmt '.show version'
    [ ${#first} = 36 ]
    [ "$first" != "$(sim_header x-ms-activity-id)" ]
}

# --- management ---

@test "adxsim: version, cluster, databases" {
    sim_start --database one --database two
    sim_mgmt '.show version' NoSuchDb
    sim_is_ok '(.Columns[2] | .ColumnName == "ServiceType" and .DataType == "String" and .ColumnType == "string")
        and .Rows[0][2] == "Engine"'
    sim_mgmt '.show cluster details'
    sim_is_ok '.Columns[2].ColumnName == "Name" and .Rows[0][2] != "KustoPersonal"'
    sim_mgmt '.show cluster | project NodeId'
    sim_is_ok '.Rows | length == 1'
    sim_mgmt '.show databases | project DatabaseName' one
    sim_is_ok '.Rows == [["one"], ["two"]]'
}

@test "adxsim: a body that is not a command is refused" {
    sim_start
    sim_curl /v1/rest/mgmt -d '{"csl":".show version"}'
    [ "$status" = 415 ]
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json' -d '{"csl":'
    sim_is 400 General_BadRequest
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json' -d '{"db":"NetDefaultDB"}'
    sim_is 400 General_BadRequest
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json' -d '{"db":5,"csl":".show version"}'
    sim_is 400 General_BadRequest
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json; charset=utf-8' -d '{"csl":".show version"}'
    sim_is_ok
}

@test "adxsim: commands of the data-management endpoint, unknown ones and rubbish are syntax errors" {
    sim_start
    for csl in '.get ingestion resources' '.get kusto identity token' '.nonsense' '.show' '' 'T | count' '.show version x' \
        ".show table ['open" '.create-merge table' '.create-merge table T' '.create-merge table T (a)' \
        '.create-merge table T (a:nothing)' '.create-merge table T (a:long' '.create-merge table T (a:long) more'; do
        sim_mgmt "$csl"
        sim_is 400 BadRequest_SyntaxError
        jq -e '.error."@type" == "Kusto.Data.Exceptions.SyntaxException"' <<<"$output"
    done
    sim_mgmt '.show tables'
    sim_is_ok '.Rows == []'
}

@test "adxsim: an error is text unless the client accepts JSON" {
    sim_start
    run -0 curl -sS -H 'Content-Type: application/json' -d '{"csl":".x"}' -w '%{http_code} %{content_type}' "$SIM/v1/rest/mgmt"
    [[ $output == "BadRequest_SyntaxError: "* ]]
    [[ $output == *"400 text/plain; charset=utf-8" ]]
}

@test "adxsim: an unknown database is 404 NotFound" {
    sim_start
    sim_mgmt '.show tables' Nowhere
    sim_is 404 NotFound
    jq -e '.error."@type" == "Kusto.Common.Svc.Exceptions.EntityNameDoesNotExistException"' <<<"$output"
    sim_mgmt '.show database Nowhere ingestion mappings'
    sim_is 404 NotFound
    sim_curl '/v1/rest/ingest/Nowhere/T?streamFormat=csv' -d a
    sim_is 404 NotFound
    sim_curl '/_sim/database?name=Nowhere' -X POST
    [ "$status" = 201 ]
    sim_mgmt '.show tables' Nowhere
    sim_is_ok
    sim_curl '/_sim/database?name=Nowhere' -X DELETE
    [ "$status" = 204 ]
    sim_mgmt '.show tables' Nowhere
    sim_is 404 NotFound
}

@test "adxsim: create-merge makes, extends, and refuses another type" {
    sim_start
    sim_mgmt ".create-merge table ['my table'] (['a col']:string, b : long, c:double) with (docstring='doc', folder=\"f\")"
    sim_is_ok '.Rows[0][0] == "my table" and .Rows[0][3] == "f"'
    sim_mgmt ".create-merge table ['my table'] (z:guid, b:long)"
    sim_is_ok
    sim_mgmt ".create-merge table ['my table'] (z:guid, b:string)"
    sim_is 400 BadRequest_InvalidSchema
    sim_mgmt ".create-merge table ['my table'] (q:guid, q:guid)"
    sim_is 400 BadRequest_InvalidSchema
    sim_mgmt ".create-merge table ['a/b'] (q:guid)"
    sim_is 400 General_BadRequest
    sim_mgmt ".show table ['my table'] cslschema"
    sim_is_ok '.Rows[0][1] == "a col:string,b:long,c:real,z:guid"'
    sim_mgmt '.show tables | project TableName'
    sim_is_ok '.Columns[0].ColumnName == "TableName" and .Rows == [["my table"]]'
    sim_mgmt '.show tables | where TableName == "other" | count'
    sim_is_ok '.Rows == [[0]]'
    sim_mgmt ".show table nowhere cslschema"
    sim_is 400 BadRequest_TableNotExist
}

@test "adxsim: drop table" {
    sim_start
    table_t
    sim_mgmt '.drop table T now'
    sim_is 400 BadRequest_SyntaxError
    sim_mgmt '.drop table T'
    sim_is_ok '.Rows == []'
    sim_mgmt '.drop table T'
    sim_is 400 BadRequest_TableNotExist
    sim_mgmt '.drop table T ifexists'
    sim_is_ok
    table_t
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim: mappings are checked, stored, replaced, shown, dropped" {
    sim_start
    mapping='[{"Column":"n","DataType":"long","Properties":{"Ordinal":"1"}},{"Column":"s","Properties":{"ConstValue":"it'"\\\\'"'s"}}]'
    sim_mgmt ".create-or-alter table T ingestion csv mapping \"M\" '[]'"
    sim_is 400 BadRequest_TableNotExist
    table_t
    sim_mgmt ".create-or-alter table T ingestion csv mapping \"M\" '${mapping//\\\\\'/\\\'}'"
    sim_is_ok '.Rows[0][0] == "M" and .Rows[0][1] == "Csv" and (.Rows[0][2] | fromjson[1].Properties.ConstValue) == "it'"'"'s"'
    for bad in '[' '[]' '{}' '[{"Column":"nope","Properties":{"Ordinal":"0"}}]' '[{"Column":"n"}]' '[{"Properties":{"Ordinal":"0"}}]' \
        '[{"Column":"n","Properties":{"Ordinal":"x"}}]' '[{"Column":"n","Properties":{"Ordinal":"0","ConstValue":"1"}}]' \
        '[{"Column":"n","DataType":"string","Properties":{"Ordinal":"0"}}]' \
        '[{"Column":"n","Properties":{"Ordinal":"0"}},{"Column":"n","Properties":{"Ordinal":"1"}}]'; do
        sim_mgmt ".create-or-alter table T ingestion csv mapping 'M' '$bad'"
        sim_is 400 BadRequest_InvalidMapping
    done
    sim_mgmt ".create-or-alter table T ingestion csv mapping M @'[{\"Column\":\"n\",' \"\\\"Properties\\\":{\\\"Ordinal\\\":0}}]\""
    sim_is_ok
    sim_mgmt '.show table T ingestion csv mapping "M"'
    sim_is_ok '.Rows | length == 1 and (.[0][2] | fromjson) == [{"Column":"n","Properties":{"Ordinal":0}}]'
    sim_mgmt ".create table T ingestion csv mapping 'M' '[]'"
    sim_is 400 General_BadRequest
    sim_mgmt ".create table T ingestion json mapping 'J' '[{\"Column\":\"n\",\"Properties\":{\"Path\":\"\$.n\"}}]'"
    sim_is_ok '.Rows[0][1] == "Json"'
    sim_mgmt '.show database NetDefaultDB ingestion mappings | project Name, Table'
    sim_is_ok '.Rows == [["M","T"],["J","T"]]'
    sim_mgmt '.show table T ingestion mappings | where Kind == "Json" | project Name'
    sim_is_ok '.Rows == [["J"]]'
    sim_mgmt '.drop table T ingestion csv mapping "M"'
    sim_is_ok
    sim_mgmt '.show table T ingestion csv mapping "M"'
    sim_is 400 BadRequest_EntityNotFound
}

@test "adxsim: ingest inline takes its data verbatim" {
    sim_start
    table_t
    sim_mgmt ".ingest inline into table T with (format='csv', tags='[\"ingest-by:k\"]') <|
a, 1,2024-01-01T00:00:00.123456789Z,\"{\"\"x\"\":1}\"
\"b,\"\"c
// d\",-9223372036854775808,x,plain,extra
e"
    sim_is_ok '.Columns[0].ColumnName == "ExtentId" and (.Rows | length) == 1'
    diff -u - <(sim_csv T) <<'EOF'
a,,2024-01-01T00:00:00.1234567Z,"{""x"":1}"
"b,""c
// d",-9223372036854775808,,"""plain"""
e,,,
EOF
    sim_curl '/_sim/ingestions?table=T'
    jq -e '.ingestions | length == 1 and (.[0] | .rows == 3 and .kind == "inline" and .tags == ["ingest-by:k"] and .request_id == "test;1")' <<<"$output"
    sim_mgmt ".ingest inline into table T with (ingestIfNotExists='[\"k\"]') <| again"
    sim_is_ok '.Rows[0][0] == "00000000-0000-0000-0000-000000000000"'
    sim_mgmt ".ingest inline into table T with (ingestIfNotExists='[\"other\"]', ingestionMappingReference='none') <| again"
    sim_is 400 BadRequest_MappingReferenceWasNotFound
    [ "$(sim_rows T)" = 3 ]
}

@test "adxsim: an ingestion that fails leaves no row, and a line in ingestion failures" {
    sim_start
    table_t
    sim_mgmt '.ingest inline into table T <| good
"bad'
    sim_is 400 Stream_ClosingQuoteMissing
    sim_mgmt '.ingest inline into table T <|'
    sim_is 400 Stream_NoDataToIngest
    sim_mgmt '.ingest inline into table T <| a"b'
    sim_is 400 BadRequest_NoRecordsOrWrongFormat
    sim_mgmt '.ingest inline into table T with (format=parquet) <| a'
    sim_is 400 BadRequest_FormatNotSupported
    sim_mgmt ".ingest inline into table T with (tags='x') <| a"
    sim_is 400 BadRequest_MalformedIngestionProperty
    sim_mgmt ".ingest inline into table T with (nonsense='x') <| a"
    sim_is 400 BadRequest_MalformedIngestionProperty
    sim_mgmt '.ingest inline into table Nope <| a'
    sim_is 400 BadRequest_TableNotExist
    [ "$(sim_rows T)" = 0 ]
    sim_mgmt '.show ingestion failures | where Table == "T" | project ErrorCode'
    sim_is_ok '.Rows[0] == ["Stream_ClosingQuoteMissing"] and (.Rows | length) == 5'
    sim_mgmt '.show ingestion failures'
    id=$(jq -r '.Tables[0].Rows[1][0]' <<<"$output")
    sim_mgmt ".show ingestion failures with (OperationId='$id') | project ErrorCode, ShouldRetry"
    sim_is_ok '.Rows == [["Stream_NoDataToIngest",0]]'
}

@test "adxsim: queries for people" {
    sim_start
    table_t
    sim_mgmt '.ingest inline into table T <|a,1,2024-01-01,[1]
b,2,,
c,3,,'
    sim_query 'T | count'
    sim_is_ok '.Rows == [[3]]'
    sim_query "['T'] | take 1"
    sim_is_ok '.Rows == [["a",1,"2024-01-01T00:00:00Z","[1]"]] and [.Columns[].ColumnType] == ["string","long","datetime","dynamic"]'
    sim_query 'T | where n != 2 | project s'
    sim_is_ok '.Rows == [["a"],["c"]]'
    sim_query 'Nope'
    sim_is 400 BadRequest_SemanticError
    sim_query 'T | summarize count()'
    sim_is 400 BadRequest_SyntaxError
}

# --- streaming ---

@test "adxsim: streaming takes CSV, plain and gzip of several members, with and without a mapping" {
    sim_start
    sim_mgmt ".create-merge table ['T 1'] (s:string, n:long)"
    sim_mgmt ".create-or-alter table ['T 1'] ingestion csv mapping 'M/1' '[{\"Column\":\"n\",\"Properties\":{\"Ordinal\":\"0\"}}]'"
    printf 'a,1\n' | sim_ingest 'T%201' streamFormat=Csv
    sim_is_ok '[.Columns[].ColumnName] == ["ConsumedRecordsCount","UpdatePolicyStatus","UpdatePolicyFailureCode","UpdatePolicyFailureReason"]'
    { printf '2,x\n' | gzip; printf '3,x\n' | gzip; } | sim_ingest 'T%201' 'streamFormat=CSV&mappingName=M%2F1' -H 'Content-Encoding: gzip'
    sim_is_ok
    [ "$(sim_csv 'T%201')" = $'a,1\n,2\n,3' ]
    sim_curl '/_sim/ingestions?db=NetDefaultDB&table=T%201'
    jq -e '[.ingestions[].kind] == ["streaming","streaming"] and [.ingestions[].rows] == [1,2]' <<<"$output"
}

@test "adxsim: streaming takes JSON lines and multijson" {
    sim_start
    table_t
    sim_mgmt ".create-or-alter table T ingestion json mapping 'J' '[{\"Column\":\"n\",\"Properties\":{\"Path\":\"\$.a.b[1]\"}}]'"
    printf '{"s":"x","n":9007199254740993,"d":{"k":[1, 2]}}\n\n{"s":"y","n":"5","t":"2024-01-01"}\n' | sim_ingest T streamFormat=json
    sim_is_ok
    printf '[{"n":1},\n{"n":2.5}] {"n":3}' | sim_ingest T streamFormat=MultiJson
    sim_is_ok
    printf '{"a":{"b":[7,8]}}' | sim_ingest T 'streamFormat=json&mappingName=J'
    sim_is_ok
    diff -u - <(sim_csv T) <<'EOF'
x,9007199254740993,,"{""k"":[1,2]}"
y,5,2024-01-01T00:00:00Z,
,1,,
,,,
,3,,
,8,,
EOF
    printf '{"s":"x"}\n{"s":' | sim_ingest T streamFormat=json
    sim_is 400 BadRequest_NoRecordsOrWrongFormat
    [ "$(sim_rows T)" = 6 ]
}

@test "adxsim: what streaming refuses" {
    sim_start
    table_t
    echo a | sim_ingest T ''
    sim_is 400 General_BadRequest
    echo a | sim_ingest T streamFormat=avro
    sim_is 400 BadRequest_FormatNotSupported
    echo a | sim_ingest Nope streamFormat=csv
    sim_is 400 BadRequest_TableNotExist
    echo a | sim_ingest T 'streamFormat=csv&mappingName=Nope'
    sim_is 400 BadRequest_MappingReferenceWasNotFound
    : | sim_ingest T streamFormat=csv
    sim_is 400 Stream_NoDataToIngest
    echo '"a' | sim_ingest T streamFormat=csv
    sim_is 400 Stream_ClosingQuoteMissing
    echo a | sim_ingest T streamFormat=csv -H 'Content-Encoding: gzip'
    sim_is 400 BadRequest_InvalidCompression
    echo a | gzip | head -c 15 | sim_ingest T streamFormat=csv -H 'Content-Encoding: gzip'
    sim_is 400 BadRequest_InvalidCompression
    echo a | sim_ingest T streamFormat=csv -H 'Content-Encoding: br'
    sim_is 400 BadRequest_InvalidCompression
    echo a | sim_ingest '%zz' streamFormat=csv
    sim_is 400 General_BadRequest
    echo '{"sourceUri":"http://x"}' | sim_ingest T 'streamFormat=csv&sourceKind=uri'
    sim_is 400 General_BadRequest
    echo a | sim_ingest T/more streamFormat=csv
    sim_is 400 General_BadRequest
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim: the limits of streaming: 4 MiB of data, 10 MiB on the wire" {
    sim_start
    table_t
    head -c $((4 << 20)) /dev/zero | tr '\0' x >"$T/big"
    sim_ingest T streamFormat=csv <"$T/big"
    sim_is_ok
    { cat "$T/big"; echo; } >"$T/bigger"
    sim_ingest T streamFormat=csv <"$T/bigger"
    sim_is 413 Stream_InputStreamTooLarge
    gzip -c "$T/bigger" | sim_ingest T streamFormat=csv -H 'Content-Encoding: gzip'
    sim_is 413 Stream_InputStreamTooLarge
    cat "$T/big" "$T/big" "$T/big" | sim_ingest T streamFormat=csv
    sim_is 413 PayloadTooLarge
    cat "$T/big" "$T/big" "$T/big" | sim_ingest T streamFormat=csv -H 'Transfer-Encoding: chunked'
    sim_is 413 PayloadTooLarge
    [ "$(sim_rows T)" = 1 ]
}

@test "adxsim: a command of more than 64 MiB is refused" {
    sim_start
    head -c $((65 << 20)) /dev/zero | tr '\0' ' ' >"$T/big"
    sim_curl /v1/rest/mgmt -H 'Content-Type: application/json' -H 'Expect:' --data-binary "@$T/big"
    sim_is 413 PayloadTooLarge
}

@test "adxsim: streaming can be off: by policy, by default, in the emulator" {
    sim_start
    table_t
    sim_mgmt '.alter table T policy streamingingestion disable'
    sim_is_ok
    echo a | sim_ingest T streamFormat=csv
    sim_is 400 BadRequest_StreamingIngestionPolicyNotEnabled
    sim_mgmt ".alter table T policy streamingingestion '{\"IsEnabled\": true}'"
    echo a | sim_ingest T streamFormat=csv
    sim_is_ok
    sim_mgmt '.alter table T policy streamingingestion maybe'
    sim_is 400 BadRequest_SyntaxError
    sim_mgmt ".alter table T policy ingestionbatching '{\"MaximumBatchingTimeSpan\":\"00:00:10\"}'"
    sim_mgmt '.show table T policy ingestionbatching | project Policy'
    sim_is_ok '.Rows[0][0] | fromjson.MaximumBatchingTimeSpan == "00:00:10"'
    stop adxsim
    sim_start --no-streaming
    sim_mgmt '.create-merge table U (s:string)'
    echo a | sim_ingest U streamFormat=csv
    sim_is 400 BadRequest_StreamingIngestionPolicyNotEnabled
    echo a | sim_ingest T streamFormat=csv
    sim_is_ok
    stop adxsim
    sim_start --emulator
    echo a | sim_ingest T streamFormat=csv
    sim_is 400 BadRequest_StreamingIngestionPolicyNotEnabled
    sim_mgmt '.show cluster details | project Name'
    sim_is_ok '.Rows == [["KustoPersonal"]]'
    sim_mgmt '.ingest inline into table T <|b'
    sim_is_ok
    [ "$(sim_csv T)" = $'a,,,\na,,,\nb,,,' ]
}

# --- authentication ---

@test "adxsim: with a token file, a bearer token is asked for; it may change" {
    printf 'first\nsecond\n' >"$T/tokens"
    sim_start --token-file "$T/tokens"
    sim_mgmt '.show version'
    [ "$status" = 401 ]
    [ -z "$output" ]
    [[ $(sim_header WWW-Authenticate) == Bearer* ]]
    sim_mgmt '.show version' NetDefaultDB -H 'Authorization: Bearer wrong'
    [ "$status" = 401 ]
    sim_mgmt '.show version' NetDefaultDB -H 'Authorization: Bearer fir'
    [ "$status" = 401 ]
    sim_mgmt '.show version' NetDefaultDB -H 'Authorization: Bearer second'
    sim_is_ok
    echo a | sim_ingest T streamFormat=csv
    [ "$status" = 401 ]
    sim_curl /v1/rest/auth/metadata
    [ "$status" = 200 ]
    echo third >"$T/tokens"
    sim_mgmt '.show version' NetDefaultDB -H 'Authorization: Bearer first'
    [ "$status" = 401 ]
    sim_mgmt '.show version' NetDefaultDB -H 'Authorization: Bearer third'
    sim_is_ok
    sim_curl /_sim/requests
    [[ $output != *third* ]]
}

# --- faults ---

@test "adxsim: faults of status, with Retry-After, code and permanence, for so many requests" {
    sim_start
    table_t
    sim_fault '{"match":"mgmt","csl_prefix":".show","status":429,"retry_after":7,"count":2}'
    for _ in 1 2; do
        sim_mgmt '.show version'
        sim_is 429 TooManyRequests false
        [ "$(sim_header Retry-After)" = 7 ]
    done
    sim_mgmt '.show version'
    sim_is_ok
    sim_fault '{"match":"ingest","table":"T","status":400,"code":"My_Code","message":"mine","permanent":false,"count":0}'
    echo a | sim_ingest T streamFormat=csv
    sim_is 400 My_Code false
    echo a | sim_ingest U streamFormat=csv
    sim_is 400 BadRequest_TableNotExist
    sim_curl /_sim/fault
    jq -e '.faults | length == 1 and .[0].hits == 1' <<<"$output"
    sim_no_faults
    sim_fault '{"status":403}'
    sim_mgmt '.show version'
    sim_is 403 Forbidden
    sim_fault '{"match":"metadata","status":404}'
    sim_curl /v1/rest/auth/metadata
    [ "$status" = 404 ]
    sim_fault '{"match":"mgmt","status":401}'
    sim_mgmt '.show version'
    [ "$status" = 401 ]
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim: one fault rule is deleted by its number, and the others stay" {
    sim_start
    sim_fault '{"match":"mgmt","status":503,"count":0}'
    sim_fault '{"match":"query","status":429,"count":0}'
    [ "$(curl -sSf "$SIM/_sim/fault" | jq -c '[.faults[].id]')" = '[1,2]' ]
    curl -sSf -X DELETE "$SIM/_sim/fault?id=1"
    [ "$(curl -sSf "$SIM/_sim/fault" | jq -c '[.faults[] | [.id, .match]]')" = '[[2,"query"]]' ]
    curl -sSf -X DELETE "$SIM/_sim/fault?id=7"
    sim_mgmt '.show version'
    [ "$status" = 200 ]
    sim_no_faults
    [ "$(curl -sSf "$SIM/_sim/fault" | jq -c .faults)" = '[]' ]
}

@test "adxsim: a fault rule that makes no sense is refused" {
    sim_start
    for rule in 'x' '[]' '{"match":"nothing"}' '{"mode":"nothing"}' '{"status":"503"}' '{"status":99}' '{"typo":1}' '{"count":-1}'; do
        sim_curl /_sim/fault -d "$rule"
        [ "$status" = 400 ]
    done
    sim_curl /_sim/fault
    jq -e '.faults == []' <<<"$output"
}

@test "adxsim: connections dropped before and after the work, and an error after it" {
    sim_start
    table_t
    sim_fault '{"match":"ingest","mode":"drop-before"}'
    echo a | sim_ingest T streamFormat=csv
    [ "$status" = curl-52 ]
    [ "$(sim_rows T)" = 0 ]
    sim_fault '{"match":"mgmt","table":"T","mode":"drop-after"}'
    sim_mgmt '.ingest inline into table T <|a'
    [ "$status" = curl-52 ]
    [ "$(sim_rows T)" = 1 ]
    sim_fault '{"match":"ingest","mode":"status-after","status":504}'
    echo a | sim_ingest T streamFormat=csv
    sim_is 504 RequestExecutionTimeout false
    [ "$(sim_rows T)" = 2 ]
}

@test "adxsim: answers that are truncated, cut, compressed, or exceptions in a 200" {
    sim_start
    table_t
    sim_fault '{"mode":"truncate"}'
    sim_mgmt '.show version'
    [ "$status" = 200 ]
    run ! jq . "$T/body"
    sim_fault '{"mode":"cut"}'
    sim_mgmt '.show version'
    [ "$status" = curl-18 ]
    sim_fault '{"mode":"gzip"}'
    sim_mgmt '.show version'
    [ "$(sim_header Content-Encoding)" = gzip ]
    zcat <"$T/body" | jq -e '.Tables[0].Rows[0][2] == "Engine"'
    sim_fault '{"mode":"exceptions","message":"no luck"}'
    sim_mgmt '.ingest inline into table T <|a'
    [ "$status" = 200 ]
    jq -e '.Exceptions == ["no luck"] and .Tables[0].Rows[0].Exceptions == ["no luck"]' <<<"$output"
    [ "$(sim_rows T)" = 0 ]
}

@test "adxsim: a delay holds up its own request only, and not the end of the program" {
    sim_start
    table_t
    sim_fault '{"match":"query","mode":"delay","delay_ms":3600000}'
    curl -sS -o /dev/null -H 'Content-Type: application/json' -d '{"csl":"T | count"}' "$SIM/v1/rest/query" 3>&- &
    held=$!
    hits() { curl -sSf "$SIM/_sim/fault" | jq -e '.faults == []'; }
    wait_until 10 hits
    sim_mgmt '.show version'
    sim_is_ok
    stop adxsim
    wait "$held" || :
}

# --- state ---

@test "adxsim: kill -9 loses nothing that was answered" {
    sim_start
    table_t
    for i in 1 2 3; do
        printf 'a,%d\nb,%d\n' $i $i | sim_ingest T streamFormat=csv
        sim_is_ok
    done
    sim_mgmt ".create-or-alter table T ingestion csv mapping 'M' '[{\"Column\":\"n\",\"Properties\":{\"Ordinal\":\"0\"}}]'"
    before=$(sim_csv T)
    stop adxsim KILL || [ $? = 137 ]
    sim_start
    [ "$(sim_csv T)" = "$before" ]
    sim_curl /_sim/tables
    jq -e '.tables == [{"db":"NetDefaultDB","table":"T","rows":6,"columns":[{"name":"s","type":"string"},{"name":"n","type":"long"},{"name":"t","type":"datetime"},{"name":"d","type":"dynamic"}]}]' <<<"$output"
    echo 4 | sim_ingest T 'streamFormat=csv&mappingName=M'
    sim_is_ok
    [ "$(sim_rows T)" = 7 ]
}

@test "adxsim: kill -9 in the midst of ingestions leaves each of them whole or absent" {
    sim_start
    table_t
    for round in 1 2 3; do
        : >"$T/answered"
        (
            for i in $(seq 1000); do
                for _ in $(seq 500); do echo "r$round,$i"; done | curl -sf -o /dev/null --data-binary @- \
                    "$SIM/v1/rest/ingest/NetDefaultDB/T?streamFormat=csv" || exit 0
                echo "$i" >>"$T/answered"
            done
        ) 3>&- &
        client=$!
        wait_until 20 grep -q "^$((round * 3))$" "$T/answered"
        stop adxsim KILL || [ $? = 137 ]
        wait "$client"
        sim_start
        sim_csv T | grep "^r$round," | uniq -c | awk '{print $1}' | sort -u >"$T/sizes"
        [ "$(cat "$T/sizes")" = 500 ]
        rows=$(sim_csv T | grep -c "^r$round,") answered=$(wc -l <"$T/answered")
        [ "$rows" = $((answered * 500)) ] || [ "$rows" = $(((answered + 1) * 500)) ]
    done
}

@test "adxsim: clients at the same time, each ingestion whole" {
    sim_start
    table_t
    pids=()
    for i in $(seq 8); do
        (
            for j in $(seq 20); do
                printf 'c%d,%d\nc%d,%d\n' "$i" "$j" "$i" "$j" |
                    curl -sSf -o /dev/null --data-binary @- "$SIM/v1/rest/ingest/NetDefaultDB/T?streamFormat=csv"
                curl -sSf -o /dev/null "$SIM/_sim/csv?table=T"
            done
        ) 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    [ "$(sim_rows T)" = 320 ]
    # Two rows of one ingestion stand side by side.
    [ "$(sim_csv T | uniq -c | awk '{print $1}' | sort -u)" = 2 ]
}

@test "adxsim: the journal counts requests, keeps no secret, and can be emptied" {
    sim_start
    sim_mgmt '.show version' Db9 -H 'Authorization: Bearer very-secret'
    curl -sS -o /dev/null "$SIM/v1/rest/auth/metadata?sig=hidden&x=1"
    sim_curl /_sim/requests
    [[ $output != *very-secret* && $output != *hidden* ]]
    jq -e '.total == 2 and .without_request_id == 1 and .with_sig == 1 and .by_status == {"200":2}
        and (.last[0] | .path == "/v1/rest/mgmt" and .db == "Db9" and .csl == ".show version" and .request_id == "test;1")
        and .last[1].path == "/v1/rest/auth/metadata?sig=***&x=1"' <<<"$output"
    sim_curl /_sim/requests -X DELETE
    [ "$status" = 204 ]
    sim_curl /_sim/requests
    jq -e '.total == 0 and .last == []' <<<"$output"
}

@test "adxsim: every type goes in and comes out exact" {
    sim_start
    sim_mgmt '.create-merge table T (b:bool, i:int, l:long, r:real, m:decimal, g:guid, t:datetime, p:timespan, d:dynamic, s:string)'
    sim_ingest T streamFormat=csv <<'EOF'
true,-2147483648,9223372036854775807,0.1,0.10,74be27de-1e4e-49d9-b579-fe0b331d3642,2024-02-29T23:59:59.1234567Z,1.02:03:04.5,"{""a"":[1, 2.50]}"," quoted ""and"", so
on"
false,0,-9223372036854775808,1e-300,-1,,,,,
x,x,x,x,x,x,x,x,x,x
EOF
    sim_is_ok
    diff -u - <(sim_csv T) <<'EOF'
true,-2147483648,9223372036854775807,0.1,0.10,74be27de-1e4e-49d9-b579-fe0b331d3642,2024-02-29T23:59:59.1234567Z,1.02:03:04.5,"{""a"":[1, 2.50]}"," quoted ""and"", so
on"
false,0,-9223372036854775808,1e-300,-1,,,,,
,,,,,,,,"""x""",x
EOF
}
