"""Kills servers and sweeps of a registry at random points and looks whether what was acknowledged is there.

    faults.py BINARY STORE ROUNDS SEED [SERVERS]

In a round SERVERS servers and a sweep run on one store; clients push images, move tags and delete manifests; at a random
moment one process is killed (SIGKILL). Then a new server must have every tag that was acknowledged, whole to the last
byte, none of what was deleted, and `registry verify` must find nothing. In a folder everything is made two days old
between rounds, so that the sweep takes what it may. A request that was on its way when the server died may have
happened or not; both are right.

FAULTY in the environment is the address of S3 behind a proxy that fails (faulty.py): the servers that clients write to
use it, and an answer 500 or 503 counts as one that never came. What is checked afterwards is checked without it.
"""

import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

BINARY, STORE, ROUNDS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
SERVERS = int(sys.argv[5]) if len(sys.argv) > 5 else 1
FAULTY = os.environ.get("FAULTY")
CLIENTS = 3
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Server:
    def __init__(self, endpoint=None):
        environment = {**os.environ, "AWS_ENDPOINT_URL": endpoint} if endpoint else None
        for _ in range(10 if endpoint else 1):
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--store", STORE],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
            line = self.process.stdout.readline()
            if line:
                break
        if not line:
            sys.exit("a server did not start: " + self.process.stderr.read())
        self.address = line.strip().removeprefix("http://")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Refused(Exception):
    pass


class Later(Exception):
    """The server said that its store fails."""


def ask(connection, method, path, body=None, headers=None, want=()):
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    content = answer.read()
    if FAULTY and answer.status in (500, 503):
        raise Later
    if want and answer.status not in want:
        raise Refused(f"{method} {path}: {answer.status} {content[:300]!r}")
    return answer, content


class Client:
    """Works in a repository of its own, so that what must be there is known: for each tag what it may name."""

    def __init__(self, number):
        self.name = f"faults/{number}"
        self.random = random.Random(SEED * 1000 + number)
        self.tags = {}
        self.deleted = set()
        self.images = {}
        self.acknowledged = 0
        self.unexpected = []

    def run(self, address, stopped):
        try:
            connection = http.client.HTTPConnection(address, timeout=30)
            while not stopped.is_set():
                try:
                    if self.random.random() < 0.8:
                        self.push(connection)
                    else:
                        self.delete(connection)
                except Later:
                    pass
        except Refused as error:
            self.unexpected.append(str(error))
        except (OSError, http.client.HTTPException):
            pass

    def blob(self, connection, content):
        name = digest(content)
        answer, _ = ask(connection, "HEAD", f"/v2/{self.name}/blobs/{name}", want=(200, 404))
        if answer.status == 200:
            return name
        if self.random.random() < 0.5:
            ask(connection, "POST", f"/v2/{self.name}/blobs/uploads/?digest={name}", content, want=(201,))
        else:
            answer, _ = ask(connection, "POST", f"/v2/{self.name}/blobs/uploads/", want=(202,))
            place = answer.getheader("Location")
            half = len(content) // 2
            ask(connection, "PATCH", place, content[:half], want=(202,))
            ask(connection, "PUT", f"{place}?digest={name}", content[half:], want=(201,))
        return name

    def push(self, connection):
        # Half of the layers come again and again: after a delete they are garbage until then.
        seed = self.random.randrange(12) if self.random.random() < 0.5 else self.random.getrandbits(64)
        layer = random.Random(seed).randbytes(20_000 + seed % 7 * 50_000)
        config = json.dumps({"seed": seed}).encode()
        parts = [{"mediaType": "application/octet-stream", "digest": self.blob(connection, one), "size": len(one)}
                 for one in (config, layer)]
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()
        name = digest(manifest)
        tag = f"t{self.random.randrange(6)}"
        self.images[name] = (manifest, {parts[0]["digest"]: config, parts[1]["digest"]: layer})
        self.tags.setdefault(tag, {None}).add(name)
        self.deleted.discard(name)
        ask(connection, "PUT", f"/v2/{self.name}/manifests/{tag}", manifest, {"Content-Type": MANIFEST}, want=(201,))
        self.tags[tag] = {name}
        self.acknowledged += 1

    def delete(self, connection):
        known = sorted({name for names in self.tags.values() for name in names if name})
        if not known:
            return
        name = self.random.choice(known)
        for names in self.tags.values():
            if name in names:
                names.add(None)
        ask(connection, "DELETE", f"/v2/{self.name}/manifests/{name}", want=(202, 404))
        for names in self.tags.values():
            names.discard(name)
            names or names.add(None)
        self.deleted.add(name)
        self.acknowledged += 1

    def check(self, connection):
        wrong = list(self.unexpected)
        for tag, names in self.tags.items():
            answer, content = ask(connection, "GET", f"/v2/{self.name}/manifests/{tag}", headers={"Accept": MANIFEST})
            found = digest(content) if answer.status == 200 else None
            if answer.status not in (200, 404) or found not in names:
                wrong.append(f"{self.name}:{tag} is {found} ({answer.status}), not one of {names}")
                continue
            self.tags[tag] = {found}
            if not found:
                continue
            manifest, blobs = self.images[found]
            if content != manifest:
                wrong.append(f"{self.name}:{tag}: other bytes")
            for name, expected in blobs.items():
                answer, content = ask(connection, "GET", f"/v2/{self.name}/blobs/{name}")
                if answer.status != 200 or content != expected:
                    wrong.append(f"{self.name}@{found}: blob {name}: {answer.status}")
        for name in self.deleted:
            answer, _ = ask(connection, "GET", f"/v2/{self.name}/manifests/{name}", headers={"Accept": MANIFEST})
            if answer.status != 404:
                wrong.append(f"{self.name}@{name} was deleted and is there: {answer.status}")
        return wrong


def age():
    """Makes everything in the folder two days old."""
    then = time.time() - 2 * 24 * 3600
    for kind in ("blobs", "links", "manifests", "repositories"):
        for folder, _, files in os.walk(os.path.join(STORE, "registry", kind)):
            for file in files:
                os.utime(os.path.join(folder, file), (then, then))


def main():
    chance = random.Random(SEED)
    clients = [Client(number) for number in range(CLIENTS)]
    killed = {"server": 0, "sweep": 0}
    is_folder = "://" not in STORE
    for number in range(ROUNDS):
        if is_folder:
            age()
        servers = [Server(FAULTY) for _ in range(SERVERS)]
        stopped = threading.Event()
        threads = [threading.Thread(target=client.run, args=(servers[client_number % SERVERS].address, stopped))
                   for client_number, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        gc = [BINARY, "registry", "gc", "--store", STORE]
        sweep = subprocess.Popen(gc, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) if is_folder else None
        time.sleep(chance.uniform(0.02, 5 if FAULTY else 0.5))
        if sweep and chance.random() < 0.25:
            sweep.kill()
            killed["sweep"] += 1
        else:
            chance.choice(servers).kill()
            killed["server"] += 1
        stopped.set()
        for thread in threads:
            thread.join()
        for server in servers:
            server.kill()
        if sweep:
            sweep.wait()
        server = Server()
        connection = http.client.HTTPConnection(server.address, timeout=60)
        wrong = [line for client in clients for line in client.check(connection)]
        server.kill()
        verify = subprocess.run([BINARY, "registry", "verify", "--store", STORE], capture_output=True, text=True)
        if verify.returncode:
            wrong.append(verify.stdout + verify.stderr)
        if wrong:
            print("\n".join(wrong))
            sys.exit(f"round {number} (seed {SEED}): {len(wrong)} things are wrong")
        if (number + 1) % 25 == 0:
            print(f"{number + 1} rounds; {sum(c.acknowledged for c in clients)} writes acknowledged, all there", flush=True)
    if is_folder:
        age()
        last = subprocess.run([BINARY, "registry", "gc", "--json", "--store", STORE], capture_output=True, text=True, check=True)
        print(f"the last sweep freed {json.loads(last.stdout)['freed']} bytes")
    total = sum(client.acknowledged for client in clients)
    print(f"{ROUNDS} rounds on {SERVERS} server(s): {killed['server']} servers and {killed['sweep']} sweeps killed, "
          f"{total} writes acknowledged, nothing lost, nothing dangles")
    if not total:
        sys.exit("nothing was written: this shows nothing")


main()
