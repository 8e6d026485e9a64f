#!/usr/bin/env bash
# Random sets of packages, composed of parts and in one stream: GNU tar, umoci and podman must find the same tree in both.
#
#   sets.sh [TAR UMOCI PODMAN]    how many sets each of them unpacks [default: 40 16 8]
set -euo pipefail
cd "$(dirname "$0")/../../../.."
tar=${1:-40} umoci=${2:-16} podman=${3:-8}
[ "$(id -u)" = 0 ] || { echo "SKIP sets: only root can unpack another user's files"; exit 0; }
# In memory where there is one: stores flush what they keep, and nothing here is kept.
work=$([ -w /dev/shm ] && mktemp -d -p /dev/shm || mktemp -d)
clean() {
    [ ! -d "$work/podman" ] || "${engine[@]}" system reset --force >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT
most=$((tar > umoci ? tar : umoci)); most=$((most > podman ? most : podman))
cargo run --quiet --locked -p image --example sets -- "$most" "$work"
lister=crates/image/tests/outside/tree.py

same() { # TOOL SET WAY FOLDER
    python3 "$lister" "$4" | diff -u "$work/$2/tree" - || { echo "$1, set $2, $3: another tree than planned"; exit 1; }
}

for ((n = 0; n < tar; n++)); do
    for way in fast slow; do
        mkdir "$work/root"
        while read -r layer; do
            tar -C "$work/root" --numeric-owner --same-owner --preserve-permissions --delay-directory-restore \
                --xattrs --xattrs-include='*' -xf - < <(case $(head -c 2 "$work/$n/$way/blobs/sha256/$layer" | od -An -tx1) in
                    *"1f 8b") gzip -dc "$work/$n/$way/blobs/sha256/$layer" ;;
                    *) zstd -qdc "$work/$n/$way/blobs/sha256/$layer" ;;
                esac)
        done <"$work/$n/$way.layers"
        same tar "$n" "$way" "$work/root"
        rm -rf "$work/root"
    done
done
echo "tar: $tar sets, the same tree from parts and from one stream"

if command -v umoci >/dev/null; then
    unpacked=0 passed=0
    for ((n = 0; n < umoci; n++)); do
        for way in fast slow; do
            # umoci reads no zstd before 0.5.
            if [ "$way-$(cat "$work/$n/compression")" = fast-zstd ]; then passed=$((passed + 1)); continue; fi
            umoci unpack --image "$work/$n/$way:latest" "$work/root" >/dev/null 2>&1
            same umoci "$n" "$way" "$work/root/rootfs"
            rm -rf "$work/root"
        done
        unpacked=$((unpacked + 1))
    done
    echo "umoci: $unpacked sets, the same tree from parts and from one stream"
    [ $passed = 0 ] || echo "SKIP umoci: $passed images in zstd, which it does not read"
else
    echo "SKIP umoci is not installed"
fi

if command -v podman >/dev/null; then
    engine=(podman --root "$work/podman" --runroot "$work/run" --storage-driver vfs)
    for ((n = 0; n < podman; n++)); do
        for way in fast slow; do
            image=$(cd "$work/$n" && "${engine[@]}" pull --quiet "oci:$way:latest")
            same podman "$n" "$way" "$("${engine[@]}" image mount "$image")"
            "${engine[@]}" image unmount "$image" >/dev/null
            "${engine[@]}" rmi --force "$image" >/dev/null
        done
    done
    echo "podman: $podman sets, the same tree from parts and from one stream"
else
    echo "SKIP podman is not installed"
fi
