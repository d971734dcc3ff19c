"""The demo, on a small folder of sources: what it counts, what fails, and what is left to look at."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from jobrunr import JobRunr, JobState
from jobrunr.cli import demo as cli_demo
from jobrunr.cli.root import root
from jobrunr.demo import Demo, DemoError
from jobrunr.demo import run as demo_run
from jobrunr.demo.application import make_application
from jobrunr.demo.jobs import DocumentationCounts, LongFunction, count_file
from jobrunr.demo.run import Ending, Glance
from jobrunr.demo.second_server import second_server
from jobrunr.demo.sources import find_files, packages_among, standard_library
from jobrunr.errors import MissingExtraError

SOURCES = {
    "alone.py": '"""One, two."""\n\n\ndef f():\n    if True:\n        def g():\n            pass\n    return 1\n',
    "mail/__init__.py": '"""Mail."""\n',
    "mail/box.py": (
        'class Box:\n    """Keeps mail."""\n\n    def put(self):\n        """Put mail in."""\n\n    async def get(self):\n'
        "        try:\n            return 1\n        except ValueError:\n            class Late:\n                pass\n"
        "        return lambda: [x for x in range(3)]\n"
    ),
    "mail/broken.py": "print 'as in Python 2'\n",
    "mail/mime/__init__.py": "",
    "site-packages/other.py": "not even Python",
    "__pycache__/alone.py": "not even Python",
    "notes.txt": "no Python",
}


def eventually(condition: Callable[[], bool]) -> None:
    """Poll a fact that another process makes true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@dataclass(frozen=True)
class Seen:
    """A run that is over."""

    demo: Demo
    ending: Ending
    glances: list[Glance]


def written(folder: Path, names: Collection[str] = tuple(SOURCES)) -> Path:
    """The sources, or some of them, in a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(SOURCES[name])
    return folder


def a_moment() -> None:
    time.sleep(0.05)


def run(source: Path, keep: Path) -> Seen:
    glances: list[Glance] = []
    demo = Demo(source, keep)
    return Seen(demo, demo.run(glances.append, a_moment), glances)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "source")


@pytest.fixture
def sound_source(tmp_path: Path) -> Path:
    """Sources of which every file parses: nothing is retried, so a run takes no time."""
    return written(tmp_path / "source", ["alone.py", "mail/__init__.py", "mail/box.py"])


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Seen, JobRunr]]:
    """One run over all sources, and its jobs, for the tests that only look."""
    folder = tmp_path_factory.mktemp("demo")
    seen = run(written(folder / "source"), folder / "kept")
    with JobRunr(seen.demo.url, application="tests") as jobrunr:
        yield seen, jobrunr


def test_files_and_packages_are_found_and_what_was_installed_beside_them_is_not(source: Path) -> None:
    files = find_files(source)

    assert files == ["alone.py", "mail/__init__.py", "mail/box.py", "mail/broken.py", "mail/mime/__init__.py"]
    assert packages_among(files) == ["mail", "mail/mime"]


def test_the_standard_library_is_found_where_python_says() -> None:
    assert standard_library() == Path(sysconfig.get_path("stdlib"))
    assert "os.py" in find_files(standard_library())


def test_a_run_counts_what_is_there_and_tells_what_failed_and_why(seen: tuple[Seen, JobRunr]) -> None:
    run, _ = seen

    totals = run.ending.totals
    assert (totals.files, totals.lines, totals.functions, totals.classes, totals.packages) == (4, 22, 4, 2, 2)
    assert totals.longest[0] == LongFunction(7, "Box.get", "mail/box.py", 7)
    assert [function.name for function in totals.longest] == ["Box.get", "f", "f.g", "Box.put"]
    assert totals.documentation == DocumentationCounts(definitions=7, documented=3, words=6)
    (failure,) = totals.failures
    assert failure.name == "Count mail/broken.py"
    assert failure.reason.startswith("SyntaxError: Missing parentheses in call to 'print'")
    assert failure.attempts == 3
    assert (run.glances[-1].done, run.glances[-1].total, run.demo.total) == (8, 8, 8)


def test_what_failed_was_tried_twice_more_a_second_apart(seen: tuple[Seen, JobRunr]) -> None:
    run, jobrunr = seen

    assert run.ending.a_failed_job is not None
    history = jobrunr.scheduler.get(run.ending.a_failed_job.id).history
    began = [change.at for change in history if change.state is JobState.PROCESSING]
    assert len(began) == 3
    assert all((later - earlier).total_seconds() >= 1 for earlier, later in pairwise(began))
    assert history[-1].state is JobState.FAILED


def test_the_report_is_the_last_job_to_run(seen: tuple[Seen, JobRunr]) -> None:
    run, jobrunr = seen

    report = jobrunr.scheduler.get(run.ending.report.id)
    ends = {job.id: job.state_at for job in jobrunr.scheduler.find(limit=100)}
    begin = next(change.at for change in report.history if change.state is JobState.PROCESSING)
    assert max(at for job_id, at in ends.items() if job_id != report.id) <= begin
    assert "everything else has ended" in {change.reason for change in report.history}


def test_a_package_keeps_progress_log_lines_and_metadata(seen: tuple[Seen, JobRunr]) -> None:
    run, jobrunr = seen

    mail = next(job for job in jobrunr.scheduler.find(label="package") if job.name.endswith(" mail"))
    progress = jobrunr.scheduler.progress(mail.id)
    lines = [line.message for line in jobrunr.scheduler.logs(mail.id)]
    assert progress is not None
    assert (progress.done, progress.failed, progress.total) == (2, 1, 3)
    assert lines[0] == "__init__.py: 1 of 1 documented"
    assert lines[2].startswith("broken.py does not parse: Missing parentheses")
    assert jobrunr.scheduler.metadata(mail.id) == {"share": 0.5}
    assert run.ending.a_succeeded_job.state is JobState.SUCCEEDED


def test_a_second_run_starts_anew_and_without_trouble_nothing_fails(sound_source: Path, tmp_path: Path) -> None:
    run(sound_source, tmp_path)
    (sound_source / "alone.py").unlink()

    ending = run(sound_source, tmp_path).ending

    assert ending.totals.files == 2
    assert ending.totals.failures == []
    assert ending.a_failed_job is None


def test_warnings_about_what_it_reads_are_nobodys_business(
    sound_source: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (sound_source / "odd.py").write_text("pattern = '\\d'\nassert (1, 'always true')\n")

    assert run(sound_source, tmp_path).ending.totals.failures == []
    assert list(recwarn) == []


def test_settings_of_the_surroundings_do_not_disturb_it(
    sound_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBRUNR_MIGRATE", "false")
    monkeypatch.setenv("JOBRUNR_QUEUES", "other")
    monkeypatch.setenv("JOBRUNR_URL", "postgresql://nowhere.invalid/x")

    assert run(sound_source, tmp_path).ending.totals.files == 3


def test_a_second_server_shares_the_work_and_leaves_with_us(sound_source: Path, tmp_path: Path) -> None:
    with make_application(f"sqlite:///{tmp_path}/jobs.db") as jobrunr:
        job_id = jobrunr.scheduler.enqueue(count_file, str(sound_source), "alone.py")
        with second_server(jobrunr.settings.url):
            eventually(lambda: jobrunr.scheduler.get(job_id).state is JobState.SUCCEEDED)
            assert len(jobrunr.storage.servers()) == 1
        assert jobrunr.storage.servers() == []


def test_many_files_are_worth_a_second_server(sound_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(demo_run, "second_server", lambda url: nullcontext(asked.append(url)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})

    run(sound_source, tmp_path / "few")
    monkeypatch.setattr(demo_run, "WORTH_A_PROCESS", 3)
    many = run(sound_source, tmp_path / "many")

    assert asked == [many.demo.url]


def test_a_folder_without_sources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zipped").mkdir()

    with pytest.raises(DemoError, match=r"There are no Python files in .*zipped. Is this standard library in a zip file"):
        Demo(tmp_path / "zipped", tmp_path)


def test_a_place_that_cannot_be_written_to_is_refused(source: Path) -> None:
    with pytest.raises(DemoError, match=r"The demo cannot keep its jobs in .*notes.txt"):
        Demo(source, source / "notes.txt")


def test_another_file_of_its_name_is_left_alone(sound_source: Path, tmp_path: Path) -> None:
    file = tmp_path / "jobrunr-demo.db"
    for make in (lambda: file.write_text("my notes"), lambda: jobs_of_an_application(file)):
        file.unlink(missing_ok=True)
        make()
        before = file.read_bytes()
        with pytest.raises(DemoError, match="not the database of an earlier demo"):
            Demo(sound_source, tmp_path)
        assert file.read_bytes() == before


def jobs_of_an_application(file: Path) -> None:
    with JobRunr(f"sqlite:///{file}", application="tests") as jobrunr:
        jobrunr.scheduler.enqueue(written, tmp_path := file.parent, [str(tmp_path)])


def test_two_at_once_in_one_folder_do_not_meet(sound_source: Path, tmp_path: Path) -> None:
    first, second = Demo(sound_source, tmp_path), Demo(sound_source, tmp_path)
    refusals: list[str] = []

    def begin_another(glance: Glance) -> None:
        with pytest.raises(DemoError) as refusal:
            second.run(lambda glance: None, a_moment)
        refusals.append(str(refusal.value))

    assert first.run(begin_another, a_moment).totals.files == 3
    assert refusals[0].startswith(f"Another demo runs in {tmp_path}. Wait for it")


def test_no_job_is_named_twice_to_look_at(sound_source: Path, tmp_path: Path) -> None:
    (sound_source / "mail" / "__init__.py").unlink()
    done = subprocess.run(
        demo_command(sound_source, "--keep", str(tmp_path)), capture_output=True, text=True, timeout=50, check=True
    )
    shown = re.findall(r"job show .* (\S+)$", done.stdout, re.MULTILINE)
    assert len(shown) == len(set(shown)) == 1


# -- the command


def demo_command(source: Path, *words: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "jobrunr.cli", "demo", "--source", str(source), *words]


def test_the_command_reports_and_what_it_says_to_look_at_is_there(source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept here"
    done = subprocess.run(demo_command(source, "--keep", str(kept)), capture_output=True, text=True, timeout=50, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "5 files and 2 packages become 8 jobs." in done.stdout
    assert re.search(r"^100%  scheduled 0 .* succeeded 7  failed 1$", done.stdout, re.MULTILINE)
    assert "      7 lines  Box.get  mail/box.py:7" in done.stdout
    assert "Count mail/broken.py, tried 3 times" in done.stdout
    assert "\x1b" not in done.stdout
    further = done.stdout.split("Look further\n")[1].splitlines()
    assert len(further) == 6
    assert further[0].endswith(f"dashboard --url 'sqlite:///{kept}/jobrunr-demo.db'")
    for command in further[1:]:
        words = shlex.split(command)
        words = words[words.index("status") if "status" in words else words.index("job") :]
        result = CliRunner().invoke(root, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert result.stdout


def test_on_a_terminal_it_draws_in_place(sound_source: Path, tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, demo_command(sound_source))
    seen = b""
    while chunk := read_or_end(terminal):
        seen += chunk
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 0
    assert re.search(rb"\x1b\[\d+A\x1b\[J", seen)
    assert "█".encode() in seen
    assert (tmp_path / "jobrunr-demo.db").exists()


def read_or_end(terminal: int) -> bytes:
    try:
        return os.read(terminal, 10_000)
    except OSError:  # Linux says so when the other side is gone
        return b""


@pytest.fixture
def long_run(sound_source: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that would go on for long, started as scripts do it in the background: with SIGINT ignored."""
    for number in range(300):
        (sound_source / f"copy_{number}.py").write_text(SOURCES["mail/box.py"] * 200)
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *demo_command(sound_source, "--keep", str(tmp_path))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def line_with(text: str, process: subprocess.Popen[str]) -> str:
    """The next line that it writes with a text in it."""
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert process.poll() is None
    return line


def test_ctrl_c_ends_it_with_exit_code_130_however_it_was_started(long_run: subprocess.Popen[str]) -> None:
    line_with("%", long_run)

    long_run.send_signal(signal.SIGINT)

    assert long_run.wait(100) == 130


def test_a_dashboard_shows_the_jobs_while_they_run(long_run: subprocess.Popen[str]) -> None:
    address = line_with("Watch them in a browser", long_run).split()[-1]
    line_with("%", long_run)

    page = urlopen(f"{address}jobs", timeout=20).read().decode()

    assert "jobrunr.demo.jobs:count_file" in page


def test_a_dashboard_is_at_another_port_if_the_usual_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, make_application(f"sqlite:///{tmp_path}/jobs.db") as jobrunr:
        monkeypatch.setattr(cli_demo, "PORT", taken.getsockname()[1])
        with cli_demo._dashboard(jobrunr):
            address = capsys.readouterr().out.split()[-1]
            assert urlopen(address, timeout=20).status == 200
    with pytest.raises(URLError):
        urlopen(address, timeout=20)


def test_without_its_extra_the_dashboard_is_missing_and_the_rest_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = MissingExtraError("The dashboard", "starlette", "dashboard")
    monkeypatch.setattr(cli_demo, "dashboard_server", Mock(side_effect=missing))

    with cli_demo._dashboard(JobRunr("memory://")):
        assert "pip install 'jobrunr[dashboard]'" in capsys.readouterr().out
