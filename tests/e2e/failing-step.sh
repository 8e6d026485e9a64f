#!/usr/bin/env bash
# What a user sees of a step that fails: the step, its last lines, the log, and a shell where it failed.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r distro "$work/distro"
mkdir -p "$work/distro/packages/broken"
cat >"$work/distro/packages/broken/package.yaml" <<'YAML'
package:
  name: broken
  version: "1"
  epoch: 0
  description: a package whose second step fails
  copyright:
    - license: Apache-2.0
environment:
  contents:
    packages: [build-tools]
  environment:
    COLOUR: green
pipeline:
  - name: prepare
    runs: echo prepared > left-behind
  - name: compile
    runs: |
      echo "compiling in $COLOUR"
      exit 7
YAML
status=0
./undistro --distro "$work/distro" build broken >"$work/out" 2>"$work/err" || status=$?
[ $status = 1 ] || { echo "exit $status, not 1"; cat "$work/err"; exit 1; }
store=$(./undistro --distro "$work/distro" --help >/dev/null; echo "${UNDISTRO_STORE:-${XDG_CACHE_HOME:-$HOME/.cache}/undistro}")
sed -e "s|$store|STORE|g; s|$work|WORK|g; s|[0-9]\+\.[0-9] s|N s|" "$work/err" | grep -v '^ *\(seed\|fetch\|emit\|root\) ' >"$work/seen"
if [ -n "${UPDATE:-}" ]; then cp "$work/seen" tests/e2e/failing-step.txt; fi
diff tests/e2e/failing-step.txt "$work/seen"

# The shell that it names is where the step failed, with its environment and its files.
need script bsdutils
printf 'cat left-behind; echo $COLOUR; exit\n' | script -qec "./undistro --distro $work/distro shell broken --failed" /dev/null >"$work/shell" 2>&1 || true
grep -q prepared "$work/shell" && grep -q green "$work/shell" || { cat "$work/shell"; exit 1; }
echo "the shell shows what the step left and its environment"
