#!/usr/bin/env python3
"""Finds what an image's SBOM leaves out, from nothing but the image (an OCI layout) and the SBOM (SPDX 2.3 in JSON).

usage: completeness.py LAYOUT SBOM [SOURCES]

SOURCES is a folder that `undistro source bundle` wrote.

It shares no code with undistro and believes nothing that the SBOM says without the image saying it too:
  file      every file and link of the image belongs to a package of the installed database, with its checksum, or is listed
            by the SBOM as made when the image was composed; and the other way round
  package   every package of the database is in the SBOM under its purl, and no other is
  licence   every package states a licence; each is on SPDX's list or its text is in the SBOM; the licence's text or that it
            has none that could be had is told
  source    every package that is not put together here leads to sources, each with a hash; patches to what they change; and
            SOURCES has each of them, and that of every package that something was linked in from
"""
import hashlib
import io
import json
import re
import sys
import tarfile
import zlib
from pathlib import Path, PurePosixPath

DATABASE = "usr/lib/apk/db/installed"


class Image:
    """The files of an image, its layers laid over each other."""

    def __init__(self, layout):
        self.layout = Path(layout)
        index = json.loads((self.layout / "index.json").read_text())
        self.manifest_digest, manifest = self.manifest(index["manifests"][0])
        self.files = {}
        for layer in manifest["layers"]:
            self.lay(layer)

    def blob(self, digest):
        algorithm, hexadecimal = digest.split(":")
        data = (self.layout / "blobs" / algorithm / hexadecimal).read_bytes()
        assert hashlib.new(algorithm, data).hexdigest() == hexadecimal, f"the blob {digest} is another"
        return data

    def manifest(self, descriptor):
        parsed = json.loads(self.blob(descriptor["digest"]))
        return self.manifest(parsed["manifests"][0]) if "manifests" in parsed else (descriptor["digest"], parsed)

    def lay(self, layer):
        data = self.blob(layer["digest"])
        if data[:2] == b"\x1f\x8b":
            data = gunzip(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = str(PurePosixPath(member.name.lstrip("./") or "."))
                assert ".wh." not in path, f"{path} is a whiteout"
                if member.isdir():
                    continue
                if member.isfile():
                    content = tar.extractfile(member).read()
                elif member.issym():
                    content = member.linkname.encode()
                elif member.islnk():
                    content = self.files[member.linkname.lstrip("./")]
                else:
                    content = b""
                self.files[path] = content


def gunzip(data):
    """Reads concatenated gzip members, as RFC 1952 allows."""
    out = []
    while data:
        inflate = zlib.decompressobj(wbits=31)
        out.append(inflate.decompress(data))
        data = inflate.unused_data
    return b"".join(out)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def database(text):
    """Yields name, version, licence, origin, and files with their SHA-1 (None where unstated)."""
    import base64

    for block in text.split("\n\n"):
        fields, files, directory, name = {}, {}, "", None
        for line in block.splitlines():
            key, _, value = line.partition(":")
            if key == "F":
                directory = value
            elif key == "R":
                name = f"{directory}/{value}" if directory else value
                files[name] = None
            elif key == "Z" and name:
                files[name] = base64.b64decode(value[2:]).hex() if value.startswith("Q1") else value
            else:
                fields.setdefault(key, value)
        if "P" in fields:
            yield fields, files


def check_bundle(folder, hashes, linked):
    """Yields what a bundle of sources lacks, or holds and does not list."""
    rows = json.loads((folder / "sources.json").read_text())
    listed = {row["path"]: row["sha256"].split(":")[-1] for row in rows}
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file() and path.name != "sources.json"}
    for path in sorted(listed.keys() ^ there.keys()):
        yield f"source: {path} is listed in the bundle or lies in it, and not both"
    for path in sorted(listed.keys() & there.keys()):
        if hashlib.sha256(there[path].read_bytes()).hexdigest() != listed[path]:
            yield f"source: {path} in the bundle is another than is listed"
    for value, name in sorted(hashes.items()):
        if value not in listed.values():
            yield f"source: {name} is not in the bundle"
    for name in sorted(linked):
        if not any(name in row["packages"] for row in rows):
            yield f"source: {name} is linked in, and its source is not in the bundle"


def check(layout, sbom_path, bundle=None):
    image, sbom, found = Image(layout), json.loads(Path(sbom_path).read_text()), []
    elements = {one["SPDXID"]: one for one in sbom["packages"]}
    related = {}
    for one in sbom["relationships"]:
        related.setdefault((one["spdxElementId"], one["relationshipType"]), []).append(one["relatedSpdxElement"])
    linked = {to for (_, kind), all in related.items() if kind == "STATIC_LINK" for to in all}

    subject = [elements[one] for one in related.get(("SPDXRef-DOCUMENT", "DESCRIBES"), [])]
    hashes = {sum["checksumValue"] for one in subject for sum in one.get("checksums", [])}
    if image.manifest_digest.split(":")[1] not in hashes:
        found.append(f"the SBOM is of another image than {image.manifest_digest}")

    # Files: the database and the list of made files together are exactly the image.
    accounted = {}
    installed = list(database(image.files[DATABASE].decode()))
    for fields, files in installed:
        for path, checksum in files.items():
            accounted[path] = (fields["P"], checksum)
    for one in sbom.get("files", []):
        path = one["fileName"].removeprefix("./")
        sums = {sum["algorithm"]: sum["checksumValue"] for sum in one["checksums"]}
        if path in accounted:
            found.append(f"file: {path} is of {accounted[path][0]} and is also listed as made")
        accounted[path] = ("the SBOM", sums["SHA1"])
        if path in image.files and hashlib.sha256(image.files[path]).hexdigest() != sums["SHA256"]:
            found.append(f"file: {path} has another SHA-256 than the SBOM lists")
    for path, content in image.files.items():
        owner, checksum = accounted.pop(path, (None, None))
        if owner is None:
            found.append(f"file: {path} is of no package and is not listed")
        elif checksum and checksum != sha1(content):
            found.append(f"file: {path} of {owner} is another than is listed")
    found += [f"file: {path} of {owner} is listed and not there" for path, (owner, _) in accounted.items()]

    # Packages: those of the database are those of the SBOM.
    def purl(one):
        return next((ref["referenceLocator"] for ref in one.get("externalRefs", []) if ref["referenceType"] == "purl"), "")

    told = {}
    for identity, one in elements.items():
        match = re.match(r"pkg:apk/[^/]+/([^@]+)@([^?]+)\?(?:.*&)?arch=", purl(one))
        if match and identity not in linked:
            told[(one["name"], one["versionInfo"])] = one
    for fields, _ in installed:
        if (fields["P"], fields["V"]) not in told:
            found.append(f"package: {fields['P']} {fields['V']} is installed and not in the SBOM")
    held = {(fields["P"], fields["V"]) for fields, _ in installed}
    found += [f"package: {name} {version} is in the SBOM and not installed" for name, version in told if (name, version) not in held]

    # Licences: stated, and each either on the list or with its text.
    texts = {one["licenseId"]: one.get("extractedText", "") for one in sbom.get("hasExtractedLicensingInfos", [])}
    for fields, _ in installed:
        one = told.get((fields["P"], fields["V"]))
        if one is None:
            continue
        name, declared = one["name"], one.get("licenseDeclared", "NOASSERTION")
        if declared in ("", "NOASSERTION", "NONE"):
            found.append(f"licence: {name} declares none")
        for reference in re.findall(r"LicenseRef-[\w.-]+", declared):
            if not texts.get(reference, "").strip():
                found.append(f"licence: {name} is under {reference}, whose text is not there")
        if one.get("copyrightText", "NOASSERTION") == "NOASSERTION":
            found.append(f"licence: nothing is said of the copyright of {name}")
        has_sources = bool(related.get((one["SPDXID"], "GENERATED_FROM")))
        if has_sources and not one.get("attributionTexts"):
            found.append(f"licence: the text of the licence of {name} is not passed on")
    for identity in linked:
        if elements[identity].get("licenseConcluded", "NOASSERTION") == "NOASSERTION":
            found.append(f"licence: {elements[identity]['name']}, which is linked in, has none")

    # Sources: what has code of others leads to them.
    hashes = {}
    for (name, _), one in told.items():
        sources = [elements[to] for to in related.get((one["SPDXID"], "GENERATED_FROM"), [])]
        if one.get("attributionTexts") and not sources:
            found.append(f"source: {name} carries a licence of others and leads to no source")
        for source in sources:
            hashes |= {one["checksumValue"]: source["name"] for one in source.get("checksums", []) if one["algorithm"] == "SHA256"}
            is_patch = related.get((source["SPDXID"], "PATCH_FOR"))
            if not source.get("checksums") and not (is_patch and source.get("sourceInfo")):
                found.append(f"source: {source['name']} of {name} has no hash")
            if not (purl(source) or source.get("sourceInfo")):
                found.append(f"source: where {source['name']} of {name} is from is not told")
    for identity in linked:
        if not elements[identity].get("checksums"):
            found.append(f"source: {elements[identity]['name']}, which is linked in, has no hash")
    if bundle:
        found += check_bundle(Path(bundle), hashes, {elements[identity]["name"] for identity in linked})
    for one in elements.values():
        if "" in (one.get("name", ""), one.get("versionInfo", "x")):
            found.append(f"package: {one['SPDXID']} has no name or version")
    return image, installed, told, found


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    image, installed, told, found = check(*sys.argv[1:])
    for line in found:
        print(line)
    if found:
        sys.exit(1)
    print(f"{len(image.files)} files, {len(installed)} packages: all accounted for")


if __name__ == "__main__":
    main()
