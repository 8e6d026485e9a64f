#!/usr/bin/env bash
# The OCI's conformance suite against `undistro serve`, on every kind of store: a row that fails, or that is skipped
# though the version has it, fails here.
cd "$(dirname "$0")/../../../.."
. scripts/lib.sh

# The suite as it was redesigned in 2026; a module of its own in the specification's repository.
SUITE=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111

TOOLS=$PWD/target/conformance
WORK=$(mktemp -d)
PIDS=()
finish() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$WORK"
}
trap finish EXIT

need go golang-go
if [ ! -x "$TOOLS/conformance" ]; then
    say "installing the conformance suite"
    GOBIN="$TOOLS" go install "$SUITE" || GOTOOLCHAIN=go1.27.3 GOBIN="$TOOLS" go install "$SUITE" \
        || { echo "SKIP conformance: the suite can not be had (go install $SUITE)"; exit 0; }
fi
[ -x "$UNDISTRO" ] || build_undistro

# started PID FILE: waits until a server printed its address to FILE.
started() {
    local _
    for _ in $(seq 200); do
        [ -s "$2" ] && return 0
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    cat "${2%.out}.err" >&2
    die "a server did not start"
}

# suite NAME STORE: runs both versions of the suite on a registry over STORE.
suite() {
    local name=$1 store=$2 version pid address
    "$UNDISTRO" serve --listen 127.0.0.1:0 --store "$store" >"$WORK/$name.out" 2>"$WORK/$name.err" &
    pid=$! && PIDS+=("$pid")
    started "$pid" "$WORK/$name.out"
    address=$(sed 's,http://,,' "$WORK/$name.out")
    for version in 1.1 dev; do
        say "conformance $version on $name"
        env OCI_REGISTRY="$address" OCI_TLS=disabled OCI_VERSION=$version OCI_RESULTS_DIR="$WORK/$name-$version" \
            OCI_REPO1="conformance/$version/one" OCI_REPO2="conformance/$version/two" \
            "$TOOLS/conformance" >"$WORK/$name-$version.log" 2>&1 || { tail -n 80 "$WORK/$name-$version.log"; die "the suite failed on $name"; }
        rows "$name" "$version"
    done
    kill "$pid"
    wait "$pid" || die "the server did not end well on $name"
}

# rows NAME VERSION: every row of the summary passes; what the version leaves out is named.
rows() {
    local log="$WORK/$1-$2.log" passed
    # Sparse manifests are an option of neither version; tag parameters, upload cancel and such belong to dev alone.
    if grep -E '\.: +(Fail|FAIL|Error|Skip|Unknown|Unsupported)' "$log"; then die "rows failed on $1 with $2"; fi
    passed=$(grep -cE '\.: +Pass' "$log")
    note "$passed rows pass on $1 with $2; not part of it: $(grep -E '\.: +Disabled' "$log" | sed 's/\.\.*:.*//; s/^ *//' | paste -sd, -)"
    [ "$passed" -ge 40 ] || { cat "$log"; die "only $passed rows passed"; }
}

suite folder "$WORK/folder"
