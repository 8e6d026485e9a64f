#!/usr/bin/env bash
# The programs whose files undistro reads, as judges of what it makes of them.
#
# melange's own compiled form would be compared with `undistro render`, and apko would read and install our packages.
# Neither is had on a machine without their source hosts; apko's apk library reads them in crates/apk/tests/outside.
set -euo pipefail
missing() { echo "SKIP $1: $2 could not be had; $3"; }
command -v melange >/dev/null || missing "melange as oracle" melange "no definition's rendered form was compared with melange's"
command -v apko >/dev/null || missing "apko as reader" apko "no image was composed by apko from our packages"
command -v apk >/dev/null || missing "apk-tools as reader" apk "no package of ours was installed by apk itself"
