"""The example files of docs/how-to/ci.md do what the page states, with the tools of a runner replaced by scripts."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from soak.config.load import load_profile
from soak.plan.shortest_load import shortest_load
from tests.support.paths import ROOT

CI = ROOT / "docs" / "ci"
WORKFLOWS = ("github-images.yml", "github-checkouts.yml")
DIFFER = {"Build both", "Write the profile", "Set up the Python of the service", "Soak"}
"""Steps in which the two workflows differ."""


def load(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


def steps(name: str) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in load(name)["jobs"]["soak"]["steps"]}


def script_of(directory: Path, name: str, lines: str) -> None:
    """Put a program into the directory ``bin`` there; its words are appended to the file ``calls``."""
    path = directory / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/bash\necho "${{0##*/}} $*" >> {directory}/calls\n{lines}\n')
    path.chmod(0o755)


def run(directory: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={"PATH": f"{directory}/bin:{os.environ['PATH']}", "HOME": str(directory), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def calls(directory: Path) -> list[str]:
    return (directory / "calls").read_text().splitlines()


@pytest.mark.parametrize("name", [*WORKFLOWS, "gitlab.yml"])
def test_every_script_is_one_of_bash(name: str) -> None:
    """Of each step, or the whole of a job."""
    found = (
        ["\n".join(load(name)["soak"]["script"])]
        if name == "gitlab.yml"
        else [step["run"] for step in steps(name).values() if "run" in step]
    )
    for script in found:
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_two_workflows_differ_in_how_the_builds_are_made_alone() -> None:
    """What is fixed in one is fixed in the other."""
    images, checkouts = (
        {key: step for key, step in steps(name).items() if key not in DIFFER} for name in WORKFLOWS
    )
    assert images == checkouts


@pytest.mark.parametrize("name", [*WORKFLOWS, "gitlab.yml", "bisect.toml"])
def test_each_profile_is_valid_and_long_enough_to_clear(name: str, tmp_path: Path) -> None:
    """As the file writes it, before anybody edits it."""
    if name.endswith(".toml"):
        text = (CI / name).read_text()
    else:
        whole = (
            "\n".join(load(name)["soak"]["script"])
            if name == "gitlab.yml"
            else steps(name)["Write the profile"]["run"]
        )
        text = whole.partition("<<'END'\n")[2].partition("\nEND")[0]
    tomllib.loads(text)
    (tmp_path / "soak.toml").write_text(text)
    profile = load_profile(str(tmp_path / "soak.toml"))
    assert not shortest_load(profile).too_short
    assert sum(arm.role == "after" for arm in profile.arms.values()) == 1


@pytest.mark.parametrize(
    ("code", "block", "expected", "words"),
    [
        ("0", "false", 0, ""),
        ("1", "false", 1, "::error title=soak::the soak did not run (exit code 1)"),
        ("2", "false", 2, "::error"),
        ("3", "false", 3, "::error title=soak::a gate failed"),
        ("4", "false", 0, "::warning title=soak::inconclusive"),
        ("4", "true", 4, "::warning title=soak::inconclusive"),
    ],
)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_exit_code_has_its_result(
    name: str, code: str, block: str, expected: int, words: str, tmp_path: Path
) -> None:
    """A leak fails the job; an undecided soak is a warning, unless it is to fail, too."""
    done = run(tmp_path, steps(name)["Result"]["run"], CODE=code, BLOCK_INCONCLUSIVE=block)
    assert done.returncode == expected
    assert done.stdout.startswith(words)


@pytest.mark.parametrize("name", WORKFLOWS)
@pytest.mark.parametrize("code", [0, 3, 4])
def test_the_step_of_the_soak_keeps_code_and_report(name: str, code: int, tmp_path: Path) -> None:
    """Whatever the result is, the steps after it run."""
    script_of(tmp_path, "soak", f"mkdir -p runs/1/report; echo R > runs/1/report/report.md; exit {code}")
    script_of(tmp_path, "sudo", '"$@"')
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("1")
    output = tmp_path / "output"
    done = run(tmp_path, steps(name)["Soak"]["run"], GITHUB_OUTPUT=str(output))
    assert (done.returncode, output.read_text()) == (0, f"code={code}\n")
    assert (tmp_path / "report" / "report.md").read_text() == "R\n"
    assert "soak run soak.toml" in calls(tmp_path)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ("", "gh api --silent repos/o/r/issues/7/comments --field body=@comment.md"),
        ("41", "gh api --silent --method PATCH repos/o/r/issues/comments/41 --field body=@comment.md"),
    ],
)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_pull_request_has_one_comment(name: str, known: str, expected: str, tmp_path: Path) -> None:
    """The first run makes it, the next ones replace its text."""
    script_of(tmp_path, "gh", f'if [ "$2" = --paginate ]; then printf "%s" "{known}"; fi')
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("## SIGNED OFF\n")
    variables = {
        "COMMENTS": "repos/o/r/issues/7/comments",
        "COMMENT": "repos/o/r/issues/comments",
        "RUN": "https://x",
    }
    done = run(tmp_path, steps(name)["Comment on the pull request"]["run"], **variables)
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path)[1:] == [expected]
    text = (tmp_path / "comment.md").read_text()
    assert text == "<!-- soakproof -->\n## SIGNED OFF\n\n[Whole report](https://x)\n"


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("[]", "--request POST https://g/projects/1/merge_requests/2/notes --data-urlencode body@comment.md"),
        (
            '[{"id": 8, "body": "hello"}, {"id": 9, "body": "<!-- soakproof --> old"}]',
            "--request PUT https://g/projects/1/merge_requests/2/notes/9 --data-urlencode body@comment.md",
        ),
    ],
)
def test_the_job_of_gitlab_ends_with_the_code_after_report_and_note(
    notes: str, expected: str, tmp_path: Path
) -> None:
    """4 is allowed to fail, so a warning; any other code fails the job."""
    job = load("gitlab.yml")["soak"]
    assert job["allow_failure"] == {"exit_codes": [4]}
    script_of(tmp_path, "git", "")
    script_of(tmp_path, "python", 'if [ "$1" = -c ]; then python3 "$@"; else mkdir -p "$3/bin"; fi')
    script_of(tmp_path, "curl", f"cat > answer.json <<< '{notes}'")
    for place in ("base/.venv", "head/.venv", ".soakproof"):
        (tmp_path / place / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "bin" / "pip").symlink_to("/bin/true")
    soak = tmp_path / ".soakproof" / "bin" / "soak"
    soak.write_text("#!/bin/sh\nmkdir -p runs/latest/report; echo R > runs/latest/report/report.md; exit 4\n")
    soak.chmod(0o755)
    variables = {
        "SOAK_TOKEN": "t", "SOAKPROOF": "s", "CI_API_V4_URL": "https://g", "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "2", "CI_JOB_URL": "https://job", "CI_COMMIT_SHA": "b",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": "a",
    }  # fmt: skip
    done = run(tmp_path, "\n".join(job["script"]), **variables)
    assert done.returncode == 4, done.stderr
    assert (tmp_path / "report" / "report.md").read_text() == "R\n"
    assert calls(tmp_path)[-1].endswith(expected)
    assert (tmp_path / "comment.md").read_text().startswith("<!-- soakproof -->\nR\n")


def test_git_bisect_finds_the_commit_and_skips_what_is_not_decided(tmp_path: Path) -> None:
    """0 is good, 3 is bad, 4 and a commit that cannot be built are skipped."""
    repository, recipe = tmp_path / "repository", tmp_path / "recipe"
    recipe.mkdir()
    for name in ("bisect.sh", "bisect.toml"):
        (recipe / name).write_bytes((CI / name).read_bytes())
    (recipe / "bisect.sh").chmod(0o755)
    repository.mkdir()
    identity = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    codes = [0, 0, 4, 0, 3, 4, 3, 3]
    commits = "git init -q\n" + "".join(
        f"echo {code} > code; echo {n} > n; touch requirements.txt; git add .; git commit -qm commit-{n}\n"
        for n, code in enumerate(codes)
    )
    script_of(tmp_path, "soak", 'exit "$(cat code)"')
    script_of(tmp_path, "python3", 'mkdir -p "${@: -1}/bin"; ln -sf /bin/true "${@: -1}/bin/pip"')
    variables = {**identity, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    bisect = f"git bisect start HEAD HEAD~{len(codes) - 1} -- > /dev/null; git bisect run {recipe}/bisect.sh"
    done = subprocess.run(
        ["bash", "-ec", commits + bisect],
        cwd=repository,
        env={**variables, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "is the first bad commit" in done.stdout, done.stdout + done.stderr
    assert "commit-4" in done.stdout
    assert f"soak run {recipe}/bisect.toml --set arms.commit.cwd={repository} --runs {recipe}/runs" in calls(
        tmp_path
    )
