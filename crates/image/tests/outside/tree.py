"""Prints the tree below a folder, a line per entry, as examples/sets.rs plans it."""

import hashlib
import os
import sys

# What the engines and the machine add of their own.
OWN = ("security.selinux", "trusted.", "user.overlay", "user.rootlesscontainers", "user.containers")


def lines(root):
    found, inodes = [], {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            found.append(os.path.relpath(os.path.join(folder, name), root))
    for path in sorted(found):
        at = os.path.join(root, path)
        meta = os.lstat(at)
        mode, owner = f"{meta.st_mode & 0o7777:o}", f"{meta.st_uid}:{meta.st_gid}"
        kind = meta.st_mode & 0o170000
        if kind == 0o040000:
            yield f"{path} d {mode} {owner}"
        elif kind == 0o120000:
            yield f"{path} l {owner} {os.readlink(at)}"
        else:
            with open(at, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            first = inodes.setdefault(meta.st_ino, path)
            xattrs = [name for name in sorted(os.listxattr(at)) if not name.startswith(OWN)]
            xattrs = ",".join(f"{name}={os.getxattr(at, name).hex()}" for name in xattrs)
            yield f"{path} f {mode} {owner} {int(meta.st_mtime)} {meta.st_size} {digest} {first} {xattrs}"


print("\n".join(sorted(lines(sys.argv[1]), key=lambda line: (line + "\n").encode())))
