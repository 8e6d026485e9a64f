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

# An S3 server that keeps to conditions (moto), and one that ignores them (the same behind a proxy that drops them).
bucket_servers() {
    local tools=$PWD/target/moto
    if [ ! -x "$tools/bin/moto_server" ]; then
        say "installing moto"
        python3 -m venv "$tools" && "$tools/bin/pip" install -q 'moto[server]==5.*' || return 1
    fi
    PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$tools/bin/moto_server" -H 127.0.0.1 -p "$PORT" >"$WORK/moto.log" 2>&1 &
    PIDS+=($!)
    local _
    for _ in $(seq 300); do
        curl -fsS -X PUT "http://127.0.0.1:$PORT/images" >/dev/null 2>&1 && break
        sleep 0.1
    done
    python3 crates/registry/tests/outside/weak.py "127.0.0.1:$PORT" >"$WORK/weak.out" 2>"$WORK/weak.err" &
    PIDS+=($!)
    started $! "$WORK/weak.out"
    WEAK=$(cat "$WORK/weak.out")
}

# An operator's credentials and region do not matter here; the servers take any.
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true

# swept STORE WANTED: what the sweep does with a bucket.
swept() {
    local code=0
    "$UNDISTRO" registry gc --offline --store "$1" >"$WORK/gc.out" 2>&1 || code=$?
    cat "$WORK/gc.out"
    [ "$code" = "$2" ] || die "the sweep of $1 ended with $code, not $2"
    "$UNDISTRO" registry verify --store "$1" || die "$1 is damaged"
}

# Clients are sent to the bucket for blobs, where the configuration says so, and get the same bytes there.
redirected() {
    local pid address digest at
    echo 'redirect: true' >"$WORK/redirect.yaml"
    "$UNDISTRO" serve --listen 127.0.0.1:0 --store s3://images/kept --config "$WORK/redirect.yaml" >"$WORK/redirect.out" 2>"$WORK/redirect.err" &
    pid=$! && PIDS+=("$pid")
    started "$pid" "$WORK/redirect.out"
    address=$(cat "$WORK/redirect.out")
    head -c 100000 /dev/urandom >"$WORK/blob"
    digest=sha256:$(sha256sum "$WORK/blob" | cut -d' ' -f1)
    curl -fsS -X POST --data-binary "@$WORK/blob" -H 'Content-Type: application/octet-stream' "$address/v2/r/blobs/uploads/?digest=$digest"
    at=$(curl -fsS -o /dev/null -w '%{http_code} %{redirect_url}' "$address/v2/r/blobs/$digest")
    case $at in "307 $AWS_ENDPOINT_URL/"*) ;; *) die "no redirect to the bucket: $at" ;; esac
    curl -fsSL "$address/v2/r/blobs/$digest" | cmp - "$WORK/blob"
    curl -fsS -L -r 10-19 "$address/v2/r/blobs/$digest" | cmp - <(tail -c +11 "$WORK/blob" | head -c 10)
    note "blobs come from the bucket itself where clients are sent there"
    kill "$pid"
}

suite folder "$WORK/folder"
swept "$WORK/folder" 0
need curl curl
if bucket_servers; then
    export AWS_ENDPOINT_URL=http://127.0.0.1:$PORT
    suite bucket s3://images/kept
    swept s3://images/kept 0
    redirected
    export AWS_ENDPOINT_URL=http://127.0.0.1:$WEAK
    suite weak-bucket s3://images/ignored
    # Two processes could sweep at once, and nothing says which may: refused.
    swept s3://images/ignored 1
else
    echo "SKIP conformance on S3: moto can not be had (python3 with venv and pip installs it)"
fi
