"""Lambdas, taken apart into a callable and its arguments."""

from __future__ import annotations

import functools
import linecache
import os
import subprocess
import sys
import types
import warnings
import zipfile
from collections.abc import Callable
from importlib import import_module, reload
from pathlib import Path
from typing import Any

import pytest

from jobrunr.errors import TargetNotImportableError
from jobrunr.lambda_call import is_lambda, unfold


def send(*args: Any, **kwargs: Any) -> None:
    pytest.fail("the call is taken apart, not made")


class Service:
    prefix = "service"

    def __init__(self) -> None:
        self.__secret = "mangled"
        self.number = 7

    def send(self, *args: Any) -> None:
        pytest.fail("the call is taken apart, not made")

    def enqueue(self) -> Callable[[], None]:
        return lambda: self.send(self.number, self.__secret)

    in_the_class_body = lambda: send(Service.prefix)  # noqa: E731 - a lambda is what we test


service = Service()
user = types.SimpleNamespace(id=42, name="Ada")


class TestTheCall:
    def test_is_the_function_and_its_arguments(self) -> None:
        assert unfold(lambda: send(user.id, "x", subject=user.name)) == (send, (42, "x"), {"subject": "Ada"})

    def test_may_go_to_a_method_of_an_object(self) -> None:
        assert unfold(lambda: service.send(user.id)) == (service.send, (42,), {})

    def test_may_have_no_arguments(self) -> None:
        assert unfold(lambda: send()) == (send, (), {})  # noqa: PLW0108 - a lambda is what we test

    def test_may_unpack_its_arguments(self) -> None:
        numbers, named = [1, 2], {"a": 3}
        assert unfold(lambda: send(0, *numbers, 9, **named, b=4)) == (send, (0, 1, 2, 9), {"a": 3, "b": 4})

    def test_may_compute_its_arguments_without_calls(self) -> None:
        items = [user, user]
        assert unfold(
            lambda: send(items[1].id + 1, f"{user.name!r:>6}", user.id if user else None, [item.id for item in items])
        ) == (
            send,
            (43, " 'Ada'", 42, [42, 42]),
            {},
        )

    def test_sees_the_variables_around_it(self) -> None:
        first, second = 1, 2

        def inner() -> Callable[[], None]:
            third = 3
            return lambda: send(second, first, third)

        assert unfold(inner()) == (send, (2, 1, 3), {})

    def test_sees_them_as_they_are_now(self) -> None:
        number = 1
        function = lambda: send(number)  # noqa: E731
        number = 2
        assert unfold(function) == (send, (2,), {})
        number = 3
        assert unfold(function) == (send, (3,), {})

    def test_keeps_its_defaults(self) -> None:
        functions = [lambda number=number, *, twice=number * 2: send(number, twice) for number in range(3)]
        assert [unfold(function)[1] for function in functions] == [(0, 0), (1, 2), (2, 4)]

    def test_may_stand_in_a_method_and_use_a_private_name(self) -> None:
        function, args, _ = unfold(service.enqueue())
        assert (function, args) == (service.send, (7, "mangled"))

    def test_may_stand_in_the_body_of_a_class(self) -> None:
        assert unfold(Service.__dict__["in_the_class_body"]) == (send, ("service",), {})

    def test_may_be_one_of_several_on_a_line(self) -> None:
        a, b, c = (lambda: send(1)), (lambda: send(2, "ü")), (lambda: send(3))
        assert [unfold(function)[1] for function in (a, b, c)] == [(1,), (2, "ü"), (3,)]

    def test_may_stand_beside_its_double(self) -> None:
        one, two = 1, 2
        a, b = (lambda: send(one)), (lambda: send(one))
        c, d = (lambda: send(one)), (lambda: send(two))
        assert [unfold(function)[1] for function in (a, b, c, d)] == [(1,), (1,), (1,), (2,)]

    def test_may_run_over_several_lines(self) -> None:
        function = lambda: send(  # noqa: E731
            user.id,
            # a remark
            subject="a long text",
        )
        assert unfold(function) == (send, (42,), {"subject": "a long text"})

    def test_may_stand_inside_an_assertion_which_pytest_rewrites(self) -> None:
        number = 5
        assert unfold(lambda: send(number))[1] == (5,), "pytest rewrites this line"

    def test_may_stand_in_the_default_of_a_parameter_and_in_a_decorator(self) -> None:
        def kept(function: Callable[[], None]) -> Callable[[Any], Callable[[], None]]:
            return lambda decorated: function

        def with_default(function: Callable[[], None] = lambda: send(1)) -> Callable[[], None]:
            return function

        @kept(lambda: send(2))
        def decorated() -> None: ...

        assert [unfold(function)[1] for function in (with_default(), decorated)] == [(1,), (2,)]

    def test_raises_what_its_arguments_raise(self) -> None:
        empty: dict[str, int] = {}
        named = {"a": 2}
        with pytest.raises(KeyError, match="missing"):
            unfold(lambda: send(empty["missing"]))
        with pytest.raises(NameError, match="nowhere"):
            unfold(lambda: nowhere.send(1))  # type: ignore[name-defined] # noqa: F821
        with pytest.raises(TypeError, match="multiple values for keyword argument 'a'"):
            unfold(lambda: send(a=1, **named))

    def test_is_taken_apart_once_and_evaluated_each_time(self) -> None:
        counts = [unfold(lambda number=number: send(number))[1][0] for number in range(100)]
        assert counts == list(range(100))


def inside_another(outer: Callable[[], Any]) -> Any:
    return outer()


class TestALambdaIsRefused:
    @pytest.mark.parametrize(
        ("function", "why", "instead"),
        [
            (lambda: 42, "it makes no call", "as in enqueue(mail_service.send, user.id)"),
            (lambda: send, "it makes no call", "Write enqueue(send)."),
            (lambda: send(1) or send(2), "it makes more than one call", "several jobs: enqueue(send, 1), enqueue(send, 2)."),
            (lambda: (send(1), send(2)), "it makes more than one call", "several jobs: enqueue(send, 1), enqueue(send, 2)."),
            (lambda: 1 and send(2), "it does more than its one call", "Write enqueue(send, 2)."),
            (lambda: not send(2), "it does more than its one call", "Write enqueue(send, 2)."),
            (lambda: send(2).x, "it does more than its one call", "Write enqueue(send, 2)."),
            (inside_another(lambda: lambda: 1 and send(2)), "it does more than its one call", "Write enqueue(send, 2)."),
            (
                inside_another(lambda: [lambda: send(1)(2), lambda: 3, lambda: send][2]),
                "it makes no call",
                "Write enqueue(send).",
            ),
            (lambda: send(str(1)), "it makes more than one call", "Write enqueue(send, str(1))."),
            (lambda: send(a=str(1)), "it makes more than one call", "Write enqueue(send, a=str(1))."),
            (lambda: Service().send(1), "it makes more than one call", "Write enqueue(Service().send, 1)."),
            (lambda: send([str(n) for n in "ab"]), "it makes more than one call", "Write enqueue(send, "),
            (lambda: send(lambda: 1), "it holds another lambda", "Write enqueue(send, lambda: 1)."),
            (lambda: send(x := 1), "it assigns a name", "Write enqueue(send, "),
            (lambda: send((yield)), "it yields", "Write enqueue(send, "),
            (lambda x: send(x), "nobody passes it arguments", "without parameters"),  # noqa: PLW0108
            (lambda x, y=1: send(x), "nobody passes it arguments", "without parameters"),
            (lambda *, x: send(x), "nobody passes it arguments", "without parameters"),
        ],
    )
    def test_with_the_reason_and_what_to_write_instead(self, function: Any, why: str, instead: str) -> None:
        with pytest.raises(TargetNotImportableError) as raised:
            unfold(function)
        assert f"The lambda at {__file__}:{function.__code__.co_firstlineno} cannot become a job: {why}. " in str(
            raised.value
        )
        assert instead in str(raised.value)

    def test_when_its_source_is_not_at_hand(self) -> None:
        # Not "<string>", under which Python 3.13 knows the code that it was started with (`-c`).
        function = eval(compile("lambda: print(1)", "<nowhere>", "eval"))
        with pytest.raises(
            TargetNotImportableError,
            match=r"source is not at hand\. Write the function .* enqueue\(mail_service.send, user.id\)",
        ):
            unfold(function)

    @pytest.mark.parametrize(
        "later",
        [
            "send = print\nfunction = lambda: send(2)\n",
            "send = print\n\nfunction = lambda: send('edited')\n",
            "send = print\nfunction = lambda: send('edited', 2)\n",
            "send = print\nfunction = lambda: sent('edited')\n",
            "send = print\nfunction = 1\n",
            "this is no Python",
            "",
        ],
    )
    def test_when_its_source_has_changed_since(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str) -> None:
        file = tmp_path / "edited.py"
        file.write_text("send = print\nfunction = lambda: send('edited')\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "edited", raising=False)
        function = import_module("edited").function
        file.write_text(later)
        os.utime(file, (1, 1))
        with pytest.raises(TargetNotImportableError, match=r"source (has changed since it was imported|is not at hand)"):
            unfold(function)
        monkeypatch.delitem(sys.modules, "edited", raising=False)


class TestSourceComesFrom:
    def test_the_loader_of_a_module_in_a_zip_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
            archive.writestr("zipped_lambda.py", "function = lambda: print('zipped')\n")
        monkeypatch.syspath_prepend(tmp_path / "app.pyz")
        assert unfold(import_module("zipped_lambda").function) == (print, ("zipped",), {})
        monkeypatch.delitem(sys.modules, "zipped_lambda")

    def test_a_module_about_which_the_compiler_has_something_to_say(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "warned_lambda.py").write_text("function = lambda: print('\\d', 1 is 1)\n")
        monkeypatch.syspath_prepend(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function = import_module("warned_lambda").function
        assert unfold(function) == (print, ("\\d", True), {})
        monkeypatch.delitem(sys.modules, "warned_lambda")

    def test_a_module_with_any_future_import(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "future_lambda.py").write_text(
            "from __future__ import annotations, generator_stop, division\nfunction = lambda: print('future')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        assert unfold(import_module("future_lambda").function) == (print, ("future",), {})
        monkeypatch.delitem(sys.modules, "future_lambda")

    def test_a_module_that_was_edited_and_loaded_anew(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "reloaded_lambda.py").write_text("function = lambda: print('first')\n")
        module = import_module("reloaded_lambda")
        assert unfold(module.function)[1] == ("first",)
        (tmp_path / "reloaded_lambda.py").write_text("\n\nfunction = lambda: print('second')\n")
        assert unfold(reload(module).function)[1] == ("second",)
        monkeypatch.delitem(sys.modules, "reloaded_lambda")

    def test_a_cell_that_a_notebook_registered(self) -> None:
        source = "function = lambda: print('cell')\n"
        name = "<a cell>"
        linecache.cache[name] = (len(source), None, [source], name)
        space: dict[str, Any] = {}
        exec(compile(source, name, "exec"), space)
        assert unfold(space["function"]) == (print, ("cell",), {})
        del linecache.cache[name]

    @pytest.mark.parametrize("option", ["-OO", "-Xno_debug_ranges"])
    def test_a_program_that_is_compiled_in_another_way(self, tmp_path: Path, option: str) -> None:
        (tmp_path / "program.py").write_text(
            "from jobrunr.lambda_call import unfold\n"
            "import os\n"
            "a, b = (lambda: os.fspath(__debug__)), (lambda: print(2))\n"
            "print(unfold(a)[1], unfold(b)[1])\n"
        )
        run = [sys.executable, option, "program.py"]
        output = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30).stdout
        assert output == f"({option != '-OO'},) (2,)\n"


def test_only_lambdas_are_lambdas() -> None:
    assert is_lambda(lambda: 1)
    assert not is_lambda(send)
    assert not is_lambda(functools.partial(lambda: 1))
    assert not is_lambda(print)
