"""Loads a registry: PULLERS pull and check every byte, PUSHERS push, sweeps with retention run all the while.

    load.py BINARY FOLDER SECONDS SEED

Before each sweep the older images of each pusher are made two days old, files and tag, so that the rules of retention
take them; those that are young must stay. Never during a sweep: what is pushed while one runs can not be old in truth. Whoever pulls takes images that stay. Ends with an error when an answer was not what it had to
be, when a byte was wrong, when what is old stayed or what is young went, or when the server's memory grew.
"""

import hashlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time

BINARY, FOLDER, SECONDS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
PULLERS, PUSHERS, IMAGES = 200, 20, 20
ROOT = os.path.join(FOLDER, "registry")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = """retention:
  - repositories: push/**
    tags: "t-*"
    younger: 1h
    untagged: 1h
"""
stopped = threading.Event()
lock = threading.Lock()
wrong, counts, sent = [], {"pulls": 0, "pushes": 0, "sweeps": 0, "swept tags": 0, "freed bytes": 0}, [0]


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def counted(what, more=1):
    with lock:
        counts[what] += more


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=120)

    def ask(self, method, path, body=None, want=200):
        self.connection.request(method, path, body=body, headers={"Content-Type": MANIFEST, "Accept": MANIFEST})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != want:
            raise AssertionError(f"{method} {path}: {answer.status}, not {want}: {content[:200]!r}")
        return content

    def push(self, name, tag, contents):
        for one in contents:
            self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest(one)}", one, 201)
        parts = [{"mediaType": "application/octet-stream", "digest": digest(one), "size": len(one)} for one in contents]
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()
        self.ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, 201)
        return manifest

    def pull(self, name, tag, expected):
        manifest = self.ask("GET", f"/v2/{name}/manifests/{tag}")
        if expected and manifest != expected:
            raise AssertionError(f"{name}:{tag} has other bytes")
        for part in json.loads(manifest)["layers"] + [json.loads(manifest)["config"]]:
            content = self.ask("GET", f"/v2/{name}/blobs/{part['digest']}")
            if digest(content) != part["digest"]:
                raise AssertionError(f"{name}: wrong bytes of {part['digest']}")
            with lock:
                sent[0] += len(content)


def guarded(work):
    def run(*arguments):
        try:
            work(*arguments)
        except Exception as error:  # whatever it is, it is a failure of the run
            with lock:
                wrong.append(f"{type(error).__name__}: {error}")
    return run


@guarded
def puller(address, number, images):
    chance = random.Random(SEED * 1000 + number)
    client = Client(address)
    while not stopped.is_set():
        name, tag, manifest = chance.choice(images)
        client.pull(name, tag, manifest)
        counted("pulls")


def age(name, tag, manifest, contents):
    """Makes an image two days old, as if nobody had touched it since."""
    then = time.time() - 2 * 24 * 3600
    flat = name.replace("/", "+")
    paths = [f"repositories/{name}/_tags/{tag}"]
    for kind, content in [("manifests", manifest)] + [("links", one) for one in contents]:
        value = digest(content).removeprefix("sha256:")
        paths += [f"blobs/sha256/{value[:2]}/{value}", f"{kind}/sha256/{value[:2]}/{value}@{flat}"]
    for path in paths:
        os.utime(os.path.join(ROOT, path), (then, then))


@guarded
def pusher(address, number, pushed):
    chance = random.Random(SEED * 2000 + number)
    client, name, turn = Client(address), f"push/{number}", 0
    while not stopped.is_set():
        contents = [chance.randbytes(50 + size) for size in (0, 20_000, 200_000)]
        manifest = client.push(name, f"t-{turn}", contents)
        client.pull(name, f"t-{turn}", manifest)
        counted("pushes")
        pushed.append((f"t-{turn}", manifest, contents))
        turn += 1
        stopped.wait(0.5)


@guarded
def sweeper(config, pushed):
    while not stopped.wait(5):
        for number, images in enumerate(pushed):
            while len(images) > 3:
                age(f"push/{number}", *images.pop(0))
        sweep = subprocess.run([BINARY, "registry", "gc", "--json", "--store", FOLDER, "--config", config], capture_output=True, text=True)
        if sweep.returncode:
            raise AssertionError(f"the sweep: {sweep.stderr}")
        swept = json.loads(sweep.stdout)
        counted("sweeps")
        counted("swept tags", sum(map(len, swept["removed_tags"].values())))
        counted("freed bytes", swept["freed"])


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    config = os.path.join(FOLDER, "serve.yaml")
    with open(config, "w") as file:
        file.write(CONFIG)
    server = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--store", FOLDER, "--config", config],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address = server.stdout.readline().strip().removeprefix("http://")
    client, images, chance = Client(address), [], random.Random(SEED)
    for number in range(IMAGES):
        contents = [chance.randbytes(size) for size in (500, 200_000, 1_000_000, 6_000_000 if number % 5 == 0 else 30_000)]
        images.append((f"stays/{number}", "1", client.push(f"stays/{number}", "1", contents)))
    pushed = [[] for _ in range(PUSHERS)]
    threads = [threading.Thread(target=puller, args=(address, number, images)) for number in range(PULLERS)]
    threads += [threading.Thread(target=pusher, args=(address, number, pushed[number])) for number in range(PUSHERS)]
    threads.append(threading.Thread(target=sweeper, args=(config, pushed)))
    started, samples = time.time(), []
    for thread in threads:
        thread.start()
    while time.time() - started < SECONDS and not wrong:
        time.sleep(min(10, SECONDS / 30))
        samples.append(memory(server.pid))
        if len(samples) % 6 == 0:
            print(f"{time.time() - started:4.0f} s: {counts}, {sent[0] / 1e9:.1f} GB pulled, {samples[-1]:.0f} MB of memory", flush=True)
    stopped.set()
    for thread in threads:
        thread.join()
    # A connection that was still for two minutes was ended by the server; a new one is made.
    client = Client(address)
    for number, young in enumerate(pushed):
        for tag, manifest, _ in young:
            guarded(client.pull)(f"push/{number}", tag, manifest)
    verify = subprocess.run([BINARY, "registry", "verify", "--store", FOLDER], capture_output=True, text=True)
    if verify.returncode:
        wrong.append(verify.stdout + verify.stderr)
    third = len(samples) // 3
    middle, last = max(samples[third:2 * third]), max(samples[2 * third:])
    if last > middle * 1.2 + 8 or last > 200:
        wrong.append(f"memory grew from {middle:.0f} MB to {last:.0f} MB")
    if not (counts["swept tags"] and counts["sweeps"] and counts["pulls"] and counts["pushes"]):
        wrong.append("something was not done at all: this shows nothing")
    server.terminate()
    if server.wait():
        wrong.append("the server did not end well")
    print(f"{time.time() - started:.0f} s, {PULLERS} pulling, {PUSHERS} pushing: {counts}, {sent[0] / 1e9:.1f} GB pulled and hashed; "
          f"memory at most {max(samples[:third]):.0f}, {middle:.0f}, {last:.0f} MB in each third; {verify.stdout.strip()}")
    print("\n".join(wrong[:20]))
    sys.exit(1 if wrong else print("no error, no wrong byte, nothing dangles"))


main()
