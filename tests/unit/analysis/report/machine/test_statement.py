from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.statement import statement_json
from analysis.report.machine.summary import summary_json
from analysis.report.write import make_report
from soak.cli.verify import verify
from soak.contract import GateLimit
from soak.contract.hashes import first_difference
from soak.errors import HarnessError
from soak.recording.files import record_sums

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")
SCHEMA = Path(__file__).with_name("test-result.schema.json")


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


@pytest.fixture
def hashed(build_run: Build) -> Callable[..., Path]:
    """A function that writes a run directory, as ``build_run``, whose run has written its hashes."""

    def build(**truth: Any) -> Path:
        run_dir = build_run(**truth)
        (run_dir / "traffic.json").write_text("{}")
        record_sums(run_dir, {})
        return run_dir

    return build


def written(run_dir: Path) -> str:
    contents = report_contents(read_recording(run_dir))
    return statement_json(contents, summary_json(contents))


def statement(run_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(written(run_dir))
    return content


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_that_is_signed_off_passed(hashed: Build, validator: Draft202012Validator) -> None:
    """The statement is valid, names every file that was judged by its hash, and the tests as junit.xml has them."""
    run_dir = hashed()
    found = statement(run_dir)
    assert [error.message for error in validator.iter_errors(found)] == []
    names = [one["name"] for one in found["subject"]]
    of_arms = [
        f"{arm}/{file}"
        for arm in ("fixed", "leaky")
        for file in ("latency.hlog", "requests.csv", "samples.csv")
    ]
    assert names == ["SHA256SUMS", "events.csv", *of_arms, "manifest.json"]
    assert all(one["digest"] == {"sha256": sha256(run_dir / one["name"])} for one in found["subject"])
    predicate = found["predicate"]
    assert (predicate["result"], predicate["warnedTests"], predicate["failedTests"]) == ("PASSED", [], [])
    assert predicate["passedTests"] == [
        "demo.fixed.leak",
        "demo.leaky.control",
        "demo.recording",
        "demo.sign-off",
    ]
    assert [one["name"] for one in predicate["configuration"]] == ["manifest.json", "traffic.json"]
    assert predicate["soakproof"]["reasons"] == []


def test_what_is_not_signed_off_failed_with_the_reason(
    hashed: Build, validator: Draft202012Validator
) -> None:
    """A gate that could not be decided is no pass, and neither a warning that a policy might accept."""
    gates = (GateLimit("tasks", "<=", 50.0, of_before=False, text="<= 50"),)
    found = statement(hashed(gates=gates, probe=False))
    assert [error.message for error in validator.iter_errors(found)] == []
    predicate = found["predicate"]
    assert (predicate["result"], predicate["warnedTests"]) == ("FAILED", [])
    assert {"demo.fixed.tasks", "demo.sign-off"} <= set(predicate["failedTests"])
    assert "demo.recording" in predicate["passedTests"]
    assert predicate["soakproof"]["decision"] in {"inconclusive", "refused"}
    assert predicate["soakproof"]["sentence"]


def test_a_changed_recording_failed_with_the_hash_that_was_found(
    hashed: Build, validator: Draft202012Validator
) -> None:
    """Its reason names the file, and the subject is what was judged, not what was recorded."""
    run_dir = hashed()
    before = {one["name"]: one["digest"] for one in statement(run_dir)["subject"]}
    with (run_dir / "leaky" / "requests.csv").open("a") as requests:
        requests.write("\n")
    found = statement(run_dir)
    assert [error.message for error in validator.iter_errors(found)] == []
    assert found["predicate"]["result"] == "FAILED"
    assert "leaky/requests.csv was changed" in found["predicate"]["soakproof"]["reasons"][0]
    after = {one["name"]: one["digest"] for one in found["subject"]}
    assert [name for name in before if before[name] != after[name]] == ["leaky/requests.csv"]


def test_a_run_without_hashes_has_no_statement(build_run: Build) -> None:
    """Nothing would bind its result to a recording: it goes on, was killed, or is older than the hashes."""
    assert written(build_run(status="running")) == ""


@pytest.mark.usefixtures("no_drawing")
def test_a_report_made_again_leaves_statement_and_recording_as_they_are(hashed: Build) -> None:
    """The same bytes, so that a signature stays valid; neither it nor the signature is a changed recording."""
    run_dir = hashed()
    make_report(run_dir)
    first = (run_dir / "test-result.json").read_bytes()
    (run_dir / "test-result.json.sig").write_text("signature")
    (run_dir / "SHA256SUMS.sig").write_text("signature")
    make_report(run_dir)
    assert (run_dir / "test-result.json").read_bytes() == first
    assert json.loads(first)["predicate"]["soakproof"]["reasons"] == []
    assert verify(run_dir).exit_code == 0


@pytest.mark.usefixtures("no_drawing")
def test_a_summary_that_was_edited_differs_from_the_statement(hashed: Build) -> None:
    """Its hash is there, so a verdict that was turned round is seen until the report is made again."""
    run_dir = hashed()
    make_report(run_dir)
    summary = run_dir / "report" / "summary.json"
    assert (first_difference(run_dir), verify(run_dir).exit_code) == ("", 0)
    whole = summary.read_text()
    summary.write_text(whole.replace('"leak"', '"no_leak"'))
    changed = (
        "report/summary.json was changed: its SHA-256 is not that in test-result.json; make the report again"
    )
    assert first_difference(run_dir) == changed
    assert (verify(run_dir).exit_code, verify(run_dir).text.splitlines()[1:]) == (4, [f"- {changed}"])
    assert make_report(run_dir).exit_code == 0
    assert (first_difference(run_dir), verify(run_dir).exit_code) == ("", 0)
    assert summary.read_text() == whole


@pytest.mark.usefixtures("no_drawing")
def test_a_report_without_hashes_removes_the_statement_of_an_earlier_one(hashed: Build) -> None:
    """It says PASSED where the report says INCONCLUSIVE; a signature of it stays, and no longer verifies."""
    run_dir = hashed()
    manifest = run_dir / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"hashed": True}))
    record_sums(run_dir, {})
    assert make_report(run_dir).exit_code == 0
    path, signature = run_dir / "test-result.json", run_dir / "test-result.json.sig"
    assert json.loads(path.read_text())["predicate"]["result"] == "PASSED"
    signature.write_text("signature")
    (run_dir / "SHA256SUMS").unlink()
    assert make_report(run_dir).exit_code == 4
    assert (path.exists(), signature.exists()) == (False, True)
    assert make_report(run_dir).exit_code == 4


@pytest.mark.usefixtures("no_drawing")
def test_a_statement_that_cannot_be_removed_is_an_error(build_run: Build) -> None:
    """A report that left a statement of before in place would be silent about it."""
    run_dir = build_run(status="running")
    (run_dir / "test-result.json").mkdir()
    with pytest.raises(HarnessError, match="cannot be written"):
        make_report(run_dir)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_a_team_signs_it_with_a_key_of_its_own(hashed: Build, tmp_path: Path) -> None:
    """By the commands of docs/how-to/sign-a-result.md; a statement that was changed does not verify."""
    run_dir = hashed()
    path = run_dir / "test-result.json"
    path.write_text(written(run_dir))
    key, public, signature = tmp_path / "key.pem", tmp_path / "key.pub", run_dir / "test-result.json.sig"

    def openssl(*words: object) -> int:
        command = ["openssl", *map(str, words)]
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode

    assert openssl("genpkey", "-algorithm", "ed25519", "-out", key) == 0
    assert openssl("pkey", "-in", key, "-pubout", "-out", public) == 0
    assert openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", path, "-out", signature) == 0
    check = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", path, "-sigfile", signature)
    assert openssl(*check) == 0
    path.write_text(path.read_text().replace("PASSED", "FAILED"))
    assert openssl(*check) != 0
