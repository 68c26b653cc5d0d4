#!/usr/bin/env bats
# What all the other tests rest on: an assertion that nothing can fail would say nothing.

load lib

# says STATUS OUTPUT JQ-ARGUMENT... <input: does jq do so?
says() {
    local wanted=$1 text=$2 got=0
    shift 2
    jq "$@" >"$T/said" 2>"$T/words" || got=$?
    [ "$got" -eq "$wanted" ] || { echo "jq $*: $got, not $wanted"; return 1; }
    printf '%s' "$text" | cmp - "$T/said"
}

@test "jq -e holds for what is true only, and never for what is not there" {
    says 0 $'true\n' -e .a <<<'{"a": true}'
    says 0 $'7\n' -e .a <<<'{"a": 7}'
    says 1 $'false\n' -e .a <<<'{"a": false}'
    says 1 $'null\n' -e .a <<<'{}'
    says 4 '' -e .a </dev/null
    grep -q 'nothing came in' "$T/words"
    says 4 '' -e . <<<''
    says 4 '' -e empty <<<'{}'
    says 4 '' -e 'select(.a)' <<<'{}'
    : >"$T/empty"
    says 4 '' -e . "$T/empty"
    says 4 '' --exit-status . </dev/null
    says 5 '' -e .a <<<7
    run -4 eval 'false | jq -e .'
}

@test "jq -e among other options" {
    says 4 '' -er .a </dev/null
    says 0 $'x\n' -er .a <<<'{"a": "x"}'
    says 4 '' -re .a </dev/null
    says 4 '' --arg name value -e '.[$name]' </dev/null
    says 4 '' . -e </dev/null
    says 0 $'[]\n' -se . </dev/null
    says 1 $'false\n' -se 'length > 0' </dev/null
    says 0 $'1\n' -ne 1
    says 0 $'a\n\n  b\n\n' -er . <<<'"a\n\n  b\n"'
    says 0 'ab' -ej '"a", "b"' <<<'{}'
}

@test "jq without -e is jq" {
    says 0 '' . </dev/null
    says 0 $'false\n' . <<<false
    says 0 $'"-e"\n' -n --arg x -e '$x'
    says 0 $'{\n "a": 1\n}\n' --indent 1 . <<<'{"a":1}'
    printf '%s' '$here' >"$T/here.e"
    says 0 $'1\n' -n --argjson here 1 -f "$T/here.e"
    says 2 '' . "$T/absent"
}

@test "wait_until comes to an end: at once, later, never" {
    wait_until 5 true
    later() { [ -e "$T/later" ] || { touch "$T/later"; false; }; }
    wait_until 5 later
    WAIT_FACTOR=1 run wait_until 0 false
    [ "$status" -eq 1 ]
    [ "$output" = "wait_until: still not so: false" ]
}
