#!/usr/bin/env bash
# What undistro itself costs when it builds: runs in which nothing changed, a package without its compiler's share, memory.
#
#   benches/build.sh [ROUNDS]    median of ROUNDS runs [7], on the store that UNDISTRO_STORE names or the usual one
#
# Everything is built first, so that the rows measure undistro and not compilers. Needs python3. The raw times are printed too.
cd "$(dirname "$0")/.."
. scripts/lib.sh
rounds=${1:-7}
need python3 python3
[ -x "${UNDISTRO_BENCHED:-./undistro}" ] || build_undistro
undistro=$(readlink -f "${UNDISTRO_BENCHED:-./undistro}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r distro "$work/distro"
mkdir -p "$work/distro/packages/one-file"
cat >"$work/distro/packages/one-file/package.yaml" <<'YAML'
package:
  name: one-file
  version: "1"
  epoch: 0
  description: One file of C, built with all that an ordinary package is built with
  copyright:
    - license: Apache-2.0
environment:
  contents:
    packages: [build-base, openssl-dev, pcre2-dev, zlib-dev]
pipeline:
  - runs: |
      began=$(date +%s%N)
      echo 'int main(void) { return ROUND; }' >one.c
      cc -O2 -DROUND=0 -o one one.c
      mkdir -p ${{targets.destdir}}/usr/bin
      cp one ${{targets.destdir}}/usr/bin/one-file
      echo "share $(($(date +%s%N) - began))"
YAML
say "building what the rows need"
export UNDISTRO_DISTRO=$work/distro
"$undistro" -q build --all >/dev/null
"$undistro" -q compose --all -o "$work/out" >/dev/null

ROUNDS=$rounds UNDISTRO=$undistro WORK=$work python3 - <<'PY'
import json, os, re, statistics, subprocess, time

rounds, undistro, work = int(os.environ["ROUNDS"]), os.environ["UNDISTRO"], os.environ["WORK"]


def run(*arguments):
    """Seconds and peak KiB of the command's own process, and what it printed."""
    began = time.monotonic()
    child = subprocess.Popen([undistro, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    while True:
        try:
            output, _ = child.communicate(timeout=0.005)
            break
        except subprocess.TimeoutExpired:
            try:
                status = open(f"/proc/{child.pid}/status").read()
                peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
            except OSError:
                pass
    seconds = time.monotonic() - began
    if child.returncode != 0:
        raise SystemExit(f"{arguments}: exit {child.returncode}\n{output}")
    return seconds, peak, output


def row(name, bar, values, unit):
    print(f"| {name} | {bar} | {statistics.median(values):.3f} {unit} | {' '.join(f'{value:.3f}' for value in values)} |")


print("| what | bar | median | all |\n|---|---|---|---|")
builds, composes, peaks = [], [], [0]
for _ in range(rounds):
    seconds, peak, _ = run("-q", "build", "--all")
    builds.append(seconds)
    peaks.append(peak)
    seconds, peak, _ = run("-q", "compose", "--all", "-o", f"{work}/out")
    composes.append(seconds)
    peaks.append(peak)
row("no-change `build --all`", "", builds, "s")
row("no-change `compose --all`", "", composes, "s")
row("no-change `build --all && compose --all`", "≤ 1 s", [a + b for a, b in zip(builds, composes)], "s")

definition = f"{work}/distro/packages/one-file/package.yaml"
text = open(definition).read()
overheads, wholes = [], []
phases = {}
stamp = time.time_ns()
for number in range(rounds):
    # Never built before, in this store or by an earlier run of this script.
    open(definition, "w").write(text.replace("-DROUND=0", f"-DROUND={(stamp + number) % 2**31}"))
    seconds, peak, output = run("-v", "build", "one-file", "--timings", f"{work}/timings")
    share = int(re.search(r"\| share (\d+)", output).group(1)) / 1e9
    wholes.append(seconds)
    overheads.append(seconds - share)
    peaks.append(peak)
    for piece in json.load(open(f"{work}/timings/timings.json"))["pieces"]:
        if piece["name"] == "one-file":
            for span in piece["spans"]:
                phases.setdefault(span["phase"], []).append(span["end"] - span["begin"])
row("one-file package, whole process", "", wholes, "s")
row("one-file package without the compiler's share", "≥ 10 × less than melange", overheads, "s")
for phase, times in phases.items():
    row(f"… of it: {phase}", "", times, "s")
row("peak resident memory of undistro's own process", "≤ 100 MiB", [max(peaks) / 1024], "MiB")
PY
echo "SKIP melange: its rows can not be had here (no package of it in the registries that are reached)"
