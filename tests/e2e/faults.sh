#!/usr/bin/env bash
# Whatever befalls a store - a kill at any point, a full disk, a disk that can not be written, two processes at once, a flipped
# bit in any file - the next run is right, or says what is wrong; never a wrong image. tests/long/faults.sh does more of each.
#
#   KILLS, DISKS, FLIPS, RACES   how often; FLIPS=all is every file
#   SEED                         repeats a run
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq

KILLS=${KILLS:-4} DISKS=${DISKS:-2} FLIPS=${FLIPS:-6} RACES=${RACES:-1} SEED=${SEED:-$RANDOM}
PROGRAM=$(readlink -f "${PROGRAM:-./undistro}")
echo "SEED=$SEED KILLS=$KILLS DISKS=$DISKS FLIPS=$FLIPS RACES=$RACES"
RANDOM=$SEED

work=$(mktemp -d)
store=$work/store
cleanup() { umount "$work/disk" "$work/still" 2>/dev/null || true; chmod -R u+rwX "$work"; rm -rf "$work"; }
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }

# A distribution of tiny packages, with the few seeds that a shell needs.
tiny=$work/distro
mkdir -p "$tiny/packages" "$tiny/images/tiny" "$work/src"
cp distro/distro.yaml "$tiny"
cp -r distro/packages/base-layout "$tiny/packages"
sed '/^packages:/,/^$/{/^  - /d;}' distro/seed.yaml | sed 's/^packages:$/packages:\n  - bash\n  - coreutils/' > "$tiny/seed.yaml"
jq '. as $all | def closure($some):
      ([$all.packages[] | select(.name as $n | $some | index($n)) | .depends[]?] + $some | unique) as $more
      | if ($more | length) == ($some | length) then $some else closure($more) end;
    closure(["bash", "coreutils"]) as $wanted | .packages |= map(select(.name as $n | $wanted | index($n)))' \
    distro/seed.lock > "$tiny/seed.lock"
seq 60000 > "$work/src/numbers"
sum=$(sha256sum < "$work/src/numbers" | cut -d' ' -f1)
package() { # NAME NEEDS...: its text without the pipeline
    local name=$1 need; shift
    printf 'package:\n  name: %s\n  version: "1"\n  epoch: 0\n  description: A tiny package\n  copyright:\n    - license: Apache-2.0\n' "$name"
    printf 'environment:\n  contents:\n    packages:\n'
    for need in base-layout bash coreutils "$@"; do printf '      - %s\n' "$need"; done
}
mkdir "$tiny/packages/numbers" "$tiny/packages/left" "$tiny/packages/right"
{
    package numbers
    printf 'pipeline:\n  - uses: fetch\n    with:\n      uri: file://%s\n      expected-sha256: %s\n      extract: "false"\n' "$work/src/numbers" "$sum"
    printf '  - runs: |\n      d=${{targets.destdir}}/usr/share/numbers\n      mkdir -p $d\n      split -n 8 numbers $d/part.\n      cp numbers $d/all\n      ln $d/all $d/again\n      ln -s all $d/link\n'
} > "$tiny/packages/numbers/package.yaml"
for side in left right; do
    {
        package $side numbers
        printf 'pipeline:\n  - runs: |\n      d=${{targets.destdir}}/usr/share/%s\n      mkdir -p $d\n      sha256sum /usr/share/numbers/* > $d/sums\n      for n in 1 2 3 4 5 6; do echo %s$n > $d/$n; done\n' $side $side
    } > "$tiny/packages/$side/package.yaml"
done
sed 's/^    - ca-certificates-bundle$/    - left/; s/^    - tzdata$/    - right/; /SSL_CERT_FILE/d' distro/images/static/image.yaml > "$tiny/images/tiny/image.yaml"

undistro() { "$PROGRAM" -q --distro "$tiny" --store "$store" "$@"; }
compose() { undistro --json compose tiny -o "$1" --mirror "$work/mirror" --offline; }
store=${HOME_STORE:-$HOME/.cache/undistro} undistro source mirror "$work/mirror" >/dev/null

# What is right, and how long it takes.
started=$(date +%s%N)
store=$work/golden compose "$work/golden.out" > "$work/golden.json" 2> "$work/golden.err" || { cat "$work/golden.err"; fail "the first run"; }
right=$(jq -r .digest "$work/golden.json")
whole=$(($(date +%s%N) - started))
echo "the image is $right, made from nothing in $((whole / 1000000)) ms"

verified() { undistro store verify > "$work/verify.out" 2>&1 || { cat "$work/verify.out"; fail "$1: the store is not right"; }; }
composed() { rm -rf "$work/out"; completed "$1"; } # WHAT: a run must be right
completed() { # WHAT: a run must be right, whatever lies where it writes
    compose "$work/out" > "$work/out.json" 2> "$work/out.err" || { cat "$work/out.err"; fail "$1: the next run"; }
    [ "$(jq -r .digest "$work/out.json")" = "$right" ] || fail "$1: a wrong image"
    diff -r "$work/golden.out" "$work/out" >/dev/null || fail "$1: a wrong image on the disk"
}
fresh() { chmod -R u+rwX "$store" 2>/dev/null || true; rm -rf "$store"; }

# forget: makes there be something to do.
forget() {
    case $((RANDOM % 4)) in
        0) fresh; how="from nothing" ;;
        1) rm -rf "$store"/records/{run,emit,layer,linked,objects}; how="results forgotten" ;;
        2) chmod -R u+rwX "$store/trees"; rm -rf "$store"/trees/* "$store"/records/layer; how="trees gone" ;;
        3) rm -rf "$store"/records/layer "$store"/records/sbom; find "$store/blobs" -type f -newer "$work/golden.json" -delete; how="blobs gone" ;;
    esac
}

# A kill comes at a random moment of the time that a run needs for what was forgotten, measured once for each. It counts only
# where it ended a living process: then wait says 128 + 9.
fresh
declare -A takes
hit=0 tries=0 left=0
while [ "$hit" -lt "$KILLS" ]; do
    tries=$((tries + 1))
    [ "$tries" -le $((4 * KILLS + 20)) ] || fail "of $tries kills only $hit hit a living process"
    [ -d "$store" ] && forget || how="from nothing"
    if [ -z "${takes[$how]:-}" ]; then
        started=$(date +%s%N)
        composed "$how"
        takes[$how]=$(($(date +%s%N) - started))
        echo "$how: a run takes $((takes[$how] / 1000000)) ms"
        continue
    fi
    # Half of the runs find what an earlier one wrote, as they would in real life.
    [ $((RANDOM % 2)) = 0 ] || rm -rf "$work/out"
    moment=$((RANDOM * takes[$how] / 32768))
    # No function: what is killed must be the program itself, not a shell that waits for it.
    "$PROGRAM" -q --distro "$tiny" --store "$store" --json compose tiny -o "$work/out" --mirror "$work/mirror" --offline \
        > "$work/killed.json" 2> "$work/killed.err" &
    pid=$!
    sleep "$(printf '%d.%09d' $((moment / 1000000000)) $((moment % 1000000000)))"
    kill -9 $pid 2>/dev/null || true
    ended=0; wait $pid 2>/dev/null || ended=$?
    case $ended in
        137) hit=$((hit + 1)) ;;
        0) continue ;;
        *) cat "$work/killed.err"; fail "kill $tries ($how): it ended by itself, with $ended" ;;
    esac
    [ -z "$(find "$store/tmp" -mindepth 1 -print -quit 2>/dev/null)" ] || left=$((left + 1))
    verified "kill $hit ($how)"
    completed "kill $hit ($how)"
    stays=$(find "$store/tmp" -mindepth 1)
    [ -z "$stays" ] || fail "kill $hit ($how): these stay in tmp: $stays"
    echo "kill $hit: $how, after $((moment / 1000000)) of $((takes[$how] / 1000000)) ms; then verified, and the image is right"
done
[ "$KILLS" = 0 ] || echo "$hit kills hit a living process (of $tries runs; $left left something in tmp): each time the store was verified, and the next run right"

for n in $(seq "$RACES"); do
    fresh
    pids=()
    for one in 1 2 3; do
        rm -rf "$work/race$one"
        compose "$work/race$one" > "$work/race$one.json" 2> "$work/race$one.err" &
        pids+=($!)
    done
    refused=0
    while kill -0 "${pids[0]}" 2>/dev/null; do undistro store gc --max-size 0 >/dev/null 2>&1 || refused=$((refused + 1)); done
    for one in 1 2 3; do
        wait "${pids[$((one - 1))]}" || { cat "$work/race$one.err"; fail "race $n: process $one"; }
        [ "$(jq -r .digest "$work/race$one.json")" = "$right" ] || fail "race $n: process $one made a wrong image"
        diff -r "$work/golden.out" "$work/race$one" >/dev/null || fail "race $n: process $one wrote a wrong image"
    done
    verified "race $n"
    echo "race $n: three processes made the same image, and gc was refused $refused times beside them"
done

mkdir "$work/disk" "$work/still"
if mount -t tmpfs -o size=1g none "$work/disk" 2>/dev/null; then
    for n in $(seq "$DISKS"); do
        rm -rf "$work/disk/store"; store=$work/disk/store
        size=$((400 + RANDOM * 2))
        mount -o "remount,size=${size}k" "$work/disk"
        rm -rf "$work/full"
        if compose "$work/full" > "$work/full.json" 2> "$work/full.err"; then
            [ "$(jq -r .digest "$work/full.json")" = "$right" ] || fail "disk $n: a wrong image"
            said="it was enough"
        else
            grep -qi "no space left" "$work/full.err" || { cat "$work/full.err"; fail "disk $n of $size KiB: it does not say what is wrong"; }
            said="it says that no space is left"
        fi
        mount -o remount,size=1g "$work/disk"
        verified "disk $n"
        composed "disk $n"
        echo "disk $n of $size KiB: $said; with room the image is right"
    done
    umount "$work/disk"
else
    echo "SKIP full and read-only disks: this user can not mount a small one"
fi
store=$work/store

composed "before a disk that can not be written"
if mount --bind "$work/store" "$work/still" 2>/dev/null && mount -o remount,ro,bind "$work/still"; then
    store=$work/still
    if compose "$work/ro" > /dev/null 2> "$work/ro.err"; then fail "it wrote to a disk that can not be written"; fi
    grep -qi "read-only file system" "$work/ro.err" && grep -q -- "--store" "$work/ro.err" || { cat "$work/ro.err"; fail "it does not say that the store is read-only"; }
    umount "$work/still"; store=$work/store
    verified "read-only"
    echo "a store that can not be written: it says so, and nothing changed"
fi

# flip FILE: flips one random bit.
flip() {
    chmod u+w "$1" 2>/dev/null
    python3 - "$1" "$RANDOM$RANDOM" <<'PY'
import sys
with open(sys.argv[1], 'r+b') as f:
    data = f.read(); at = int(sys.argv[2]) % (8 * len(data))
    f.seek(at // 8); f.write(bytes([data[at // 8] ^ 1 << at % 8]))
PY
}
composed "before flips"
(cd "$store" && find store.json blobs records trees -type f -size +0 | sort) > "$work/files"
if [ "$FLIPS" = all ]; then cp "$work/files" "$work/chosen"; else shuf -n "$FLIPS" --random-source=<(yes "$SEED") "$work/files" > "$work/chosen"; fi
flips=0 healed=0 refused=0
declare -A kinds
while read -r file; do
    [ -s "$store/$file" ] || continue # what an earlier repair removed, and no run wants
    cp -a "$store/$file" "$work/was"
    flip "$store/$file"
    if undistro store verify > "$work/verify.out" 2>&1; then fail "flip: $file: verify did not find it"; fi
    grep -qF "$file" "$work/verify.out" || grep -q "store.json" <<< "$file" || { cat "$work/verify.out"; fail "flip: $file is not named"; }
    rm -rf "$work/flipped"
    if compose "$work/flipped" > "$work/flipped.json" 2> "$work/flipped.err"; then
        [ "$(jq -r .digest "$work/flipped.json")" = "$right" ] || fail "flip: $file: a wrong image"
        diff -r "$work/golden.out" "$work/flipped" >/dev/null || fail "flip: $file: a wrong image on the disk"
        healed=$((healed + 1))
    else
        grep -q "damaged\|store.json\|has format" "$work/flipped.err" || { cat "$work/flipped.err"; fail "flip: $file: it does not say what is wrong"; }
        refused=$((refused + 1))
    fi
    if [ "$file" = store.json ]; then cp "$work/was" "$store/$file"; else undistro store verify --repair >/dev/null 2>&1 || fail "flip: $file: repair"; fi
    verified "flip of $file"
    composed "flip of $file"
    flips=$((flips + 1))
    kind=${file%/*}; case $kind in blobs/* | trees/*) kind=${kind%%/*} ;; esac
    kinds[$kind]=$((${kinds[$kind]:-0} + 1))
done < "$work/chosen"
for kind in $(printf '%s\n' "${!kinds[@]}" | sort); do echo "flipped in $kind: ${kinds[$kind]}"; done
echo "$flips of $(wc -l < "$work/files") files had a bit flipped: each was found and named; $healed runs were right nevertheless, $refused said what is wrong; after repair all were right"
