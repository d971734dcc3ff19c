from __future__ import annotations

from uuid import UUID

from starlette.testclient import TestClient

from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.factories import announced


def test_servers_come_with_what_they_say_about_themselves(reading: TestClient, storage: StorageProvider) -> None:
    server = announced(storage, name="shop-1:17", workers=4)
    (found,) = reading.get("/api/servers").json()

    assert (UUID(found["id"]), found["name"], found["workers"]) == (server.id, "shop-1:17", 4)
    assert (found["is_master"], found["is_paused"], found["is_silent"]) == (True, False, False)


def test_one_server_is_paused_and_resumed(api: TestClient, storage: StorageProvider) -> None:
    server, other = announced(storage), announced(storage)

    assert api.post(f"/api/servers/{server.id}/pause").status_code == 204
    assert {each.id: each.is_paused for each in storage.servers()} == {server.id: True, other.id: False}
    assert api.post(f"/api/servers/{server.id}/resume").status_code == 204
    assert not any(each.is_paused for each in storage.servers())
    entries = api.get("/api/audit", params={"subject": f"server:{server.id}"}).json()
    assert [entry["action"] for entry in entries] == ["resume", "pause"]


def test_all_servers_are_paused_and_resumed(api: TestClient, storage: StorageProvider) -> None:
    announced(storage), announced(storage)

    assert api.post("/api/servers/pause").json() == {"count": 2}
    assert all(server.is_paused for server in storage.servers())
    assert api.post("/api/servers/pause").json() == {"count": 0}
    assert api.post("/api/servers/resume").json() == {"count": 2}


def test_a_server_that_is_not_there_is_not_found(api: TestClient, storage: StorageProvider) -> None:
    for move in ("pause", "resume"):
        assert api.post(f"/api/servers/01940c1e-8f00-7000-8000-000000000001/{move}").status_code == 404
