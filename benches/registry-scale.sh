#!/usr/bin/env bash
# Start, memory and sweep of a registry with 100,000 manifests and 300,000 blobs in a folder, while pushes go on.
#
#   benches/registry-scale.sh [BINARY]      about 4 minutes, 6 GB of disk; MANIFESTS changes the size
cd "$(dirname "$0")/.."
. scripts/lib.sh

BINARY=${1:-$UNDISTRO}
[ -x "$BINARY" ] || build_undistro
need python3 python3
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
echo "# $(date -u +%Y-%m-%dT%H:%MZ), $(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg); $("$BINARY" --version), $(sha256sum "$BINARY" | cut -c1-16)"
python3 benches/registry-scale.py "$BINARY" "$WORK" "${MANIFESTS:-100000}"
