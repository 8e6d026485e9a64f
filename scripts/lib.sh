# What quickstart and check share: saying what is done, installing what is missing, building the binary.
# Sourced by bash, with the checkout as the working directory.

set -euo pipefail

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 3; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

APT_UPDATED=
# need COMMAND PACKAGE: installs PACKAGE if COMMAND is not there.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    command -v apt-get >/dev/null || die "$1 is missing; install it with your package manager and run this again"
    say "installing $2, for $1"
    if [ -z "$APT_UPDATED" ]; then
        as_root apt-get update -qq || note "the package lists could not be renewed; going on with the old ones"
        APT_UPDATED=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null \
        || die "$2 can not be installed; install it and run this again"
}

need_rust() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    if ! command -v cargo >/dev/null; then
        say "installing Rust"
        if command -v rustup >/dev/null || { command -v apt-get >/dev/null && as_root apt-get install -y -qq rustup >/dev/null 2>&1; }; then
            rustup default stable
        else
            need curl curl
            curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt
            PATH="$HOME/.cargo/bin:$PATH"
        fi
    fi
    need cc gcc
}

TARGET="$(uname -m)-unknown-linux-gnu"
UNDISTRO="${CARGO_TARGET_DIR:-$PWD/target}/$TARGET/release/undistro"

# Builds the binary with the C library linked in: one file that runs on any Linux.
build_undistro() {
    need_rust
    say "building undistro"
    cargo build --release --quiet --locked --package cli --target "$TARGET" \
        --config "target.$TARGET.rustflags=[\"-C\",\"target-feature=+crt-static\"]"
    ln -sfn "$UNDISTRO" undistro
}

# Sets PODMAN to a podman that can run containers here.
need_podman() {
    need podman podman
    need runc runc
    # runc, since crun refuses machines with both versions of cgroups; limits by number, since raising them is not allowed everywhere.
    PODMAN=(podman --runtime "$(command -v runc || echo /usr/sbin/runc)")
    PODMAN_LIMITS=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096)
    [ "$(ulimit -Hn)" = unlimited ] && PODMAN_LIMITS=()
    return 0
}
