"""Failures, put together by what is alike."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobrunr.dashboard.api.job_answers import Failure, JobInBrief, failure_in, in_brief
from jobrunr.dashboard.api.kinds import Limit, Moment
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call


class FailuresAsked(msgspec.Struct, kw_only=True):
    """How many groups."""

    limit: Limit = 100
    """How many groups at most."""


class FailedAlike(msgspec.Struct, kw_only=True):
    """FAILED jobs whose last failures were alike."""

    fingerprint: str
    """Finds them: `GET /api/jobs?state=FAILED&fingerprint=…`."""
    count: int
    first_at: Moment
    """When the one failed that has been FAILED longest."""
    last_at: Moment
    example: JobInBrief
    """The one that failed last."""
    exception: Failure | None
    """With what the example failed."""


def get_failures(call: Call, asked: FailuresAsked) -> Sequence[FailedAlike]:
    """Get what is FAILED, in groups of the same target, kind of exception and place. The newest comes first."""
    return [
        FailedAlike(
            fingerprint=group.fingerprint,
            count=group.count,
            first_at=group.first_at,
            last_at=group.last_at,
            example=in_brief(call.site, group.example),
            exception=failure_in(call.site, group.example.last_exception),
        )
        for group in call.site.storage.failures(asked.limit)
    ]


OPERATIONS = (Operation("GET", "/api/failures", get_failures, subject="Failures"),)
