#!/usr/bin/env bats
# One dead database, everyone else untouched: three real instances, values compared row by row.

load lib
load peers
load failover

setup() { failover_setup; }
teardown() { stop_all; }

@test "B dies: all of it, from everywhere, goes to one instance; A does not notice; B comes back and every row arrives once" {
    ring_up
    for n in "${NAMES[@]}"; do for t in T1 T2 T3; do write "$n" A "$t" 1 200; write "$n" B "$t" 1 200; done; done
    wait_until 60 has_all A
    wait_until 60 has_all B
    kill_db B
    for n in "${NAMES[@]}"; do for t in T1 T2 T3 T4; do write "$n" B "$t" 1001 1300; done; done
    wait_until 60 all_say B '.active and .reason == "unreachable"'
    at=$(sacrificial B)
    all_say B ".at == \"$at\""
    for n in "${NAMES[@]}"; do for t in T1 T5; do write "$n" B "$t" 2001 2300; write "$n" A "$t" 2001 2300; done; done
    only_there() {
        for n in "${NAMES[@]}"; do [ "$n" = "$at" ] || [ "$(held "$n" B)" -eq 0 ] || return 1; done
        [ "$(held "$at" B)" -gt 0 ]
    }
    wait_until 60 only_there
    wait_until 60 has_all A
    [ "$(given_up B dropped)" -eq 0 ]
    all_say A '.active | not'
    spillway --spool "$T/$at" metrics | grep -x 'spillway_failover_active{db="B"} 1'
    heal_db B
    wait_until 60 all_say B '.active | not'
    for n in "${NAMES[@]}"; do write "$n" B T9 1 100; done
    wait_until 90 has_all B
    has_all A
}
