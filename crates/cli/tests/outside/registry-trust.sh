#!/usr/bin/env bash
# What cosign and skopeo say of the claims beside an image in our registry. COSIGN and COSIGN2 name cosign 3 and cosign 2.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
. scripts/lib.sh
. scripts/unstable.sh
[ -n "${COSIGN:-}" ] || unstable cosign
cosign=${COSIGN:-$(command -v cosign || true)}
[ -n "$cosign" ] || { echo "SKIP cosign can not be had here (Debian's unstable has it; COSIGN=FILE names one)"; exit 0; }
[ -x "$UNDISTRO" ] || build_undistro
undistro=$UNDISTRO
work=$(mktemp -d)
export HOME="$work" UNDISTRO_STORE="$work/store"
"$undistro" serve --listen 127.0.0.1:0 >"$work/listen" 2>"$work/serve.log" &
server=$!
trap 'kill $server; wait $server 2>/dev/null; rm -rf "$work"' EXIT
for _ in $(seq 100); do [ -s "$work/listen" ] && break; sleep 0.1; done
image="$(sed 's,^http://,,' "$work/listen")/app:1"

good() { local name=$1; shift; "$@" >"$work/out" 2>&1 || { echo "$name: refused, and should not be"; cat "$work/out"; exit 1; }; echo "ok   $name"; }
bad() { local name=$1; shift; if "$@" >"$work/out" 2>&1; then echo "$name: accepted, and should not be"; exit 1; fi; echo "ok   $name"; }

# An image of one file, without any tool.
mkdir -p "$work/layout/blobs/sha256"
blob() { local digest; digest=$(sha256sum "$1" | cut -d' ' -f1); cp "$1" "$work/layout/blobs/sha256/$digest"; echo "$digest"; }
echo hello >"$work/file"
tar -C "$work" --mtime=@0 --owner=0 --group=0 -cf "$work/layer.tar" file
layer=$(blob "$work/layer.tar")
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" >"$work/config"
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}' \
    "$config" "$(stat -c %s "$work/config")" "$layer" "$(stat -c %s "$work/layer.tar")" >"$work/manifest"
manifest=$(blob "$work/manifest")
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d}]}' "$manifest" "$(stat -c %s "$work/manifest")" >"$work/layout/index.json"
echo '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"
"$undistro" -q push "$work/layout" "$image" >/dev/null

for key in release other; do "$undistro" -q keygen --type ecdsa "$work/$key.key" >/dev/null; done
"$undistro" -q keygen --type ed25519 "$work/log.key" >/dev/null
"$undistro" -q log init "$work/log" --key "$work/log.key" --name log.example.com >/dev/null
"$undistro" -q trust export --log-key "$work/log.pub" --name log.example.com -o "$work/root.json" >/dev/null
echo '{"buildDefinition":{"buildType":"urn:x","externalParameters":{}},"runDetails":{"builder":{"id":"urn:b"}}}' >"$work/slsa.json"
echo '{"spdxVersion":"SPDX-2.3"}' >"$work/spdx.json"
signing=(--key "$work/release.key" --log "$work/log" --log-key "$work/log.key")
ours=("$undistro" -q verify "$image" --key "$work/release.pub" --trusted-root "$work/root.json")
theirs=("$cosign" verify --key "$work/release.pub" --trusted-root "$work/root.json" "$image")

bad "we refuse what is not signed" "${ours[@]}"
bad "cosign refuses what is not signed" "${theirs[@]}"
"$undistro" -q attest "$image" --type slsaprovenance1 --predicate "$work/slsa.json" "${signing[@]}" >/dev/null
bad "we refuse an attestation as signature" "${ours[@]}"
if "${theirs[@]}" >/dev/null 2>&1; then echo "     cosign takes the attestation for a signature"; else echo "     cosign refuses it too"; fi
"$undistro" -q attest "$image" --type spdxjson --predicate "$work/spdx.json" "${signing[@]}" >/dev/null
"$undistro" -q sign "$image" "${signing[@]}" >/dev/null
good "we verify the image" "${ours[@]}" --type slsaprovenance1 --type spdxjson
good "cosign 3 verifies the image, with the log, no insecure flag" "${theirs[@]}"
for type in slsaprovenance1 spdxjson; do
    good "cosign 3 verify-attestation --type $type" "$cosign" verify-attestation --key "$work/release.pub" --trusted-root "$work/root.json" --type $type "$image"
done
bad "cosign 3 refuses another key" "$cosign" verify --key "$work/other.pub" --trusted-root "$work/root.json" "$image"
bad "we refuse another key" "$undistro" -q verify "$image" --key "$work/other.pub" --trusted-root "$work/root.json"
diff <("$undistro" -q download provenance "$image" --key "$work/release.pub" --trusted-root "$work/root.json" | python3 -m json.tool) <(python3 -m json.tool "$work/slsa.json") && echo "ok   what is downloaded is what was attested"

size=$("$undistro" -q log show "$work/log" --key "$work/log.pub")
"$undistro" -q sign "$image" "${signing[@]}" >/dev/null
"$undistro" -q attest "$image" --type spdxjson --predicate "$work/spdx.json" "${signing[@]}" >/dev/null
[ "$size" = "$("$undistro" -q log show "$work/log" --key "$work/log.pub")" ] && echo "ok   signing again adds no entry to the log"

older=${COSIGN2:-}
if [ -n "$older" ]; then
    # Version 2 reads the older tags; they are in no log, so it must be told not to ask for one.
    good "cosign 2 verifies the older tag, with --insecure-ignore-tlog" "$older" verify --key "$work/release.pub" --insecure-ignore-tlog=true "$image"
    good "cosign 2 verifies the older attestation, with --insecure-ignore-tlog" "$older" verify-attestation --key "$work/release.pub" --insecure-ignore-tlog=true --type slsaprovenance1 "$image"
    bad "cosign 2 refuses another key" "$older" verify --key "$work/other.pub" --insecure-ignore-tlog=true "$image"
else
    echo "SKIP cosign 2: COSIGN2=FILE names one"
fi
