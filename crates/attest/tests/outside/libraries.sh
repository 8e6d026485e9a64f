#!/usr/bin/env bash
# What libraries of others say of our bundles: sigstore-js (npm) verifies them, in-toto-attestation (PyPI) reads their statements.
set -euo pipefail
cd "$(dirname "$0")/../../../.."
undistro=${UNDISTRO:-target/debug/undistro}
[ -x "$undistro" ] || cargo build --quiet --locked -p cli
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export UNDISTRO_STORE="$work/store"

"$undistro" -q keygen --type ecdsa "$work/release.key" >/dev/null
"$undistro" -q keygen --type ed25519 "$work/log.key" >/dev/null
"$undistro" -q log init "$work/log" --key "$work/log.key" --name log.example.com >/dev/null
"$undistro" -q trust export --log-key "$work/log.pub" --name log.example.com -o "$work/root.json" >/dev/null
echo artifact >"$work/artifact"
echo '{"buildDefinition":{"buildType":"urn:x","externalParameters":{}},"runDetails":{"builder":{"id":"urn:b"}}}' >"$work/slsa.json"
"$undistro" -q attest "$work/artifact" --type slsaprovenance1 --predicate "$work/slsa.json" --key "$work/release.key" \
    --log "$work/log" --log-key "$work/log.key" -o "$work/bundle.json" >/dev/null

if command -v npm >/dev/null && (cd "$work" && npm install --silent --no-fund --no-audit @sigstore/verify@4.1.3 @sigstore/bundle@5 @sigstore/protobuf-specs >/dev/null 2>&1); then
    cat >"$work/verify.js" <<'JS'
const fs = require('fs'), crypto = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { toTrustMaterial, toSignedEntity, Verifier } = require('@sigstore/verify');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const read = (name) => fs.readFileSync(name, 'utf8');
const key = crypto.createPublicKey(read('release.pub'));
const root = TrustedRoot.fromJSON(JSON.parse(read('root.json')));
const trust = toTrustMaterial(root, () => ({ publicKey: key, validFor: () => true }));
const verifier = new Verifier(trust, { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 });
const verify = (json) => verifier.verify(toSignedEntity(bundleFromJSON(json)));
const good = JSON.parse(read('bundle.json'));
verify(good);
console.log('ok   sigstore-js verifies the bundle, with the log required');
const changes = {
    payload: (b) => { b.dsseEnvelope.payload = Buffer.from('{}').toString('base64'); },
    signature: (b) => { b.dsseEnvelope.signatures[0].sig = Buffer.from('x').toString('base64'); },
    log: (b) => { b.verificationMaterial.tlogEntries = []; },
    root: (b) => { const p = b.verificationMaterial.tlogEntries[0].inclusionProof; p.checkpoint.envelope = p.checkpoint.envelope.replace('\n1\n', '\n2\n'); },
};
for (const [name, change] of Object.entries(changes)) {
    const bad = structuredClone(good);
    change(bad);
    let refused = false;
    try { verify(bad); } catch { refused = true; }
    if (!refused) { console.log(`sigstore-js accepts a changed ${name}`); process.exit(1); }
    console.log(`ok   sigstore-js refuses a changed ${name}`);
}
JS
    (cd "$work" && node verify.js)
else
    echo "SKIP sigstore-js: npm or its registry can not be reached"
fi

if python3 -m venv "$work/py" 2>/dev/null && "$work/py/bin/pip" -q install in-toto-attestation==0.9.3 >/dev/null 2>&1; then
    "$work/py/bin/python" - "$work/bundle.json" "$work/artifact" <<'PY'
import base64, hashlib, json, sys
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
import in_toto_attestation.v1.statement_pb2 as pb

bundle = json.load(open(sys.argv[1]))
text = base64.b64decode(bundle["dsseEnvelope"]["payload"]).decode()
statement = json_format.Parse(text, pb.Statement())
Statement.copy_from_pb(statement).validate()
digest = hashlib.sha256(open(sys.argv[2], "rb").read()).hexdigest()
assert statement.subject[0].digest["sha256"] == digest, statement
print("ok   in-toto-attestation reads and validates the statement:", statement.predicate_type)
PY
else
    echo "SKIP in-toto-attestation: pip or its registry can not be reached"
fi
