#!/usr/bin/env bash
# Fuzzes every reader of foreign bytes, led by coverage.
#
#   scripts/fuzz.sh                       each target for 20 seconds (what ./check runs)
#   scripts/fuzz.sh --seconds 600 NAME... only these, for ten minutes each
#   scripts/fuzz.sh --cpu 600 [NAME...]   in turns of 60 seconds, until each had ten minutes of a processor; goes on where it ended
#   scripts/fuzz.sh --list
#
# libFuzzer comes as a crate. Coverage needs no nightly compiler: RUSTC_WORKSPACE_WRAPPER makes this script the compiler
# of our own crates, and LLVM's pass is asked for by stable flags. Crates of others are not instrumented: what they
# decide is seen where our code acts upon it. What is found is kept in target/fuzz/TARGET (corpus) and
# target/fuzz/found (inputs that went wrong; bring them to fuzz/regressions/TARGET, then mend).
#
# FUZZ_JOBS says how many run at once. The default is twice the cores: seconds are of the clock, and ./check has to end.

# As a compiler: cargo calls `scripts/fuzz.sh /path/to/rustc ARGUMENT...`.
case ${1:-} in
    */rustc | rustc)
        exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
esac

cd "$(dirname "$0")/.."
. scripts/lib.sh

SECONDS_EACH='' CPU='' LIST='' NAMES=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) SECONDS_EACH=$2; shift ;;
        --cpu) CPU=$2; shift ;;
        --list) LIST=1 ;;
        --help | -h) sed -n '2,16p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
        -*) die "unknown option $1" ;;
        *) NAMES+=("$1") ;;
    esac
    shift
done
[ -n "$SECONDS_EACH" ] || SECONDS_EACH=${UNDISTRO_FUZZ_SECONDS:-${CPU:+60}} SECONDS_EACH=${SECONDS_EACH:-20}
JOBS=${FUZZ_JOBS:-$((2 * $(nproc)))}
WORK=${FUZZ_WORK:-${CARGO_TARGET_DIR:-$PWD/target}/fuzz}

need_rust
need c++ g++
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/fuzz.sh cargo build --quiet --locked --workspace --bin fuzz --features fuzz/libfuzzer \
    --config profile.dev.incremental=false
# Kept apart, so that a build beside this one does not change it.
mkdir -p "$WORK/found" "$WORK/logs" "$WORK/spent"
cp -f "${CARGO_TARGET_DIR:-$PWD/target}/debug/fuzz" "$WORK/fuzz.new"
mv -f "$WORK/fuzz.new" "$WORK/fuzz"
rm -rf "$WORK/samples"
FUZZ_SAMPLES=$WORK/samples "$WORK/fuzz" 2>/dev/null
[ ${#NAMES[@]} -gt 0 ] || mapfile -t NAMES < <(ls "$WORK/samples")
[ -z "$LIST" ] || { printf '%s\n' "${NAMES[@]}"; exit 0; }

# statistic NAME FILE: a number that libFuzzer prints at the end.
statistic() { sed -n "s/^stat::$1: *//p" "$2" | tail -n 1; }

# one TARGET: runs it; a line says what was done. Memory beyond 1 GiB, a minute for one input, or a panic is a finding; a long run may
# be one that gets what is left of a processor, and the clock goes on meanwhile.
one() {
    local name=$1 log=$WORK/logs/$1.log result=clean
    mkdir -p "$WORK/$name"
    # `times` in a subshell of its own counts the fuzzer alone.
    (
        code=0
        FUZZ_TARGET=$name "$WORK/fuzz" "$WORK/$name" "$WORK/samples/$name" -max_total_time="$SECONDS_EACH" -timeout="${CPU:-60}" \
            -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 -artifact_prefix="$WORK/found/$name-" >"$log" 2>&1 || code=$?
        times >"$log.times"
        exit $code
    ) || result=FOUND
    local inputs cpu
    inputs=$(statistic number_of_executed_units "$log")
    cpu=$(awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, part, /[ms]/); sum += 60 * part[1] + part[2] } print sum }' "$log.times")
    # What was spent on it so far: seconds of a processor, inputs.
    touch "$WORK/spent/$name"
    awk -v cpu="$cpu" -v inputs="${inputs:-0}" '{ cpu += $1; inputs += $2 } END { print cpu, inputs }' "$WORK/spent/$name" >"$log.spent"
    mv "$log.spent" "$WORK/spent/$name"
    echo "$name: $result; ${inputs:-?} inputs in $cpu s of a processor, $(grep -ao 'cov: [0-9]*' "$log" | tail -n 1), peak $(statistic peak_rss_mb "$log") MiB"
    [ $result = clean ] || { tail -n 40 "$log"; return 1; }
}

# Whether a target had its share of a processor; without --cpu one turn is enough.
enough() { [ -e "$WORK/spent/$1" ] && awk -v most="$CPU" '{ exit !($1 >= most) }' "$WORK/spent/$1"; }

# round NAME...: each once, several at a time; FAILED counts findings.
FAILED=0
round() {
    local running=0 name
    for name in "$@"; do
        if [ "$running" -ge "$JOBS" ]; then
            wait -n || FAILED=$((FAILED + 1))
            running=$((running - 1))
        fi
        one "$name" &
        running=$((running + 1))
    done
    for (( ; running > 0; running--)); do
        wait -n || FAILED=$((FAILED + 1))
    done
}

if [ -z "$CPU" ]; then
    round "${NAMES[@]}"
else
    while [ $FAILED = 0 ]; do
        LEFT=()
        for name in "${NAMES[@]}"; do enough "$name" || LEFT+=("$name"); done
        [ ${#LEFT[@]} -gt 0 ] || break
        round "${LEFT[@]}"
    done
fi
echo "${#NAMES[@]} targets, $FAILED with a finding"
[ $FAILED = 0 ]
