#!/usr/bin/env bash
# The SBOMs of a small image of ours, in the hands of SPDX's own tools, the NTIA checker and CycloneDX's own validator.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tools=target/tools/sbom
if [ ! -x "$tools/bin/ntia-checker" ]; then
    python3 -m venv "$tools" && "$tools/bin/pip" install -q spdx-tools ntia-conformance-checker 'cyclonedx-python-lib[json-validation]' ||
        { echo "SKIP the validators can not be had (python3 with venv and pip installs them)"; exit 0; }
fi
cargo run --quiet --locked -p image --example demo -- /bin/true "$work/demo"

"$tools/bin/pyspdxtools" --infile "$work/demo/sbom.spdx.json"
echo "pyspdxtools: valid"
"$tools/bin/ntia-checker" -c ntia "$work/demo/sbom.spdx.json" >"$work/ntia"
grep -q '^Conformant: True' "$work/ntia" || { cat "$work/ntia"; exit 1; }
echo "ntia-checker: conformant"
"$tools/bin/python" - "$work/demo/sbom.cdx.json" <<'PY'
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(f"CycloneDX: {found}" if found else 0)
PY
echo "CycloneDX: valid"
