#!/usr/bin/env bash
# The JSON Schemas that editors get, as another program understands them (PyPI's jsonschema): every definition of distro/,
# and of the corpus where it is at hand, is valid; a misspelt key at each place is not.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
. scripts/lib.sh
need python3 python3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{ python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q jsonschema pyyaml; } >"$work/talk" 2>&1 ||
    { echo "SKIP schemas: jsonschema can not be had: $(tail -n 1 "$work/talk")"; exit 0; }
undistro=${UNDISTRO_BINARY:-${CARGO_TARGET_DIR:-target}/debug/undistro}
[ -n "${UNDISTRO_BINARY:-}" ] || cargo build --quiet --locked --package cli
for language in package pipeline image distro; do "$undistro" schema "$language" >"$work/$language.json"; done
if [ -e ../shared/corpus/wolfi-os.tar.gz ]; then
    mkdir "$work/wolfi" && tar -C "$work/wolfi" -xzf ../shared/corpus/wolfi-os.tar.gz
else
    echo "SKIP schemas over the corpus: it is not there"
fi
"$work/venv/bin/python" crates/spec/tests/outside/schema.py "$work"
