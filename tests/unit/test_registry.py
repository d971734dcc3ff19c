"""What may run, from both sides: what can be enqueued, and what a stored target may name."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobrunr.errors import (
    JobRefusedError,
    TargetForbiddenError,
    TargetImportError,
    TargetNotFoundError,
    TargetNotImportableError,
    TargetNotOfferedError,
    WrongSettingError,
)
from jobrunr.registry import JobRegistry
from tests.samples.shop import jobs, mail

JOBS, MAIL = "tests.samples.shop.jobs", "tests.samples.shop.mail"


@pytest.fixture
def registry() -> JobRegistry:
    return JobRegistry("tests")


class Project:
    """Modules that exist for one test: the application's own in `own`, others in `installed`."""

    def __init__(self, root: Path) -> None:
        self.own = root / "project"
        self.installed = root / "lib" / "site-packages"
        for directory in self.own, self.installed:
            directory.mkdir(parents=True)

    def write(self, path: str, source: str = "def run(): ...\n", *, installed: bool = False) -> Path:
        file = (self.installed if installed else self.own) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        importlib.invalidate_caches()
        return file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = Project(tmp_path)
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(made.installed)
    monkeypatch.syspath_prepend(made.own)
    yield made
    for name in set(sys.modules) - before:
        del sys.modules[name]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def no_activator(cls: type) -> Any:
    pytest.fail(f"nobody needs an instance of {cls}")


class TestDescribing:
    def test_and_resolving_a_function_come_to_the_same(self, registry: JobRegistry) -> None:
        described = registry.describe(jobs.send_welcome)
        assert described.target == f"{JOBS}:send_welcome"
        assert JobRegistry("tests").resolve(described.target).function is described.function is jobs.send_welcome

    def test_is_done_once(self, registry: JobRegistry) -> None:
        service = mail.MailService()
        assert registry.describe(jobs.send_welcome) is registry.describe(jobs.send_welcome)
        assert registry.describe(service.send) is registry.describe(mail.MailService().send)
        assert registry.resolve(f"{JOBS}:send_welcome") is registry.describe(jobs.send_welcome)

    def test_keeps_the_classes_of_one_inherited_method_apart(self, registry: JobRegistry) -> None:
        assert registry.describe(mail.MailService().ping).owner is mail.MailService
        assert registry.describe(mail.LoudMailService().ping).owner is mail.LoudMailService

    def test_keeps_the_classes_of_one_class_method_apart(self, registry: JobRegistry) -> None:
        for cls in (mail.MailService, mail.LoudMailService):
            assert registry.describe(cls.of_class).bind(no_activator)() == cls.__name__

    @pytest.mark.parametrize(
        ("function", "expected"),
        [
            (jobs.send_welcome, False),
            (jobs.fetch_page, True),
            (mail.MailService.send, False),
            (mail.MailService.send_later, True),
            (jobs.count, False),
            (jobs.count_async, True),
        ],
    )
    def test_tells_coroutine_functions(self, registry: JobRegistry, function: Callable[..., Any], expected: bool) -> None:
        assert registry.describe(function).is_coroutine is expected

    def test_brings_the_options_of_the_decorator(self, registry: JobRegistry) -> None:
        options = registry.describe(jobs.send_reminder).options
        assert options is not None
        assert (options.retries, options.queue) == (3, "mail")
        assert registry.describe(jobs.send_welcome).options is None

    def test_puts_the_options_of_a_method_over_those_of_its_class(self, registry: JobRegistry) -> None:
        quick, slow = registry.describe(mail.ReportService.quick).options, registry.describe(mail.ReportService.slow).options
        assert quick is not None
        assert slow is not None
        assert (quick.queue, quick.retries) == ("fast", 1)
        assert (slow.queue, slow.retries) == ("slow", 1)

    @pytest.mark.parametrize("function", [jobs.lines, jobs.pages])
    def test_refuses_a_generator_whose_body_would_never_run(
        self, registry: JobRegistry, function: Callable[..., Any]
    ) -> None:
        with pytest.raises(JobRefusedError, match="is a generator: calling it runs nothing of it"):
            registry.describe(function)

    def test_refuses_a_function_under_whose_name_a_worker_finds_another(self, registry: JobRegistry) -> None:
        assert registry.describe(jobs.overwritten).function is jobs.overwritten
        with pytest.raises(TargetNotImportableError, match=r"does not find the function that you passed.*functools\.wraps"):
            registry.describe(jobs.first_of_two)

    def test_refuses_what_is_not_offered_and_says_what_to_add(self, registry: JobRegistry) -> None:
        with pytest.raises(
            TargetNotOfferedError, match=r"standard library.*@job.*add 'subprocess:run' to the setting allowed_tar"
        ):
            registry.describe(importlib.import_module("subprocess").run)

    def test_refuses_a_builtin(self, registry: JobRegistry) -> None:
        with pytest.raises(TargetNotOfferedError, match="the module builtins belongs to the standard library"):
            registry.describe(eval)

    def test_refuses_an_inherited_method_of_the_standard_library(self, registry: JobRegistry) -> None:
        with pytest.raises(TargetNotOfferedError, match="the module threading belongs to the standard library"):
            registry.describe(mail.Importer().start)

    def test_refuses_what_belongs_to_jobrunr_itself(self) -> None:
        from jobrunr.clock import SystemClock  # noqa: PLC0415 - only here is it a job

        with pytest.raises(TargetNotOfferedError, match="belongs to JobRunr itself"):
            JobRegistry("tests").describe(SystemClock.now)
        assert JobRegistry("jobrunr").describe(SystemClock.now).owner is SystemClock

    def test_follows_a_module_that_was_loaded_anew(self, project: Project, registry: JobRegistry) -> None:
        file = project.write("reloaded.py", "def run(): return 1\n")
        module = importlib.import_module("reloaded")
        old = registry.describe(module.run)
        file.write_text("def run(): return 'two'\n")
        importlib.reload(module)
        new = registry.describe(module.run)
        assert (old.bind(no_activator)(), new.bind(no_activator)()) == (1, "two")
        assert registry.resolve("reloaded:run") is new

    def test_refuses_a_function_of_a_module_that_exists_only_in_memory(self, registry: JobRegistry) -> None:
        module = types.ModuleType("made_up")
        exec("def run(): ...", vars(module))
        sys.modules["made_up"] = module
        try:
            with pytest.raises(TargetNotImportableError, match="there is no module made_up"):
                registry.describe(module.run)
        finally:
            del sys.modules["made_up"]


class TestBinding:
    def test_a_function_needs_no_instance(self, registry: JobRegistry) -> None:
        assert registry.describe(jobs.send_welcome).bind(no_activator)("ada") == "sent 1 to ada"

    def test_a_method_gets_an_instance_from_the_activator(self, registry: JobRegistry) -> None:
        service = mail.MailService()
        runnable = registry.resolve(f"{MAIL}:MailService.send")
        assert runnable.owner is mail.MailService
        assert runnable.bind(lambda cls: {mail.MailService: service}[cls])(7) == "Hello, 7"
        assert service.sent == [7]

    def test_the_method_of_the_very_instance_is_called(self, registry: JobRegistry) -> None:
        runnable = registry.resolve(f"{MAIL}:MailService.send")
        assert runnable.bind(lambda cls: mail.LoudMailService())(7) == "HELLO, 7"

    @pytest.mark.parametrize(
        ("target", "args", "result"),
        [
            (f"{MAIL}:MailService.valid", ("ada@example.org",), True),
            (f"{MAIL}:MailService.purge", (3,), "MailService 3"),
            (f"{MAIL}:LoudMailService.purge", (3,), "LoudMailService 3"),
            (f"{JOBS}:with_a_wrapper", (3,), 3),
            (f"{JOBS}:cached", (3,), 3),
            (f"{JOBS}:recorded", (3,), 3),
        ],
    )
    def test_everything_else_is_ready_to_call(
        self, registry: JobRegistry, target: str, args: tuple[Any, ...], result: object
    ) -> None:
        assert registry.resolve(target).bind(no_activator)(*args) == result

    def test_an_object_keeps_what_it_has(self, registry: JobRegistry) -> None:
        before = jobs.count.calls
        assert registry.resolve(f"{JOBS}:count").bind(no_activator)(2) == before + 2

    def test_a_coroutine_function_makes_a_coroutine(self, registry: JobRegistry) -> None:
        runnable = registry.resolve(f"{MAIL}:MailService.send_later")
        assert asyncio.run(runnable.bind(lambda cls: cls())(5)) == 5

    @pytest.mark.parametrize(
        ("target", "arguments", "args", "kwargs"),
        [
            (f"{MAIL}:MailService.send", '{"user_id":7}', [7], {}),
            (f"{MAIL}:MailService.valid", '{"address":"x"}', ["x"], {}),
            (f"{MAIL}:MailService.purge", '{"days":7}', [7], {}),
            (f"{JOBS}:count", '{"step":7}', [7], {}),
            (f"{JOBS}:with_a_wrapper", '{"order_id":7}', [7], {}),
            (f"{JOBS}:recorded", '{"order_id":7}', [7], {}),
        ],
    )
    def test_the_codec_knows_the_arguments_of_the_call(
        self, registry: JobRegistry, target: str, arguments: str, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        assert registry.resolve(target).codec.decode(arguments) == (args, kwargs)


class TestOffered:
    def test_is_the_application_wherever_it_is_installed(self, project: Project) -> None:
        project.write("shop/__init__.py", installed=True)
        project.write("shop/jobs.py", installed=True)
        assert JobRegistry("shop").resolve("shop.jobs:run")
        with pytest.raises(TargetForbiddenError, match=r"the module shop\.jobs belongs to an installed package"):
            JobRegistry("other").resolve("shop.jobs:run")

    def test_is_what_lies_neither_in_the_standard_library_nor_in_site_packages(self, project: Project) -> None:
        project.write("tools/imports.py")
        assert JobRegistry("shop").resolve("tools.imports:run")
        assert JobRegistry(None).resolve("tools.imports:run")

    def test_is_what_is_marked_once_its_module_is_imported(self, project: Project) -> None:
        project.write("plugin.py", "from jobrunr import job\n@job\ndef run(): ...\ndef other(): ...\n", installed=True)
        clock = Clock()
        registry = JobRegistry("shop", monotonic=clock)
        with pytest.raises(TargetForbiddenError):
            registry.resolve("plugin:run")
        assert "plugin" not in sys.modules
        module = importlib.import_module("plugin")
        assert registry.describe(module.run).target == "plugin:run"
        clock.seconds += 60
        assert JobRegistry("shop").resolve("plugin:run")
        with pytest.raises(TargetForbiddenError):
            registry.resolve("plugin:other")
        with pytest.raises(TargetNotOfferedError, match="add 'plugin:other' to the setting allowed_targets"):
            registry.describe(module.other)

    @pytest.mark.parametrize(
        ("allowed", "offered"),
        [
            (["lib"], {"lib.a:run", "lib.a:Service.run", "lib.b:run"}),
            (["lib.a"], {"lib.a:run", "lib.a:Service.run"}),
            (["lib.a:run"], {"lib.a:run"}),
            (["lib.a:Service.run"], {"lib.a:Service.run"}),
            (["li", "lib.aa", "lib.a:ru", "lib.a:Service"], set[str]()),
        ],
    )
    def test_is_what_the_setting_allows(self, project: Project, allowed: list[str], offered: set[str]) -> None:
        project.write("lib/__init__.py", "", installed=True)
        project.write("lib/a.py", "def run(): ...\nclass Service:\n    def run(self): ...\n", installed=True)
        project.write("lib/b.py", installed=True)
        registry = JobRegistry("shop", allowed)
        for target in ("lib.a:run", "lib.a:Service.run", "lib.b:run"):
            if target in offered:
                assert registry.resolve(target).target == target
            else:
                with pytest.raises(TargetForbiddenError):
                    registry.resolve(target)

    def test_is_nothing_that_is_marked_in_a_module_that_waits_to_be_loaded(self, project: Project) -> None:
        traces = project.own / "traces"
        project.write("lazy.py", f"open({str(traces)!r}, 'w').close()\n", installed=True)
        spec = importlib.util.find_spec("lazy")
        assert spec is not None
        assert spec.loader is not None
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules["lazy"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with pytest.raises(TargetForbiddenError, match="the module lazy belongs to an installed package"):
            JobRegistry("shop").resolve("lazy:run")
        assert not traces.exists()

    def test_is_no_inherited_method_of_what_is_not_offered(self, project: Project) -> None:
        project.write(
            "lib.py", "class Base:\n    def run(self): ...\n    @classmethod\n    def make(cls): ...\n", installed=True
        )
        project.write("own.py", "import lib\nclass Child(lib.Base): ...\n")
        for name in ("run", "make"):
            with pytest.raises(TargetForbiddenError, match="the module lib belongs to an installed package"):
                JobRegistry("own").resolve(f"own:Child.{name}")
            assert JobRegistry("own", [f"own:Child.{name}"]).resolve(f"own:Child.{name}")
            assert JobRegistry("own", ["lib"]).resolve(f"own:Child.{name}")

    def test_is_an_inherited_method_of_offered_code(self, registry: JobRegistry) -> None:
        runnable = registry.resolve(f"{MAIL}:LoudMailService.ping")
        assert runnable.bind(lambda cls: cls())() == "LoudMailService is here"

    def test_is_no_object_of_a_class_that_is_not_offered(self, project: Project) -> None:
        project.write("lib.py", "class Runner:\n    def __call__(self): ...\n", installed=True)
        project.write("own.py", "import lib\nrunner = lib.Runner()\n")
        with pytest.raises(TargetForbiddenError, match="the module lib belongs to an installed package"):
            JobRegistry("own").resolve("own:runner")

    @pytest.mark.parametrize("entry", ["", "a b", "lib:", "lib.a:run:x", "lib.*", "lib.__init__"])
    def test_entries_of_the_setting_are_checked(self, entry: str) -> None:
        with pytest.raises(WrongSettingError, match="allowed_targets cannot be"):
            JobRegistry("shop", [entry])

    def test_a_text_in_place_of_a_list_of_texts_is_noticed(self) -> None:
        with pytest.raises(WrongSettingError, match="Allowed: a list of texts"):
            JobRegistry("shop", "lib")


class TestFailures:
    def test_name_the_function_that_is_gone(self, project: Project) -> None:
        project.write("own.py")
        with pytest.raises(
            TargetNotFoundError, match=r"'own:walk' cannot be run: the module own has no 'walk'.*renamed, moved"
        ):
            JobRegistry("own").resolve("own:walk")

    @pytest.mark.parametrize("target", ["own.jobs:run", "own.more.jobs:run", "gone:run", "own.there.deeper:run"])
    def test_name_the_module_that_is_gone(self, project: Project, target: str) -> None:
        project.write("own/there.py")
        with pytest.raises(TargetNotFoundError, match=f"{target}' cannot be run: there is no module"):
            JobRegistry(None).resolve(target)
        with pytest.raises(TargetNotFoundError, match=f"{target}' cannot be run: there is no module"):
            JobRegistry("own").resolve(target)

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            ("import surely_not_there", "ModuleNotFoundError.*No module named 'surely_not_there'"),
            ("from os import surely_not_there", "ImportError.*cannot import name 'surely_not_there'"),
            ("def (", "SyntaxError"),
            ("1 / 0", "ZeroDivisionError"),
            ("raise SystemExit('no arguments')", "SystemExit.*no arguments"),
            ("import sys\nsys.modules[__name__] = object()", "something else than a module"),
        ],
    )
    def test_name_the_error_of_importing(self, project: Project, source: str, why: str) -> None:
        project.write("broken.py", source)
        with pytest.raises(TargetImportError, match=f"cannot be run: .*broken.*{why}.*Mend the module") as raised:
            JobRegistry("broken").resolve("broken:run")
        if "sys.modules" not in source:
            assert raised.value.__cause__ is not None

    def test_do_not_import_a_broken_module_once_for_each_job(self, project: Project) -> None:
        project.write("broken.py", "import builtins\nbuiltins.imports_of_broken += 1\n1 / 0\n")
        clock = Clock()
        registry = JobRegistry("broken", monotonic=clock)
        builtins: Any = importlib.import_module("builtins")
        builtins.imports_of_broken = 0
        try:
            for _ in range(10):
                with pytest.raises(TargetImportError, match="ZeroDivisionError"):
                    registry.resolve("broken:run")
            assert builtins.imports_of_broken == 1
        finally:
            del builtins.imports_of_broken

    def test_are_forgotten_after_a_few_seconds(self, project: Project) -> None:
        clock = Clock()
        registry = JobRegistry("later", monotonic=clock)
        with pytest.raises(TargetNotFoundError):
            registry.resolve("later:run")
        project.write("later.py")
        clock.seconds += 6
        assert registry.resolve("later:run")

    def test_do_not_pile_up(self, registry: JobRegistry) -> None:
        for number in range(2500):
            with pytest.raises(TargetNotFoundError):
                registry.resolve(f"tests.gone{number}:run")
        with pytest.raises(TargetForbiddenError):
            registry.resolve("a" * 1_000_000)
        assert len(registry._failures) <= 1000
        assert max(map(len, registry._failures)) < 100

    def test_quote_an_endless_target_only_in_part(self, registry: JobRegistry) -> None:
        with pytest.raises(TargetForbiddenError) as raised:
            registry.resolve("a" * 1_000_000)
        assert len(str(raised.value)) < 1000


class TestManyThreads:
    def test_wait_for_a_module_that_another_thread_is_importing(self, project: Project) -> None:
        project.write(
            "slow.py",
            "import builtins\nbuiltins.slow_began.set()\nassert builtins.slow_goes_on.wait(20)\ndef run(): return 1\n",
        )
        builtins: Any = importlib.import_module("builtins")
        builtins.slow_began, builtins.slow_goes_on = threading.Event(), threading.Event()
        registry = JobRegistry("slow")
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(registry.resolve("slow:run"))) for _ in range(4)]
        try:
            threads[0].start()
            assert builtins.slow_began.wait(20)
            for thread in threads[1:]:
                thread.start()
            builtins.slow_goes_on.set()
            for thread in threads:
                thread.join(20)
        finally:
            del builtins.slow_began, builtins.slow_goes_on
        assert len(found) == 4
        assert len({id(runnable) for runnable in found}) == 1

    def test_a_module_may_enqueue_while_it_is_imported(self, project: Project) -> None:
        project.write(
            "eager.py",
            "from jobrunr.registry import JobRegistry\ndef run(): ...\nfound = JobRegistry('eager').describe(run).target\n",
        )
        assert importlib.import_module("eager").found == "eager:run"
