"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOP = """
    from jobrunr import JobRunr

    jobrunr = JobRunr("sqlite:///nowhere/at/all.db", retries=1)

    class company:
        jobs = jobrunr

    def make_jobrunr() -> JobRunr:
        return jobrunr

    def send(email: str) -> str:
        return f"sent to {email}"

    async def fetch(url: str) -> str:
        return url

    def fail() -> None:
        raise ValueError("no such mailbox")

    def register(email: str) -> None:
        jobrunr.scheduler.enqueue(send, email)
"""


@pytest.fixture
def shop(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with an application in it, and no settings from outside."""
    monkeypatch.delenv("JOBRUNR_APP", raising=False)
    pytester.makepyfile(shop=SHOP)
    pytester.syspathinsert()
    return pytester


def ini(shop: pytest.Pytester, *lines: str) -> None:
    shop.makeini("\n".join(["[pytest]", "addopts = -p no:randomly", *lines]))


def test_a_test_gets_the_application_of_the_ini_option_with_its_jobs_in_memory(shop: pytest.Pytester) -> None:
    ini(shop, "jobrunr_app = shop:jobrunr")
    shop.makepyfile("""
        import pytest
        import shop
        from jobrunr.errors import StorageSetupError

        def test_a_user_who_registers_gets_a_mail(jobrunr, assert_enqueued, drain_jobs):
            assert jobrunr is shop.jobrunr
            assert jobrunr.settings.retries == 1
            shop.register("ada@example.org")
            job = assert_enqueued(shop.send, "ada@example.org")
            (done,) = drain_jobs()
            assert (done.id, done.result) == (job.id, "sent to ada@example.org")

        def test_jobs_of_other_tests_are_gone(jobrunr):
            assert sum(jobrunr.scheduler.counts().values()) == 0

        def test_the_application_is_itself_again_without_the_fixture():
            with pytest.raises(StorageSetupError, match="nowhere/at"):
                shop.jobrunr.scheduler.counts()
    """)

    shop.runpytest().assert_outcomes(passed=3)


def test_the_clock_turns_the_time_of_the_jobs(shop: pytest.Pytester) -> None:
    ini(shop, "jobrunr_app = shop:jobrunr")
    shop.makepyfile("""
        from datetime import timedelta
        import shop

        def test_it(jobrunr, jobrunr_clock, drain_jobs):
            jobrunr.scheduler.schedule(timedelta(hours=1), shop.fetch, "https://example.org")
            assert drain_jobs() == []
            jobrunr_clock.advance(hours=1)
            assert [job.result for job in drain_jobs(most=1)] == ["https://example.org"]
    """)

    shop.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "option",
    [
        "[tool.pytest.ini_options]\njobrunr_app = 'shop:company.jobs'",
        "[tool.pytest.ini_options]\njobrunr_app = 'shop:make_jobrunr'",
        "[tool.jobrunr]\napp = 'shop:jobrunr'",
    ],
    ids=["ini option in pyproject.toml", "a function that makes it", "setting of JobRunr"],
)
def test_the_application_is_found_by_what_pyproject_says(shop: pytest.Pytester, option: str) -> None:
    shop.makepyprojecttoml(option)
    shop.makepyfile("""
        import shop

        def test_it(jobrunr):
            assert jobrunr is shop.jobrunr
    """)

    shop.runpytest().assert_outcomes(passed=1)


def test_the_ini_option_goes_before_the_setting(shop: pytest.Pytester) -> None:
    ini(shop, "jobrunr_app = shop:jobrunr")
    shop.makefile(".toml", jobrunr="app = 'no.such:thing'")
    shop.makepyfile("def test_it(jobrunr): pass")

    shop.runpytest().assert_outcomes(passed=1)


def test_without_any_application_there_is_a_plain_one_that_runs_what_the_test_defines(shop: pytest.Pytester) -> None:
    shop.makepyfile("""
        import shop

        def add(a: int, b: int) -> int:
            return a + b

        def test_it(jobrunr, drain_jobs):
            jobrunr.scheduler.enqueue(add, 1, 2)
            jobrunr.scheduler.enqueue(shop.send, "ada")
            assert [job.result for job in drain_jobs()] == [3, "sent to ada"]
    """)

    shop.runpytest().assert_outcomes(passed=1)


def test_a_doctest_can_have_it_too(shop: pytest.Pytester) -> None:
    shop.maketxtfile(
        test_doc="""
        >>> import shop
        >>> job_id = getfixture("jobrunr").scheduler.enqueue(shop.send, "ada")
        >>> [job.result for job in getfixture("drain_jobs")()]
        ['sent to ada']
    """
    )

    shop.runpytest().assert_outcomes(passed=1)


def test_the_fixture_for_the_application_can_be_overridden(shop: pytest.Pytester) -> None:
    shop.makeconftest("""
        import pytest
        from jobrunr import JobRunr

        @pytest.fixture
        def jobrunr_app():
            return JobRunr("memory://", retries=7)
    """)
    shop.makepyfile("def test_it(jobrunr): assert jobrunr.settings.retries == 7")

    shop.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("shop.jobs:jobrunr", "leads nowhere: No module named 'shop.jobs'*Write module:name*"),
        ("shop:jobrunner", "leads nowhere: module 'shop' has no attribute 'jobrunner'*Write module:name*"),
        ("shop", "leads nowhere: module 'shop' has no attribute ''*Write module:name*"),
        (":jobrunr", "leads nowhere: Empty module name*Write module:name*"),
        ("shop:send", "leads nowhere: send() missing 1 required positional argument: 'email'*Write module:name*"),
        ("shop:company", "is a company and not a JobRunr."),
    ],
)
def test_an_application_that_is_none_is_refused_with_a_sentence(shop: pytest.Pytester, value: str, problem: str) -> None:
    ini(shop, f"jobrunr_app = {value}")
    shop.makepyfile("def test_it(jobrunr): pass")

    outcome = shop.runpytest()

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines([f"E*UsageError: the ini option jobrunr_app = '{value}' {problem}"])


def test_a_wrong_setting_is_told_of_as_such(shop: pytest.Pytester) -> None:
    ini(shop)
    shop.makefile(".toml", jobrunr="app = 'no.such.thing'")
    shop.makepyfile("def test_it(jobrunr): pass")

    outcome = shop.runpytest()

    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*WrongSettingError: Setting app cannot be 'no.such.thing'*"])


def test_a_failed_assertion_shows_what_waits_and_none_of_our_code(shop: pytest.Pytester) -> None:
    ini(shop, "jobrunr_app = shop:jobrunr")
    shop.makepyfile("""
        import shop

        def test_it(assert_enqueued):
            shop.register("bob@example.org")
            assert_enqueued(shop.send, "ada@example.org")
    """)

    outcome = shop.runpytest()

    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "E*AssertionError: No job waits that calls shop.send('ada@example.org'). These wait:",
            "E*ENQUEUED shop.send('bob@example.org')",
        ]
    )
    outcome.stdout.no_fnmatch_line("*assertions.py*")
    outcome.stdout.no_fnmatch_line("*plugin.py*")


def test_a_test_that_stumbles_over_a_failed_job_shows_why_it_failed(shop: pytest.Pytester) -> None:
    ini(shop, "jobrunr_app = shop:jobrunr")
    shop.makepyfile("""
        import shop
        from jobrunr import JobState

        def test_it(jobrunr, drain_jobs):
            jobrunr.scheduler.enqueue(shop.fail)
            assert [job.state for job in drain_jobs()] == [JobState.SUCCEEDED]
    """)

    outcome = shop.runpytest()

    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*Captured log call*", "WARNING*jobrunr.testing*", "*ValueError: no such mailbox"])


def test_the_clock_is_not_taken_for_a_test(shop: pytest.Pytester) -> None:
    ini(shop)
    shop.makepyfile("""
        from jobrunr.testing import *

        def test_it(): assert TestClock().now()
    """)

    shop.runpytest("-W", "error").assert_outcomes(passed=1)


def test_our_fixtures_are_listed_with_what_they_do(shop: pytest.Pytester) -> None:
    shop.runpytest("--fixtures").stdout.fnmatch_lines(
        [
            "jobrunr_clock *",
            "*turn it with*",
            "jobrunr_app *",
            "jobrunr *",
            "*in memory*",
            "drain_jobs *",
            "assert_enqueued *",
        ]
    )


def imported_by(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
    )


def test_the_plugin_imports_no_database_and_hardly_more_than_the_library() -> None:
    more = imported_by("import pytest, jobrunr.testing.plugin") - imported_by("import pytest, jobrunr")

    surplus = {name for name in more if not name.startswith(("jobrunr.testing", "jobrunr.storage.memory"))}
    assert surplus <= {"concurrent.futures.thread"}
    assert not {name for name in more if name.startswith("jobrunr.testing.contract")}


def test_the_testing_support_needs_no_pytest() -> None:
    imported = imported_by("import jobrunr.testing, jobrunr.testing.factories")

    assert not {name for name in imported if name.partition(".")[0] in ("pytest", "_pytest", "sqlalchemy")}
