#!/usr/bin/env bash
# The clients that people have, against `undistro serve`: push, pull, copy, attach, discover, delete; with and without a login; in TLS.
cd "$(dirname "$0")/../../../.."
. scripts/lib.sh
. scripts/unstable.sh
need skopeo skopeo
need podman podman
need umoci umoci
need htpasswd apache2-utils
need openssl openssl
need curl curl

work=$(mktemp -d)
pids=()
cleanup() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap cleanup EXIT
unstable crane oras cosign
have() { command -v "$1" >/dev/null || { echo "SKIP $1 can not be had here (Debian's unstable has it)"; return 1; }; }

undistro=${UNDISTRO_DEBUG:-${CARGO_TARGET_DIR:-target}/debug/undistro}
[ -x "$undistro" ] || cargo build --quiet --locked -p cli
cargo build --quiet --locked -p image --example demo
"${CARGO_TARGET_DIR:-target}/debug/examples/demo" /bin/true "$work/demo"
ours() { HOME=$work/home XDG_RUNTIME_DIR=$work/home XDG_CONFIG_HOME=$work/home "$undistro" -q --store "$work/ours" "$@"; }

# serve NAME [options]: starts a registry and sets `at` to where it listens.
serve() {
    local name=$1 url; shift
    "$undistro" --store "$work/$name" serve --listen 127.0.0.1:0 "$@" >"$work/$name.out" 2>"$work/$name.err" &
    pids+=($!)
    for _ in $(seq 200); do [ -s "$work/$name.out" ] && break; sleep 0.05; done
    url=$(head -n 1 "$work/$name.out")
    at=${url##*://}
    [ -n "$at" ] || die "the registry does not start: $(cat "$work/$name.err")"
}

serve open
open=$at
ours push "$work/demo/layout" "$open/team/app:1" >/dev/null
digest=$(ours tree "$open/team/app:1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["digest"])')

skopeo copy --quiet --all --dest-tls-verify=false "oci:$work/demo/layout:latest" "docker://$open/skopeo/app:1"
skopeo copy --quiet --all --src-tls-verify=false --dest-tls-verify=false "docker://$open/skopeo/app:1" "docker://$open/skopeo/copy:1"
skopeo copy --quiet --src-tls-verify=false "docker://$open/team/app:1" "docker-archive:$work/skopeo.tar:app:1"
[ "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$open/skopeo/copy:1")" = "$digest" ]
skopeo list-tags --tls-verify=false "docker://$open/team/app" | grep -q '"1"'
skopeo delete --tls-verify=false "docker://$open/skopeo/copy:1"
skopeo inspect --tls-verify=false "docker://$open/skopeo/copy:1" >/dev/null 2>&1 && die "skopeo deleted an image that is still there"
echo "skopeo: pushes, copies, pulls, lists, deletes"

ours pull "$open/team/app:1" -o "$work/docker.tar" --format docker-archive >/dev/null
engine=(podman --root "$work/podman" --runroot "$work/run" --storage-driver vfs)
for archive in "$work/docker.tar" "$work/skopeo.tar"; do "${engine[@]}" load --quiet --input "$archive" >/dev/null; done
"${engine[@]}" pull --quiet --tls-verify=false "$open/team/app:1" >/dev/null
"${engine[@]}" push --quiet --tls-verify=false "$open/team/app:1" "$open/podman/app:2"
[ "$(ours tags "$open/podman/app")" = 2 ]
echo "podman: pulls, pushes, and loads the docker archive that we pulled"

skopeo copy --quiet --src-tls-verify=false "docker://$open/podman/app:2" "oci:$work/umoci:2"
umoci ls --layout "$work/umoci" | grep -qx 2
umoci config --image "$work/umoci:2" --author someone
skopeo copy --quiet --dest-tls-verify=false "oci:$work/umoci:2" "docker://$open/umoci/app:2"
echo "umoci: what it changes goes back by skopeo"

if have crane; then
    crane --insecure copy "$open/team/app:1" "$open/crane/app:1" 2>/dev/null
    [ "$(crane --insecure digest "$open/crane/app:1")" = "$digest" ]
    crane --insecure pull --format oci "$open/crane/app:1" "$work/crane"
    crane --insecure push "$work/docker.tar" "$open/crane/other:1" >/dev/null 2>&1
    [ "$(crane --insecure ls "$open/crane/other")" = 1 ]
    crane --insecure delete "$open/crane/app:1"
    [ -z "$(crane --insecure ls "$open/crane/app")" ]
    echo "crane: copies, pulls, pushes, lists, deletes"
fi

if have oras; then
    echo '{"an":"SBOM"}' >"$work/sbom.json"
    (cd "$work" && oras attach --plain-http --artifact-type application/x.sbom "$open/team/app:1" sbom.json:application/json >/dev/null)
    oras discover --plain-http --format json "$open/team/app:1" | grep -q application/x.sbom
    ours tree "$open/team/app:1" | grep -q 'referrer: application/x.sbom'
    ours copy "$open/team/app:1" "$open/ours/app:1" >/dev/null
    oras discover --plain-http --format json "$open/ours/app:1" | grep -q application/x.sbom
    oras cp --from-plain-http --to-plain-http -r "$open/team/app:1" "$open/oras/app:1" >/dev/null
    diff <(ours tree "$open/team/app:1" | tail -n +2) <(ours tree "$open/oras/app:1" | tail -n +2)
    oras manifest delete --plain-http --force "$open/oras/app@$(oras discover --plain-http --format json "$open/oras/app:1" | grep -oE 'sha256:[0-9a-f]{64}' | tail -n 1)" >/dev/null
    echo "oras: attaches, discovers, copies with referrers, deletes; we carry what it attached"
fi

if have cosign; then
    (cd "$work" && COSIGN_PASSWORD= cosign generate-key-pair >/dev/null 2>&1)
    sign=(cosign sign --yes --key "$work/cosign.key" --allow-insecure-registry --allow-http-registry)
    COSIGN_PASSWORD='' "${sign[@]}" --use-signing-config=false --tlog-upload=false "$open/team/app@$digest" >"$work/cosign.log" 2>&1 ||
        COSIGN_PASSWORD='' "${sign[@]}" --tlog-upload=false "$open/team/app@$digest" >"$work/cosign.log" 2>&1 || die "cosign can not sign: $(cat "$work/cosign.log")"
    ours copy "$open/team/app:1" "$open/signed/app:1" >/dev/null
    for name in team signed; do
        cosign verify --key "$work/cosign.pub" --insecure-ignore-tlog --allow-insecure-registry --allow-http-registry "$open/$name/app:1" >/dev/null 2>"$work/cosign.log" ||
            die "cosign does not verify $name/app: $(cat "$work/cosign.log")"
    done
    cosign verify --key "$work/cosign.pub" --insecure-ignore-tlog --allow-insecure-registry --allow-http-registry "$open/podman/app:2" >/dev/null 2>&1 && die "cosign verifies what nobody signed"
    echo "cosign: signs and verifies, also what we copied"
fi

# Users, tokens, TLS.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=one -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
htpasswd -Bbn me hunter2 >"$work/htpasswd" 2>/dev/null
printf 'access:\n  htpasswd: htpasswd\n  rules:\n    - repositories: public/**\n      pull: [anyone]\n      push: [me]\n      delete: [me]\n' >"$work/serve.yaml"
serve guarded --config "$work/serve.yaml" --tls-cert "$work/tls.crt" --tls-key "$work/tls.key"
mkdir -p "$work/certs" "$work/home"
cp "$work/tls.crt" "$work/certs/ca.crt"
skopeo copy --quiet --dest-cert-dir "$work/certs" "oci:$work/demo/layout:latest" "docker://$at/public/app:1" 2>/dev/null && die "a stranger pushed"
skopeo copy --quiet --dest-cert-dir "$work/certs" --dest-creds me:wrong "oci:$work/demo/layout:latest" "docker://$at/public/app:1" 2>/dev/null && die "a wrong password pushed"
skopeo copy --quiet --dest-cert-dir "$work/certs" --dest-creds me:hunter2 "oci:$work/demo/layout:latest" "docker://$at/public/app:1"
skopeo copy --quiet --dest-cert-dir "$work/certs" --dest-creds me:hunter2 "oci:$work/demo/layout:latest" "docker://$at/private/app:1" 2>/dev/null && die "a user pushed where the rules do not let them"
skopeo copy --quiet --src-cert-dir "$work/certs" "docker://$at/public/app:1" "dir:$work/anonymous"
"${engine[@]}" pull --quiet --cert-dir "$work/certs" "$at/public/app:1" >/dev/null
ours tags "$at/public/app" --tls-ca "$work/tls.crt" >/dev/null
ours push "$work/demo/layout" "$at/public/app:2" --tls-ca "$work/tls.crt" >/dev/null 2>&1 && die "we pushed without a login"
printf 'machine 127.0.0.1 login me password hunter2\n' >"$work/home/.netrc"
ours push "$work/demo/layout" "$at/public/app:2" --tls-ca "$work/tls.crt" >/dev/null
echo "skopeo, podman and we: log in, get tokens, and are refused what the rules do not allow; in TLS"

subject() { openssl s_client -connect "$at" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
subject | grep -q one
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=another -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
subject | grep -q another
htpasswd -Bbn me changed >"$work/htpasswd" 2>/dev/null
[ "$(curl -sk -o /dev/null -w '%{http_code}' -u me:hunter2 "https://$at/v2/")" = 401 ]
[ "$(curl -sk -o /dev/null -w '%{http_code}' -u me:changed "https://$at/v2/")" = 200 ]
echo "certificate and passwords are read again while it runs"
