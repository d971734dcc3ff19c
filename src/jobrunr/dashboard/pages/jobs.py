"""The list of jobs, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.job_search import FIELDS, read_query, write_query
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing.brief import brief
from jobrunr.dashboard.site import Site
from jobrunr.states import JobState
from jobrunr.storage.contract import JobOrder, JobQuery

PATIENCE = timedelta(seconds=0.8)
"""How long one page is searched for; then it shows what there is, and a way to search on."""
SIZES = (20, 50, 100)
STATES = tuple(state for state in JobState if state is not JobState.PROCESSED)
"""Those that have a tab."""


def jobs(call: Call) -> Response:
    """The page. A whole id in the field for texts leads to that job."""
    fields = fields_of(call)
    job_id = _whole_id(fields.get("text", ""))
    if job_id is not None:
        return go_to(call, f"jobs/{job_id}")
    query = _query(call, fields)
    found = call.site.storage.find(query)
    now = call.site.storage.now()
    counts = _counts(call.site)
    asked = write_query(query)
    shown = asked | {"order": query.order.value, "size": str(query.limit)}
    return page(
        call,
        "jobs.html",
        tabs=[(None, sum(count for _, count in counts)), *counts],
        asked=asked,
        shown=shown,
        is_search=any(value for name, value in asked.items() if name != "state"),
        is_wide_search=any(value for name, value in asked.items() if name not in {"state", "text", "label"}),
        query=query,
        found=found,
        rows=[brief(call.site, job, now) for job in found],
        sizes=SIZES,
        is_first=query.after is None,
        patience=PATIENCE,
    )


def fields_of(call: Call) -> dict[str, str]:
    """The fields of a search among the parameters."""
    return {name: call.query[name] for name in FIELDS if name in call.query}


def tabs_topic(site: Site, argument: str) -> Fragments:
    """The counts on the tabs, as they change."""
    counts = _counts(site)
    return {f"count-{state}": f"{count:,}" for state, count in counts} | {"count-": f"{sum(count for _, count in counts):,}"}


def _counts(site: Site) -> list[tuple[JobState, int]]:
    counts = site.storage.counts()
    return [(state, counts.get(state, 0)) for state in STATES]


def _query(call: Call, fields: Mapping[str, str]) -> JobQuery:
    paging: dict[str, Any] = {
        "order": _order(call.query.get("order", JobOrder.NEWEST)),
        "limit": _size(call.query.get("size", str(SIZES[0]))),
        "after": call.query.get("after"),
        "patience": PATIENCE,
    }
    return msgspec.structs.replace(read_query(fields), **paging)


def _order(given: str) -> JobOrder:
    try:
        return JobOrder(given)
    except ValueError:
        raise Refusal(422, f"The order is {' or '.join(JobOrder)}.", "order") from None


def _size(given: str) -> int:
    if given not in map(str, SIZES):
        raise Refusal(422, f"A page has {', '.join(map(str, SIZES))} jobs.", "size")
    return int(given)


def _whole_id(text: str) -> UUID | None:
    try:
        return UUID(text.strip()) if len(text.strip()) == 36 else None
    except ValueError:
        return None
