#!/usr/bin/env bash
# Our client against docker-registry, the registry that most people run, and skopeo as a witness: pushed, pulled, copied, mounted,
# with referrers by the tag schema (it has no referrers API), with and without a login.
cd "$(dirname "$0")/../../../.."
. scripts/lib.sh
need docker-registry docker-registry
need skopeo skopeo
need htpasswd apache2-utils
need curl curl

work=$(mktemp -d)
pids=()
cleanup() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap cleanup EXIT
export UNDISTRO_STORE=$work/store
home=$work/home
cargo build --quiet --locked -p cli
cargo build --quiet --locked -p image --example demo
bin=${CARGO_TARGET_DIR:-target}/debug
undistro() { HOME=$home XDG_RUNTIME_DIR=$home XDG_CONFIG_HOME=$home "$bin/undistro" "$@"; }

# registry PORT [more configuration]: starts one in memory.
registry() {
    local port=$1
    printf 'version: 0.1\nlog: {level: error}\nstorage: {inmemory: {}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:%s"}\n%s\n' "$port" "${2:-}" >"$work/$port.yml"
    docker-registry serve "$work/$port.yml" >"$work/$port.log" 2>&1 &
    pids+=($!)
    for _ in $(seq 100); do curl -s "http://127.0.0.1:$port/v2/" >/dev/null && return 0; sleep 0.1; done
    die "docker-registry does not answer: $(cat "$work/$port.log")"
}
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

"$bin/examples/demo" /bin/true "$work/demo"
a=127.0.0.1:$(port) b=127.0.0.1:$(port)
registry "${a#*:}"
registry "${b#*:}"

undistro push "$work/demo/layout" "$a/team/app:1"
undistro push "$work/demo/docker.tar" "$a/team/docker:1"
undistro push "$work/demo/oci.tar" "$a/team/archive:1"
[ "$(undistro tags "$a/team/app")" = 1 ]
skopeo copy --quiet --src-tls-verify=false "docker://$a/team/app:1" "dir:$work/skopeo"
echo "docker-registry: pushed in three forms, and skopeo pulls it"

undistro pull "$a/team/app:1" -o "$work/pulled"
one=$(undistro tree "$a/team/app:1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["digest"])')
grep -q "$one" "$work/pulled/index.json"
diff -r "$work/demo/layout/blobs" "$work/pulled/blobs"
echo "docker-registry: what is pulled is what was pushed"

# A referrer by the tag schema, and cosign's older tag, made by hand with skopeo's help: both go with a copy.
python3 - "$a" "$one" <<'PY'
import hashlib, json, sys, urllib.request
host, subject = sys.argv[1:]
base = f"http://{host}/v2/team/app"
def put(url, data, kind):
    urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": kind}, method="PUT"))
def blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    begun = urllib.request.urlopen(urllib.request.Request(f"{base}/blobs/uploads/", b"", method="POST"))
    at = begun.headers["Location"]
    put(at + ("&" if "?" in at else "?") + "digest=" + digest, data, "application/octet-stream")
    return {"digest": digest, "size": len(data)}
manifest_type = "application/vnd.oci.image.manifest.v1+json"
with urllib.request.urlopen(urllib.request.Request(f"{base}/manifests/{subject}", headers={"Accept": "application/vnd.oci.image.index.v1+json"})) as got:
    size, kind = len(got.read()), got.headers["Content-Type"]
config = blob(b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
layer = blob(b'{"a":"signature"}') | {"mediaType": "application/json"}
about = {"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer]}
signature = json.dumps(about | {"artifactType": "application/x.signature", "subject": {"mediaType": kind, "digest": subject, "size": size}}).encode()
digest = "sha256:" + hashlib.sha256(signature).hexdigest()
put(f"{base}/manifests/{digest}", signature, manifest_type)
index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
         "manifests": [{"mediaType": manifest_type, "digest": digest, "size": len(signature), "artifactType": "application/x.signature"}]}
put(f"{base}/manifests/{subject.replace(':', '-')}", json.dumps(index).encode(), index["mediaType"])
put(f"{base}/manifests/{subject.replace(':', '-')}.sig", json.dumps(about).encode(), manifest_type)
PY
undistro copy "$a/team/app:1" "$b/elsewhere:2" >"$work/copied"
grep -q application/x.signature "$work/copied"
grep -q 'cosign .sig' "$work/copied"
diff <(undistro tree "$a/team/app:1" | tail -n +2) <(undistro tree "$b/elsewhere:2" | tail -n +2)
undistro copy "$b/elsewhere:2" "$b/mounted:1" --no-referrers --json | python3 -c 'import json,sys; r = json.load(sys.stdin); assert r["mounted"] > 0 and r["sent"] == 0 and not r["referrers"], r'
echo "docker-registry: copied with its referrers in both forms; mounted within one registry"

htpasswd -Bbn me hunter2 >"$work/htpasswd" 2>/dev/null
c=127.0.0.1:$(port)
registry "${c#*:}" "auth: {htpasswd: {realm: here, path: $work/htpasswd}}"
undistro push "$work/demo/layout" "$c/app:1" 2>"$work/refused" && die "a registry that wants a login took a push without"
grep -q 'docker login' "$work/refused"
mkdir -p "$home/.docker"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$c" "$(printf me:hunter2 | base64)" >"$home/.docker/config.json"
undistro push "$work/demo/layout" "$c/app:1"
undistro -v tags "$c/app" 2>&1 | grep -q hunter2 && die "the password was printed"
rm "$home/.docker/config.json"
printf 'machine 127.0.0.1 login me password hunter2\n' >"$home/.netrc"
[ "$(undistro tags "$c/app")" = 1 ]
echo "docker-registry: a login from docker's file, and from netrc"
