#!/usr/bin/env bash
# A build that is killed at random points goes on where it was, and ends with the same packages.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
./undistro -q source mirror "$work/mirror" >/dev/null
contents() { jq -r '.definitions[].packages[] | "\(.name) \(.version) \(.content)"' | sort; }
build=(./undistro -q --json --store "$work/store" build busybox static --mirror "$work/mirror" --offline)
alive() { pgrep -f "$work/store" || true; }

KILLS=${KILLS:-20} SEED=${SEED:-$RANDOM}
echo "killing $KILLS times, SEED=$SEED"
RANDOM=$SEED
for n in $(seq "$KILLS"); do
    "${build[@]}" >"$work/killed.json" 2>"$work/killed.err" &
    pid=$!
    sleep "$((RANDOM % 6)).$((RANDOM % 10))"
    if kill -9 $pid 2>/dev/null; then how=killed; else how=ended; fi
    wait $pid 2>/dev/null || true
    for _ in $(seq 50); do [ -z "$(alive)" ] && break; sleep 0.1; done
    [ -z "$(alive)" ] || { echo "after kill $n these still run:"; ps -fp "$(alive | paste -sd,)"; exit 1; }
    if [ $how = ended ] && [ ! -s "$work/killed.json" ]; then cat "$work/killed.err"; exit 1; fi
    echo "$n: $how"
done
"${build[@]}" | contents >"$work/after"
./undistro -q --json build busybox static | contents >"$work/never-killed"
diff "$work/never-killed" "$work/after"
echo "$(wc -l <"$work/after") packages are the same as if nothing had been killed"
left=$(find "$work/store/tmp" -mindepth 1 -maxdepth 1 | wc -l)
[ "$left" = 0 ] || { echo "$left folders were left in tmp"; exit 1; }
