#!/usr/bin/env bash
# An ordinary user, with an empty store and another home, gets the same images, and runs them.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq
need_podman

if [ "$(id -u)" != 0 ]; then
    echo "SKIP rootless: this is an ordinary user already; ./quickstart was the rootless run"
    exit 0
fi
user=undistro-check
id $user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $user
need newuidmap uidmap
grep -q "^$user:" /etc/subuid || usermod --add-subuids 400000-465535 --add-subgids 400000-465535 $user
home=$(getent passwd $user | cut -d: -f6)
work=$home/work
as_user() { runuser -u $user -- env -i HOME="$home" USER=$user PATH="$PATH" LANG=C.UTF-8 bash -c "cd '$work/undistro' && $1"; }
cleanup() {
    as_user "podman rm -af >/dev/null 2>&1; podman unshare rm -rf '$work/podman' 2>/dev/null" || true
    chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"
}
rm -rf "$work" 2>/dev/null || true
mkdir -p "$work"
trap cleanup EXIT
./undistro -q source mirror "$work/mirror" >/dev/null
git clone -q . "$work/undistro" 2>/dev/null || cp -r . "$work/undistro"
cp -L undistro "$work/undistro/undistro"
rm -rf "$work/undistro/distro" && cp -r distro "$work/undistro/distro"
chown -R $user: "$work"

for image in static busybox nginx; do
    as_user "umask 077; ./undistro -q --store ../store compose $image -o ../out/$image --mirror ../mirror --offline"
    ours=$(./undistro -q --json compose $image -o "$work/root-$image" | jq -r .digest)
    theirs=$(as_user "./undistro -q --json --store ../store compose $image -o ../out/$image --mirror ../mirror --offline" | jq -r .digest)
    [ "$ours" = "$theirs" ] || { echo "$image: root makes $ours, an ordinary user $theirs"; exit 1; }
    echo "$image: $theirs for root and for an ordinary user"
done

port=18181
run="podman --root ../podman/root --runroot ../podman/run --storage-driver vfs --cgroup-manager cgroupfs --runtime $(command -v runc || echo /usr/sbin/runc)"
as_user "mkdir -p ../site && printf 'server { listen 127.0.0.1:$port; root /usr/share/nginx/html; }\n' > ../site/default.conf && chmod -R a+rX ../site"
as_user "./undistro -q --store ../store compose nginx -o ../nginx.tar --format oci-archive --name localhost/rootless --mirror ../mirror --offline >/dev/null"
as_user "$run load -q -i ../nginx.tar >/dev/null"
as_user "$run run -d --name rootless --network=host --read-only --tmpfs /tmp --cap-drop=ALL --security-opt no-new-privileges \
    --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 -v ../site:/etc/nginx/conf.d:ro localhost/rootless"
for _ in $(seq 50); do curl -sf "http://127.0.0.1:$port/" >/dev/null && break; sleep 0.1; done
curl -sSf "http://127.0.0.1:$port/" | grep -q undistro || { as_user "$run logs rootless"; exit 1; }
as_user "$run rm -f rootless" >/dev/null
echo "an ordinary user's podman serves the page"
