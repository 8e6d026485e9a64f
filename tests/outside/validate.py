#!/usr/bin/env python3
"""Asks others' validators about SBOMs and provenance, all in one process, since each takes seconds to start.

usage: validate.py FOLDER

NAME.spdx.json must be valid SPDX 2.3 for spdx-tools and conform to NTIA's minimum; and to CISA's (fsct3-min) but for the one requirement
that no SPDX 2.3 document can meet for this checker: the type of the SBOM, which it seeks in SPDX 3 alone.
NAME.cdx.json must be valid CycloneDX 1.6 for CycloneDX's own library.
"""
import logging
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from ntia_conformance_checker import fsct_checker, ntia_checker
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


# The checker warns of sources, which no relation that it follows leads to.
logging.disable(logging.WARNING)


def spdx(path):
    for message in validate_full_spdx_document(parse_file(str(path))):
        yield f"spdx-tools: {message.validation_message}"
    ntia = ntia_checker.NTIAChecker(str(path))
    if not ntia.compliant:
        yield f"ntia: {[name for name, met in ntia.table_elements if not met]}"
    fsct = fsct_checker.FSCT3Checker(str(path))
    unmet = [name for name, met in fsct.table_elements if not met and "SBOM type" not in name]
    if unmet:
        yield f"fsct3-min: {unmet}"


def cyclonedx(path, validator=JsonStrictValidator(SchemaVersion.V1_6)):
    wrong = validator.validate_str(path.read_text())
    if wrong:
        yield f"cyclonedx: {wrong}"


def main():
    folder = Path(sys.argv[1])
    passed = failed = 0
    for pattern, check in (("*.spdx.json", spdx), ("*.cdx.json", cyclonedx)):
        for path in sorted(folder.glob(pattern)):
            findings = list(check(path))
            for finding in findings:
                print(f"{path.name}: {finding}")
            failed += bool(findings)
            passed += not findings
    print(f"{passed} documents valid, {failed} not")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
