"""Rows that somebody changed by hand: they hurt nobody but themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunr import transitions
from jobrunr.errors import UnreadableJobError
from jobrunr.jobs import Job, JobExtras
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import JobQuery, Retention, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract
from jobrunr.testing.contract.decisions import bury
from jobrunr.testing.factories import enqueued, present, processing, succeeded, written

damages = pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels_json", "not JSON"),
        ("labels_json", "[1, 2]"),
        ("labels_json", "{}"),
        ("labels_json", b"\xff\xfe"),
        ("extras_json", "not JSON"),
        ("extras_json", '{"retry": 7}'),
        ("extras_json", '{"purge_deleted_after": "soon"}'),
        ("extras_json", b"\xff\xfe"),
        ("name", b"\xff\xfe"),
        ("target", b"\xff\xfe"),
        ("arguments", b"\xff\xfe"),
        ("reason", b"\xff\xfe"),
        ("past", b"\xff\xfe"),
        ("created_at", "yesterday"),
        ("enqueued_at", "yesterday"),
        ("run_at", "tomorrow"),
        ("run_at", b"\x00\xff"),
        ("expires_at", "never"),
        ("retries", "many"),
        ("crashes", "many"),
        ("attempts", "some"),
        ("failures", "few"),
        ("version", "latest"),
        ("priority", "high"),
    ],
)


def is_unreadable(job: Job) -> bool:
    """Whether a job says that it cannot be read, at once or when it is looked at."""
    if job.unreadable is not None:
        return True
    try:
        _ = job.labels, job.extras
    except UnreadableJobError as error:
        return error.job_id == job.id
    return False


class Damaging(Contract):
    """An unreadable row is claimed, found and failed like any other, and its neighbours do not notice."""

    def damaged(self, storage: StorageProvider, job: Job, field: str, value: object) -> None:
        if self.not_damageable is not None:
            pytest.skip(self.not_damageable)
        if not self.damage(storage, job.id, field, value):
            pytest.skip(f"this storage does not take {value!r} as {field}")

    @damages
    def test_an_unreadable_job_is_claimed_beside_its_neighbours(
        self, storage: StorageProvider, server: ServerRecord, field: str, value: object
    ) -> None:
        before, broken, behind = (enqueued(storage) for _ in range(3))
        self.damaged(storage, broken, field, value)

        claimed = {job.id: job for job in storage.claim(server.id, server.name, MANY)}

        assert claimed.keys() == {before.id, broken.id, behind.id}
        assert is_unreadable(claimed[broken.id])
        assert claimed[broken.id].claim_token is not None
        assert not is_unreadable(claimed[before.id])
        assert not is_unreadable(claimed[behind.id])

    @damages
    def test_an_unreadable_job_that_was_claimed_can_fail(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock, field: str, value: object
    ) -> None:
        broken = enqueued(storage)
        self.damaged(storage, broken, field, value)
        (claimed,) = storage.claim(server.id, server.name, MANY)

        failed = written(storage, transitions.fail(claimed, clock.now(), "it cannot be read"))

        assert failed.state is JobState.FAILED

    @damages
    def test_an_unreadable_job_is_found_beside_its_neighbours(
        self, storage: StorageProvider, field: str, value: object
    ) -> None:
        before, broken, behind = (enqueued(storage) for _ in range(3))
        self.damaged(storage, broken, field, value)

        assert is_unreadable(present(storage, broken))
        assert {job.id for job in storage.find(JobQuery(state=JobState.ENQUEUED))} == {before.id, broken.id, behind.id}

    @damages
    def test_an_unreadable_orphan_is_found_beside_its_neighbours(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock, field: str, value: object
    ) -> None:
        broken, other = processing(storage, server), processing(storage, server)
        self.damaged(storage, broken, field, value)
        storage.sign_off(server.id)

        orphans = {job.id: job for job in storage.orphans(MANY)}
        assert other.id in {claim.job_id for claim in storage.claims_of(server.id)}

        assert orphans.keys() == {broken.id, other.id}
        assert is_unreadable(orphans[broken.id])
        assert storage.update([bury(orphans[broken.id], clock.now())]) == {broken.id}

    def test_a_damaged_line_of_the_past_is_shown_as_such(self, storage: StorageProvider, clock: TestClock) -> None:
        job = succeeded(storage)
        past = transitions.requeue(job, clock.now(), "again")
        assert past is not None
        again = written(storage, past)
        self.damaged(storage, job, "past", "not JSON\n" + again.past)

        history = present(storage, job).history

        assert history[0].reason is not None
        assert "cannot be read" in history[0].reason
        assert history[1:] == again.history

    def test_a_job_with_unreadable_extras_expires_by_the_settings(self, storage: StorageProvider) -> None:
        broken, other = (succeeded(storage, queue=queue, extras=JobExtras(log_context={"n": 1})) for queue in "ab")
        self.damaged(storage, broken, "extras_json", "not JSON")
        at_once = Retention(delete_succeeded_after=timedelta(0), purge_deleted_after=timedelta(0))

        assert storage.expire(at_once, MANY) == 2
        assert storage.expire(at_once, MANY) == 2

        assert (storage.get(broken.id), storage.get(other.id)) == (None, None)
