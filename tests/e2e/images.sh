#!/usr/bin/env bash
# What the images hold, and what they must not.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq
need_podman

out=$(mktemp -d)
trap 'rm -rf "$out"; "${PODMAN[@]}" rmi -f localhost/undistro-check-busybox localhost/undistro-check-nginx >/dev/null 2>&1 || true' EXIT
fail() { echo "$*"; exit 1; }
for image in static busybox nginx; do ./undistro -q compose $image -o "$out/$image" >/dev/null; done

most() { # IMAGE BYTES
    local size
    size=$(./undistro -q --json inspect "$out/$1" | jq '.[0].size')
    [ "$size" -le "$2" ] || fail "$1 has $size bytes compressed; $2 are the most"
    echo "$1: $size bytes compressed (at most $2)"
}
most static $((1 << 20))
most nginx $((12 << 20))

files() { # IMAGE: every path in it
    local layer
    for layer in $(./undistro -q --json inspect "$out/$1" | jq -r '.[0].layers[].digest'); do
        tar -tzf "$out/$1/blobs/sha256/${layer#sha256:}"
    done | sed 's|^\./||; s|/$||' | sort -u
}
files nginx >"$out/nginx.files"
for path in bin/sh usr/bin/sh bin/bash usr/bin/bash bin/busybox usr/bin/busybox sbin/apk usr/bin/apk usr/bin/apt usr/bin/dpkg usr/include; do
    ! grep -qx "$path" "$out/nginx.files" || fail "nginx holds $path"
done
! grep -q 'x86_64-linux-gnu\|ld-linux' "$out/nginx.files" || fail "nginx holds files of a seed"
for image in static busybox nginx; do
    user=$(./undistro -q --json inspect "$out/$image" | jq -r '.[0].user')
    echo "$image runs as ${user:-root}"
    case $image-$user in nginx- | nginx-0 | nginx-root | static- | static-0) fail "$image runs as root" ;; esac
done

# podman loads both kinds of archive.
load() { # IMAGE FORMAT
    ./undistro -q compose $1 -o "$out/$1.$2" --format $2 --name "localhost/undistro-check-$1" >/dev/null
    "${PODMAN[@]}" load -q -i "$out/$1.$2" >/dev/null
    echo "podman loads $1 as $2"
}
load busybox docker-archive
load nginx oci-archive

# As the engine sees it: not root, no capability, a root that can not be written.
"${PODMAN[@]}" run --rm --network=none --read-only --cap-drop=ALL "${PODMAN_LIMITS[@]}" localhost/undistro-check-busybox \
    sh -c 'grep CapEff /proc/self/status; echo x > /file 2>/dev/null && exit 1; id' >"$out/seen"
grep -q 'CapEff:.*0000000000000000' "$out/seen" || fail "$(cat "$out/seen")"
"${PODMAN[@]}" run --rm --network=none --read-only --tmpfs /tmp --cap-drop=ALL "${PODMAN_LIMITS[@]}" localhost/undistro-check-nginx -t >"$out/seen" 2>&1 \
    || fail "nginx does not accept its own configuration: $(cat "$out/seen")"

