#!/usr/bin/env bash
# Every package comes out equal from its provenance and the mirror of sources alone: offline, with a fresh store, without definitions.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./undistro -q source mirror "$work/mirror" >/dev/null
here=$PWD
done=" "
for definition in nginx busybox $(ls distro/packages); do
    # What was in the root of another was rebuilt with it.
    case $done in *" $definition "*) continue ;; esac
    ./undistro -q provenance "$definition" --package --closure > "$work/$definition.jsonl"
    (cd "$work" && "$here/undistro" -q --json --store "$work/unused" rebuild --from "$definition.jsonl" --mirror mirror --offline > rebuilt.json)
    jq -e 'length > 0 and all(.equal and .same_actions)' "$work/rebuilt.json" >/dev/null
    done="$done$(jq -r '[.[].origin] | join(" ")' "$work/rebuilt.json") "
    jq -r '.[] | "\(.origin): \(.packages | length) packages, equal"' "$work/rebuilt.json"
done
[ ! -e "$work/unused" ]

# A statement that was changed is found out.
jq -c '(.predicate.buildDefinition.resolvedDependencies[] | select(.annotations.kind == "definition") | .content) |= "IyBvdGhlcgo="' \
    "$work/busybox.jsonl" > "$work/changed.jsonl"
if ./undistro -q rebuild --from "$work/changed.jsonl" --mirror "$work/mirror" --offline 2> "$work/said"; then
    echo "a changed statement was rebuilt"
    exit 1
fi
grep -q "another digest than is stated" "$work/said"
echo "a changed statement is refused"
