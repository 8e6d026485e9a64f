#!/usr/bin/env bash
# Build roots: how long from asking until the first command inside runs, warm and cold, and with one package more; as root and
# as an ordinary user. Prints a line of JSON for each. The packages are those that nginx is built in: `undistro build nginx` first.
#
#   RUNS   how often each is measured; the median counts
#   STORE  a warm store [default: ~/.cache/undistro]; it is copied
cd "$(dirname "$0")/.."
. scripts/lib.sh
need jq jq
RUNS=${RUNS:-21} STORE=${STORE:-$HOME/.cache/undistro}

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"
cargo build --release --quiet --locked -p build --example root
cp "${CARGO_TARGET_DIR:-target}/release/examples/root" "$work/root"
cp -a "$STORE" "$work/store"
mapfile -t contents < <(jq -r -s 'map(.value.environment) | max_by(length) | .[].content' "$work"/store/records/run/*.json)
[ "${#contents[@]}" -ge 60 ] || die "the store knows no build with 60 packages in its root; run undistro build nginx"

row() { printf '%s ' "$1"; shift; "$@"; }
cold() { chmod -R u+rwX "$work/store/trees"; rm -rf "$work"/store/trees/* "$work"/store/records/package-table-1; }
row warm-root "$work/root" "$work/store" "$RUNS" "${contents[@]}"
cold
row cold-root "$work/root" "$work/store" 1 "${contents[@]}"
row one-package-more "$work/root" "$work/store" 1 "${contents[@]:0:$((${#contents[@]} - 1))}"
if [ "$(id -u)" = 0 ]; then
    chown -R nobody: "$work/store"
    as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
    row rootless-again as_nobody "$work/root" "$work/store" 1 "${contents[@]}"
    row rootless-warm-root as_nobody "$work/root" "$work/store" "$RUNS" "${contents[@]}"
else
    echo "SKIP rootless: this is an ordinary user already; the rows above are rootless"
fi
/usr/bin/time -f 'memory: %M KiB at most' "$work/root" "$work/store" 1 "${contents[@]}" 2>&1 | grep memory || true
