from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from jobrunr import JobRunr
from jobrunr.errors import SettingsError, UnknownSettingError, WrongSettingError
from jobrunr.setting_descriptions import describe_settings
from jobrunr.settings import Settings, change_settings, load_settings
from jobrunr.settings_in_code import ApplicationSettings

NOWHERE = Path("/")


def from_code(**code: object) -> Settings:
    return load_settings(code, {}, NOWHERE)


def from_environment(**environ: str) -> Settings:
    return load_settings({}, environ, NOWHERE)


def from_folder(folder: Path, environ: Mapping[str, str] = {}, **code: object) -> Settings:
    return load_settings(code, environ, folder)


class TestWithoutAnything:
    def test_the_defaults_hold(self) -> None:
        assert from_code() == Settings()

    def test_the_defaults_are_allowed_values(self) -> None:
        default = Settings()
        assert load_settings(msgspec.structs.asdict(default), {}, NOWHERE) == default

    def test_the_defaults_are_those_of_the_manual(self) -> None:
        default = Settings()
        assert default.url == "sqlite:///jobrunr.db"
        assert default.retries == 10
        assert (default.heartbeat_interval, default.server_timeout) == (timedelta(seconds=3), timedelta(seconds=12))
        assert (default.delete_succeeded_after, default.delete_failed_after) == (timedelta(hours=36), None)
        assert default.purge_deleted_after == timedelta(hours=72)

    def test_settings_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            Settings().retries = 3  # type: ignore[misc]


class TestPrecedence:
    def test_code_goes_before_the_environment_and_the_environment_before_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("retries = 1\nworkers = 1\nqueue = 'file'")
        environ = {"JOBRUNR_RETRIES": "2", "JOBRUNR_WORKERS": "2"}

        settings = from_folder(tmp_path, environ, retries=3)

        assert (settings.retries, settings.workers, settings.queue) == (3, 2, "file")

    def test_nothing_in_code_takes_back_what_the_environment_says(self) -> None:
        settings = load_settings({"server_name": None}, {"JOBRUNR_SERVER_NAME": "ada"}, NOWHERE)

        assert settings.server_name is None

    def test_jobrunr_toml_wins_beside_a_pyproject(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("retries = 1")
        (tmp_path / "pyproject.toml").write_text("[tool.jobrunr]\nretries = 2\nworkers = 2")

        assert from_folder(tmp_path).retries == 1
        assert from_folder(tmp_path).workers is None

    def test_the_table_of_a_pyproject_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text("[tool.jobrunr]\nretries = 2")

        assert from_folder(tmp_path).retries == 2

    def test_a_file_is_looked_for_from_the_directory_upwards(self, tmp_path: Path) -> None:
        deep = tmp_path / "shop" / "jobs"
        deep.mkdir(parents=True)
        (tmp_path / "jobrunr.toml").write_text("retries = 1")

        assert from_folder(deep).retries == 1

    def test_the_nearest_file_wins(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "jobrunr.toml").write_text("retries = 1")
        (tmp_path / "shop" / "pyproject.toml").write_text("[tool.jobrunr]\nretries = 2")

        assert from_folder(tmp_path / "shop").retries == 2

    def test_a_pyproject_without_the_table_is_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "jobrunr.toml").write_text("retries = 1")
        (tmp_path / "shop" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100")

        assert from_folder(tmp_path / "shop").retries == 1

    def test_a_relative_directory_is_looked_up_from_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "jobrunr.toml").write_text("retries = 1")
        monkeypatch.chdir(tmp_path / "shop")

        assert from_folder(Path()).retries == 1

    def test_a_folder_of_that_name_is_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").mkdir()

        assert from_folder(tmp_path) == Settings()


class TestReadingValues:
    @pytest.mark.parametrize(
        ("variable", "written", "name", "meant"),
        [
            ("JOBRUNR_RETRIES", "3", "retries", 3),
            ("JOBRUNR_RETRY_BASE", "1.5", "retry_base", 1.5),
            ("JOBRUNR_MIGRATE", "false", "migrate", False),
            ("JOBRUNR_MIGRATE", "True", "migrate", True),
            ("JOBRUNR_HEARTBEAT_INTERVAL", "250ms", "heartbeat_interval", timedelta(milliseconds=250)),
            ("JOBRUNR_SHUTDOWN_GRACE", "PT1M", "shutdown_grace", timedelta(minutes=1)),
            ("JOBRUNR_SHUTDOWN_GRACE", "30", "shutdown_grace", timedelta(seconds=30)),
            ("JOBRUNR_DELETE_SUCCEEDED_AFTER", "never", "delete_succeeded_after", None),
            ("JOBRUNR_PURGE_DELETED_AFTER", "None", "purge_deleted_after", None),
            ("JOBRUNR_MAX_RESULT_SIZE", "64KiB", "max_result_size", 65_536),
            ("JOBRUNR_MAX_RESULT_SIZE", "2 MB", "max_result_size", 2_000_000),
            ("JOBRUNR_MAX_RESULT_SIZE", "512b", "max_result_size", 512),
            ("JOBRUNR_MAX_RESULT_SIZE", "4096", "max_result_size", 4096),
            ("JOBRUNR_QUEUES", "mail, reports", "queues", ("mail", "reports")),
            ("JOBRUNR_RETRY_DELAYS", "5, 5, 1m", "retry_delays", (timedelta(seconds=5),) * 2 + (timedelta(minutes=1),)),
            ("JOBRUNR_LOG_LEVEL", "debug", "log_level", "DEBUG"),
            ("JOBRUNR_APP", "shop.jobs:jobrunr", "app", "shop.jobs:jobrunr"),
            ("JOBRUNR_WORKERS", " 20 ", "workers", 20),
        ],
    )
    def test_a_text_of_the_environment_becomes_a_value(self, variable: str, written: str, name: str, meant: object) -> None:
        assert getattr(from_environment(**{variable: written}), name) == meant

    def test_toml_may_use_its_own_types_or_texts(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("""
            retries = 3
            retry_base = 2
            migrate = false
            shutdown_grace = 5
            poll_interval = '500ms'
            max_result_size = '2KiB'
            queues = ['mail', 'reports']
            allowed_targets = 'shop.jobs:send, shop.mail'
            table_prefix = ''
        """)

        settings = from_folder(tmp_path)

        assert (settings.retries, settings.retry_base, settings.migrate) == (3, 2.0, False)
        assert (settings.shutdown_grace, settings.poll_interval) == (timedelta(seconds=5), timedelta(milliseconds=500))
        assert settings.max_result_size == 2048
        assert (settings.queues, settings.allowed_targets) == (("mail", "reports"), ("shop.jobs:send", "shop.mail"))
        assert settings.table_prefix == ""

    def test_code_may_give_ready_values_or_texts(self) -> None:
        settings = from_code(shutdown_grace=timedelta(seconds=5), poll_interval="500ms", queues=["mail"], workers=None)

        assert settings.shutdown_grace == timedelta(seconds=5)
        assert settings.poll_interval == timedelta(milliseconds=500)
        assert settings.queues == ("mail",)
        assert settings.workers is None

    def test_an_empty_variable_is_not_there(self) -> None:
        assert from_environment(JOBRUNR_RETRIES="", JOBRUNR_SCHEMA="  ") == Settings()


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("url", ""),
            ("app", "shop.jobs"),
            ("table_prefix", "Jobs-"),
            ("table_prefix", "a_prefix_that_is_too_long_"),
            ("schema", "no such; name"),
            ("migrate", "maybe"),
            ("migrate", 1),
            ("storage_timeout", "1ms"),
            ("storage_timeout", "2d"),
            ("retries", -1),
            ("retries", 10_001),
            ("retries", 1.5),
            ("retries", True),
            ("retries", None),
            ("retries", "many"),
            ("retry_base", 0.5),
            ("retry_base", float("nan")),
            ("retry_base", True),
            ("retry_factor", 0),
            ("retry_jitter", 1.1),
            ("retry_maximum", 0),
            ("retry_delays", []),
            ("retry_delays", "5,,6"),
            ("retry_delays", [-1]),
            ("retry_delays", 5),
            ("queue", ""),
            ("queue", "x" * 101),
            ("queues", ["mail", ""]),
            ("allowed_targets", "os system"),
            ("max_arguments_size", 0),
            ("max_arguments_size", "2GiB"),
            ("max_arguments_size", "much"),
            ("max_log_lines", -1),
            ("log_level", "LOUD"),
            ("workers", 0),
            ("server_name", "two\nlines"),
            ("heartbeat_interval", "never"),
            ("heartbeat_interval", None),
            ("shutdown_grace", "-1s"),
            ("delete_failed_after", "soon"),
        ],
    )
    def test_a_wrong_value_is_refused_with_what_is_allowed(self, name: str, value: object) -> None:
        with pytest.raises(WrongSettingError, match=rf"^Setting {name} cannot be .* \(from code\)\. Allowed: .+\.$"):
            from_code(**{name: value})

    def test_a_wrong_name_in_code_is_refused_with_the_names_that_exist(self) -> None:
        with pytest.raises(
            UnknownSettingError, match=r"^Unknown setting 'retrys' in code\. Allowed are: .*retries, .*workers, zone\.$"
        ):
            from_code(retrys=3)

    def test_a_wrong_name_in_the_environment_is_refused_with_the_variables_that_exist(self) -> None:
        with pytest.raises(UnknownSettingError, match=r"'JOBRUNR_RETRYS' in the environment.* JOBRUNR_RETRIES, "):
            from_environment(JOBRUNR_RETRYS="3")

    @pytest.mark.parametrize(
        "variable",
        [
            "JOBRUNR_PORT",
            "JOBRUNR_SERVICE_HOST",
            "JOBRUNR_SERVICE_PORT_HTTP",
            "JOBRUNR_PORT_8000_TCP_ADDR",
            "JOBRUNR_DASHBOARD_SERVICE_HOST",
            "JOBRUNR_TEST_POSTGRESQL",
            "PATH",
        ],
    )
    def test_variables_that_others_set_are_left_alone(self, variable: str) -> None:
        assert from_environment(**{variable: "tcp://10.0.0.1:8000"}) == Settings()

    def test_a_wrong_name_in_a_file_is_refused_with_the_path(self, tmp_path: Path) -> None:
        path = tmp_path / "jobrunr.toml"
        path.write_text("retrys = 3")

        with pytest.raises(UnknownSettingError, match=f"'retrys' in {path}. Allowed are: "):
            from_folder(tmp_path)

    def test_a_wrong_value_names_the_file_or_the_variable_that_it_stands_in(self, tmp_path: Path) -> None:
        path = tmp_path / "pyproject.toml"
        path.write_text("[tool.jobrunr]\nretries = 'many'")

        with pytest.raises(WrongSettingError, match=rf"'many' \(from {path}\)\. Allowed: a whole number from 0 to 10,000"):
            from_folder(tmp_path)
        with pytest.raises(WrongSettingError, match=r"\(from the environment variable JOBRUNR_RETRIES\)"):
            from_environment(JOBRUNR_RETRIES="many")

    def test_a_value_that_another_source_overrules_is_not_looked_at(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("retries = 'many'")

        assert from_folder(tmp_path, retries=3).retries == 3

    @pytest.mark.parametrize("content", [b"retries = ", b"\xff\xfe", b"retries = 1\nretries = 2"])
    def test_a_file_that_cannot_be_read_is_refused_with_the_path(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "jobrunr.toml"
        path.write_bytes(content)

        with pytest.raises(SettingsError, match=f"^{path} cannot be read: .+ Repair the file"):
            from_folder(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read_is_refused_too(self, tmp_path: Path) -> None:
        path = tmp_path / "jobrunr.toml"
        path.write_text("retries = 1")
        path.chmod(0)

        with pytest.raises(SettingsError, match=f"^{path} cannot be read: "):
            from_folder(tmp_path)

    def test_a_table_that_is_no_table_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text("[tool]\njobrunr = 3")

        with pytest.raises(
            SettingsError, match=r"jobrunr is not a table\. Write the settings below a line \[tool\.jobrunr\]"
        ):
            from_folder(tmp_path)


class TestWhatBelongsTogether:
    def test_a_server_is_not_taken_for_dead_before_three_heartbeats(self) -> None:
        with pytest.raises(
            WrongSettingError, match=r"server_timeout cannot be '8 s' \(from code\).* 3 heartbeats, which is 9 s"
        ):
            from_code(server_timeout=8)

    def test_a_slower_heartbeat_wants_a_longer_timeout_and_says_where_it_stands(self) -> None:
        with pytest.raises(
            WrongSettingError,
            match=r"'12 s' \(from the default\).* which is 30 s.* 10 s \(from the environment variable JOBRUNR_H",
        ):
            from_environment(JOBRUNR_HEARTBEAT_INTERVAL="10s")

    def test_three_heartbeats_are_enough(self) -> None:
        assert from_code(heartbeat_interval=1, server_timeout=3).server_timeout == timedelta(seconds=3)

    @pytest.mark.parametrize(
        "growing", [{"retry_base": 2}, {"retry_factor": 2}, {"retry_maximum": 60}, {"retry_jitter": 0.1}]
    )
    def test_waits_are_either_listed_or_grow(self, growing: dict[str, object]) -> None:
        (name,) = growing
        with pytest.raises(
            WrongSettingError, match=rf"retry_delays cannot be '5 s' \(from code\)\. .* together with {name};"
        ):
            from_code(retry_delays=[5], **growing)

    def test_listed_waits_replace_growing_ones_from_a_source_that_goes_behind(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("retry_base = 2\nretry_jitter = 0.1")

        settings = from_folder(tmp_path, retry_delays=[5])

        assert settings.retry_delays == (timedelta(seconds=5),)
        assert (settings.retry_base, settings.retry_jitter) == (3, 0)

    def test_growing_waits_replace_listed_ones_from_a_source_that_goes_behind(self, tmp_path: Path) -> None:
        (tmp_path / "jobrunr.toml").write_text("retry_delays = [5]")

        settings = from_folder(tmp_path, {"JOBRUNR_RETRY_BASE": "2"})

        assert (settings.retry_delays, settings.retry_base, settings.retries) == (None, 2, 10)

    def test_listed_waits_say_how_many_retries_there_are(self) -> None:
        assert from_code(retry_delays=[5, 5, 60]).retries == 3

    def test_unless_the_retries_are_set(self) -> None:
        assert from_code(retry_delays=[5, 5, 60], retries=10).retries == 10


class TestChanging:
    def test_what_is_not_given_stays(self) -> None:
        settings = from_code(workers=7, queue="mail", retry_delays=[5])

        changed = change_settings(settings, {"workers": 3, "poll_interval": "5s"})

        assert changed == msgspec.structs.replace(settings, workers=3, poll_interval=timedelta(seconds=5))

    def test_no_change_is_no_change(self) -> None:
        settings = from_code(workers=7, retry_base=2)

        assert change_settings(settings, {}) == settings

    def test_a_change_is_checked_too(self) -> None:
        settings = from_code(heartbeat_interval=4)

        with pytest.raises(WrongSettingError, match="server_timeout cannot be '10 s'"):
            change_settings(settings, {"server_timeout": 10})
        with pytest.raises(UnknownSettingError, match="'worker' in code"):
            change_settings(settings, {"worker": 1})


class TestSQLiteFiles:
    @pytest.mark.parametrize(
        ("written", "below"),
        [("sqlite:///jobs.db", "jobs.db"), ("sqlite:///var/jobs.db?mode=rw", "var/jobs.db?mode=rw")],
    )
    def test_a_relative_path_in_a_file_begins_beside_that_file(self, tmp_path: Path, written: str, below: str) -> None:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobrunr.toml").write_text(f"url = '{written}'")

        assert from_folder(tmp_path / "jobs").url == f"sqlite:///{tmp_path}/{below}"

    @pytest.mark.parametrize(
        "written",
        [
            "sqlite:////var/jobs.db",
            "sqlite:///C:/jobs.db",
            "sqlite:///:memory:",
            "sqlite://",
            "sqlite:///file:jobs?uri=true",
            "postgresql://localhost/shop",
        ],
    )
    def test_every_other_url_stays_as_it_is(self, tmp_path: Path, written: str) -> None:
        (tmp_path / "jobrunr.toml").write_text(f"url = '{written}'")

        assert from_folder(tmp_path).url == written

    def test_a_relative_path_from_elsewhere_stays_relative_to_the_working_directory(self) -> None:
        assert from_code(url="sqlite:///jobs.db").url == "sqlite:///jobs.db"
        assert from_environment(JOBRUNR_URL="sqlite:///jobs.db").url == "sqlite:///jobs.db"


class TestPasswords:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://ada:s3cret@localhost/shop",
            "postgresql://ada:s3cret@more/of@it@localhost/shop",
            "postgresql://localhost/shop?user=ada&password=s3cret",
        ],
    )
    def test_no_password_is_shown(self, url: str) -> None:
        assert "s3cret" not in repr(from_code(url=url))
        with pytest.raises(WrongSettingError) as refusal:
            from_code(url=url + " oops")
        assert "s3cret" not in str(refusal.value)

    def test_the_rest_of_the_url_and_every_other_setting_are_shown(self) -> None:
        shown = repr(from_code(url="postgresql://ada:s3cret@localhost/shop", workers=7))

        assert "url='postgresql://ada:***@localhost/shop'" in shown
        assert "workers=7" in shown


class TestDescription:
    def test_every_setting_is_described_in_the_order_of_its_definition(self) -> None:
        described = describe_settings()

        assert [one.name for one in described] == [field.name for field in msgspec.structs.fields(Settings)]
        assert all(one.description.endswith(".") and "\n" not in one.description for one in described)
        assert all(one.variable == f"JOBRUNR_{one.name.upper()}" for one in described)

    def test_what_is_shown_as_the_default_is_the_default_when_written_in_code(self) -> None:
        shown = {one.name: one.default for one in describe_settings() if one.default != "empty"}

        assert from_code(**shown) == Settings()

    def test_a_description_says_what_a_person_wants_to_know(self) -> None:
        (described,) = (one for one in describe_settings() if one.name == "delete_succeeded_after")

        assert described.type == "duration or never"
        assert described.default == "36 h"
        assert described.allowed.startswith("a duration from 0 s to 3650 d")
        assert described.description == "How long a job stays SUCCEEDED before it becomes DELETED."


def test_type_checkers_know_every_setting() -> None:
    assert set(get_type_hints(ApplicationSettings)) == set(Settings.__struct_fields__)


@pytest.mark.parametrize(("name", "value"), [("url", "sqlite:///x"), ("retries", 3), ("workerz", 2)])
def test_a_server_has_only_settings_that_concern_servers(name: str, value: Any) -> None:
    with pytest.raises(UnknownSettingError, match=rf"Unknown setting '{name}' in server\(...\). Allowed are: delete_"):
        JobRunr("memory://").server(**{name: value})
