#!/usr/bin/env bash
# Servers and sweeps of a registry are killed at random points; what was acknowledged is there. The long run: tests/long.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

[ -x "$UNDISTRO" ] || build_undistro
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
python3 crates/registry/tests/faults.py "$UNDISTRO" "$WORK" 12 "${SEED:-1}"
