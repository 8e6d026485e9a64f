"""Fills a registry's disk, and lets a sweep's clock jump: what was acknowledged stays, and pushes go on when there is room.

    full.py BINARY FOLDER     FOLDER is a small file system of its own
"""

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys

BINARY, FOLDER = sys.argv[1], sys.argv[2]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def serve():
    server = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "--store", FOLDER],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return server, server.stdout.readline().strip().removeprefix("http://")


def ask(method, path, body=None):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body=body, headers={"Content-Type": MANIFEST, "Accept": MANIFEST})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def push(tag):
    contents = [b"%d" % tag, os.urandom(700_000)]
    for one in contents:
        status, _ = ask("POST", f"/v2/full/blobs/uploads/?digest={digest(one)}", one)
        if status != 201:
            return status, None
    parts = [{"mediaType": "application/octet-stream", "digest": digest(one), "size": len(one)} for one in contents]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}).encode()
    return ask("PUT", f"/v2/full/manifests/t{tag}", manifest)[0], (manifest, contents)


def registry(*arguments, **more):
    done = subprocess.run([BINARY, "registry", *arguments, "--store", FOLDER], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def whole(images):
    for tag, (manifest, contents) in images.items():
        assert ask("GET", f"/v2/full/manifests/t{tag}") == (200, manifest), tag
        for one in contents:
            assert ask("GET", f"/v2/full/blobs/{digest(one)}") == (200, one), tag


server, address = serve()
images, refused = {}, set()
for tag in range(60):
    status, image = push(tag)
    if status == 201:
        images[tag] = image
    else:
        refused.add(status)
assert images and refused == {507}, f"{len(images)} images, then {refused}"
whole(images)
registry("verify")
print(f"full disk: {len(images)} images are whole, the others were refused with 507, nothing dangles")

for tag, (manifest, _) in list(images.items())[:10]:
    assert ask("DELETE", f"/v2/full/manifests/{digest(manifest)}")[0] == 202
    del images[tag]
registry("gc", "--offline")
status, image = push(100)
assert status == 201, status
images[100] = image
whole(images)
registry("verify")
print("room again after a sweep: pushes go on")

# A sweep whose clock is a month ahead: ages are told by the store's own time, so it takes nothing that is young.
faketime = shutil.which("faketime")
if faketime and "libc.so" in subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout:
    jumped = {**os.environ, "NO_FAKE_STAT": "1"}
    for jump in ("+30d", "-30d"):
        command = [faketime, "-f", jump, BINARY, "registry", "gc", "--json", "--store", FOLDER]
        swept = json.loads(subprocess.run(command, capture_output=True, text=True, env=jumped, check=True).stdout)
        assert swept["removed_blobs"] == 0 and not swept["removed_tags"], swept
    server.kill()
    server.wait()
    line = subprocess.Popen([faketime, "-f", "+30d", BINARY, "serve", "--listen", "127.0.0.1:0", "--store", FOLDER],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=jumped)
    address = line.stdout.readline().strip().removeprefix("http://")
    whole(images)
    assert push(101)[0] == 201
    registry("gc")
    whole(images)
    line.terminate()
    line.wait()
    registry("verify")
    print("clocks that are a month ahead or behind: nothing young went, nothing dangles")
else:
    server.kill()
    server.wait()
    print("SKIP clock jumps: faketime is not here, or the binary is static and has no clock that it could fake")
