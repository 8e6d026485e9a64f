#!/usr/bin/env bash
# Planted packages that do not reproduce are each caught, their file and their cause named; one that does reproduce is not.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/distro"
cp distro/distro.yaml distro/seed.yaml distro/seed.lock "$work/distro"
cp -r tests/e2e/unreproducible/packages "$work/distro"
cp -r distro/packages/base-layout "$work/distro/packages"
run() { ./undistro -q --distro "$work/distro" "$@"; }

run --json reproduce good base-layout > "$work/good.json"
jq -e '.definitions | length == 2 and all(.equal)' "$work/good.json" >/dev/null
echo "good: equal"

# name, file that differs, cause
while read -r name file cause; do
    if run --json reproduce "$name" --why > "$work/$name.json"; then
        echo "$name was not caught"
        exit 1
    fi
    found=$(jq -r '.definitions[0] | "\(.equal) \(.differing[0].files | map(.path) | join(",")) \(.cause)"' "$work/$name.json")
    if [ "$found" != "false $file $cause" ]; then
        echo "$name: expected false $file $cause, found $found"
        exit 1
    fi
    echo "$name: caught, /$file, cause: $cause"
done <<'PLANTED'
clock usr/share/built clock
day usr/share/day clock
path usr/share/where place
order usr/share/parts order
random usr/share/number random
jobs usr/share/jobs cpus
PLANTED
