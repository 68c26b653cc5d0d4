#!/usr/bin/env bats
# The way of the README to a real cluster, as near as it gets: https everywhere, a client's secret from the environment, tokens of the
# sign-in service that the cluster names, queued ingestion through storage, confirmation.
# shellcheck disable=SC2154 # bats sets status and output

load lib
load adxsim
load azurite
load uploader

cluster_of_tls() {
    self_signed
    jq -n '{tenant: "tenant1", principals: [{client_id: "app", client_secret: "planted-secret"}, {client_id: "stranger", client_secret: "planted-other", role: false}]}' >"$T/auth.json"
    cluster_start --database D --auth "$T/auth.json" --aad 127.0.0.1:0 --imds 127.0.0.1:0 --tls-cert "$T/cert.pem" --tls-key "$T/key.pem"
    SIM=$(jq -r .engine "$T/ready.json")
}
# shellcheck disable=SC2120
up() {
    uploader --spool "$SPOOL" --queue sealed --no-guard --once --retry-min 10ms --retry-max 50ms --database D="$SIM" --data-management D="$DM" \
        --auth client-secret --log-level debug "$@"
}
sign_in() { AZURE_CLIENT_ID=$1 AZURE_CLIENT_SECRET=$2 AZURE_TENANT_ID=tenant1 CURL_CA_BUNDLE=$T/cert.pem "${@:3}"; }

@test "cluster: rows over https, signed in with a secret, queued and confirmed; no secret anywhere" {
    cluster_of_tls
    seq 1000 | sed 's/$/,row/' | write A
    run -0 sign_in app planted-secret up --ingest queued --confirm show --confirm-after 2s
    nothing_left
    no_secrets 'planted|sig=[^*]'
    rows() { sign_in app planted-secret spillway count D/A --database D="$SIM" --auth client-secret; }
    run -0 rows
    [[ $output == *"1000  D/A"* ]]
    no_secrets 'planted|sig=[^*]'
    seq 10 | sed 's/$/,row/' | write A
    run -0 sign_in app planted-secret up # auto: streamed
    run -0 rows
    [[ $output == *"1010  D/A"* ]]
}

@test "cluster: what goes wrong is said in words that help, and costs nothing" {
    cluster_of_tls
    seq 10 | sed 's/$/,row/' | write A
    # A certificate that nobody vouches for.
    AZURE_CLIENT_ID=app AZURE_CLIENT_SECRET=planted-secret AZURE_TENANT_ID=tenant1 run -75 up
    [[ $output == *"verdict=down"*certificate* ]]
    no_secrets 'planted|sig=[^*]'
    # A secret that is not the one.
    run -75 sign_in app planted-wrong up
    [[ $output == *"verdict=unauthorised"*AADSTS7000215* ]]
    no_secrets 'planted|sig=[^*]'
    # Signed in, but with no role in the database.
    run -75 sign_in stranger planted-other up
    [[ $output == *"verdict=unauthorised"* ]]
    no_secrets 'planted|sig=[^*]'
    # Nothing to sign in with.
    CURL_CA_BUNDLE=$T/cert.pem run -100 up
    [[ $output == *AZURE_CLIENT_ID* || $output == *--client-id* ]]
    [ "$(count sealed)" = 1 ] || [ "$(count batch)" = 1 ]
    run -0 sign_in app planted-secret up
    nothing_left
}
