"""Completion with TAB: the scripts, and what they offer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobrunr import JobRunr
from jobrunr.jobs import JobDetails
from jobrunr.testing import factories
from tests.cli.conftest import COMMAND, invoke


def offered(*words: str, cwd: Path | None = None) -> list[str]:
    """What the shell is told for the last word, which is being typed."""
    asking = {
        "_JOBRUNR_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["jobrunr", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(COMMAND, env=os.environ | asking, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_every_shell(shell: str) -> None:
    result = invoke("completion", shell)

    assert result.exit_code == 0
    assert f"_JOBRUNR_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_its_script(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} on this machine")
    script = invoke("completion", shell).stdout
    prelude = "autoload -U compinit && compinit -u\n" if shell == "zsh" else ""

    done = subprocess.run([program], input=prelude + script, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_verbs_and_options_are_offered() -> None:
    assert offered("wo") == ["worker"]
    assert offered("job", "") == ["list", "show", "delete", "requeue"]
    assert "--watch" in offered("status", "--")


def test_ids_of_the_newest_jobs_are_offered(url: str, jobrunr: JobRunr) -> None:
    jobs = [factories.enqueued(jobrunr.storage) for _ in range(2)]

    assert offered("job", "show", "--url", url, "") == [str(job.id) for job in reversed(jobs)]
    assert offered("job", "delete", "--url", url, str(jobs[0].id)[:-1]) == [
        str(job.id) for job in reversed(jobs) if str(job.id)[:-1] == str(jobs[0].id)[:-1]
    ]


def test_targets_of_the_newest_jobs_are_offered(url: str, jobrunr: JobRunr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBRUNR_URL", url)
    for name in ("send", "send", "report"):
        factories.enqueued(jobrunr.storage, details=JobDetails(f"shop.jobs:{name}"))

    assert offered("enqueue", "shop.jobs:") == ["shop.jobs:report", "shop.jobs:send"]


def test_functions_that_are_marked_are_offered_before_anybody_enqueued_them(shop: Path) -> None:
    with (shop / "shop" / "jobs.py").open("a") as code:
        code.write("\n\nfrom jobrunr import job\n\n\n@job\ndef never_enqueued() -> None: ...\n")

    assert offered("enqueue", "--app", "shop.jobs:jobrunr", "shop.jobs:n", cwd=shop) == ["shop.jobs:never_enqueued"]
    assert not (shop / "shop.db").exists()


def test_where_nothing_can_be_looked_up_nothing_is_offered_and_nothing_is_made(tmp_path: Path) -> None:
    assert offered("job", "show", "", cwd=tmp_path) == []
    assert offered("job", "show", "--app", "nowhere:jobrunr", "", cwd=tmp_path) == []
    assert list(tmp_path.iterdir()) == []
