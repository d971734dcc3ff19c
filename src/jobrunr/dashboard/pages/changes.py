"""Changes to many jobs: asked for, confirmed, and watched."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from starlette.responses import Response

from jobrunr.dashboard.answers import go_to, page
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.job_search import FIELDS, in_words, read_query, write_query
from jobrunr.dashboard.live import Fragments
from jobrunr.dashboard.operations import Verb, change_jobs, change_matching, how_many
from jobrunr.dashboard.pages.jobs import fields_of
from jobrunr.dashboard.refusal import Refusal
from jobrunr.dashboard.showing import templates
from jobrunr.dashboard.site import Site
from jobrunr.ids import JobId
from jobrunr.storage.contract import JobCount


def confirm(call: Call) -> Response:
    """The page that asks once more, and says how many jobs it is about."""
    verb = _verb(call.query.get("verb"))
    if _is_of_selected(call.query.get("of")):
        job_ids = _job_ids(call.query.getlist("job"))
        if not job_ids:
            raise Refusal(422, "Select some jobs first.", "job")
        return page(
            call, "confirm.html", verb=verb, job_ids=job_ids, asked={}, back={}, words="", count=JobCount(len(job_ids), True)
        )
    query = read_query(fields_of(call))
    back = write_query(query)
    if query.changed_until is None:  # what is counted now is what is changed then, and nothing twice
        query = msgspec.structs.replace(query, changed_until=call.site.storage.now() + timedelta(microseconds=1))
    count = how_many(call.site, query)
    return page(
        call, "confirm.html", verb=verb, job_ids=[], asked=write_query(query), back=back, words=in_words(query), count=count
    )


def begin(call: Call) -> Response:
    """Begin the change, and lead to where it can be watched."""
    verb = _verb(call.field("verb"))
    if _is_of_selected(call.field("of")):
        call.field("job")
        change = change_jobs(call.site, call.user, verb, _job_ids(call.form["job"]))
    else:
        query = read_query({name: values[0] for name, values in call.form.items() if name in FIELDS})
        change = change_matching(call.site, call.user, verb, query)
    return go_to(call, f"changes/{change.id}")


def change(call: Call) -> Response:
    """How far it is."""
    found = call.site.changes.get(call.path["id"])
    if found is None:
        return page(call, "no_change.html", status=404)
    return page(call, "change.html", change=found)


def stop(call: Call) -> Response:
    """Do not go on with it."""
    found = call.site.changes.get(call.path["id"])
    if found is not None:
        found.stop()
    return go_to(call, f"changes/{call.path['id']}")


def change_topic(site: Site, change_id: str) -> Fragments:
    """How far it is, as it goes on."""
    found = site.changes.get(change_id)
    return {} if found is None else {"change": templates.get_template("parts/change.html").render(change=found)}


def _verb(given: str | None) -> Verb:
    try:
        return Verb(given or "")
    except ValueError:
        raise Refusal(422, f"Jobs can be changed by {' or '.join(Verb)}.", "verb") from None


def _is_of_selected(given: str | None) -> bool:
    """Whether it is about jobs that somebody selected, or about all that match. Nothing selected must never mean all."""
    if given not in {"selected", "matching"}:
        raise Refusal(422, "Say whether selected or matching jobs are meant.", "of")
    return given == "selected"


def _job_ids(given: list[str]) -> list[JobId]:
    try:
        return [JobId.of(text) for text in dict.fromkeys(given)]
    except ValueError as error:
        raise Refusal(422, str(error), "job") from None
