#!/usr/bin/env bash
# What cosign says of our keys, bundles and log: offline, with no --insecure flag. COSIGN names it [default: cosign in PATH].
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
trap 'rm -rf "$work"' EXIT
# Another home for cosign; cargo, which makes the tampered cases, keeps its own.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
export HOME="$work" COSIGN_PASSWORD=secret UNDISTRO_STORE="$work/store"
# A proxy that is not there: whoever asks the network is found out.
export https_proxy=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9

good() { local name=$1; shift; "$@" >"$work/out" 2>&1 || { echo "$name: refused, and should not be"; cat "$work/out"; exit 1; }; echo "ok   $name"; }
bad() { local name=$1; shift; if "$@" >"$work/out" 2>&1; then echo "$name: accepted, and should not be"; exit 1; fi; echo "ok   $name"; }

# Keys, both ways.
"$undistro" -q keygen --type ecdsa --encrypt "$work/ours.key" >/dev/null
good "cosign opens our encrypted key" "$cosign" public-key --key "$work/ours.key"
diff <("$cosign" public-key --key "$work/ours.key" 2>/dev/null) "$work/ours.pub" && echo "ok   and finds the same public key"
(cd "$work" && "$cosign" generate-key-pair --output-key-prefix theirs >/dev/null 2>&1)

# Claims.
"$undistro" -q keygen --type ed25519 "$work/log.key" >/dev/null
"$undistro" -q log init "$work/log" --key "$work/log.key" --name log.example.com >/dev/null
"$undistro" -q trust export --log-key "$work/log.pub" --name log.example.com -o "$work/trusted_root.json" >/dev/null
echo 'an artifact' >"$work/artifact"
echo '{"buildDefinition":{"buildType":"urn:x","externalParameters":{}},"runDetails":{"builder":{"id":"urn:b"}}}' >"$work/slsa.json"
for key in ours theirs; do
    "$undistro" -q attest "$work/artifact" --type slsaprovenance1 --predicate "$work/slsa.json" --key "$work/$key.key" \
        --log "$work/log" --log-key "$work/log.key" -o "$work/$key.json" >/dev/null
    "$undistro" -q sign "$work/artifact" --key "$work/$key.key" --log "$work/log" --log-key "$work/log.key" -o "$work/$key.sign.json" >/dev/null
    verify=("$cosign" verify-blob-attestation --key "$work/$key.pub" --trusted-root "$work/trusted_root.json")
    good "attestation by the key '$key', in the log" "${verify[@]}" --type slsaprovenance1 --bundle "$work/$key.json" "$work/artifact"
    good "signature by the key '$key', in the log" "${verify[@]}" --type https://sigstore.dev/cosign/sign/v1 --bundle "$work/$key.sign.json" "$work/artifact"
    echo x >"$work/other"
    bad "another artifact" "${verify[@]}" --type slsaprovenance1 --bundle "$work/$key.json" "$work/other"
    bad "another type" "${verify[@]}" --type spdxjson --bundle "$work/$key.json" "$work/artifact"
    "$undistro" -q sign "$work/artifact" --key "$work/$key.key" -o "$work/$key.nolog.json" >/dev/null
    bad "a signature that is in no log" "${verify[@]}" --type https://sigstore.dev/cosign/sign/v1 --bundle "$work/$key.nolog.json" "$work/artifact"
done
bad "another key" "$cosign" verify-blob-attestation --key "$work/theirs.pub" --trusted-root "$work/trusted_root.json" --type slsaprovenance1 --bundle "$work/ours.json" "$work/artifact"

# The same tampered bundles that our own tests refuse, each for its reason: what does cosign say?
TAMPERED="$work/tampered" cargo test --quiet --locked -p attest --test tampering every_part_counts >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
tampered=("$cosign" verify-blob-attestation --key "$work/tampered/key.pub" --trusted-root "$work/tampered/trusted_root.json" --type https://sigstore.dev/cosign/sign/v1)
good "the good bundle that the cases are made of" "${tampered[@]}" --bundle "$work/tampered/good.json" "$work/tampered/artifact"
refused=0 accepted=()
for bundle in "$work"/tampered/*.json; do
    name=$(basename "$bundle" .json)
    case $name in good | trusted_root) continue ;; esac
    if "${tampered[@]}" --bundle "$bundle" "$work/tampered/artifact" >/dev/null 2>&1; then accepted+=("$name"); else refused=$((refused + 1)); fi
done
echo "cosign refuses $refused of the tampered bundles, and accepts ${#accepted[@]} that we refuse:"
printf '     %s\n' "${accepted[@]}"
