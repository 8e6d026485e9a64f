#!/usr/bin/env bash
# A failure among many packages: what is built all the same, what is told, and where the time went. Then a folder without packages.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r distro "$work/distro"
# package NAME ENVIRONMENT SCRIPT: a definition of one step.
package() {
    mkdir -p "$work/distro/packages/$1"
    cat >"$work/distro/packages/$1/package.yaml" <<YAML
package:
  name: $1
  version: "1"
  epoch: 0
  description: a package for a test
  copyright:
    - license: Apache-2.0
environment:
  contents:
    packages: [$2]
pipeline:
  - name: only step
    runs: "$3"
test:
  environment:
    contents:
      packages: [build-tools]
  pipeline:
    - runs: "test $1 != untested"
YAML
}
# New bytes in each run, so that nothing of an earlier one is there.
now=$(date +%s%N)
package broken build-tools "echo $now; exit 7"
package above "build-tools, broken" "true"
package beside build-tools "sleep 0.1; mkdir -p \${{targets.destdir}}/usr; echo $now > \${{targets.destdir}}/usr/beside"
package untested build-tools "mkdir -p \${{targets.destdir}}/usr; echo $now > \${{targets.destdir}}/usr/untested"

# run WANTED ARGUMENTS...: runs undistro, and wants this exit code.
run() {
    local wanted=$1 status=0
    shift
    ./undistro --distro "$work/distro" --jobs 1 "$@" >"$work/out" 2>"$work/err" || status=$?
    [ $status = "$wanted" ] || { echo "undistro $*: exit $status, not $wanted"; cat "$work/err"; exit 1; }
}
# has FILE TEXT: the text is in the file.
has() {
    grep -qF -- "$2" "$1" || { echo "no \"$2\" in:"; cat "$1"; exit 1; }
}

run 1 build above broken beside untested
has "$work/err" "error: broken: step 1 of 1, \`only step\`, failed"
has "$work/err" "not done, since broken failed: above"
echo "a failure is told with what it held up"

run 1 build -k above broken beside untested --timings "$work/timings" --json
python3 - "$work/out" "$work/timings/timings.json" <<'PY'
import json, sys
built, timings = (json.load(open(path)) for path in sys.argv[1:])
names = {one["name"]: one["outcome"] for one in built["definitions"]}
assert names["beside"] in ("built", "there already") and names["untested"] in ("built", "there already"), names
assert built["held"] == {"above": "broken"} and list(built["failed"]) == ["broken"] and built["left"] == [], built
ended = {piece["name"]: piece["ended"] for piece in timings["pieces"]}
assert ended["broken"] == "failed" and ended["above"] is None, ended
assert timings["format"] == 1 and timings["critical_path"], timings
PY
has "$work/timings/timings.html" "not begun"
echo "with --keep-going the rest is built, and the timings tell of both"

run 1 test -k beside untested
has "$work/out" "beside-1-r0"
has "$work/err" "undistro shell untested --failed --test"
echo "a failed test stops no other"

run 0 graph above --dot
has "$work/out" '"above" -> "broken";'
has "$work/out" '[label="gcc-14", color=grey, fontcolor=grey]'
run 2 build not-there
has "$work/err" "no definition makes a package \`not-there\`"

mkdir -p "$work/images-only/images"
cp distro/distro.yaml "$work/images-only/"
./undistro --distro "$work/images-only" compose --all -o "$work/images"
status=0
./undistro --distro "$work/images-only" build zlib 2>"$work/err" || status=$?
[ $status = 2 ] || { echo "exit $status, not 2"; exit 1; }
has "$work/err" "packages holds none"
echo "a folder of images alone works, and says that it has no packages"
