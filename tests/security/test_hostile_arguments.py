"""Arguments that try to have something built: only what the signature names is ever built, and only when all fits."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.errors import ArgumentsUnreadableError
from jobrunr.serialization import ArgumentCodec

built: list[str] = []


@dataclass
class Wanted:
    path: str
    size: int = 0

    def __post_init__(self) -> None:
        built.append("Wanted")


@dataclass
class NotWanted:
    path: str

    def __post_init__(self) -> None:
        built.append("NotWanted")

    def __setstate__(self, state: object) -> None:
        built.append("NotWanted")


class Small(msgspec.Struct, tag="small"):
    size: int

    def __post_init__(self) -> None:
        built.append("Small")


class Large(msgspec.Struct, tag="large"):
    size: int

    def __post_init__(self) -> None:
        built.append("Large")


HERE = __name__
TAGS: list[Any] = [
    {"__class__": f"{HERE}.NotWanted", "path": "x"},
    {"__class__": "subprocess.Popen", "args": "id"},
    {"__type__": "NotWanted", "path": "x"},
    {"@class": f"{HERE}.NotWanted", "path": "x"},
    {"$type": "System.Diagnostics.Process", "path": "x"},
    {"type": "NotWanted", "path": "x"},
    {"type": "large", "size": 1},
    {"py/object": f"{HERE}.NotWanted", "path": "x"},
    {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["id"]}]},
    {"py/type": "os.system"},
    {"py/repr": "os/os.system('id')"},
    {"__reduce__": ["os.system", ["id"]]},
    {"_pickle": "Y29zCnN5c3RlbQooUydpZCcKdFIu"},
    {"__pydantic__": "NotWanted"},
    {"exc_type": "system", "exc_module": "os", "exc_message": "id"},
    {"__jsonclass__": ["os.system", ["id"]]},
    {"!!python/object/apply:os.system": ["id"]},
    {"__proto__": {"admin": True}},
    {"__init__": 1, "__dict__": {}, "__slots__": []},
    ["os.system", "id"],
    "!!python/object/apply:os.system ['id']",
    "cos\nsystem\n(S'id'\ntR.",
]


@pytest.fixture(autouse=True)
def nothing_built_yet() -> None:
    built.clear()


def takes_anything(value: Any) -> None: ...
def takes_unannotated(value) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def takes_wanted(value: Wanted) -> None: ...
def takes_tagged(value: Small | int) -> None: ...
def takes_many(value: dict[str, list[Wanted]]) -> None: ...


@pytest.mark.parametrize("payload", TAGS, ids=lambda payload: ascii(payload)[:40])
@pytest.mark.parametrize("function", [takes_anything, takes_unannotated])
def test_a_tag_in_the_data_is_data(function: Any, payload: Any) -> None:
    (value,), _ = ArgumentCodec("app:f", function).decode(json.dumps({"value": payload}))
    assert (value, type(value)) == (payload, type(payload))
    assert built == []


@pytest.mark.parametrize("payload", TAGS, ids=lambda payload: ascii(payload)[:40])
@pytest.mark.parametrize("function", [takes_wanted, takes_tagged, takes_many])
def test_a_tag_in_the_data_does_not_choose_the_class(function: Any, payload: Any) -> None:
    for wrapped in (payload, {"key": [payload]}):
        try:
            (value,), _ = ArgumentCodec("app:f", function).decode(json.dumps({"value": wrapped}))
        except ArgumentsUnreadableError:
            assert built == []
        else:
            assert built == ["Wanted"]  # the class that the signature names, from the fields that fit it
            assert value == Wanted("x") or value == {"key": [Wanted("x")]}
        built.clear()


@pytest.mark.parametrize(
    "arguments",
    [
        '{"value":{"path":1}}',
        '{"value":{"path":"x","size":"1"}}',
        '{"value":{"size":1}}',
        '{"value":["x",1]}',
        '{"value":"x"}',
        '{"value":null}',
        '{"value":{"path":"x","size":1e400}}',
        '{"value":{"path":"x","size":' + "9" * 10_000 + "}}",
        '{"value":{"path":"x","size":1' + "0" * 400 + ".0}}",
        '{"values":{"path":"x"}}',
        "",
        "\0",
        "{",
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_nothing_is_built_before_its_fields_were_checked(arguments: str) -> None:
    with pytest.raises(ArgumentsUnreadableError):
        ArgumentCodec("app:f", takes_wanted).decode(arguments)
    assert built == []


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":['])
@pytest.mark.parametrize("function", [takes_anything, takes_many])
def test_endless_nesting_is_an_error_and_no_crash(function: Any, opening: str) -> None:
    with pytest.raises(ArgumentsUnreadableError):
        ArgumentCodec("app:f", function).decode('{"value":' + opening * 200_000)


def test_of_a_key_that_stands_twice_one_value_counts_and_is_checked() -> None:
    codec = ArgumentCodec("app:f", takes_wanted)
    with pytest.raises(ArgumentsUnreadableError):
        codec.decode('{"value":{"path":"x"},"value":{"path":1}}')
    with pytest.raises(ArgumentsUnreadableError):
        codec.decode('{"value":{"path":"x"},"value":{"path":"y"},"other":1}')


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i))
)
def test_no_value_at_all_builds_what_the_signature_does_not_name(value: Any) -> None:
    for function in (takes_anything, takes_wanted, takes_tagged):
        with suppress(ArgumentsUnreadableError):
            ArgumentCodec("app:f", function).decode(json.dumps({"value": value}))
    assert set(built) <= {"Wanted", "Small"}


def test_the_interpreter_does_nothing_that_an_auditor_would_notice() -> None:
    program = (
        "import json, sys\n"
        "from dataclasses import dataclass\n"
        "from jobrunr.errors import ArgumentsUnreadableError\n"
        "from jobrunr.serialization import ArgumentCodec, describe_call\n"
        "@dataclass\n"
        "class Wanted:\n"
        "    path: str\n"
        "def anything(value): ...\n"
        "def wanted(value: Wanted): ...\n"
        "codecs = [ArgumentCodec('app:f', function) for function in (anything, wanted)]\n"
        "payloads = [json.dumps({'value': payload}) for payload in json.load(sys.stdin)]\n"
        "events = []\n"
        "sys.addaudithook(lambda event, arguments: events.append(event))\n"
        "for codec in codecs:\n"
        "    for payload in payloads:\n"
        "        try: codec.decode(payload)\n"
        "        except ArgumentsUnreadableError: pass\n"
        "        describe_call('app:f', payload)\n"
        "found = list(events)\n"
        "print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(TAGS), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_this_file_lies_where_the_payloads_say() -> None:
    assert Path(sys.modules[HERE].__file__ or "").name == Path(__file__).name
