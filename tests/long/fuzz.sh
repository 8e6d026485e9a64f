#!/usr/bin/env bash
# Fuzzes every reader of foreign bytes for ten minutes of a processor each, and writes what was done to docs/evidence/.
#
# It takes some three hours on two cores, goes on where an earlier run ended, and writes the evidence of what was reached
# when it is stopped, too. UNDISTRO_FUZZ_CPU sets the seconds; --report writes the evidence of what is there.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
WORK=${FUZZ_WORK:-${CARGO_TARGET_DIR:-$PWD/target}/fuzz}

report() {
    local name spent log
    mkdir -p docs/evidence
    for spent in "$WORK"/spent/*; do
        name=$(basename "$spent") log=$WORK/logs/$(basename "$spent").log
        {
            echo "target:           $name"
            echo "processor time:   $(awk '{ printf "%.0f", $1 }' "$spent") s of the ${UNDISTRO_FUZZ_CPU:-600} s that are asked for"
            echo "inputs:           $(awk '{ print $2 }' "$spent")"
            echo "coverage:         $(grep -ao 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1) (edges, features)"
            echo "corpus:           $(find "$WORK/$name" -type f | wc -l) inputs"
            echo "findings:         $(find "$WORK/found" -name "$name-*" | wc -l) open, $(find "fuzz/regressions/$name" -type f 2>/dev/null | wc -l) mended"
            echo "last turn:        $(grep -a '^Done' "$log" | tail -n 1)"
        } >"docs/evidence/fuzz-$name.log"
    done
}

[ "${1:-}" = --report ] || { trap report EXIT; FUZZ_JOBS=${FUZZ_JOBS:-$(nproc)} scripts/fuzz.sh --cpu "${UNDISTRO_FUZZ_CPU:-600}"; exit; }
report
