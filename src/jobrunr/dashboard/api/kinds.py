"""The types of parameters and fields that several operations have."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

WITHOUT_NUL = {"pattern": "^[^\\u0000]*$"}
"""Databases refuse the character; so do we, with a better sentence than that of a pattern."""

Limit = Annotated[int, Meta(ge=1, le=500)]
Name = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=WITHOUT_NUL)]
Text = Annotated[str, Meta(min_length=1, max_length=1000, extra_json_schema=WITHOUT_NUL)]
Cursor = Annotated[str, Meta(min_length=1, max_length=500, extra_json_schema=WITHOUT_NUL)]
Moment = Annotated[datetime, Meta(tz=True)]


class OneJob(msgspec.Struct, kw_only=True):
    """Which job."""

    id: UUID
    """The id of the job."""


NO_JOB = {404: "There is no job with this id (any more)."}
WRONG_MOVE = {409: "The job cannot move like this from its present state, or others kept changing it meanwhile."}
