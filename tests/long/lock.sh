#!/usr/bin/env bash
# distro.lock is met exactly elsewhere: a fresh clone, an empty store, another home, another user without rights, another key, another
# umask, and one processor where whoever wrote it had more.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
clone="$work/another checkout"
./undistro -q source mirror "$work/mirror" >/dev/null
git clone -q --no-hardlinks . "$clone"
cp -L undistro "$clone/undistro"
commit=$(git rev-parse --short HEAD)
mkdir "$clone/home"
user=()
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$work"
    chown -R 64124:64124 "$clone"
    user=(setpriv --reuid 64124 --regid 64124 --clear-groups)
fi
elsewhere() {
    (cd "$clone" && umask 077 && "${user[@]}" env -i HOME="$PWD/home" PATH="$PATH" LANG=C TZ=Asia/Kolkata UNDISTRO_MIRROR="$work/mirror" \
        taskset -c 0 ./undistro -q --store "$PWD/store" "$@")
}
elsewhere lock --check --offline
echo "distro.lock of $commit is met by user $("${user[@]}" id -u) with $(taskset -c 0 nproc) processor of $(nproc)"

elsewhere keygen "$clone/another.rsa" >/dev/null
elsewhere index --key "$clone/another.rsa" -o "$clone/packages" --offline >/dev/null
elsewhere lock --check --offline
echo "and with another key, which signed $(ls "$clone"/packages/*/*.apk | wc -l) packages"

# A lock that says otherwise is not met, and what differs is named.
sed -i '0,/"epoch": 1/s//"epoch": 2/' "$clone/distro/distro.lock"
if elsewhere lock --check --offline > "$work/said"; then
    echo "a changed lock is met"
    exit 1
fi
grep -q "^packages base-layout .* epoch: 2" "$work/said"
echo "a changed lock is not met: $(head -1 "$work/said")"
