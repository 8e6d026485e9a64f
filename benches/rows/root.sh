#!/usr/bin/env bash
# Build roots: from asking until the first command inside runs, warm and cold, and with one package more; as root and as an
# ordinary user. The packages are those of the largest root that STORE knows (`undistro build nginx` first). Run by benches/run.
set -euo pipefail

STORE=${STORE:-$HOME/.cache/undistro}
ROOT=${ROOT:-}
if [ -z "$ROOT" ]; then
    cargo build --quiet --release --locked -p build --example root
    ROOT=${CARGO_TARGET_DIR:-target}/release/examples/root
fi
mapfile -t contents < <(jq -r -s 'map(.value.environment) | max_by(length) | .[].content' "$STORE"/records/run/*.json 2>/dev/null)
if [ "${#contents[@]}" -lt 60 ]; then
    echo "SKIP build roots: the store $STORE knows no build with 60 packages in its root; run undistro build nginx"
    exit 0
fi
echo "# roots of ${#contents[@]} packages of $STORE, $(jq -r -s 'map(.value.environment) | max_by(length) | [.[].name] | join(" ")' "$STORE"/records/run/*.json | cut -c1-120)…"
# Only what the root is made of: a store of gigabytes would be copied for nothing.
mkdir -p "$WORK/roots/blobs/sha256"
cp -a "$STORE/store.json" "$WORK/roots"
for content in "${contents[@]}"; do
    hex=${content#sha256:}
    mkdir -p "$WORK/roots/blobs/sha256/${hex:0:2}"
    cp -a "$STORE/blobs/sha256/${hex:0:2}/$hex" "$WORK/roots/blobs/sha256/${hex:0:2}"
done
chmod 755 "$WORK"
cp "$ROOT" "$WORK/root"

# row NAME BAR RUNS CONTENT...: the times that the example itself takes, from asking until the command says something.
row() {
    local name=$1 bar=$2 runs=$3; shift 3
    "${AS[@]}" "$WORK/root" "$WORK/roots" "$runs" "$@" | python3 benches/measure.py --row "$name" --bar "$bar" --taken
}
cold() { chmod -R u+rwX "$WORK/roots/trees"; rm -rf "$WORK"/roots/trees/* "$WORK"/roots/records; }
AS=(env)
row "build root of ${#contents[@]} packages, cold" "" 1 "${contents[@]}"
row "build root of ${#contents[@]} packages, warm" "≤ 25 ms" "$((3 * RUNS))" "${contents[@]}"
cold
row "build root of $((${#contents[@]} - 1)) packages, cold" "" 1 "${contents[@]:0:$((${#contents[@]} - 1))}"
row "build root, one package more" "" 1 "${contents[@]}"
if [ "$(id -u)" = 0 ]; then
    chown -R nobody: "$WORK/roots"
    AS=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    row "build root, rootless, its seals looked at anew" "" 1 "${contents[@]}"
    row "build root of ${#contents[@]} packages, warm, rootless" "≤ 25 ms" "$((3 * RUNS))" "${contents[@]}"
else
    echo "SKIP rootless: this is an ordinary user already; the rows above are rootless"
fi
echo "SKIP melange: it can not be had here, and nothing here says how we compare with it"
