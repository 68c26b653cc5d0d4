#!/usr/bin/env bats
# How hard blocks are compressed (--compression), from standard input and over HTTP: the words differ in size, never in rows.
# shellcheck disable=SC2154 # bats sets $output, $status

load lib
load http

# Rows of logs: words that come again, numbers that do not.
some_logs() { # BYTES
    awk 'BEGIN {
        srand(7)
        for (n = 0; n < 100000; n++)
            printf "2026-11-22T06:%02d:%02d.%03dZ,gateway,\"GET /api/v1/items/%d -> 200 in %.3f ms, trace=%08x%08x, user=%d\"\n", int(n / 6000) % 60,
                int(n / 100) % 60, rand() * 1000, rand() * 50000, rand() * 300, rand() * 2147483647, rand() * 2147483647, rand() * 20000
    }' | head -c "$1" | sed '$d'
}

by_stdin() { walwriter --spool "$SPOOL" --db D --table T --no-guard --log-level error "$@" <"$T/in"; }
by_http() {
    local body
    again --no-guard "$@"
    split -C 500K "$T/in" "$T/body."
    for body in "$T"/body.*; do [ "$(post 'D/T?format=csv' <"$body")" = 200 ] || return; done
    rm "$T"/body.*
    stop rcv
}

# size_of WAY WORD: $T/in that way, with that word: it has to be the same rows; how many bytes the segments are, to $size.
size_of() {
    segments sealed | xargs -r rm
    "by_$1" --compression "$2"
    rows sealed | cmp - "$T/in"
    segments sealed | xargs gzip -t
    spillway --spool "$SPOOL" verify --deep
    size=$(segments sealed | xargs cat | wc -c)
}

# sizes WAY: of each word, to $fast, $small and $auto.
sizes() {
    size_of "$1" fast
    fast=$size
    size_of "$1" small
    small=$size
    size_of "$1" auto
    auto=$size
    echo "$1: fast $fast, small $small, auto $auto, gzip -6 $(gzip -6 <"$T/in" | wc -c)"
}

is_small_smaller() { # WAY
    some_logs 5000000 >"$T/in"
    sizes "$1"
    [ "$small" -lt $((fast * 97 / 100)) ]
    [ "$small" -le "$(gzip -6 <"$T/in" | wc -c)" ]
    # auto is the one block by block or the other: blocks end where they end, so not to the byte.
    [ "$auto" -ge $((small * 99 / 100)) ]
    [ "$auto" -le $((fast * 101 / 100)) ]
}

@test "small is clearly smaller than fast, and no larger than gzip -6; auto is between; the rows are the same" {
    is_small_smaller stdin
}

@test "over HTTP: small is clearly smaller than fast, and no larger than gzip -6; auto is between; the rows are the same" {
    is_small_smaller http
}

@test "auto makes a short input small, from standard input and over HTTP" {
    some_logs 100000 >"$T/in"
    for way in stdin http; do
        sizes $way
        [ "$auto" -eq "$small" ]
        [ "$auto" -ne "$fast" ]
    done
}

@test "a word that is none is refused with those that are, wherever it comes from, and nothing is begun" {
    : >"$T/in"
    echo 'compression = best' >"$T/conf"
    for way in --db=D --http=127.0.0.1:0; do
        flags=(--spool "$SPOOL" --no-guard "$way" --table T)
        for how in flag variable file; do
            case $how in
            flag) run -100 walwriter "${flags[@]}" --compression best ;;
            variable) SPILLWAY_COMPRESSION=best run -100 walwriter "${flags[@]}" ;;
            file) run -100 walwriter "${flags[@]}" --config "$T/conf" ;;
            esac
            echo "$output"
            [ "${#lines[@]}" -eq 1 ]
            [[ $output == *compression*best*auto*fast*small* ]]
        done
    done
    [ -z "$(ls -A "$SPOOL")" ]
}
