#!/usr/bin/env bash
# How fast the field's files are read and solved.
#
#   benches/solve.sh [APKINDEX.tar.gz [FOLDER]]
#
# An index (of Alpine 3.17 main, where none is given) is loaded: signature, gzip, text; the bar is 50 ms. A world of 54
# packages is solved over it; the bar is 500 a second. A folder of melange's definitions with its `pipelines/` is read
# and evaluated for two architectures; the bar is 2 s. Times are of the clock: on a machine that does other work they say little.
cd "$(dirname "$0")/.."
. scripts/lib.sh
CORPUS=../shared/corpus
INDEX=${1:-$CORPUS/apk/alpine-317/APKINDEX.tar.gz} FOLDER=${2:-}
PROFILE=(--release --config 'profile.release.lto=false')

need_rust
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -e "$INDEX" ]; then
    tar -xzOf "$INDEX" APKINDEX >"$work/text" 2>/dev/null
    cargo run --quiet --locked "${PROFILE[@]}" --package apk --example load -- "$INDEX"
    cargo run --quiet --locked "${PROFILE[@]}" --package apk --example solve_speed -- "$work/text"
else
    echo "SKIP index and solver: there is no $INDEX"
fi
if [ -z "$FOLDER" ] && [ -e "$CORPUS/wolfi-os.tar.gz" ]; then
    FOLDER=$work/wolfi
    mkdir "$FOLDER" && tar -C "$FOLDER" -xzf "$CORPUS/wolfi-os.tar.gz"
fi
if [ -n "$FOLDER" ]; then
    cargo build --quiet --locked "${PROFILE[@]}" --package cli
    begun=$(date +%s%N)
    "${CARGO_TARGET_DIR:-target}/release/undistro" check --quiet --arch x86_64 --arch aarch64 --pipeline-dir "$FOLDER/pipelines" "$FOLDER" \
        >"$work/found" 2>&1 || tail -n 3 "$work/found"
    echo "definitions: $(find "$FOLDER" -name '*.yaml' | wc -l) for two architectures in $((($(date +%s%N) - begun) / 1000000)) ms"
else
    echo "SKIP definitions: no folder was named, and the corpus is not there"
fi
