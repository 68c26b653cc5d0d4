#!/usr/bin/env bats
# Who gets tokens from the ADX stand-in, and what they are good for; TLS.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim

RESOURCE=https://kusto.kusto.windows.net
URN=urn:ietf:params:oauth:client-assertion-type:jwt-bearer

# auth_start [OPTION]...: the engine, Entra ID and IMDS; $SIM, $AAD, $IMDS are their URLs.
auth_start() {
    echo 'jwt-1' >"$T/assertion"
    jq -n --arg file "$T/assertion" '{tenant: "tenant1", other_resources: ["https://other.example"], identity_header: "ih",
        principals: [{client_id: "app", client_secret: "s3cret", assertion_file: $file},
                     {client_id: "vm", managed: true}, {client_id: "vm2", managed: true},
                     {client_id: "stranger", client_secret: "x", role: false}]}' >"$T/auth.json"
    sim_start --auth "$T/auth.json" --aad 127.0.0.1:0 --imds 127.0.0.1:0 --ready-file "$T/ready.json" "$@"
    AAD=$(jq -r .aad "$T/ready.json") IMDS=$(jq -r .imds "$T/ready.json")
}

# login [FIELD=VALUE]...: ask Entra ID; a field without value is left out. $token is what came.
login() {
    local -A form=([grant_type]=client_credentials [client_id]=app [client_secret]=s3cret [scope]=$RESOURCE/.default)
    local pair args=()
    for pair in "$@"; do form[${pair%%=*}]=${pair#*=}; done
    for pair in "${!form[@]}"; do
        [ -z "${form[$pair]}" ] || args+=(--data-urlencode "$pair=${form[$pair]}")
    done
    SIM=$AAD sim_curl "/${TENANT:-tenant1}/oauth2/v2.0/token" "${args[@]}"
    token=$(jq -r '.access_token // empty' <<<"$output")
}

# refuses STATUS ERROR
refuses() {
    [ "$status" = "$1" ] || { echo "status $status: $output" >&2; return 1; }
    jq -e --arg error "$2" '.error == $error and (.error_description | length > 9)' <<<"$output"
}

# managed PATH-AND-QUERY [CURL-OPTION]...
managed() {
    local path=$1
    shift
    SIM=$IMDS sim_curl "$path" "$@"
    token=$(jq -r '.access_token // empty' <<<"$output")
}

show_version() { sim_mgmt '.show version' NetDefaultDB ${1:+-H "Authorization: Bearer $1"}; }

@test "adxsim auth: options that make no sense end with 100" {
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --aad 127.0.0.1:0
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --auth "$T/nothing"
    for text in '[]' '{' '{"tenant":"t"}' '{"tenant":"t","principals":[{}]}'; do
        echo "$text" >"$T/auth.json"
        run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --auth "$T/auth.json"
    done
    run -100 adxsim --listen 127.0.0.1:0 --data "$T/adx" --tls-cert x
    run -111 adxsim --listen 127.0.0.1:0 --data "$T/adx" --tls-cert "$T/nothing" --tls-key "$T/nothing"
}

@test "adxsim auth: a client secret gets a token, which every endpoint wants" {
    auth_start
    sim_curl /v1/rest/auth/metadata
    jq -e --arg aad "$AAD" --arg resource "$RESOURCE" \
        '.AzureAD | .LoginEndpoint == $aad and .KustoServiceResourceId == $resource' <<<"$output"
    show_version
    [ "$status" = 401 ]
    [ -z "$output" ]
    show_version made-up
    [ "$status" = 401 ]
    login
    [ "$status" = 200 ]
    jq -e '.token_type == "Bearer" and .expires_in == 3599' <<<"$output"
    show_version "$token"
    sim_is_ok
    sim_curl /v2/rest/query -H 'Content-Type: application/json' -d '{"csl":"T"}'
    [ "$status" = 401 ]
    sim_ingest T streamFormat=csv <<<a
    [ "$status" = 401 ]
    curl -sSf "$SIM/_sim/tokens" | jq -e --arg resource "$RESOURCE" '.issued == 1 and .by_audience == {($resource): 1}'
}

@test "adxsim auth: every wrong request for a token is refused as Entra ID does" {
    auth_start
    login client_secret=wrong
    refuses 401 invalid_client
    login client_secret=
    refuses 401 invalid_client
    login client_id=nobody
    refuses 400 unauthorized_client
    login grant_type=password
    refuses 400 unsupported_grant_type
    login scope="$RESOURCE"
    refuses 400 invalid_scope
    login scope=https://unknown.example/.default
    refuses 400 invalid_resource
    TENANT=tenant2 login
    refuses 400 invalid_request
    SIM=$AAD sim_curl /tenant1/oauth2/v2.0/token -H 'Content-Type: application/json' -d '{}'
    refuses 400 invalid_request
    SIM=$AAD sim_curl /tenant1/oauth2/v2.0/token
    [ "$status" = 404 ]
}

@test "adxsim auth: a federated assertion is compared with its file, which may rotate" {
    auth_start
    login client_secret= client_assertion=jwt-1 client_assertion_type=$URN
    show_version "$token"
    sim_is_ok
    login client_secret= client_assertion=jwt-1 client_assertion_type=jwt-bearer
    refuses 400 invalid_request
    echo jwt-2 >"$T/assertion"
    login client_secret= client_assertion=jwt-1 client_assertion_type=$URN
    refuses 401 invalid_client
    login client_secret= client_assertion=jwt-2 client_assertion_type=$URN
    [ "$status" = 200 ]
}

@test "adxsim auth: managed identities, by IMDS and App Service" {
    auth_start
    query="/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$RESOURCE"
    managed "$query"
    refuses 400 invalid_request
    managed "$query" -H 'Metadata: true'
    jq -e '.client_id == "vm" and .expires_in == "3599" and (.expires_on | tonumber) > now' <<<"$output"
    show_version "$token"
    sim_is_ok
    managed "$query&client_id=vm2" -H 'Metadata: true'
    jq -e '.client_id == "vm2"' <<<"$output"
    managed "$query&client_id=app" -H 'Metadata: true'
    refuses 400 invalid_request
    managed "$query/.default" -H 'Metadata: true'
    refuses 400 invalid_resource
    managed "/metadata/identity/oauth2/token?resource=$RESOURCE" -H 'Metadata: true'
    refuses 400 invalid_request
    query="/msi/token?api-version=2019-08-01&resource=$RESOURCE"
    managed "$query"
    refuses 401 unauthorized
    managed "$query" -H 'X-IDENTITY-HEADER: wrong'
    refuses 401 unauthorized
    managed "$query" -H 'X-IDENTITY-HEADER: ih'
    show_version "$token"
    sim_is_ok
}

@test "adxsim auth: tokens expire; those for another audience, and of principals without a role, do not help" {
    auth_start --set token-seconds=0
    login
    show_version "$token"
    [ "$status" = 401 ]
    curl -sSf -o /dev/null -d '{"token-seconds": 60}' "$SIM/_sim/settings"
    login scope=https://other.example/.default
    [ "$status" = 200 ]
    show_version "$token"
    [ "$status" = 401 ]
    login client_id=stranger client_secret=x
    show_version "$token"
    sim_is 403 Forbidden
    login
    show_version "$token"
    sim_is_ok
    # Known again after a restart.
    kept=$token
    stop adxsim
    auth_start
    show_version "$kept"
    sim_is_ok
}

@test "adxsim auth: faults at the token endpoints; 401 after some calls" {
    auth_start
    sim_fault '{"match":"token","status":503,"retry_after":3}'
    login
    refuses 503 server_error
    [ "$(sim_header Retry-After)" = 3 ]
    sim_fault '{"match":"imds","status":404}'
    managed "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$RESOURCE" -H 'Metadata: true'
    [ "$status" = 404 ]
    login
    sim_fault '{"match":"mgmt","status":401,"after":2}'
    for expected in 200 200 401 200; do
        show_version "$token"
        [ "$status" = $expected ]
    done
    curl -sSf "$SIM/_sim/requests" | jq -e '.by_endpoint == {"POST aad": 2, "GET imds": 1}'
}

@test "adxsim auth: TLS on all hosts but IMDS" {
    self_signed
    auth_start --tls-cert "$T/cert.pem" --tls-key "$T/key.pem"
    SIM=$(jq -r .engine "$T/ready.json")
    [[ $SIM == https://* && $AAD == https://* && $IMDS == http://* ]]
    curl -sS --cacert "$T/cert.pem" "$SIM/_sim/health" | jq -e '.program == "adxsim"'
    run -60 curl -sS "$SIM/_sim/health"
    SIM=$AAD sim_curl /tenant1/oauth2/v2.0/token --cacert "$T/cert.pem" --data-urlencode grant_type=client_credentials \
        --data-urlencode client_id=app --data-urlencode client_secret=s3cret --data-urlencode "scope=$RESOURCE/.default"
    token=$(jq -r .access_token <<<"$output")
    sim_mgmt '.show version' NetDefaultDB --cacert "$T/cert.pem" -H "Authorization: Bearer $token"
    sim_is_ok
    managed "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=$RESOURCE" -H 'Metadata: true'
    [ "$status" = 200 ]
}
