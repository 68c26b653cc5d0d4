# The other end of queued ingestion, request by request (tests/tools/ingest_sink.py):
#
#     load lib
#     load sink
#
# shellcheck shell=bash

# $SINK is its address
sink_start() {
    rm -f "$T/port"
    start sink python3 "$REPO/tests/tools/ingest_sink.py" --port-file "$T/port"
    wait_until 10 test -s "$T/port"
    SINK=http://127.0.0.1:$(cat "$T/port")
}
sink_reset() { curl -sSf -o /dev/null -X POST "$SINK/_sink/reset"; }
sink_fault() { curl -sSf -o /dev/null -d "$1" "$SINK/_sink/fault"; }
sink_log() { curl -sSf "$SINK/_sink/log" | jq -c "$1"; }
sink_rows() { curl -sSf "$SINK/_sink/rows"; }
sink_messages() { sink_log '.[] | select(.message) | .message'; }

# Blobs that are there: put at once, or by their list of blocks.
sink_blobs() { sink_log '.[] | select(.method == "PUT" and (.query | test("comp=block(&|$)") | not)) | .path'; }
