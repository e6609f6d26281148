"""``test-result.json``: an in-toto statement of the result, unsigned, about the files that were judged.

Its predicate is https://in-toto.io/attestation/test-result/v0.1. It has no time and no place in it, so a report that is
made again of the same recording, by the same version, writes the same bytes, and a signature stays valid. It has the
hash of summary.json, which SHA256SUMS cannot have: what reads the summary later sees whether it was changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from analysis.recording.manifest import Manifest
from analysis.report.contents import ReportContents
from analysis.report.machine.junit import cases
from soak.contract import MANIFEST, REPORT, SUMMARY, SUMS, TRAFFIC
from soak.contract.hashes import JUDGED, HashCheck

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://in-toto.io/attestation/test-result/v0.1"
PASSED, FAILED = "PASSED", "FAILED"
"""Values of ``result``. WARNED, which a policy may accept as passed, is none of ours: what is not signed off failed."""
COMMIT: Final = re.compile("[0-9a-f]{40}")


def statement_json(contents: ReportContents, summary: str) -> str:
    """Return the text of the file; empty where the run has no hashes, so that nothing binds the result to a recording.

    ``summary`` is the text of summary.json. The tests are the cases of junit.xml and ``sign-off``; one that could not
    be decided failed.
    """
    recording, signoff = contents.recording, contents.judged.signoff
    subject = _subject(recording.hashes)
    if not subject:
        return ""
    signed = signoff.decision == "signed"
    outcomes = {f"{case.classname}.{case.name}": not case.result for case in cases(contents)}
    outcomes[f"{recording.manifest.profile}.sign-off"] = signed
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": PASSED if signed else FAILED,
            "configuration": _configuration(recording.manifest, recording.hashes),
            "passedTests": [name for name, passed in outcomes.items() if passed],
            "warnedTests": [],
            "failedTests": [name for name, passed in outcomes.items() if not passed],
            "soakproof": {
                "run": recording.manifest.run_id,
                "decision": signoff.decision,
                "sentence": signoff.sentence,
                "reasons": list(contents.reasons),
                "summary": _descriptor(
                    f"{REPORT}/{SUMMARY}", sha256=hashlib.sha256(summary.encode()).hexdigest()
                ),
            },
        },
    }
    return json.dumps(statement, indent=1) + "\n"


def _subject(hashes: HashCheck) -> list[dict[str, Any]]:
    """Return the files that were judged as they were found, and first SHA256SUMS, which binds all others."""
    found = {SUMS: hashes.sums} | {
        file.name: file.found for file in hashes.files if file.name.rpartition("/")[2] in JUDGED
    }
    return [_descriptor(name, sha256=digest) for name, digest in found.items() if digest]


def _configuration(manifest: Manifest, hashes: HashCheck) -> list[dict[str, Any]]:
    """Return what set up the run: the manifest, which has the profile, the planned load, a locustfile, our revision."""
    found = {file.name: file.found for file in hashes.files}
    described = [
        _descriptor(name, sha256=digest) for name in (MANIFEST, TRAFFIC) if (digest := found.get(name, ""))
    ]
    if manifest.locustfile_sha256:
        described.append(_descriptor("traffic.locustfile", sha256=manifest.locustfile_sha256))
    revision = manifest.host.get("soakproof_revision")
    if isinstance(revision, str) and COMMIT.fullmatch(revision):
        described.append(_descriptor("soakproof", gitCommit=revision))
    return described


def _descriptor(name: str, **digest: str) -> dict[str, Any]:
    return {"name": name, "digest": digest}
