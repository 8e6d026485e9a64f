#!/usr/bin/env bash
# Every definition and image is made a second time, everything varied that can be: equal content.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./undistro -q --json reproduce --all > "$work/said" || true
jq -r '(.varied[] | "varied: \(.)"), (.not_varied[] | "not varied: \(.)"),
    (.definitions[] | "\(.name): \(if .equal then "equal" else "DIFFERENT" end), \(.seconds | floor) s", (.packages | to_entries[] | "    \(.key) \(.value)")),
    (.images[] | "image \(.name): \(if .equal then "equal" else "DIFFERENT" end)", "    \(.first)"),
    (.not_as_locked[] | "not as distro.lock says: \(.)")' "$work/said"
jq -e '(.definitions | length > 0) and (.images | length > 0) and all(.definitions[], .images[]; .equal) and .not_as_locked == []' "$work/said" >/dev/null
