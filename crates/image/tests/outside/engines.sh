#!/usr/bin/env bash
# GNU tar, umoci, skopeo, podman and docker archives on a small image of ours: each must find the same tree, and run it.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/hello.c" <<'C'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    printf("uid %d in %s:", (int)getuid(), getcwd((char[64]){0}, 64));
    for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
    puts("");
    return access("/etc/os-release", R_OK) || access("/srv/own", W_OK);
}
C
cc -static -O -o "$work/hello" "$work/hello.c"
cargo run --quiet --locked -p image --example demo -- "$work/hello" "$work/demo"

# list DIR: the tree below DIR, as examples/demo.rs writes it.
list() {
    (cd "$1" && find . -mindepth 1 \( -type d -printf '%P d %m %U:%G %Ts\n' \) -o \( -type l -printf '%P l %U:%G %l\n' \) \
        -o \( -type f -printf '%P f %m %U:%G %Ts %s %n\n' \)) | LC_ALL=C sort
}
same() { diff -u "$work/demo/tree" - && echo "$1: the tree is the one that was planned"; }
LC_ALL=C sort -o "$work/demo/tree" "$work/demo/tree"

have() { command -v "$1" >/dev/null || { echo "SKIP $1 is not installed"; return 1; }; }
says() { [ "$2" = "uid 65532 in /tmp: from the demo" ] || { echo "$1 said: $2"; exit 1; }; echo "$1: runs"; }

if [ "$(id -u)" = 0 ]; then
    mkdir "$work/tar"
    while read -r layer; do tar -C "$work/tar" --numeric-owner --same-owner --preserve-permissions --delay-directory-restore -xzf "$work/demo/$layer"; done <"$work/demo/layers"
    list "$work/tar" | same tar
    if have umoci; then
        umoci unpack --image "$work/demo/layout:latest" "$work/umoci" >/dev/null
        list "$work/umoci/rootfs" | same umoci
    fi
else
    echo "SKIP trees: only root can unpack another user's files"
fi

if have skopeo; then
    for image in "oci:$work/demo/layout:latest" "oci-archive:$work/demo/oci.tar" "docker-archive:$work/demo/docker.tar"; do
        skopeo inspect --config "$image" | grep -q '"User": "65532"'
        skopeo copy --quiet "$image" "dir:$work/copy"
        rm -r "$work/copy"
        echo "skopeo: reads ${image%%:*}"
    done
fi

if have podman; then
    # runc, and limits below the hard ones: crun refuses cgroups of both versions mixed, as some machines have them.
    engine=(podman --root "$work/podman" --runroot "$work/run" --storage-driver vfs)
    run=(run --rm --network=none --read-only --cap-drop=ALL --security-opt no-new-privileges --ulimit nofile=1024 --ulimit nproc=1024)
    command -v runc >/dev/null && engine+=(--runtime "$(command -v runc)")
    # podman names an image after the path, where only small letters may stand: so the path is a relative one.
    says "podman, layout" "$(cd "$work/demo" && "${engine[@]}" "${run[@]}" oci:layout:latest)"
    for form in oci docker; do
        name=$("${engine[@]}" load --quiet --input "$work/demo/$form.tar" | sed 's/^Loaded image[^:]*: //')
        says "podman, $form archive as $name" "$("${engine[@]}" "${run[@]}" "$name")"
        "${engine[@]}" rmi --force "$name" >/dev/null
    done
fi
