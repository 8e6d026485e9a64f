#!/usr/bin/env bash
# distro.lock is met exactly elsewhere: another checkout, an empty store, another home, another user, one processor, another umask.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
./undistro -q source mirror "$work/mirror" >/dev/null
mkdir -p "$work/another checkout/home"
cp -rL distro "$work/another checkout/distro"
cp -L undistro "$work/another checkout/undistro"
user=()
if [ "$(id -u)" = 0 ]; then
    chmod 755 "$work"
    chown -R 64124:64124 "$work/another checkout"
    user=(setpriv --reuid 64124 --regid 64124 --clear-groups)
fi
elsewhere() {
    (cd "$work/another checkout" && umask 077 && "${user[@]}" env -i HOME="$PWD/home" PATH="$PATH" LANG=C TZ=Asia/Kolkata \
        taskset -c 0 ./undistro -q --store "$PWD/store" "$@" --mirror "$work/mirror" --offline)
}
elsewhere lock --check
echo "distro.lock is met by another user with one processor"

# A lock that says otherwise is not met, and what differs is named.
sed -i '0,/"epoch": 1/s//"epoch": 2/' "$work/another checkout/distro/distro.lock"
if elsewhere lock --check > "$work/said"; then
    echo "a changed lock is met"
    exit 1
fi
grep -q "^packages base-layout .* epoch: 2" "$work/said"
echo "a changed lock is not met: $(head -1 "$work/said")"
