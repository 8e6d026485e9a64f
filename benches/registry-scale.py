"""Fills a folder with a registry, then measures a server's start and a sweep beside pushes.

    registry-scale.py BINARY FOLDER MANIFESTS

The files are written here as the layout has them (docs/registry.md), since pushing them would take an hour. A hundred
repositories; each manifest has three blobs of its own and a tag; a tenth of all is garbage, two days old.
"""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time

BINARY, FOLDER, MANIFESTS = sys.argv[1], sys.argv[2], int(sys.argv[3])
ROOT = os.path.join(FOLDER, "registry")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
THEN = time.time() - 2 * 24 * 3600


def write(path, content=b"", old=False):
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    if content:
        os.write(descriptor, content)
    if old:
        os.utime(descriptor, (THEN, THEN))
    os.close(descriptor)


def keep(kind, name, content, old):
    value = hashlib.sha256(content).hexdigest()
    write(f"{ROOT}/blobs/sha256/{value[:2]}/{value}", content, old)
    write(f"{ROOT}/{kind}/sha256/{value[:2]}/{value}@{name.replace('/', '+')}", b"", old)
    return value


def image(number):
    parts = [{"mediaType": "application/octet-stream", "digest": f"sha256:{hashlib.sha256(one).hexdigest()}", "size": len(one)}
             for one in (b"%d-%d" % (number, part) for part in range(3))]
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()


def fill():
    write(f"{ROOT}/store.json", b'{"format":1}\n')
    for number in range(MANIFESTS):
        name, old = f"scale/{number % 100}", number % 10 == 9
        for part in range(3):
            keep("links", name, b"%d-%d" % (number, part), old)
        if old:
            # Its manifest was deleted: the blobs are left over.
            number += MANIFESTS
            for part in range(3):
                keep("links", name, b"%d-%d" % (number, part), False)
        value = keep("manifests", name, image(number), False)
        write(f"{ROOT}/repositories/{name}/_tags/t{number}", b"sha256:" + value.encode())
        write(f"{ROOT}/repositories/{name}/_repository")


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def pushing(address, stopped, done):
    connection = http.client.HTTPConnection(address, timeout=60)

    def ask(method, path, body):
        connection.request(method, path, body=body, headers={"Content-Type": MANIFEST})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    number = 10 * MANIFESTS
    while not stopped.is_set():
        number += 1
        started = time.time()
        contents = [b"%d-%d" % (number, part) for part in range(3)]
        codes = [ask("POST", f"/v2/scale/new/blobs/uploads/?digest=sha256:{hashlib.sha256(one).hexdigest()}", one) for one in contents]
        codes.append(ask("PUT", f"/v2/scale/new/manifests/t{number % 50}", image(number)))
        done.append((time.time() - started, all(code == 201 for code in codes)))


started = time.time()
fill()
print(f"{MANIFESTS} manifests, {3 * MANIFESTS} blobs that they name, {MANIFESTS // 10 * 3} that nothing names; "
      f"written in {time.time() - started:.0f} s", flush=True)
for run in range(5):
    started = time.time()
    server = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--store", FOLDER],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = server.stdout.readline().strip().removeprefix("http://")
    connection = http.client.HTTPConnection(address)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
    print(f"start {run + 1}: answers {status} after {1000 * (time.time() - started):.0f} ms, {memory(server.pid)} MB", flush=True)
    connection.close()
    if run < 4:
        server.terminate()
        server.wait()
stopped, done = threading.Event(), []
client = threading.Thread(target=pushing, args=(address, stopped, done))
client.start()
started = time.time()
sweep = subprocess.Popen([BINARY, "registry", "gc", "--json", "--store", FOLDER], stdout=subprocess.PIPE, text=True)
swept = json.loads(sweep.stdout.read())
_, code, usage = os.wait4(sweep.pid, 0)
took = time.time() - started
stopped.set()
client.join()
good = sum(1 for _, well in done if well)
print(f"sweep: {took:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of processor, {usage.ru_maxrss // 1024} MB at most; "
      f"{swept['manifests']} manifests, {swept['blobs']} blobs looked at, {swept['removed_blobs']} removed, {swept['young']} too young")
print(f"meanwhile {len(done)} images were pushed, {good} of them well; the slowest took {max(t for t, _ in done):.2f} s; "
      f"the server has {memory(server.pid)} MB")
server.terminate()
server.wait()
if code or good != len(done) or swept["removed_blobs"] < MANIFESTS // 10 * 3:
    sys.exit("something went wrong: see above")
