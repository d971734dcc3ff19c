from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.errors import DoNotRetry, OptionError, TargetNotFoundError, UnreadableJobError
from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.retries import (
    ExponentialBackoff,
    FixedDelays,
    GiveUp,
    Retry,
    RetryDecision,
    RetryPolicy,
    RetryRules,
    class_name,
    decide,
    read_policy,
    write_policy,
)
from jobrunr.testing.factories import a_stored_job

NO_RULES = RetryRules()
TEN_YEARS = timedelta(days=3650)

backoffs = st.builds(
    ExponentialBackoff,
    base=st.floats(1, 1e6) | st.integers(1, 1000),
    factor=st.floats(0.001, 1e6),
    maximum=st.none() | st.floats(0.001, 1e12) | st.timedeltas(min_value=timedelta(milliseconds=1)),
    jitter=st.floats(0, 1),
)


def seconds(period: timedelta) -> float:
    return period.total_seconds()


def delays_of(policy: RetryPolicy, attempts: int) -> list[float]:
    """The first delays that a policy asks for, in seconds."""
    decisions = [policy(a_stored_job(), OSError(), attempt) for attempt in range(1, attempts + 1)]
    return [seconds(decision.after) for decision in decisions if isinstance(decision, Retry)]


class TestExponentialBackoff:
    def test_waits_three_to_the_power_of_the_failures_by_default(self) -> None:
        assert delays_of(ExponentialBackoff(), 10) == [3, 9, 27, 81, 243, 729, 2187, 6561, 19683, 59049]

    def test_waits_about_a_day_in_all_by_default(self) -> None:
        assert sum(delays_of(ExponentialBackoff(), 10)) == 88_572

    def test_base_and_factor_shape_the_growth(self) -> None:
        assert delays_of(ExponentialBackoff(base=2, factor=10), 4) == [20, 40, 80, 160]
        assert delays_of(ExponentialBackoff(base=1, factor=7), 3) == [7, 7, 7]

    @pytest.mark.parametrize("maximum", [60, 60.0, timedelta(minutes=1)])
    def test_never_waits_longer_than_the_maximum(self, maximum: float | timedelta) -> None:
        assert delays_of(ExponentialBackoff(maximum=maximum), 5) == [3, 9, 27, 60, 60]

    @given(backoffs, st.integers(1, 20_000))
    def test_every_delay_is_a_period_up_to_the_maximum_and_ten_years(self, policy: ExponentialBackoff, attempt: int) -> None:
        (retry,) = [policy(a_stored_job(), OSError(), attempt)]
        assert timedelta(0) <= retry.after <= TEN_YEARS
        if isinstance(policy.maximum, timedelta):
            assert retry.after <= policy.maximum
        elif policy.maximum is not None:
            assert seconds(retry.after) <= policy.maximum + 1e-6

    @given(st.floats(0.01, 1), st.integers(1, 8))
    def test_jitter_spreads_a_delay_both_ways_by_its_share(self, jitter: float, attempt: int) -> None:
        policy = ExponentialBackoff(jitter=jitter)
        plain = seconds(policy.delay(attempt))
        spread = [seconds(policy(a_stored_job(), OSError(), attempt).after) for _ in range(40)]
        assert plain * (1 - jitter) - 1e-6 <= min(spread) < plain < max(spread) <= plain * (1 + jitter) + 1e-6

    def test_without_jitter_nothing_is_left_to_chance(self) -> None:
        assert len({ExponentialBackoff()(a_stored_job(), OSError(), 3) for _ in range(10)}) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"base": 0.99},
            {"base": -3},
            {"base": math.nan},
            {"factor": 0},
            {"factor": -1},
            {"factor": math.nan},
            {"jitter": -0.1},
            {"jitter": 1.1},
            {"jitter": math.nan},
            {"maximum": 0},
            {"maximum": -1},
            {"maximum": math.nan},
            {"maximum": timedelta(0)},
        ],
        ids=str,
    )
    def test_numbers_that_make_no_sense_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(OptionError, match=next(iter(wrong))):
            ExponentialBackoff(**wrong)


class TestFixedDelays:
    def test_waits_the_given_seconds_and_repeats_the_last(self) -> None:
        assert delays_of(FixedDelays(5, 0, timedelta(minutes=1)), 5) == [5, 0, 60, 60, 60]

    @pytest.mark.parametrize("wrong", [(), (-1,), (5, -0.001), (math.nan,), (math.inf,), (timedelta(days=3651),)], ids=str)
    def test_delays_that_make_no_sense_are_refused(self, wrong: tuple[float, ...]) -> None:
        with pytest.raises(OptionError, match="one or more delays"):
            FixedDelays(*wrong)

    def test_a_policy_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            FixedDelays(5).seconds = (6,)  # type: ignore[misc]


class TestPoliciesThatTravel:
    @given(backoffs)
    def test_a_backoff_comes_back_from_storage(self, policy: ExponentialBackoff) -> None:
        stored = msgspec.json.decode(msgspec.json.encode(write_policy(policy)))
        found = read_policy(stored)
        assert isinstance(found, ExponentialBackoff)
        assert (found.base, found.factor, found.jitter) == (policy.base, policy.factor, policy.jitter)
        assert found.delay(7) == policy.delay(7)

    @given(st.lists(st.floats(0, 1e8), min_size=1, max_size=20))
    def test_fixed_delays_come_back_from_storage(self, delays: list[float]) -> None:
        policy = FixedDelays(*delays)
        assert read_policy(msgspec.json.decode(msgspec.json.encode(write_policy(policy)))) == policy

    def test_code_does_not_travel(self) -> None:
        def mine(_job: Job, _exception: BaseException, _attempt: int) -> RetryDecision:
            return Retry(timedelta(0))

        with pytest.raises(OptionError, match=r"mine.*cannot be stored with a job.*@job\(retry=\.\.\.\)"):
            write_policy(mine)

    @pytest.mark.parametrize(
        "stored",
        [
            {},
            {"type": "eval", "code": "1"},
            {"type": "fixed"},
            {"type": "fixed", "seconds": []},
            {"type": "fixed", "seconds": 5},
            {"type": "fixed", "seconds": ["5"]},
            {"type": "fixed", "seconds": [None]},
            {"type": "fixed", "seconds": [-1]},
            {"type": "exponential", "base": "3"},
            {"type": "exponential", "base": 0},
            {"type": "exponential", "maximum": [1]},
            {"type": "exponential", "colour": "red"},
        ],
        ids=str,
    )
    def test_anything_else_in_storage_is_refused(self, stored: dict[str, Any]) -> None:
        with pytest.raises(OptionError):
            read_policy(stored)


class TestDecision:
    """Whether a failure is followed by a retry."""

    def decide(
        self, exception: BaseException, rules: RetryRules = NO_RULES, failures: int = 0, retries: int = 10
    ) -> RetryDecision:
        return decide(a_stored_job(failures=failures, retries=retries), exception, FixedDelays(5, 6, 7), rules)

    def test_the_policy_says_how_long_to_wait(self) -> None:
        assert self.decide(OSError()) == Retry(timedelta(seconds=5))
        assert self.decide(OSError(), failures=2) == Retry(timedelta(seconds=7))

    def test_the_policy_is_asked_with_the_job_the_exception_and_the_attempt(self) -> None:
        asked: list[object] = []

        def policy(*facts: object) -> RetryDecision:
            asked.extend(facts)
            return GiveUp("enough")

        job, error = a_stored_job(failures=3), OSError()
        assert decide(job, error, policy, NO_RULES) == GiveUp("enough")
        assert asked == [job, error, 4]

    @pytest.mark.parametrize("retries", [1, 2, 10])
    def test_a_job_is_retried_as_often_as_it_may_be(self, retries: int) -> None:
        decisions = [self.decide(OSError(), failures=failures, retries=retries) for failures in range(retries + 2)]
        assert [type(decision) for decision in decisions] == [Retry] * retries + [GiveUp] * 2
        assert decisions[-1] == GiveUp("no retry is left")

    def test_a_job_without_retries_is_never_retried(self) -> None:
        assert self.decide(OSError(), retries=0) == GiveUp("it is not to be retried")

    @pytest.mark.parametrize(
        "error",
        [
            DoNotRetry("withdrawn"),
            TargetNotFoundError("shop:send", "it is gone"),
            UnreadableJobError(JobId.new(), "nonsense"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_where_a_retry_would_not_help_there_is_none_whatever_the_rules(self, error: Exception) -> None:
        rules = RetryRules(retry_on=("builtins.Exception",), no_retry_on=())
        assert isinstance(self.decide(error, rules), GiveUp)

    def test_an_exception_that_is_not_to_be_retried_is_not_nor_are_its_subclasses(self) -> None:
        rules = RetryRules(no_retry_on=("builtins.OSError",))
        assert self.decide(OSError(), rules) == GiveUp("builtins.OSError is not retried")
        assert self.decide(FileNotFoundError(), rules) == GiveUp("builtins.FileNotFoundError is not retried")
        assert isinstance(self.decide(ValueError(), rules), Retry)

    def test_only_the_named_exceptions_are_retried_and_their_subclasses(self) -> None:
        rules = RetryRules(retry_on=("builtins.OSError", "builtins.KeyError"))
        assert isinstance(self.decide(OSError(), rules), Retry)
        assert isinstance(self.decide(FileNotFoundError(), rules), Retry)
        assert isinstance(self.decide(KeyError(), rules), Retry)
        assert self.decide(ValueError(), rules) == GiveUp("only builtins.OSError, builtins.KeyError are retried")

    def test_what_is_not_to_be_retried_goes_before_what_is(self) -> None:
        rules = RetryRules(retry_on=("builtins.OSError",), no_retry_on=("builtins.FileNotFoundError",))
        assert isinstance(self.decide(FileNotFoundError(), rules), GiveUp)
        assert isinstance(self.decide(PermissionError(), rules), Retry)

    def test_an_empty_list_and_no_list_are_not_the_same(self) -> None:
        assert isinstance(self.decide(OSError(), RetryRules(retry_on=())), GiveUp)
        assert isinstance(self.decide(OSError(), RetryRules(no_retry_on=())), Retry)

    def test_rules_do_not_lengthen_the_count(self) -> None:
        assert isinstance(self.decide(OSError(), RetryRules(retry_on=("builtins.OSError",)), failures=10), GiveUp)

    def test_a_class_is_named_by_its_module_and_full_name(self) -> None:
        class Inner(Exception): ...

        name = f"{__name__}.TestDecision.test_a_class_is_named_by_its_module_and_full_name.<locals>.Inner"
        assert class_name(Inner) == name
        assert isinstance(self.decide(Inner(), RetryRules(no_retry_on=(name,))), GiveUp)
