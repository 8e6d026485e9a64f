#!/usr/bin/env bash
# What undistro itself costs when it builds: runs in which nothing changed, a package without its compiler's share, memory.
# Everything is built first, in the store that UNDISTRO_STORE names or the usual one, so that the rows measure undistro and not
# compilers. Run by benches/run.
set -euo pipefail
undistro=$BINARY
work=$WORK/build
mkdir -p "$work"
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
export UNDISTRO_DISTRO=$work/distro
"$undistro" -q build --all >/dev/null
"$undistro" -q compose --all -o "$work/out" >/dev/null

UNDISTRO=$undistro WORK=$work python3 - <<'PY'
import json, os, re, resource, subprocess, time

rounds, undistro, work = int(os.environ["RUNS"]), os.environ["UNDISTRO"], os.environ["WORK"]


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


def processor():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def row(name, bar, seconds, memory, cpu):
    result = {"row": name, "tool": "undistro", "bar": bar, "ms": [round(one * 1000, 1) for one in seconds]}
    result |= {"mb": [round(memory * 1.024 / 1000, 1)], "cpu": [round(one * 1000, 1) for one in cpu]}
    print(json.dumps(result), flush=True)
    with open(os.environ["RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


builds, composes, peaks, cpu = [], [], [0], []
for _ in range(rounds):
    before = processor()
    seconds, peak, _ = run("-q", "build", "--all")
    builds.append(seconds)
    peaks.append(peak)
    seconds, peak, _ = run("-q", "compose", "--all", "-o", f"{work}/out")
    composes.append(seconds)
    peaks.append(peak)
    cpu.append(processor() - before)
row("no-change `build --all && compose --all`", "≤ 1 s", [a + b for a, b in zip(builds, composes)], max(peaks), cpu)

definition = f"{work}/distro/packages/one-file/package.yaml"
text = open(definition).read()
overheads, peaks, cpu = [], [], []
phases = {}
stamp = time.time_ns()
for number in range(rounds):
    # Never built before, in this store or by an earlier run of this script.
    open(definition, "w").write(text.replace("-DROUND=0", f"-DROUND={(stamp + number) % 2**31}"))
    before = processor()
    seconds, peak, output = run("-v", "build", "one-file", "--timings", f"{work}/timings")
    share = int(re.search(r"\| share (\d+)", output).group(1)) / 1e9
    cpu.append(processor() - before)
    overheads.append(seconds - share)
    peaks.append(peak)
    for piece in json.load(open(f"{work}/timings/timings.json"))["pieces"]:
        if piece["name"] == "one-file":
            for span in piece["spans"]:
                phases.setdefault(span["phase"], []).append(span["end"] - span["begin"])
row("a one-file package without the compiler's share (processor: with it)", "", overheads, max(peaks), cpu)
print("# of it, in ms:", "; ".join(f"{phase} {sorted(times)[len(times) // 2] * 1000:.0f}" for phase, times in phases.items()))
PY
echo "SKIP melange: its rows can not be had here (no package of it in the registries that are reached)"
