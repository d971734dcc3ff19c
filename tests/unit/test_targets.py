"""From callables to their text, and from the text to what it names."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobrunr.errors import TargetNotImportableError
from jobrunr.targets import MAX_TARGET_LENGTH, DefinitionError, Target, find_definition, target_of
from tests.samples.shop import jobs, mail

JOBS, MAIL = "tests.samples.shop.jobs", "tests.samples.shop.mail"
ROOT = Path(__file__).parents[2]


class TestTheText:
    @pytest.mark.parametrize("text", ["jobs:send", "shop.mail:MailService.send", "_a._b:_C._d", "a1.b2:Outer.Inner.run"])
    def test_is_read_and_written_the_same(self, text: str) -> None:
        assert str(Target.parse(text)) == text

    def test_may_have_500_characters(self) -> None:
        assert Target.parse("a:" + "b" * (MAX_TARGET_LENGTH - 2))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "form package.module:function"),
            ("shop.jobs", "form package.module:function"),
            ("shop.jobs.send", "form package.module:function"),
            (":send", "''"),
            ("shop:", "''"),
            ("shop.jobs:send:again", "'send:again'"),
            ("shop..jobs:send", "''"),
            (".jobs:send", "''"),
            ("shop/jobs:send", "'shop/jobs'"),
            ("shop.jobs:send welcome", "'send welcome'"),
            ("shop.jobs:send\n", r"'send\\n'"),
            ("shop.jobs:send\0", r"'send\\x00'"),
            ("shop.jobs:1st", "'1st'"),
            ("shop.jobs:größe", "'größe'"),
            ("оs:system", "'оs'"),  # noqa: RUF001 - its o is Cyrillic
            ("ｏｓ:system", "'ｏｓ'"),  # noqa: RUF001 - full width, which Python would read as os
            ("shop.jobs:__builtins__", "two underscores"),
            ("shop.jobs:Handler.__init__.__globals__", "two underscores"),
            ("shop.__main__:run", "two underscores"),
            ("shop.jobs:<locals>.f", "'<locals>'"),
            ("a:" + "b" * MAX_TARGET_LENGTH, "502 characters"),
        ],
    )
    def test_is_refused_with_the_reason(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            Target.parse(text)


class TestACallableIsStoredAs:
    @pytest.mark.parametrize(
        ("function", "text"),
        [
            (jobs.send_welcome, f"{JOBS}:send_welcome"),
            (jobs.fetch_page, f"{JOBS}:fetch_page"),
            (jobs.another_name, f"{JOBS}:send_welcome"),
            (jobs.with_a_wrapper, f"{JOBS}:with_a_wrapper"),
            (jobs.cached, f"{JOBS}:cached"),
            (mail.MailService.send, f"{MAIL}:MailService.send"),
            (mail.MailService().send, f"{MAIL}:MailService.send"),
            (mail.MailService().send_once, f"{MAIL}:MailService.send_once"),
            (mail.MailService.send_once, f"{MAIL}:MailService.send_once"),
            (mail.MailService.valid, f"{MAIL}:MailService.valid"),
            (mail.MailService().valid, f"{MAIL}:MailService.valid"),
            (mail.MailService.purge, f"{MAIL}:MailService.purge"),
            (mail.MailService().purge, f"{MAIL}:MailService.purge"),
            (mail.MailService.Templates.render, f"{MAIL}:MailService.Templates.render"),
            (mail.MailService.Templates().render, f"{MAIL}:MailService.Templates.render"),
        ],
    )
    def test_its_own_name(self, function: Callable[..., Any], text: str) -> None:
        assert str(target_of(function)) == text

    def test_the_class_of_the_instance_for_an_inherited_method(self) -> None:
        assert str(target_of(mail.LoudMailService().ping)) == f"{MAIL}:LoudMailService.ping"

    def test_the_class_itself_for_an_inherited_class_method(self) -> None:
        assert str(target_of(mail.LoudMailService.of_class)) == f"{MAIL}:LoudMailService.of_class"

    def test_the_defining_class_for_a_method_that_was_inherited_by_a_class(self) -> None:
        assert str(target_of(mail.LoudMailService.ping)) == f"{MAIL}:Service.ping"

    def test_the_name_that_an_object_has_in_its_module(self) -> None:
        assert str(target_of(jobs.count)) == f"{JOBS}:count"

    def test_the_name_that_a_decorator_left_in_an_object(self) -> None:
        assert str(target_of(jobs.recorded)) == f"{JOBS}:recorded"


class TestACallableIsRefused:
    @pytest.mark.parametrize(
        ("function", "why", "instead"),
        [
            (jobs.make_closure(), "inside a function", "top level"),
            (jobs.with_an_anonymous_wrapper, "inside a function", "top level"),
            (lambda: None, "lambda", r"enqueue\(mail_service.send, user.id\)"),
            (jobs.partial, "a partial has no name", "the function first"),
            (mail.MailService, "does not say what to do", "Name a method: MailService.run"),
            ([].append, "written in C", "function of your own"),
            (str.upper, "written in C", "function of your own"),
            (jobs.Counter(), "not to be found under a name", "top level"),
            (jobs.count.__call__, "no name of its own", "Pass the object itself"),
            (jobs.größe, "ASCII", "plain name"),
            (jobs.hidden, "two underscores", "plain name"),
            (42, "cannot be called", "without parentheses"),
            (jobs.send_welcome("ada@example.org"), "cannot be called", "without parentheses"),
        ],
    )
    def test_with_what_to_write_instead(self, function: Any, why: str, instead: str) -> None:
        with pytest.raises(TargetNotImportableError, match=f"cannot become a job.*{why}.*{instead}"):
            target_of(function)

    def test_when_its_module_cannot_be_imported(self) -> None:
        def function() -> None: ...

        function.__module__, function.__qualname__ = "made.up", "function"
        with pytest.raises(TargetNotImportableError, match=r"its module made\.up is not imported"):
            target_of(function)

    def test_when_it_has_no_module_at_all(self) -> None:
        with pytest.raises(TargetNotImportableError, match="its module None is not imported"):
            target_of(types.FunctionType((lambda: None).__code__.replace(co_name="f", co_qualname="f"), {}))


class TestATextNames:
    def test_a_function(self) -> None:
        found = find_definition(jobs, Target(JOBS, "send_welcome"))
        assert (found.function, found.call, found.holder) == (jobs.send_welcome, jobs.send_welcome, None)

    def test_a_method_for_which_an_instance_has_to_be_made(self) -> None:
        found = find_definition(mail, Target(MAIL, "MailService.send"))
        assert (found.function, found.call, found.holder) == (mail.MailService.send, None, mail.MailService)

    def test_a_static_method(self) -> None:
        found = find_definition(mail, Target(MAIL, "MailService.valid"))
        assert found.call is mail.MailService.valid

    def test_a_class_method_of_the_class_that_is_named(self) -> None:
        found = find_definition(mail, Target(MAIL, "LoudMailService.purge"))
        assert found.call is not None
        assert found.call(3) == "LoudMailService 3"
        assert found.function is mail.MailService.__dict__["purge"].__func__

    def test_an_inherited_method_and_where_it_comes_from(self) -> None:
        found = find_definition(mail, Target(MAIL, "LoudMailService.ping"))
        assert (found.holder, found.home) == (mail.LoudMailService, mail.Service)

    def test_an_object_and_the_class_whose_code_runs(self) -> None:
        found = find_definition(jobs, Target(JOBS, "count"))
        assert (found.call, found.home) == (jobs.count, jobs.Counter)

    @pytest.mark.parametrize(
        ("module", "qualname", "why"),
        [
            (jobs, "send_farewell", "has no 'send_farewell'"),
            (jobs, "system", "not defined there, but is posix:system"),
            (jobs, "another_name", f"not defined there, but is {JOBS}:send_welcome"),
            (jobs, "os.system", "'os' is of type module, and no class"),
            (jobs, "job", "not defined there, but is jobrunr.options:job"),
            (jobs, "functools.partial", "'functools' is of type module, and no class"),
            (jobs, "MailService.send", f"'MailService' is not defined there, but is {MAIL}:MailService"),
            (jobs, "partial", "of type partial"),
            (jobs, "Counter", "is a class"),
            (jobs, "NOT_CALLABLE", "is of type int, which cannot be called"),
            (jobs, "NOT_CALLABLE.bit_length", "is of type int, and no class"),
            (jobs, "send_welcome.clear", "is of type function, and no class"),
            (jobs, "count.calls", "is of type Counter, and no class"),
            (mail, "MailService.backlog", "is of type property, and no method"),
            (mail, "MailService.limit", "is of type int, and no method"),
            (mail, "MailService.Templates", "is of type type, and no method"),
            (mail, "MailService.mro", "has no 'mro'"),
            (mail, "MailService.resend", "has no 'resend'"),
            (mail, "NoService.send", "no class 'NoService'"),
            (mail, "LoudMailService.Templates.render", "no class 'LoudMailService.Templates'"),
            (mail, "Catalogue.update", "not defined there"),
        ],
    )
    def test_nothing_that_could_be_called(self, module: types.ModuleType, qualname: str, why: str) -> None:
        with pytest.raises(DefinitionError, match=why):
            find_definition(module, Target(module.__name__, qualname))

    def test_what_is_there_and_not_what_the_module_would_make_up(self) -> None:
        module = types.ModuleType("lazy")
        module.__getattr__ = lambda name: pytest.fail("nobody may ask the module")  # type: ignore[method-assign]
        with pytest.raises(DefinitionError, match="has no 'send'"):
            find_definition(module, Target("lazy", "send"))

    def test_no_object_that_makes_up_its_attributes(self) -> None:
        class Proxy:
            def __getattr__(self, name: str) -> Any:
                pytest.fail("nobody may ask the object")

            __call__ = property(lambda self: pytest.fail("nobody may ask the object"))

        module = types.ModuleType("lazy")
        module.proxy = Proxy()  # type: ignore[attr-defined]
        with pytest.raises(DefinitionError, match="is of type Proxy"):
            find_definition(module, Target("lazy", "proxy"))


PROGRAM = """
from jobrunr.targets import target_of
from jobrunr.errors import TargetNotImportableError
from jobrunr.registry import JobRegistry

def greet(): ...
class Greeter:
    def greet(self): ...

if __name__ == "__main__":
    for function in greet, Greeter.greet, Greeter().greet:
        try:
            print(target_of(function))
            described = JobRegistry(None).describe(function)
            assert JobRegistry(None).resolve(described.target).function is described.function
        except TargetNotImportableError as error:
            print(error)
            break
"""


def python(*arguments: str, cwd: Path, stdin: str | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


class TestWhatRunsAsMain:
    def test_goes_by_the_name_of_its_script(self, tmp_path: Path) -> None:
        (tmp_path / "greetings.py").write_text(PROGRAM)
        expected = "greetings:greet\ngreetings:Greeter.greet\ngreetings:Greeter.greet"
        assert python("greetings.py", cwd=tmp_path) == expected
        assert python(str(tmp_path / "greetings.py"), cwd=ROOT) == expected

    def test_goes_by_the_name_that_was_given_with_m(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "greetings.py").write_text(PROGRAM)
        assert python("-m", "shop.greetings", cwd=tmp_path).splitlines()[0] == "shop.greetings:greet"

    def test_is_refused_when_it_is_the_main_program_of_a_package(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "__main__.py").write_text(PROGRAM)
        assert "importing shop.__main__ would run the program. Move it" in python("-m", "shop", cwd=tmp_path)

    @pytest.mark.parametrize("name", ["my-script.py", "json.py.txt", "time.py", "textwrap.py"])
    def test_is_refused_when_no_module_can_be_called_like_the_script(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text(PROGRAM)
        output = python("-P", name, cwd=tmp_path)
        assert "which a worker cannot import by its name. Move it to a module" in output
        assert name in output

    def test_is_refused_in_an_interactive_session(self, tmp_path: Path) -> None:
        assert "interactive session. Put it into a module" in python("-c", PROGRAM, cwd=tmp_path)
        assert "interactive session. Put it into a module" in python("-", cwd=tmp_path, stdin=PROGRAM)

    def test_is_found_although_it_was_imported_a_second_time(self, tmp_path: Path) -> None:
        (tmp_path / "greetings.py").write_text(
            "import other\nfrom jobrunr.registry import JobRegistry\ndef greet(): ...\n"
            "if __name__ == '__main__':\n"
            "    registry = JobRegistry(None)\n"
            "    assert other.greetings.greet is not greet\n"
            "    print(registry.describe(greet).target, registry.describe(other.greetings.greet).target)\n"
        )
        (tmp_path / "other.py").write_text("import greetings\n")
        assert python("greetings.py", cwd=tmp_path) == "greetings:greet greetings:greet"

    def test_is_the_same_in_the_children_of_multiprocessing(self, tmp_path: Path) -> None:
        (tmp_path / "greetings.py").write_text(
            "import multiprocessing\nfrom jobrunr.targets import target_of\ndef greet(): ...\n"
            "def child(): print(greet.__module__, target_of(greet), flush=True)\n"
            "if __name__ == '__main__':\n"
            "    process = multiprocessing.get_context('spawn').Process(target=child)\n"
            "    process.start()\n"
            "    process.join()\n"
        )
        assert python("greetings.py", cwd=tmp_path) == "__mp_main__ greetings:greet"
