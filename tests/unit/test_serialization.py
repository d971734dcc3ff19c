"""Arguments and results as strict JSON."""

from __future__ import annotations

import collections.abc
import json
import math
import string
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from logging import Logger
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.errors import (
    ArgumentError,
    ArgumentsMisfitError,
    ArgumentsUnreadableError,
    ResultNotStorableError,
    TooLargeError,
)
from jobrunr.ids import JobId
from jobrunr.json_values import find_difference
from jobrunr.serialization import ArgumentCodec, describe_call, encode_result
from tests.samples.values import (
    Address,
    Aliased,
    Checked,
    Circle,
    Color,
    Customer,
    Level,
    Line,
    Options,
    Order,
    Point,
    Row,
    Size,
    Span,
    Square,
    Unequal,
)

if TYPE_CHECKING:
    from nowhere import Nothing

UserId = NewType("UserId", int)
KEY = UUID("6f1d2c1e-5d5e-4c8c-9c39-2f6f2f0b6c11")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def codec_for(annotation: Any) -> ArgumentCodec:
    """A codec for a function with one parameter, called `value`."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {} if annotation is None else {"value": annotation}
    return ArgumentCodec("shop:function", function)


def there_and_back(annotation: Any, value: Any) -> Any:
    codec = codec_for(annotation)
    (back,), named = codec.decode(codec.encode((value,), {}))
    assert named == {}
    return back


class TestAValueComesBackTheSame:
    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (None, "text"),
            (None, {"a": [1, 2.5, None, True, "x", {"b": []}]}),
            (Any, 2**70),
            (object, -0.5),
            (str, "ünïcode 🚀 \\u0000 \x01 \u2028"),
            (int, 2**63),
            (int, -(2**100)),
            (float, 0.1),
            (float, 1e300),
            (bool, True),
            (type(None), None),
            (str | None, None),
            (Optional[int], 3),  # noqa: UP045 - people write it so
            (UserId, UserId(3)),
            (Annotated[int, msgspec.Meta(ge=1)], 3),
            (Annotated[str, "a comment"], "x"),
            (Literal["a", "b"], "b"),
            (bytes, b"\x00\xff"),
            (datetime, NOON),
            (datetime, datetime(2026, 1, 1)),  # noqa: DTZ001 - naive ones come back naive
            (datetime, datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))),
            (date, date(2026, 1, 1)),
            (time, time(12, 30)),
            (timedelta, timedelta(days=-3, microseconds=7)),
            (Decimal, Decimal("1.10")),
            (UUID, KEY),
            (JobId, JobId.from_key("x")),
            (JobId | None, JobId.from_key("x")),
            (Color, Color.BLUE),
            (Level, Level.HIGH),
            (Size, Size.SMALL),
            (list[Color], [Color.RED]),
            (dict[Color, Level], {Color.RED: Level.LOW}),
            (dict[int, str], {1: "a", -2: "b"}),
            (dict[UUID, date], {KEY: date(2026, 1, 1)}),
            (set[int], {1, 2}),
            (frozenset[str], frozenset({"a"})),
            (tuple[int, str], (1, "a")),
            (tuple[date, ...], (date(2026, 1, 1),)),
            (list[tuple[int, int]], [(1, 2)]),
            (Order, Order(1, [Line("pen", Decimal("2.50"), 3)], NOON, Color.BLUE)),
            (list[Order], [Order(1), Order(2)]),
            (Address, Address("Main St 1", date(2020, 1, 1))),
            (Point, Point(1, 2)),
            (Circle | Square, Square(2.0)),
            (Span, Span(1, 2)),
            (Options, {"title": "x", "copies": 2}),
            (Options, {"title": "x"}),
            (Customer, Customer(name="Ada", born=date(1815, 12, 10), tags={"math"})),
            (dict[str, Customer | None], {"a": Customer(name="Ada", born=date(1815, 12, 10)), "b": None}),
            (Aliased, Aliased(bornAt=NOON)),
            (Path, Path("/srv/shop/a b.txt")),
            (list[PurePath] | None, [PurePath("a"), PurePath("b/c")]),
            (Sequence[str], ["a"]),
            (Mapping[str, int], {"a": 1}),
            (collections.abc.Set[int], {1, 2}),
            (collections.abc.Iterable[str], ["a"]),
        ],
    )
    def test_of_the_type_that_the_annotation_says(self, annotation: Any, value: Any) -> None:
        back = there_and_back(annotation, value)
        assert back == value
        assert type(back) is type(value)

    @pytest.mark.parametrize("fold", [0, 1])
    def test_in_the_hour_that_comes_twice(self, fold: int) -> None:
        at = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam"), fold=fold)
        back = there_and_back(Order, Order(1, ordered_at=at)).ordered_at
        assert back.timestamp() == at.timestamp()
        assert back.utcoffset() == at.utcoffset()

    def test_by_its_fields_if_it_has_no_equality(self) -> None:
        assert there_and_back(Unequal, Unequal(3)).value == 3
        with pytest.raises(ArgumentError, match="in field 'value': a Level would come back as an int"):
            codec_for(Unequal).encode((Unequal(Level.LOW),), {})

    def test_as_a_float_when_a_float_is_asked_for(self) -> None:
        back = there_and_back(float, 3)
        assert (back, type(back)) == (3.0, float)

    def test_as_floats_where_floats_are_asked_for(self) -> None:
        assert there_and_back(list[float], [1, 2.5]) == [1.0, 2.5]
        assert there_and_back(set[float], {1, 2.5}) == {1.0, 2.5}

    def test_as_the_kind_of_uuid_that_is_asked_for(self) -> None:
        job_id = JobId.from_key("x")
        assert type(there_and_back(UUID, job_id)) is UUID
        assert there_and_back(JobId, UUID(int=job_id.int)) == job_id

    def test_as_a_list_where_any_sequence_will_do(self) -> None:
        assert there_and_back(Sequence[int], (1, 2)) == [1, 2]
        assert there_and_back(dict[str, Sequence[int]], {"a": (1, 2)}) == {"a": [1, 2]}
        assert there_and_back(collections.abc.Set[int], frozenset({1})) == {1}

    def test_when_the_annotation_is_a_name_for_type_checkers_only(self) -> None:
        def function(first: Nothing, second: date, third: list[Nothing]) -> None: ...

        codec = ArgumentCodec("shop:function", function)
        args = (3, date(2026, 1, 1), ["x"])
        assert codec.decode(codec.encode(args, {})) == (list(args), {})

    def test_when_the_annotation_says_more_than_json_can_tell_but_the_value_is_plain(self) -> None:
        assert there_and_back(str | UUID, "x") == "x"
        assert there_and_back(int | Path, 3) == 3
        assert there_and_back(Row | int, 3) == 3

    def test_of_none_where_a_class_of_any_kind_is_optional(self) -> None:
        assert there_and_back(Row | None, None) is None
        assert there_and_back(Logger | None, None) is None


@pytest.mark.parametrize(
    ("sent", "back", "difference"),
    [
        ([1.0], [1], "in item 0: a float would come back as an int"),
        ([1, True], [1, 1], "in item 1: a bool would come back as an int"),
        ([1, 2], [1, 3], "in item 1: an int would come back with another value"),
        ([1], [1, 2], "1 items would come back as 2"),
        ([1, 2.5], [1.0, 2.5], None),
    ],
)
def test_a_difference_is_found_where_it_is(sent: Any, back: Any, difference: str | None) -> None:
    assert find_difference(sent, back) == difference


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
moments = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30)), None]))
orders = st.builds(
    Order,
    id=st.integers(),
    lines=st.lists(
        st.builds(Line, article=st.text(), price=st.decimals(allow_nan=False, allow_infinity=False), count=st.integers())
    ),
    ordered_at=st.none() | moments,
    color=st.sampled_from(Color),
)
typed_values: st.SearchStrategy[tuple[Any, Any]] = st.recursive(
    st.one_of(
        st.tuples(st.just(str), st.text()),
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(bytes), st.binary()),
        st.tuples(st.just(UUID), st.uuids()),
        st.tuples(st.just(date), st.dates()),
        st.tuples(st.just(timedelta), st.timedeltas()),
        st.tuples(st.just(Decimal), st.decimals(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(Color), st.sampled_from(Color)),
        st.tuples(st.just(Level), st.sampled_from(Level)),
        st.tuples(st.just(Order), orders),
        st.tuples(st.just(Path), st.text(string.ascii_letters + "/.", min_size=1).map(Path)),
        st.tuples(st.just(Any), json_values),
    ),
    lambda inner: st.one_of(
        inner.map(lambda pair: (list[pair[0]], [pair[1]] * 2)),  # type: ignore[name-defined]
        inner.map(lambda pair: (tuple[pair[0], int], (pair[1], 1))),  # type: ignore[name-defined]
        inner.map(lambda pair: (dict[str, pair[0]], {"k": pair[1]})),  # type: ignore[name-defined]
        inner.map(lambda pair: (dict[int, pair[0]], {7: pair[1]})),  # type: ignore[name-defined]
        inner.map(lambda pair: (pair[0] if pair[0] is Any else Optional[pair[0]], pair[1])),  # noqa: UP045
    ),
    max_leaves=5,
)


def has_nul(value: Any) -> bool:
    return "\\u0000" in json.dumps(json.loads(msgspec.json.encode(value, enc_hook=str))).replace("\\\\", "")


class TestOverAllValues:
    @given(json_values.filter(lambda value: not has_nul(value)))
    def test_plain_data_makes_the_round_trip(self, value: Any) -> None:
        assert there_and_back(None, value) == value

    @given(typed_values.filter(lambda pair: not has_nul(pair[1])))
    def test_typed_data_makes_the_round_trip(self, pair: tuple[Any, Any]) -> None:
        annotation, value = pair
        back = there_and_back(annotation, value)
        assert back == value
        assert type(back) is type(value)

    @given(typed_values)
    def test_what_is_accepted_without_an_annotation_comes_back_the_same(self, pair: tuple[Any, Any]) -> None:
        value = pair[1]
        codec = codec_for(None)
        try:
            text = codec.encode((value,), {})
        except ArgumentError:
            return
        (back,), _ = codec.decode(text)
        assert (back, repr(type(back))) == (value, repr(type(value)))

    @given(json_values)
    def test_what_is_stored_is_json_to_everybody(self, value: Any) -> None:
        try:
            text = codec_for(None).encode((value,), {})
        except ArgumentError:
            assert has_nul(value)
            return
        assert json.loads(text) == {"value": value}
        assert "\\u0000" not in text.replace("\\\\", "")
        text.encode()

    @given(st.text() | st.binary())
    def test_nothing_that_is_read_raises_anything_else_than_unreadable(self, text: Any) -> None:
        for annotation in (None, int, Order, Customer, Path):
            with suppress(ArgumentsUnreadableError):
                codec_for(annotation).decode(text)

    @given(json_values, st.sampled_from([int, Order, Customer, Path, JobId, Color, Span, Circle | Square, list[Address]]))
    def test_no_json_value_raises_anything_else_than_unreadable(self, value: Any, annotation: Any) -> None:
        with suppress(ArgumentsUnreadableError):
            codec_for(annotation).decode(json.dumps({"value": value}))


def cycle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth - 1):
        made = [made]
    return made


class TestAValueIsRefused:
    @pytest.mark.parametrize(
        ("annotation", "value", "problem"),
        [
            (None, NOON, "a datetime would come back as a str. Annotate the parameter with its type"),
            (None, (1, 2), "a tuple would come back as a list. Annotate"),
            (None, [1, (2,)], "in item 1: a tuple would come back as a list"),
            (None, {1: "a"}, "the key 1 would come back as '1'"),
            (None, {Size.SMALL: 1}, "the key <Size.SMALL: 's'> would come back as 's'"),
            (date | None, "2026-01-01", "a str would come back as a date"),
            (None, {"a": {"b": {1}}}, "under key 'a': under key 'b': a set would come back as a list"),
            (None, b"x", "a bytes would come back as a str"),
            (None, Color.RED, "a Color would come back as a str"),
            (None, Size.SMALL, "a Size would come back as a str"),
            (None, [Level.LOW], "in item 0: a Level would come back as an int"),
            (None, Order(1), "an Order would come back as a dict"),
            (None, Customer(name="x", born=date(2000, 1, 1)), "a Customer would come back as a dict"),
            (None, Path("x"), "a PosixPath would come back as a str"),
            (None, KEY, "a UUID would come back as a str"),
            (None, defaultdict(int, a=1), "a defaultdict would come back as a dict"),
            (OrderedDict, {"a": 1}, "a dict is no OrderedDict"),
            (None, Row(1), "a Row has no form in JSON. Pass plain data or a dataclass; of an object that lives elsewhere"),
            (Row, Row(1), "a Row has no form in JSON"),
            (Row, 3, "an int is no Row. Pass what the annotation says"),
            (str | UUID, KEY, "Its annotation str | uuid.UUID is of no use: Type unions may not contain more than one"),
            (int | Path, Path("x"), "is of no use: Type unions containing a custom type"),
            (None, lambda: 1, "a function has no form in JSON"),
            (None, (item for item in "ab"), "a generator has no form in JSON"),
            (None, type("Str", (str,), {})("x"), "a Str has no form in JSON"),
            (int, "3", "Expected `int`, got `str`. Pass what the annotation says"),
            (int, True, "Expected `int`, got `bool`"),
            (int, 3.0, "a float would come back as an int|Expected `int`, got `float`"),
            (float, 2**53 + 1, "an int would come back with another value"),
            (list[int], ["a"], r"Expected `int`, got `str` \(at \[0\]\)"),
            (list[int], (1, 2), r"a tuple would come back as a list. Pass what its annotation says \(list\[int\]\)"),
            (set[Any], {1, NOON}, "its members would come back different"),
            (set[Any], {1, Level.HIGH}, "a Level would come back as an int"),
            (set[int], frozenset({1}), "a frozenset would come back as a set"),
            (Order, {"id": "x"}, r"Expected `int`, got `str` \(at \.id\)"),
            (Order, {"id": 1}, "a dict would come back as an Order"),
            (Options, {"title": "x", "more": 1}, "2 keys would come back as 1"),
            (Literal["a"], "b", "Invalid enum value 'b'"),
            (Annotated[int, msgspec.Meta(ge=1)], 0, "Expected `int` >= 1"),
            (Customer, "Ada", r"1 validation error for Customer\s+Input should be an object"),
            (None, math.nan, "it holds nan, which is no number to JSON"),
            (float, -math.inf, "it holds -inf"),
            (list[float], [1.0, math.nan], "it holds nan"),
            (Line, Line("x", Decimal("NaN")), "in field 'price': a Decimal would come back with another value"),
            (None, "a\0b", "it holds a NUL character"),
            (None, "\\\0", "it holds a NUL character"),
            (None, {"a\0": 1}, "it holds a NUL character"),
            (str, "\ud800", "half of a surrogate pair"),
            (None, {"\udfff": 1}, "half of a surrogate pair"),
            pytest.param(int, 10**5000, "4300 digits", id="digits"),
        ],
    )
    def test_with_the_name_of_the_parameter_and_the_reason(self, annotation: Any, value: Any, problem: str) -> None:
        with pytest.raises(ArgumentError, match=f"shop:function: parameter 'value': .*({problem})"):
            codec_for(annotation).encode((value,), {})

    @pytest.mark.parametrize("depth", [101, 500, 100_000])
    def test_when_it_is_nested_deeper_than_100_levels(self, depth: int) -> None:
        with pytest.raises(ArgumentError, match=r"parameter 'value': .*nested (too deeply|more than 100 levels deep)"):
            codec_for(None).encode((nested(depth),), {})
        with pytest.raises(ResultNotStorableError, match=r"nested (too deeply|more than 100 levels deep)"):
            encode_result("shop:f", nested(depth))

    def test_when_it_contains_itself(self) -> None:
        with pytest.raises(ArgumentError, match="it contains itself"):
            codec_for(None).encode((cycle(),), {})
        with pytest.raises(ResultNotStorableError, match="it contains itself"):
            encode_result("shop:f", cycle())

    def test_when_it_is_nested_one_level_less_it_is_accepted(self) -> None:
        assert encode_result("shop:f", nested(100))
        assert there_and_back(None, nested(100)) == nested(100)

    def test_when_a_class_refuses_to_build_it_again(self) -> None:
        checked = Checked(1)
        checked.value = -1
        with pytest.raises(ArgumentError, match="KeyError: 'negative'"):
            codec_for(Checked).encode((checked,), {})

    def test_when_comparing_it_fails(self) -> None:
        class Moody(pydantic.BaseModel):  # noqa: PLW1641 - nobody asks for its hash
            def __eq__(self, other: object) -> bool:
                raise RuntimeError("not today")

        with pytest.raises(ArgumentError, match="a Moody would come back with another value"):
            codec_for(Moody).encode((Moody(),), {})

    def test_naming_the_one_of_many_that_is_wrong(self) -> None:
        def function(first: int, second: str, *rest: int, third: float = 1, **more: date) -> None: ...

        codec = ArgumentCodec("shop:function", function)
        for args, kwargs, name in (
            ((1, "\0"), {}, "second"),
            ((1, "a"), {"third": math.inf}, "third"),
            ((1, "a", 1, "b"), {}, r"\*"),
            ((1, "a"), {"when": 3}, r"\*\*"),
            ((1, Row(1)), {}, "second"),
        ):
            with pytest.raises(ArgumentError, match=f"parameter '{name}'"):
                codec.encode(args, kwargs)

    def test_when_an_annotation_that_cannot_be_resolved_hides_its_type(self) -> None:
        def function(value: Nothing) -> None: ...

        with pytest.raises(
            ArgumentError, match="Its annotation Nothing is of no use: it cannot be resolved while the program"
        ):
            ArgumentCodec("shop:function", function).encode((NOON,), {})


class TestACallIsRefused:
    @pytest.mark.parametrize(
        ("args", "kwargs", "problem"),
        [
            ((), {}, "missing a required argument: 'email'"),
            ((1, 2, 3), {}, "too many positional arguments"),
            (("x",), {"email": "y"}, "multiple values for argument 'email'"),
            (("x",), {"mail": "y"}, "got an unexpected keyword argument 'mail'"),
        ],
    )
    def test_with_the_parameters_of_the_function(self, args: tuple[Any, ...], kwargs: dict[str, Any], problem: str) -> None:
        def send(email: str, copies: int = 1) -> None: ...

        with pytest.raises(
            ArgumentError, match=rf"shop:send: {problem}. Its parameters are \(email: 'str', copies: 'int' = 1\)"
        ):
            ArgumentCodec("shop:send", send).encode(args, kwargs)

    def test_when_it_would_take_more_bytes_than_allowed(self) -> None:
        codec = codec_for(str)
        just_fits = len(codec.encode(("é" * 10,), {}).encode())
        assert codec.encode(("é" * 10,), {}, just_fits)
        with pytest.raises(
            TooLargeError, match=f"arguments of shop:function would take {just_fits} bytes; the limit is .*max_arg"
        ):
            codec.encode(("é" * 10,), {}, just_fits - 1)


def everything(one: int, /, two: int, three: int = 3, *rest: int, four: int, five: int = 5, **more: int) -> Any:
    return one, two, three, rest, four, five, more


def positional_defaults(one: int = 1, two: int = 2, /, three: int = 3) -> Any:
    return one, two, three


class TestTheCall:
    @pytest.mark.parametrize(
        ("args", "kwargs", "stored"),
        [
            ((1, 2), {"four": 4}, {"one": 1, "two": 2, "four": 4}),
            ((1,), {"two": 2, "four": 4}, {"one": 1, "two": 2, "four": 4}),
            ((1, 2, 30), {"four": 4, "five": 50}, {"one": 1, "two": 2, "three": 30, "four": 4, "five": 50}),
            ((1,), {"four": 4, "three": 30, "two": 2}, {"one": 1, "four": 4, "three": 30, "two": 2}),
            ((1, 2, 3, 10, 11), {"four": 4}, {"one": 1, "two": 2, "three": 3, "*": [10, 11], "four": 4}),
            ((1, 2), {"four": 4, "six": 6}, {"one": 1, "two": 2, "four": 4, "**": {"six": 6}}),
            ((1, 2), {"four": 4, "one": 0, "*": 7}, {"one": 1, "two": 2, "four": 4, "**": {"one": 0, "*": 7}}),
        ],
    )
    def test_is_stored_by_parameter_without_defaults_and_made_the_same(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], stored: dict[str, Any]
    ) -> None:
        codec = ArgumentCodec("shop:everything", everything)
        text = codec.encode(args, kwargs)
        assert json.loads(text) == stored
        by_position, by_name = codec.decode(text)
        assert everything(*by_position, **by_name) == everything(*args, **kwargs)

    @pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((7,), {}), ((7, 8), {"three": 9}), ((), {"three": 9})])
    def test_may_leave_out_parameters_that_go_by_position_only(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        codec = ArgumentCodec("shop:f", positional_defaults)
        by_position, by_name = codec.decode(codec.encode(args, kwargs))
        assert positional_defaults(*by_position, **by_name) == positional_defaults(*args, **kwargs)

    def test_may_have_parameters_with_awkward_names(self) -> None:
        def function(
            self: int,
            p0: int,
            cls: int,
            größe: int,  # noqa: PLC2401 - as a few people write it
            __struct_fields__: int,
            _: int = 0,
            *,
            type: int = 0,
            kwargs: int = 0,
        ) -> Any:
            return self, p0, cls, größe, __struct_fields__, _, type, kwargs

        codec = ArgumentCodec("shop:function", function)
        by_position, by_name = codec.decode(codec.encode((1, 2, 3, 4, 5, 6), {"type": 7, "kwargs": 8}))
        assert function(*by_position, **by_name) == (1, 2, 3, 4, 5, 6, 7, 8)

    def test_of_a_method_goes_without_the_instance(self) -> None:
        class Service:
            def send(self, user_id: int) -> None: ...

            def anything(*args: int) -> None: ...

        assert ArgumentCodec("s:Service.send", Service.send, is_method=True).encode((3,), {}) == '{"user_id":3}'
        assert ArgumentCodec("s:Service.send", Service().send).decode('{"user_id":3}') == ([3], {})
        assert ArgumentCodec("s:Service.anything", Service.anything, is_method=True).encode((3,), {}) == '{"*":[3]}'

    def test_of_a_function_without_a_readable_signature_takes_anything(self) -> None:
        codec = ArgumentCodec("builtins:max", max)
        assert codec.decode(codec.encode((3, 1), {"default": 2})) == ([3, 1], {"default": 2})

    def test_types_what_stands_among_the_stars(self) -> None:
        def function(*days: date, **more: UUID) -> None: ...

        codec = ArgumentCodec("shop:function", function)
        day, key = date(2026, 1, 1), KEY
        assert codec.decode(codec.encode((day, day), {"key": key})) == ([day, day], {"key": key})

    def test_annotations_of_wrapped_functions_and_objects_count(self) -> None:
        import functools  # noqa: PLC0415 - beside its one use

        def send(at: date) -> None: ...

        @functools.wraps(send)
        def wrapper(*args: Any, **kwargs: Any) -> None: ...

        class Sender:
            def __call__(self, at: date) -> None: ...

        for function in (wrapper, Sender(), functools.lru_cache(send)):
            codec = ArgumentCodec("shop:send", function)
            assert codec.decode(codec.encode((date(2026, 1, 1),), {})) == ([date(2026, 1, 1)], {})


class TestStoredArgumentsThatDoNotFit:
    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ("", r"they are not JSON \(Input data was truncated\)"),
            ("{'email': 1}", "they are not JSON"),
            ('{"email":"x"} and more', "they are not JSON"),
            ('{"email":NaN}', "they are not JSON"),
            ('{"email":"\ud800"}', "they are not JSON"),
            ("[]", "Expected `object`, got `array`"),
            ("null", "Expected `object`, got `null`"),
            ("{}", "parameter 'email' is missing"),
            ('{"mail":"x"}', "there is no parameter 'mail'"),
            ('{"email":1}', "parameter 'email': Expected `str`, got `int`"),
            ('{"email":null}', "parameter 'email': Expected `str`, got `null`"),
            ('{"email":"x","order":{"id":"1"}}', r"parameter 'order': Expected `int`, got `str` \(at \.id\)"),
            ('{"email":"x","order":{}}', "parameter 'order': Object missing required field `id`"),
            ('{"email":"x","prices":{"a":1}}', r"parameter 'prices': Expected `int`, got `str` \(at one of its keys\)"),
            ('{"email":"x","email":"y","z":1}', "there is no parameter 'z'"),
            ('{"email":"x","checked":{"value":-1}}', "KeyError: 'negative'"),
            ('{"email":"x","customer":{"name":1}}', "parameter 'customer': .*validation error"),
            pytest.param('{"email":"x","lines":' + "[" * 100_000, "they are nested too deeply", id="deep"),
            pytest.param('{"email":"x","' + "z" * 1000 + '":1}', "there is no parameter 'z{100}'", id="long"),
        ],
    )
    def test_name_the_cause(self, arguments: str, problem: str) -> None:
        def send(
            email: str,
            order: Order | None = None,
            prices: dict[int, int] | None = None,
            checked: Checked | None = None,
            customer: Customer | None = None,
            lines: Any = None,
        ) -> None: ...

        with pytest.raises(ArgumentsUnreadableError, match=f"(?s)do not fit shop:send: {problem}.*Was a parameter renamed"):
            ArgumentCodec("shop:send", send).decode(arguments)

    @pytest.mark.parametrize(
        ("arguments", "might_fit"),
        [
            ('{"email":"x","copies":2}', True),
            ('{"email":1}', True),
            ("{}", True),
            ('{"email":"x","**":{"email":"y"}}', True),
            ("not JSON", False),
            ('{"email":"\ud800"}', False),
            pytest.param('{"email":"x","**":{"lines":' + "[" * 100_000, False, id="deep"),
            ('{"email":"x","checked":{"value":-1}}', False),
        ],
    )
    def test_are_told_from_what_fits_no_version_of_the_function(self, arguments: str, might_fit: bool) -> None:
        def send(email: str, checked: Checked | None = None, **more: Any) -> None: ...

        with pytest.raises(ArgumentsUnreadableError) as raised:
            ArgumentCodec("shop:send", send).decode(arguments)
        assert isinstance(raised.value, ArgumentsMisfitError) is might_fit

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ('{"one":1,"two":2,"four":4,"*":[9]}', r"parameter 'three' is missing before '\*'"),
            ('{"one":1,"two":2,"four":4,"**":{"two":9}}', r"two stand among the \*\*kwargs"),
            ('{"one":1,"two":2,"four":4,"**":[]}', r"parameter '\*\*': Expected `object`, got `array`"),
            (
                '{"one":1,"two":2,"four":4,"*":[1,2,"x"],"three":3}',
                r"parameter '\*': Expected `int`, got `str` \(at \[2\]\)",
            ),
        ],
    )
    def test_name_the_cause_among_the_stars(self, arguments: str, problem: str) -> None:
        with pytest.raises(ArgumentsUnreadableError, match=problem):
            ArgumentCodec("shop:everything", everything).decode(arguments)

    def test_name_the_parameter_before_which_one_is_missing(self) -> None:
        with pytest.raises(ArgumentsUnreadableError, match="parameter 'one' is missing before 'two'"):
            ArgumentCodec("shop:f", positional_defaults).decode('{"two":2}')


class TestAResult:
    @pytest.mark.parametrize(
        ("result", "stored"),
        [
            ("250 OK", '"250 OK"'),
            ({"a": (1, 2.5, None)}, '{"a":[1,2.5,null]}'),
            (Order(1, [Line("pen", Decimal("2.50"))]), '"price":"2.50"'),
            (Customer(name="Ada", born=date(1815, 12, 10)), '"born":"1815-12-10"'),
            ({3}, "[3]"),
            (b"x", '"eA=="'),
            (Path("a/b"), '"a/b"'),
            ([None] * 200, "[null,null"),
        ],
    )
    def test_is_stored_as_json(self, result: object, stored: str) -> None:
        text = encode_result("shop:f", result)
        assert text is not None
        assert stored in text
        json.loads(text)

    def test_of_none_is_nothing(self) -> None:
        assert encode_result("shop:f", None) is None

    @pytest.mark.parametrize(
        ("result", "why"),
        [
            (Row(1), "a Row has no form in JSON"),
            (lambda: 1, "a function has no form in JSON"),
            (math.nan, "it holds nan"),
            ([None, {"a": Point(1, 1), "b": (math.inf,)}], "it holds inf"),
            ("\0", "NUL"),
            ("\ud800", "surrogate"),
            ({(1, 2): 3}, "a tuple has no form in JSON"),
            pytest.param(10**5000, "4300 digits", id="digits"),
        ],
    )
    def test_that_json_cannot_hold_is_refused(self, result: object, why: str) -> None:
        with pytest.raises(ResultNotStorableError, match=f"shop:f ran to its end, but its result is not storable: .*{why}"):
            encode_result("shop:f", result)

    def test_that_is_too_large_leaves_a_note(self) -> None:
        assert encode_result("shop:f", "x" * 98, 100) == f'"{"x" * 98}"'
        text = encode_result("shop:f", "x" * 99, 100)
        assert text is not None
        assert json.loads(text) == {"left_out": "the result took 101 bytes, the limit is 100 (setting max_result_size)"}


class TestACallForPeople:
    @pytest.mark.parametrize(
        ("target", "arguments", "text"),
        [
            ("shop.mail:MailService.send", '{"user_id":42}', "MailService.send(42)"),
            ("shop.jobs:nightly", "{}", "jobs.nightly()"),
            ("jobs:send", '{"email":"ada@example.org","urgent":true}', "jobs.send(email='ada@example.org', urgent=True)"),
            ("jobs:send", '{"*":[1,null],"**":{"a b":2,"c":[1]}}', "jobs.send(1, None, 'a b'=2, c=[1])"),
            ("jobs:send", '{"*":3,"**":4}', "jobs.send('*'=3, '**'=4)"),
            ("jobs:send", '{"text":"a\\nb"}', r"jobs.send('a\nb')"),
            ("jobs:send", "not JSON", "jobs.send(…)"),
            ("jobs:send", "[1]", "jobs.send(…)"),
            ("jobs:send", "\ud800", "jobs.send(…)"),
            pytest.param("jobs:send", "[" * 100_000, "jobs.send(…)", id="deep"),
            ("nonsense", "{}", "nonsense.()"),
            ("", "", ".(…)"),
        ],
    )
    def test_is_readable(self, target: str, arguments: str, text: str) -> None:
        assert describe_call(target, arguments) == text

    def test_is_cut(self) -> None:
        for arguments in (
            json.dumps({"text": "x" * 10_000}),
            json.dumps({"*": list(range(10_000))}),
            json.dumps({str(number): number for number in range(10_000)}),
            json.dumps({"deep": nested(50)}),
        ):
            text = describe_call("shop.jobs:send", arguments, 60)
            assert len(text) <= 60
            assert text.startswith("jobs.send(")
            assert text.endswith(")")
        assert describe_call("shop.jobs:send", '{"numbers":[1,2,3]}', 10) == "jobs.sen…)"

    def test_shows_the_first_twenty_arguments(self) -> None:
        twenty = ", ".join(map(str, range(20)))
        assert describe_call("m:f", json.dumps({"*": list(range(20))}), 1000) == f"m.f({twenty})"
        assert describe_call("m:f", json.dumps({"*": list(range(21))}), 1000) == f"m.f({twenty}, …)"
        assert describe_call("m:f", json.dumps({"**": dict.fromkeys("abcdefghijklmnopqrstuv", 1)}), 1000).endswith("t=1, …)")


def test_pydantic_is_never_imported_by_us() -> None:
    import subprocess  # noqa: PLC0415 - beside its one use

    program = (
        "import sys\n"
        "from jobrunr.serialization import ArgumentCodec, encode_result\n"
        "def f(a: object, b: int): ...\n"
        "class Row: ...\n"
        "codec = ArgumentCodec('m:f', f)\n"
        "codec.decode(codec.encode((1, 2), {}))\n"
        "try: encode_result('m:f', Row())\n"
        "except Exception as error: assert 'has no form' in str(error)\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
