#!/usr/bin/env bash
# Running the registry: audit log and its rotation, limits read again on SIGHUP, what SIGTERM lets finish, a full disk,
# clocks that jump, the systemd unit.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

BINARY=${1:-$UNDISTRO}
[ -x "$BINARY" ] || build_undistro
WORK=$(mktemp -d)
trap 'umount "$WORK/small" 2>/dev/null || true; rm -rf "$WORK"' EXIT
mkdir "$WORK/store" "$WORK/small"
python3 crates/registry/tests/running.py "$BINARY" "$WORK/store"
if mount -t tmpfs -o size=24m tmpfs "$WORK/small" 2>/dev/null; then
    python3 crates/registry/tests/full.py "$BINARY" "$WORK/small"
else
    echo "SKIP full disk: a small tmpfs can not be mounted here"
fi
if command -v systemd-analyze >/dev/null; then
    sed "s,/usr/local/bin/undistro,$(realpath "$BINARY")," docs/undistro-serve.service >"$WORK/undistro-serve.service"
    systemd-analyze verify "$WORK/undistro-serve.service"
    echo "systemd takes the unit"
else
    echo "SKIP unit: systemd-analyze is not here"
fi
