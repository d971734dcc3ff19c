from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.errors import OptionError
from jobrunr.filters import JobFilter
from jobrunr.ids import JobId
from jobrunr.jobs import MAX_QUEUE_LENGTH
from jobrunr.options import MAX_LABELS, JobOptions, job, options_of
from jobrunr.retries import FixedDelays

options = st.builds(
    JobOptions,
    id=st.none() | st.builds(JobId.new),
    name=st.none() | st.text(min_size=1),
    retries=st.none() | st.integers(0, 10_000),
    retry=st.none() | st.builds(FixedDelays, st.integers(0, 100)),
    labels=st.none() | st.lists(st.text(), max_size=MAX_LABELS).map(tuple),
    queue=st.none() | st.text(min_size=1, max_size=MAX_QUEUE_LENGTH).filter(str.isprintable),
    priority=st.none() | st.integers(-32768, 32767),
    purge_deleted_after=st.none() | st.timedeltas(min_value=timedelta(0)),
    timeout=st.none() | st.timedeltas(min_value=timedelta(microseconds=1)),
    execution=st.sampled_from([None, "thread", "process"]),
)


class TestPrecedence:
    @given(options, options)
    def test_what_is_said_goes_before_what_is_below(self, above: JobOptions, below: JobOptions) -> None:
        both = above.over(below)
        for field in msgspec.structs.fields(JobOptions):
            said, otherwise = getattr(above, field.name), getattr(below, field.name)
            assert getattr(both, field.name) == (otherwise if said is None else said)

    @given(options, options, options)
    def test_it_does_not_matter_which_two_are_laid_over_each_other_first(
        self, call: JobOptions, decorator: JobOptions, settings: JobOptions
    ) -> None:
        assert call.over(decorator).over(settings) == call.over(decorator.over(settings))

    @pytest.mark.parametrize(
        "zero", [{"retries": 0}, {"priority": 0}, {"labels": ()}, {"purge_deleted_after": timedelta(0)}]
    )
    def test_zero_and_empty_are_said(self, zero: dict[str, Any]) -> None:
        below = JobOptions(retries=3, priority=4, labels=("a",), purge_deleted_after=timedelta(1))
        (name,) = zero
        assert getattr(JobOptions(**zero).over(below), name) == zero[name]


class TestChecking:
    @pytest.mark.parametrize(
        "fine",
        [
            {"retries": 0},
            {"retries": 10_000},
            {"priority": -32768},
            {"priority": 32767},
            {"queue": "q"},
            {"queue": "ü" * MAX_QUEUE_LENGTH},
            {"labels": ()},
            {"labels": tuple("abcdefghij")},
            {"delete_failed_after": timedelta(0)},
            {"delete_succeeded_after": timedelta.max},
            {"timeout": timedelta(microseconds=1)},
            {"execution": "thread"},
            {"execution": "process"},
        ],
        ids=str,
    )
    def test_the_edges_of_what_is_allowed_are_allowed(self, fine: dict[str, Any]) -> None:
        JobOptions(**fine)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"retries": -1},
            {"retries": 10_001},
            {"retries": True},
            {"retries": 2.5},
            {"retries": "3"},
            {"priority": -32769},
            {"priority": 32768},
            {"priority": True},
            {"priority": 1.0},
            {"priority": "high"},
            {"queue": ""},
            {"queue": "q" * (MAX_QUEUE_LENGTH + 1)},
            {"queue": 5},
            {"queue": "a\0b"},
            {"name": 5},
            {"labels": (1,)},
            {"retry": 5},
            {"retry_on": ValueError},
            {"no_retry_on": ("ValueError",)},
            {"filters": (JobFilter,)},
            {"queue": ["mail"]},
            {"labels": "mail"},
            {"labels": tuple("abcdefghijk")},
            {"delete_succeeded_after": timedelta(microseconds=-1)},
            {"delete_failed_after": 60},
            {"purge_deleted_after": "3d"},
            {"timeout": timedelta(0)},
            {"timeout": 5},
            {"execution": "processes"},
            {"execution": ["thread"]},
        ],
        ids=str,
    )
    def test_a_wrong_option_is_refused_by_name_with_what_is_allowed(self, wrong: dict[str, Any]) -> None:
        (name,) = wrong
        with pytest.raises(OptionError, match=name):
            JobOptions(**wrong)

    @pytest.mark.parametrize("timeout", [timedelta(seconds=90), 90, 90.0, "90s", "1m30s"])
    def test_a_time_limit_is_written_like_other_durations(self, timeout: Any) -> None:
        marked = options_of(job(timeout=timeout)(lambda: None))
        assert marked is not None and marked.timeout == timedelta(seconds=90)

    @pytest.mark.parametrize("timeout", ["soon", -1, 0, True, float("nan"), "1e400"])
    def test_what_is_no_time_limit_is_refused(self, timeout: Any) -> None:
        with pytest.raises(OptionError, match=r"timeout cannot be .* it is a duration above zero"):
            job(timeout=timeout)(print)

    def test_a_wrong_option_is_refused_where_it_is_written(self) -> None:
        with pytest.raises(OptionError, match=r"labels is a list of texts; write labels=\['mail'\]"):
            job(labels="mail")(print)


class TestDecorator:
    def test_the_function_itself_stays_as_it_is(self) -> None:
        def send(email: str) -> str:
            return f"sent to {email}"

        assert job(send) is send
        assert job(retries=3)(send) is send
        assert send("ada") == "sent to ada"

    def test_a_bare_decorator_offers_without_saying_anything(self) -> None:
        @job
        def send() -> None: ...

        assert options_of(send) == JobOptions()

    def test_everything_that_is_said_is_kept(self) -> None:
        class Audit(JobFilter): ...

        said: dict[str, Any] = {
            "name": "Send to {0}",
            "retries": 3,
            "retry": FixedDelays(5),
            "queue": "mail",
            "priority": 2,
            "delete_succeeded_after": timedelta(1),
            "delete_failed_after": timedelta(2),
            "purge_deleted_after": timedelta(3),
        }
        audit = Audit()

        @job(**said, retry_on=[OSError], no_retry_on=[KeyError], labels=["a", "b"], filters=[audit])
        def send() -> None: ...

        assert options_of(send) == JobOptions(
            **said, retry_on=(OSError,), no_retry_on=(KeyError,), labels=("a", "b"), filters=(audit,)
        )

    def test_a_plain_function_has_none(self) -> None:
        def send() -> None: ...

        assert options_of(send) is None
        assert options_of(print) is None

    def test_something_else_under_our_attribute_is_none(self) -> None:
        def send() -> None: ...

        send.__jobrunr_options__ = {"retries": 3}  # type: ignore[attr-defined]
        assert options_of(send) is None

    def test_methods_of_every_kind_carry_theirs(self) -> None:
        class Mail:
            @job(retries=1)
            def send(self) -> None: ...

            @job(retries=2)
            @staticmethod
            def inside_static() -> None: ...

            @staticmethod
            @job(retries=3)
            def static() -> None: ...

            @job(retries=4)
            @classmethod
            def inside_class(cls) -> None: ...

            @classmethod
            @job(retries=5)
            def of_class(cls) -> None: ...

        methods = [Mail.send, Mail().send, Mail.inside_static, Mail.static, Mail.inside_class, Mail().of_class]
        found = [options_of(method) for method in methods]
        assert [options and options.retries for options in found] == [1, 1, 2, 3, 4, 5]
