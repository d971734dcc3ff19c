"""What a job returned is read again, or an error of ours says which job, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from jobrunr import Job, JobState
from jobrunr.errors import JobRunrError, ResultTypeError, UnreadableJobError
from jobrunr.testing.factories import a_stored_job


@dataclass
class Invoice:
    number: int


class Parcel(BaseModel):
    weight: float


def with_result(result_json: str | None) -> Job:
    return a_stored_job(JobState.SUCCEEDED, result_json=result_json)


def test_a_result_is_read_as_plain_data_or_as_a_type() -> None:
    job = with_result('{"number":17}')
    assert job.result == {"number": 17}
    assert job.result_as(Invoice) == Invoice(17)
    assert with_result('{"weight":1.5}').result_as(Parcel) == Parcel(weight=1.5)
    assert with_result(None).result is None
    assert with_result(None).result_as(type(None)) is None


@pytest.mark.parametrize("damaged", ["", "{", "nonsense", '{"number":17} and more', "\ud800", "[" * 100_000])
@pytest.mark.parametrize("read", [lambda job: job.result, lambda job: job.result_as(Invoice)])
def test_a_damaged_result_is_an_error_that_names_the_job(damaged: str, read: Any) -> None:
    job = with_result(damaged)
    with pytest.raises(UnreadableJobError, match=f"Job {job.id} cannot be read: its result is") as caught:
        read(job)
    assert caught.value.job_id == job.id


@pytest.mark.parametrize(
    ("result_json", "wanted", "says"),
    [
        ('{"number":"x"}', Invoice, ["no Invoice", "Expected `int`, got `str` - at `$.number`", "It is {'number': 'x'}"]),
        ("[1,2]", list[str], ["no list[str]", "Expected `str`, got `int`", "It is [1, 2]"]),
        ('{"weight":"heavy"}', Parcel, ["no Parcel", "weight"]),
        (None, int, ["no int", "it is SUCCEEDED, or its function returned None"]),
        ('{"left_out":"the result took 5 bytes"}', int, ["no int", "too large to keep: the result took 5 bytes."]),
    ],
)
def test_a_result_of_another_type_is_an_error_that_says_job_and_type_and_why(
    result_json: str | None, wanted: Any, says: list[str]
) -> None:
    job = with_result(result_json)
    with pytest.raises(ResultTypeError) as caught:
        job.result_as(wanted)
    assert isinstance(caught.value, JobRunrError)
    assert caught.value.job_id == job.id
    assert [part for part in [str(job.id), *says] if part not in str(caught.value)] == []
