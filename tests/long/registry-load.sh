#!/usr/bin/env bash
# 200 clients pull and 20 push while retention and sweeps run: no error, no wrong byte, memory that does not grow.
# Takes 10 minutes (SECONDS_LONG changes that); an argument names another binary. The log of a run is docs/evidence/registry-load.log.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

BINARY=${1:-$UNDISTRO}
[ -x "$BINARY" ] || build_undistro
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
echo "# $(date -u +%Y-%m-%dT%H:%MZ), $(nproc) processors, load $(cut -d' ' -f1-3 /proc/loadavg); $("$BINARY" --version), $(sha256sum "$BINARY" | cut -c1-16)"
python3 crates/registry/tests/load.py "$BINARY" "$WORK" "${SECONDS_LONG:-600}" "${SEED:-1}"
