# Tools that only Debian's unstable has. Sourced by bash after lib.sh, with the checkout as the working directory.

UNSTABLE=$PWD/target/outside/debian
PATH=$UNSTABLE/root/usr/bin:$PATH

# unstable TOOL...: from the mirror that apt uses here, unpacked beside and not installed. What can not be had stays missing.
unstable() {
    local mirror options tool missing=()
    for tool in "$@"; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [ ${#missing[@]} = 0 ] && return 0
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -v security | sort -u | head -n 1) || return 0
    mkdir -p "$UNSTABLE/lists/partial" "$UNSTABLE/root"
    echo "deb $mirror sid main" >"$UNSTABLE/sid.list"
    options=(-qq -o "Dir::Etc::sourcelist=$UNSTABLE/sid.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$UNSTABLE/lists" -o Acquire::Check-Valid-Until=false)
    apt-get "${options[@]}" update >/dev/null 2>&1 || return 0
    for tool in "${missing[@]}"; do
        (cd "$UNSTABLE" && apt-get "${options[@]}" download "$tool" >/dev/null 2>&1 && dpkg -x "$tool"_*.deb root) || true
    done
}
