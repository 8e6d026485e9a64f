"""Runs a command several times and notes how long it took and how much memory its largest process had.

    measure.py --row NAME [--tool undistro] [--bar TEXT] [--before COMMAND] [--start N] -- COMMAND...
    measure.py --row NAME [--tool undistro] [--bar TEXT] --taken <JSON
    measure.py --table RESULTS

`--taken` notes what a program measured itself: {"command_ms": [...], "cpu_ms": [...], "mb": N}.

`{n}` in a command is the number of the run, from N. What runs before is not measured. Raw numbers go to stdout and to
the file $RESULTS names, one JSON per line; `--table` makes the table of them.
"""

import argparse
import json
import os
import statistics
import sys
import time


def once(command):
    """Returns milliseconds and the peak of resident memory in MB."""
    null = os.open(os.devnull, os.O_WRONLY)
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, usage = os.wait4(child, 0)
    elapsed = (time.perf_counter() - start) * 1000
    os.close(null)
    if status:
        sys.exit(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return elapsed, usage.ru_maxrss / 1000, (usage.ru_utime + usage.ru_stime) * 1000


def measure(options, command):
    times, memory, cpu = [], [], []
    for n in range(options.start, options.start + int(os.environ.get("RUNS", "7"))):
        numbered = [word.replace("{n}", str(n)) for word in command]
        if options.before and os.system(options.before.replace("{n}", str(n))):
            sys.exit(f"{options.before}: failed")
        found = once(numbered)
        for numbers, number in zip((times, memory, cpu), found):
            numbers.append(round(number, 1))
    note(options, times, memory, cpu)


def note(options, times, memory, cpu):
    result = {"row": options.row, "tool": options.tool, "bar": options.bar, "ms": times, "mb": memory, "cpu": cpu}
    print(json.dumps(result), flush=True)
    with open(os.environ["RESULTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")


def table(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            result = json.loads(line)
            rows.setdefault(result["row"], {})[result["tool"]] = result
    peers = sorted({tool for row in rows.values() for tool in row} - {"undistro"})
    heads = ["", "undistro", "from – to", "processor", "memory", "bar"] + [f"{peer} (memory)" for peer in peers] + ["times"] * bool(peers)
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name, tools in rows.items():
        own = tools.get("undistro")
        if not own:
            continue
        median = statistics.median(own["ms"])
        cells = [name, f"{median:.0f} ms", f"{min(own['ms']):.0f} – {max(own['ms']):.0f}"]
        cells += [f"{statistics.median(own['cpu']):.0f} ms", f"{max(own['mb']):.0f} MB", own["bar"] or ""]
        for peer in peers:
            theirs = tools.get(peer)
            cells.append(f"{statistics.median(theirs['ms']):.0f} ms ({max(theirs['mb']):.0f} MB)" if theirs else "")
        if peers:
            ratios = [statistics.median(tools[peer]["ms"]) / median for peer in peers if peer in tools]
            cells.append(", ".join(f"{ratio:.1f}" for ratio in ratios))
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--row")
    parser.add_argument("--tool", default="undistro")
    parser.add_argument("--bar")
    parser.add_argument("--before")
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--taken", action="store_true")
    parser.add_argument("--table")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    if options.table:
        table(options.table)
    elif options.taken:
        taken = json.load(sys.stdin)
        note(options, taken["command_ms"], [taken["mb"]], taken["cpu_ms"])
    else:
        measure(options, options.command)


main()
