#!/usr/bin/env bash
# apko's apk library (Go) on a repository of ours: signatures, resolution, checksums, what is installed.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
command -v go >/dev/null || { echo "SKIP go is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo run --quiet --locked -p apk --example repository -- "$work"
(cd crates/apk/tests/outside/go-apk && go mod download) 2>"$work/download" ||
    { echo "SKIP the library can not be had: $(tail -n 1 "$work/download")"; exit 0; }
(cd crates/apk/tests/outside/go-apk && go run . "$work") >"$work/found" 2>"$work/talk" || { cat "$work/talk"; exit 1; }

grep -q '^5 signatures verified' "$work/talk"
for installed in demo-provider-5-r0 demo-lib-1.10-r0 demo-app-1.2.3-r4; do grep -qx "installed $installed" "$work/talk"; done
[ "$(grep -c '^installed ' "$work/talk")" = 3 ]
[ "$(grep -c '^script demo-app' "$work/talk")" = 2 ]
grep -q '^triggers .* /usr/lib /usr/share/\*' "$work/talk"
# That library loses the sticky bit of a directory.
diff -u <(sed 's/ 1777 directory$/ 777 directory/' "$work/expected") "$work/found"
echo "go-apk: resolves, verifies and installs what was packed"
