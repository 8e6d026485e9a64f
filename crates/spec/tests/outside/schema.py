#!/usr/bin/env python3
"""usage: schema.py FOLDER: FOLDER/LANGUAGE.json are schemas, FOLDER/wolfi definitions of melange where they are at hand."""
import copy
import json
import sys
from pathlib import Path

import jsonschema
import yaml


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """Reads scalars as texts where a schema takes texts: times and dates stay as they are written."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def keys(value):
    """Turns keys into texts, as JSON has no others."""
    if isinstance(value, dict):
        return {str(key): keys(inner) for key, inner in value.items()}
    return [keys(inner) for inner in value] if isinstance(value, list) else value


def misspelt(value, validator, path=()):
    """Yields copies of a definition with one more key in each record that has fixed ones."""
    places = [()]
    found = []
    while places:
        place = places.pop()
        inner = value
        for step in place:
            inner = inner[step]
        if isinstance(inner, dict):
            found.append(place)
            places += [place + (key,) for key in inner]
        elif isinstance(inner, list):
            places += [place + (at,) for at in range(len(inner))]
    for place in found:
        changed = copy.deepcopy(value)
        inner = changed
        for step in place:
            inner = inner[step]
        inner["no-such-key"] = {"a": [1]}
        yield place, changed


def main():
    work, root = Path(sys.argv[1]), Path("distro")
    validators = {name: jsonschema.Draft202012Validator(json.loads((work / f"{name}.json").read_text())) for name in ("package", "pipeline", "image", "distro")}
    for validator in validators.values():
        jsonschema.Draft202012Validator.check_schema(validator.schema)
    files = [("package", path) for path in root.glob("packages/*/package.yaml")]
    files += [("image", path) for path in root.glob("images/*/image.yaml")]
    files += [("pipeline", path) for path in root.glob("pipelines/**/*.yaml")]
    files += [("distro", root / "distro.yaml")]
    own = len(files)
    files += [("package", path) for path in (work / "wolfi").glob("*.yaml")]
    failed = refused = 0
    for at, (language, path) in enumerate(files):
        value = keys(yaml.load(path.read_text(), Loader))
        for error in list(validators[language].iter_errors(value))[:1]:
            failed += 1
            print(f"{path}: {error.json_path}: {error.message[:200]}")
        if at < own:
            for place, changed in misspelt(value, validators[language]):
                if validators[language].is_valid(changed):
                    free = place and place[-1] in ("annotations", "environment", "with", "vars", "items", "options", "inputs", "add")
                    if not free:
                        failed += 1
                        print(f"{path}: a misspelt key at {place} is taken")
                else:
                    refused += 1
    print(f"{len(files)} definitions valid but for {failed}, {refused} misspelt keys refused")
    sys.exit(failed > 0 or refused == 0)


if __name__ == "__main__":
    main()
