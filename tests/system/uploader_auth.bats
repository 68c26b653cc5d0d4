#!/usr/bin/env bats
# How the uploader proves who it is: every source of tokens, renewal, and that no secret goes astray.
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets status and output; each test is a subshell

load lib
load adxsim
load uploader

setup() {
    spillway_setup
    : >"$T/tokens"
    sim_start --database D --token-file "$T/tokens"
    start identity python3 "$REPO/tests/tools/fake_identity.py" "$T/identity.port" "$T/tokens"
    wait_until 10 test -s "$T/identity.port"
    ID=http://127.0.0.1:$(cat "$T/identity.port")
    echo planted-client-secret-1 >"$T/secret"
    echo planted-assertion-1 >"$T/assertion"
}

identity_set() { curl -sSf -o /dev/null -d "$1" "$ID/_/set"; }
asked() { curl -sSf "$ID/_/asked" | jq "${1:-length}"; }
has_asked() { [ "$(asked)" -ge "$1" ]; }
by_secret() { "$@" --auth client-secret --client-id client-1 --tenant-id tenant-1 --client-secret-file "$T/secret" --authority "$ID"; }

@test "auth: client secret from a file and from the environment, once for many batches" {
    for i in 1 2 3 4 5; do numbers 1 5 | write "A$i"; done
    run -0 by_secret up --database D="$SIM" --log-level debug
    [[ $output == *"token-fetched"*"auth=client-secret"* ]]
    [ "$(asked)" = 1 ]
    no_secrets
    numbers 1 5 | write B
    AZURE_CLIENT_SECRET=planted-client-secret-1 AZURE_CLIENT_ID=client-1 AZURE_TENANT_ID=tenant-1 AZURE_AUTHORITY_HOST=$ID/ \
        run -0 up --database D="$SIM" --auth client-secret
    no_secrets
    nothing_left
    run -0 by_secret spillway count D/B --database D="$SIM"
    [[ $output == *"5  D/B"* ]]
}

@test "auth: workload identity reads its file anew" {
    export AZURE_FEDERATED_TOKEN_FILE=$T/assertion AZURE_CLIENT_ID=client-1 AZURE_TENANT_ID=tenant-1 AZURE_AUTHORITY_HOST=$ID
    identity_set '{"expires_in": 4}'
    start_up --database D="$SIM" --auth workload
    numbers 1 5 | write A
    wait_until 10 nothing_left
    echo planted-assertion-2 >"$T/assertion"
    identity_set '{"assertion": "planted-assertion-2"}'
    second() { [ "$(asked 'map(select(.form.client_assertion == "planted-assertion-2")) | length')" -ge 1 ]; }
    wait_until 20 second
    numbers 1 5 | write B
    wait_until 10 nothing_left
    asked 'all(.form.client_assertion_type | endswith("jwt-bearer"))' | grep -qx true
    stop uploader
    output=
    no_secrets
}

@test "auth: managed identity of a machine, and of App Service" {
    numbers 1 5 | write A
    http_proxy=http://127.0.0.1:1 AZURE_POD_IDENTITY_AUTHORITY_HOST=$ID run -0 up --database D="$SIM" --auth managed --client-id client-1
    [ "$(asked '.[0].metadata')" = '"true"' ]
    no_secrets
    numbers 1 5 | write A
    IDENTITY_ENDPOINT=$ID/msi/token IDENTITY_HEADER=planted-identity-header run -0 up --database D="$SIM" --auth managed
    [ "$(asked '.[1].header')" = '"planted-identity-header"' ]
    no_secrets
    [ "$(sim_rows A D)" = 10 ]
    numbers 1 5 | write A
    IDENTITY_ENDPOINT=$ID/msi/token IDENTITY_HEADER=planted-wrong run -75 up --database D="$SIM" --auth managed
    [[ $output == *"verdict=unauthorised"*"no token:"*"status 401"* ]]
    no_secrets
}

@test "auth: a command, plain and JSON, with and without a shell, that fails, that hangs" {
    echo planted-token-c >>"$T/tokens"
    # shellcheck disable=SC2016 # for that script
    printf '#!/bin/sh\n[ "$1" = "two words" ] && echo planted-token-c\n' >"$T/plain"
    printf '#!/bin/sh\necho "{\\"accessToken\\": \\"planted-token-c\\", \\"expires_on\\": %s}"; echo x >>%s/ran\n' $(($(date +%s) + 3600)) "$T" >"$T/json"
    printf '#!/bin/sh\necho "Please run az login planted-token-in-a-very-long-word-of-stderr" >&2; exit 3\n' >"$T/fails"
    printf '#!/bin/sh\necho planted-token-c\nexec sleep 1000 >&- 2>&-\n' >"$T/hangs"
    chmod +x "$T"/{plain,json,fails,hangs}
    numbers 1 5 | write A
    run -0 up --database D="$SIM" --token-command "$T/plain 'two words'"
    no_secrets
    for i in 1 2 3; do numbers 1 5 | write "B$i"; done
    run -0 up --database D="$SIM" --token-command "$T/json | cat"
    [ "$(wc -l <"$T/ran")" = 1 ]
    numbers 1 5 | write A
    run -75 up --database D="$SIM" --token-command "$T/fails"
    [[ $output == *"verdict=unauthorised"*"it ended with 3: Please run az login ***"* ]]
    no_secrets
    run -75 up --database D="$SIM" --token-command "$T/nothing"
    [[ $output == *"No such file"* ]]
    # One that hangs does not keep the program from ending.
    start_up --database D="$SIM" --token-command "$T/hangs"
    hangs() { pgrep -f "sleep 1000" -P "$(pid_of uploader)"; }
    wait_until 10 hangs
    stop uploader
    run -100 up --database D="$SIM" --token-command "'"
    run -100 up --database D="$SIM" --auth client-secret
    [[ $output == *"needs client-id and tenant-id"* ]]
}

@test "auth: a token is renewed before it ends, and the old one is used while the service is away" {
    identity_set '{"expires_in": 20}'
    by_secret start_up --database D="$SIM"
    numbers 1 5 | write A
    wait_until 10 nothing_left
    [ "$(asked)" = 1 ]
    identity_set '{"status": 503, "count": 1}'
    wait_until 20 has_asked 3
    run -1 grep -q batch-failed "$T/uploader.log"
    numbers 1 5 | write B
    wait_until 10 nothing_left
    status_is health up
    grep -q 'token-failed.*503' "$T/uploader.log"
    stop uploader
    output=
    no_secrets
}

@test "auth: one refresh on 401, by all workers together; no storm when it does not help" {
    by_secret start_up --database D="$SIM" --uploads 4
    numbers 1 5 | write A
    wait_until 10 nothing_left
    : >"$T/tokens" # all that were issued are void
    for i in 1 2 3 4 5 6; do numbers 1 5 | write "A$i"; done
    wait_until 10 nothing_left
    [ "$(asked)" = 2 ]
    run -1 grep -q batch-failed "$T/uploader.log"
    : >"$T/tokens"
    numbers 1 5 | write B
    wait_until 10 status_is health unauthorised
    [ "$(asked)" = 2 ]
    output=$(ask '{"op":"status"}')
    stop uploader
    no_secrets
}

@test "auth: a wrong secret is unauthorised, a service that is away is down; nothing is lost, and it heals" {
    numbers 1 5 | write A
    echo planted-wrong-secret >"$T/secret"
    by_secret start_up --database D="$SIM"
    wait_until 10 status_is health unauthorised
    [[ $(status_of reason) == *"AADSTS7000215"* ]]
    output=$(ask '{"op":"status"}')
    no_secrets
    echo planted-client-secret-1 >"$T/secret"
    wait_until 30 nothing_left
    stop uploader
    identity_set '{"status": 503}'
    numbers 1 5 | write A
    by_secret start_up --database D="$SIM"
    wait_until 10 status_is health down
    identity_set '{"status": 0}'
    wait_until 30 nothing_left
    [ "$(sim_rows A D)" = 10 ]
    stop uploader
}

@test "auth: a token goes to Kusto's hosts and loopback only, unless told otherwise" {
    for url in https://adx.example.com https://kusto.windows.net https://evilkusto.windows.net.example.com http://c.kusto.windows.net; do
        run -100 by_secret uploader --spool "$SPOOL" --check --database D="$url"
        [[ $output == *"--database D=$url"* ]] || { echo "$url: $output"; false; }
    done
    run -100 uploader --spool "$SPOOL" --check --database D=https://adx.example.com
    [[ $output == *"--trusted-host"*"--auth none"* ]]
    for flags in '--database D=https://c.westeurope.kusto.windows.net' '--database D=https://adx.example.com --trusted-host adx.example.com' \
        '--database D=https://x.adx.example.com --trusted-host .example.com'; do
        # shellcheck disable=SC2086 # words
        run -0 by_secret uploader --spool "$SPOOL" --check $flags
    done
    run -0 uploader --spool "$SPOOL" --check --database D=https://adx.example.com --auth none
    run -100 uploader --spool "$SPOOL" --check --database D="$SIM" --authority http://login.example.com
    [[ $output == *"in the clear"* ]]
}

# abort_uploader [FLAG]...: one that has a token is made to abort in $T/cores, where nothing limits its core; prints whether there was one
abort_uploader() {
    rm -rf "$T/cores"
    mkdir "$T/cores"
    by_secret python3 - "$T/cores" "$SPOOL" uploader --spool "$SPOOL" --queue sealed --no-guard --batch-age 20ms --scan-interval 20ms \
        --database D="$SIM" "$@" <<'PYTHON'
import glob, os, resource, signal, subprocess, sys, time
where, spool, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
child = subprocess.Popen(command, cwd=where, stderr=subprocess.DEVNULL)
end = time.monotonic() + 40
while glob.glob(spool + "/sealed/*/*") + glob.glob(spool + "/batch/*/*/*"):
    assert time.monotonic() < end and child.poll() is None, "it does not upload"
    time.sleep(0.02)
child.send_signal(signal.SIGABRT)
_, status = os.waitpid(child.pid, 0)
assert os.WTERMSIG(status) == signal.SIGABRT
print("a core" if os.WCOREDUMP(status) else "no core")
PYTHON
}

@test "auth: a process that crashes leaves no core dump, unless it is told to" {
    numbers 1 5 | write A
    run -0 abort_uploader
    [ "$output" = "no core" ]
    [ -z "$(ls "$T/cores")" ]
    # That this can fail: a core that is asked for has the secret in it, where there can be one (not under address sanitizers, which
    # allow none; and where this system writes cores to files).
    if grep -qa __asan_init "$(command -v uploader)"; then return 0; fi
    numbers 1 5 | write A
    run -0 abort_uploader --core-dumps
    if [ -n "$(ls "$T/cores")" ]; then grep -qa planted "$T"/cores/*; fi
    if [ "$(cat /proc/sys/kernel/core_pattern)" = core ]; then [ "$output" = "a core" ]; fi
}

@test "auth: secrets are in no log, status, event or .why, whatever goes wrong" {
    by_secret start_up --database D="$SIM" --log-level debug --breaker-failures 3
    wait_until 10 status_is health up
    start events spillway --spool "$SPOOL" events
    numbers 1 5 | write A
    wait_until 10 nothing_left
    token=$(tail -n 1 "$T/tokens")
    sim_fault "{\"match\":\"ingest\",\"table\":\"B\",\"status\":400,\"message\":\"Bearer $token was refused\",\"count\":1}"
    numbers 1 5 | write B
    wait_until 10 nothing_left
    [ "$(count quarantine)" = 1 ]
    sim_fault "{\"match\":\"ingest\",\"status\":503,\"message\":\"Authorization: Bearer $token\",\"count\":2}"
    numbers 1 5 | write C
    wait_until 10 nothing_left
    output=$(ask '{"op":"status"}' && ask '{"op":"metrics"}' && spillway --spool "$SPOOL" status --json && spillway conf)
    no_secrets
    echo planted-token >>"$T/x.log"
    run ! no_secrets
    run -1 grep -qa planted "/proc/$(pid_of uploader)/cmdline"
    rm "$T/x.log"
    stop uploader
}
