#!/usr/bin/env bash
# What others' validators and a script of nobody's say of every package and image: SPDX, NTIA's minimum, CycloneDX, in-toto, completeness.
cd "$(dirname "$0")/../.."
. scripts/lib.sh
need jq jq
need python3 python3

venv=target/outside/venv
if [ ! -x $venv/bin/pyspdxtools ] || [ ! -x $venv/bin/check-jsonschema ]; then
    say "installing validators"
    python3 -m venv $venv
    $venv/bin/pip -q install spdx-tools==0.8.5 ntia-conformance-checker==6.0.0 'cyclonedx-python-lib[json-validation]==11.12.0' check-jsonschema==0.39.0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
passed=0
try() {
    if "$@" > "$work/out" 2>&1; then passed=$((passed + 1)); else
        bad=$((bad + 1))
        printf 'FAILED %s\n' "$*"
        tail -20 "$work/out"
    fi
}

look() { # NAME SUBJECT
    ./undistro -q sbom "$2" > "$work/$1.spdx.json"
    ./undistro -q sbom "$2" --format cyclonedx > "$work/$1.cdx.json"
    ./undistro -q --json provenance "$2" > "$work/$1.provenance.json"
}

for image in distro/images/*/; do
    image=$(basename "$image")
    ./undistro -q compose "$image" -o "$work/image-$image" >/dev/null
    look "image-$image" "$work/image-$image"
    try ./undistro -q sbom "$work/image-$image" --verify
    try ./undistro -q source bundle "$work/image-$image" -o "$work/sources-$image"
    try python3 tests/outside/completeness.py "$work/image-$image" "$work/image-$image.spdx.json" "$work/sources-$image"
    cat "$work/out"
    try $venv/bin/pyspdxtools -i "$work/image-$image.spdx.json"
done

# The check of completeness is one: it finds each thing that is taken away.
take() { # WHAT, jq filter
    jq "$2" "$work/image-nginx.spdx.json" > "$work/less.json"
    if python3 tests/outside/completeness.py "$work/image-nginx" "$work/less.json" > "$work/out"; then
        echo "FAILED: completeness.py does not miss $1"
        bad=$((bad + 1))
    else passed=$((passed + 1)); fi
}
take "a package" '.packages |= map(select(.name != "pcre2"))'
take "a made file" '.files |= .[1:]'
take "a licence" '(.packages[] | select(.name == "pcre2") | .licenseDeclared) = "NOASSERTION"'
take "a licence text" '(.packages[] | select(.name == "pcre2") | .attributionTexts) = []'
take "a source" '.relationships |= map(select(.relationshipType != "GENERATED_FROM"))'
lose() { # WHAT, jq filter of the list of sources
    jq "$2" "$work/sources-nginx/sources.json" > "$work/less.json"
    cp "$work/less.json" "$work/fewer/sources.json"
    if python3 tests/outside/completeness.py "$work/image-nginx" "$work/image-nginx.spdx.json" "$work/fewer" > "$work/out"; then
        echo "FAILED: completeness.py does not miss $1"
        bad=$((bad + 1))
    else passed=$((passed + 1)); fi
}
cp -r "$work/sources-nginx" "$work/fewer"
lose "an archive in the bundle" 'map(select(.path | test("pcre2_.*orig") | not))'
lose "the source of a seed in the bundle" 'map(.packages |= map(select(startswith("libgcc") | not)))'
take "the subject" '(.packages[] | select(.checksums) | .checksums) |= map(.checksumValue = "00")'

./undistro -q keygen "$work/key.rsa" >/dev/null
./undistro -q index --key "$work/key.rsa" -o "$work/packages" >/dev/null
for apk in "$work"/packages/*/*.apk; do
    look "$(basename "$apk")" "$apk"
    # The subject of what lies beside a package is that file.
    try test "$(jq -r '.subject[0].digest.sha256' "$apk.provenance.json")" = "$(sha256sum "$apk" | cut -d' ' -f1)"
done
try $venv/bin/python tests/outside/validate.py "$work"
cat "$work/out"
echo "SKIP fsct3-min, in one of its requirements: the type of an SBOM is sought in SPDX 3 alone; all others are asked of every document"
try $venv/bin/check-jsonschema --schemafile tests/outside/schema/statement.schema.json "$work"/*.provenance.json "$work"/packages/*/*.provenance.json
echo "$passed passed, $bad failed"
[ $bad = 0 ]
