#!/usr/bin/env bash
# All 500 random package sets in the hands of GNU tar, umoci and podman. The log goes to docs/evidence/layers.log.
cd "$(dirname "$0")/../.."
mkdir -p docs/evidence
{
    echo "# $(tar --version | head -n 1); $(umoci --version 2>/dev/null); $(podman --version 2>/dev/null)"
    bash crates/image/tests/outside/sets.sh 500 500 500
} 2>&1 | tee docs/evidence/layers.log
exit "${PIPESTATUS[0]}"
