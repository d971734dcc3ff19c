"""What many coroutines ask for at the same time, on each database, and on a network that fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import URL

from jobrunr import JobId, JobRunr
from jobrunr.errors import StorageUnavailableError
from jobrunr.storage.contract import JobQuery, StorageProvider
from tests.server import jobs
from tests.storage.sql.on_each_database import OnEachDatabase
from tests.storage.sql.proxy import Proxy

MANY = 300


def stored(storage: StorageProvider) -> set[JobId]:
    return {job.id for job in storage.find(JobQuery(limit=2 * MANY)).jobs}


class TestManyAtOnce(OnEachDatabase):
    def test_each_is_there_when_its_await_ends(self, app: JobRunr, storage: StorageProvider) -> None:
        async def ask(number: int) -> tuple[JobId, bool]:
            job_id = await app.async_scheduler.enqueue(jobs.add, number, number)
            return job_id, await asyncio.to_thread(storage.get, job_id) is not None

        async def all_of_them() -> list[tuple[JobId, bool]]:
            return await asyncio.gather(*map(ask, range(MANY)))

        asked = asyncio.run(all_of_them())

        assert all(is_there for _, is_there in asked)
        assert stored(storage) == {job_id for job_id, _ in asked}

    def test_one_that_is_cancelled_takes_no_other_along(self, app: JobRunr, storage: StorageProvider) -> None:
        async def use() -> list[JobId]:
            tasks = [asyncio.create_task(app.async_scheduler.enqueue(jobs.add, 1, number)) for number in range(MANY)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            return [answer for answer in answers if isinstance(answer, JobId)]

        confirmed = asyncio.run(use())

        assert len(confirmed) >= MANY * 2 // 3
        assert stored(storage) >= set(confirmed)


class TestThroughANetwork(OnEachDatabase):
    @pytest.fixture(params=["postgresql", "mariadb"])
    def url(self, request: pytest.FixtureRequest) -> URL:
        url: URL = request.getfixturevalue(request.param)
        return url

    @pytest.fixture
    def proxy(self, url: URL) -> Iterator[Proxy]:
        assert url.host is not None
        with Proxy(url.host, url.port or {"postgresql": 5432, "mariadb": 3306}[url.get_backend_name()]) as proxy:
            yield proxy

    @pytest.mark.parametrize("every", [0, 1], ids=["cut", "answers are lost"])
    def test_that_fails_nobody_is_told_what_is_not_so(
        self, storage: StorageProvider, url: URL, proxy: Proxy, every: int
    ) -> None:
        """Who hears that it worked finds the job; who does not asks again under the same id, and there is one."""
        ids = [JobId.new() for _ in range(MANY)]
        way = url.set(port=proxy.port).render_as_string(hide_password=False)

        async def ask(app: JobRunr, job_id: JobId, number: int) -> int:
            for refused in range(100):
                try:
                    await app.async_scheduler.options(id=job_id).enqueue(jobs.add, number, number)
                except StorageUnavailableError:
                    await asyncio.sleep(0.02)
                else:
                    assert await asyncio.to_thread(storage.get, job_id) is not None
                    return refused
            raise AssertionError("it was never stored")

        async def use() -> int:
            with JobRunr(way, application="tests", storage_timeout=timedelta(seconds=1)) as app:
                app.storage.now()
                if every:
                    proxy.lose_answers(every=every)
                tasks = [asyncio.create_task(ask(app, job_id, number)) for number, job_id in enumerate(ids)]
                if not every:
                    await asyncio.to_thread(proxy.cut)
                await asyncio.wait(tasks, timeout=2)
                proxy.heal()
                return sum(await asyncio.gather(*tasks))

        refused = asyncio.run(use())

        assert stored(storage) == set(ids)
        assert refused > 0 or not every
