#!/usr/bin/env bash
# 300 kills of servers and sweeps on a folder, with one server and with two on it, and on a bucket with two; then 20 on a
# bucket whose server fails. An argument names another binary.
# Takes about 15 minutes. SEED names the run.
cd "$(dirname "$0")/../.."
. scripts/lib.sh

BINARY=${1:-$UNDISTRO}
[ -x "$BINARY" ] || build_undistro
WORK=$(mktemp -d)
MOTO= FAULTY_PID=
trap '[ -z "$MOTO" ] || kill "$MOTO"; [ -z "$FAULTY_PID" ] || kill "$FAULTY_PID"; rm -rf "$WORK"' EXIT
SEED=${SEED:-1}
python3 crates/registry/tests/faults.py "$BINARY" "$WORK/one" "${ROUNDS:-200}" "$SEED"
python3 crates/registry/tests/faults.py "$BINARY" "$WORK/two" "$((${ROUNDS:-200} / 4))" "$SEED" 2

TOOLS=$PWD/target/moto
if [ ! -x "$TOOLS/bin/moto_server" ]; then
    python3 -m venv "$TOOLS" && "$TOOLS/bin/pip" install -q 'moto[server]==5.*' \
        || { echo "SKIP faults on a bucket: moto can not be had (python3 with venv and pip installs it)"; exit 0; }
fi
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$TOOLS/bin/moto_server" -H 127.0.0.1 -p "$PORT" >"$WORK/moto.log" 2>&1 &
MOTO=$!
for _ in $(seq 300); do
    curl -fsS -X PUT "http://127.0.0.1:$PORT/images" >/dev/null 2>&1 && break
    sleep 0.1
done
export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true
export AWS_ENDPOINT_URL=http://127.0.0.1:$PORT
python3 crates/registry/tests/faults.py "$BINARY" s3://images/faults "$((${ROUNDS:-200} / 4))" "$SEED" 2

# The same with S3 that fails: 8 of 100 requests, in every way that there is.
python3 crates/registry/tests/faulty.py "127.0.0.1:$PORT" "$SEED" 8 >"$WORK/faulty.out" &
FAULTY_PID=$!
for _ in $(seq 100); do [ -s "$WORK/faulty.out" ] && break; sleep 0.1; done
FAULTY=http://127.0.0.1:$(head -n 1 "$WORK/faulty.out") python3 crates/registry/tests/faults.py "$BINARY" s3://images/failing "$((${ROUNDS:-200} / 10))" "$SEED" 2
kill "$FAULTY_PID" && wait "$FAULTY_PID" || true
FAULTY_PID=
echo "faults that S3 showed: $(tail -n 1 "$WORK/faulty.out")"
