#!/usr/bin/env bash
# Composing an image of sixty packages: from nothing, again, and with one package changed. Run by benches/run.
set -euo pipefail

echo "# sixty packages of 350 MB together, and of 35 MB, made by crates/image/examples/sixty.rs"
SIXTY=${SIXTY:-}
if [ -z "$SIXTY" ]; then
    cargo build --quiet --release --locked -p image --example sixty
    SIXTY=${CARGO_TARGET_DIR:-target}/release/examples/sixty
fi
"$SIXTY" "$WORK/sixty" 350 "$RUNS"
"$SIXTY" "$WORK/small" 35 1
# A distribution without a definition of its own.
mkdir -p "$WORK/sixty/packages" "$WORK/small/packages"
measure() { python3 benches/measure.py "$@"; }

# compose PLACE DEFINITION REPOSITORY OUT STORE [MORE...]: the command that is measured.
compose() {
    local place=$1 definition=$2 repository=$3 out=$4 store=$5; shift 5
    COMMAND=("$BINARY" --quiet --distro "$place" --store "$store" compose "$place/$definition.yaml" -o "$out"
        --repository "$place/$repository" --key "$place/bench.rsa.pub" "$@")
}
fresh="rm -rf $WORK/store $WORK/out"

for layers in "" "-one"; do
    what=${layers:+, one layer}; what=${what:-, ten layers}
    compose "$WORK/sixty" "0$layers" 0 "$WORK/out" "$WORK/store"
    measure --row "compose, cold$what" --before "$fresh" -- "${COMMAND[@]}"
    measure --row "compose, nothing changed$what" --bar "≤ 30 ms" -- "${COMMAND[@]}"
    compose "$WORK/sixty" "{n}$layers" "{n}" "$WORK/out" "$WORK/store"
    # Each generation differs from the one before in one package, which the store has never seen.
    measure --row "compose, one of 60 changed$what" --bar "$([ -n "$layers" ] || echo '≤ 400 ms')" -- "${COMMAND[@]}"
done
compose "$WORK/sixty" 0 0 "$WORK/out.tar" "$WORK/store" --format oci-archive
measure --row "an OCI archive, nothing to compose" --before "rm -f $WORK/out.tar" -- "${COMMAND[@]}"
compose "$WORK/small" 0 0 "$WORK/out" "$WORK/store"
measure --row "memory: compose, cold, 35 MB" --bar "≤ 100 MB" --before "$fresh" -- "${COMMAND[@]}"
sed '$a compression: zstd' "$WORK/sixty/0.yaml" >"$WORK/sixty/zstd.yaml"
compose "$WORK/sixty" zstd 0 "$WORK/out" "$WORK/store"
measure --row "compose, cold, ten layers, zstd" --before "$fresh" -- "${COMMAND[@]}"

# The peer, on the same packages, index and definitions. `apko build` reads the repository from the definition.
if command -v apko >/dev/null; then
    apko version | sed 's/^/# /'
    apko() { # DEFINITION
        COMMAND=(apko build "$WORK/sixty/$1.yaml" bench:latest "$WORK/apko" --arch x86_64 --vcs=false
            --sbom-path "$WORK" --cache-dir "$WORK/apko-cache")
    }
    fresh="rm -rf $WORK/apko-cache $WORK/apko; mkdir -p $WORK/apko"
    for layers in "" "-one"; do
        what=${layers:+, one layer}; what=${what:-, ten layers}
        apko "0$layers"
        measure --tool apko --row "compose, cold$what" --before "$fresh" -- "${COMMAND[@]}"
        measure --tool apko --row "compose, nothing changed$what" --before "rm -rf $WORK/apko; mkdir $WORK/apko" -- "${COMMAND[@]}"
        apko "{n}$layers"
        measure --tool apko --row "compose, one of 60 changed$what" --before "rm -rf $WORK/apko; mkdir $WORK/apko" -- "${COMMAND[@]}"
    done
else
    echo "SKIP apko is not on PATH: its columns are empty, and nothing here says how we compare with it"
fi
