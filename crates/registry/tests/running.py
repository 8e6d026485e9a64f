"""Runs a registry as an operator does: audit log, reload, limits, the end.

    running.py BINARY FOLDER
"""

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

BINARY, FOLDER = sys.argv[1], sys.argv[2]
CONFIG, AUDIT = os.path.join(FOLDER, "serve.yaml"), os.path.join(FOLDER, "audit.log")
INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


def configure(text):
    with open(CONFIG, "w") as file:
        file.write(f"audit: {AUDIT}\n{text}")


def ask(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body=body, headers=headers or {"Content-Type": "application/vnd.oci.image.index.v1+json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def wait(what, ready):
    for _ in range(600):
        if ready():
            return
        time.sleep(0.1)
    sys.exit(f"{what} did not happen; the log:\n{''.join(log)}")


def audited():
    with open(AUDIT) as file:
        return [json.loads(line) for line in file]


def hangup(expected):
    before = len(log)
    server.send_signal(signal.SIGHUP)
    wait(expected, lambda: any(expected in line for line in log[before:]))


configure("")
server = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--store", FOLDER, "--config", CONFIG],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
address = server.stdout.readline().strip().removeprefix("http://")
log = []
threading.Thread(target=lambda: log.extend(iter(server.stderr.readline, "")), daemon=True).start()

# Every write is in the audit log, done or refused, and its name is in the answer; reads are not.
answer, _ = ask("PUT", "/v2/a/manifests/1", INDEX)
assert answer.status == 201, answer.status
ask("GET", "/v2/a/manifests/1")
refused, _ = ask("PUT", "/v2/a/manifests/2", b"nonsense")
first, second = audited()
assert first["request"] == answer.getheader("x-request-id") and first["status"] == 201, first
assert first["digest"] == answer.getheader("docker-content-digest") and first["path"] == "/v2/a/manifests/1", first
assert second["request"] == refused.getheader("x-request-id") and second["status"] == 400, second
print("audit: each write, done or refused, once")

os.rename(AUDIT, AUDIT + ".1")
hangup("read again")
ask("DELETE", "/v2/a/manifests/1")
assert [line["method"] for line in audited()] == ["DELETE"]
print("rotated: the new file has what came after SIGHUP")

configure("limits:\n  requests-per-second: 1\n")
hangup("read again")
statuses = [ask("GET", "/v2/")[0] for _ in range(30)]
limited = [one for one in statuses if one.status == 429]
assert limited and statuses[0].status == 200 and limited[0].getheader("retry-after"), [one.status for one in statuses]
assert ask("GET", "/livez")[0].status == 200 and ask("GET", "/metrics")[0].status == 200
configure("limits:\n  requests-per-minute: 1\n")
hangup("has mistakes")
assert any(ask("GET", "/v2/")[0].status == 429 for _ in range(30)), "a file with mistakes changed something"
configure("")
hangup("read again")
assert all(ask("GET", "/v2/")[0].status == 200 for _ in range(50))
print("limits: read on SIGHUP, kept when the file has mistakes; health is never limited")

# SIGTERM: what is on its way arrives whole, nothing new is taken, and the end is a good one.
blob = os.urandom(1 << 20) * 48
name = "sha256:" + hashlib.sha256(blob).hexdigest()
assert ask("POST", f"/v2/a/blobs/uploads/?digest={name}", blob)[0].status == 201
slow = http.client.HTTPConnection(address, timeout=60)
slow.request("GET", f"/v2/a/blobs/{name}")
answer = slow.getresponse()
part = answer.read(1000)
server.send_signal(signal.SIGTERM)


def closed():
    try:
        socket.create_connection(address.rsplit(":", 1), timeout=1).close()
    except OSError:
        return True


wait("the end of listening", closed)
assert server.poll() is None, "the server ended before its answers"
assert part + answer.read() == blob, "an answer on its way was broken off"
slow.close()
assert server.wait(timeout=60) == 0
print("drained: an answer on its way arrived whole, then the server ended well")
