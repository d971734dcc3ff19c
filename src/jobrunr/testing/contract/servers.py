"""Servers and notes: `announce`, `heartbeat`, `sign_off`, `servers`, `remove_dead`, `presence`, `absent`, `get_metadata`,
`put_metadata`, `find_metadata`, `remove_metadata`."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import Presence, StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import TEXTS, Contract
from jobrunr.testing.factories import a_server, announced


class Registering(Contract):
    """Which servers are there, and which are taken for dead."""

    def test_nobody_is_there_at_first(self, storage: StorageProvider) -> None:
        assert storage.servers() == []

    def test_an_announced_server_is_there_from_now_on(self, storage: StorageProvider, clock: TestClock) -> None:
        server = a_server(
            name="größe-1:17",
            workers=64,
            busy=3,
            queues=("mail", "größe 😀", "a,b"),
            version="1.2.3",
            pid=4_194_304,
            memory=2**40,
            cpu=12.375,
            host="größe-1",
            tags=("zone a", "größe 😀"),
            has_presence=True,
        )
        now = clock.advance(microseconds=123_457)

        storage.announce(server)

        assert storage.servers() == [replace(server, first_heartbeat=now, last_heartbeat=now)]

    def test_a_server_for_all_queues_names_none(self, storage: StorageProvider) -> None:
        storage.announce(a_server(queues=()))
        assert [server.queues for server in storage.servers()] == [()]

    def test_the_storages_clock_counts_and_not_the_servers(self, storage: StorageProvider, clock: TestClock) -> None:
        wrong = clock.now() - timedelta(days=1)
        server = a_server(first_heartbeat=wrong, last_heartbeat=wrong)
        storage.announce(server)
        assert storage.servers() == [replace(server, first_heartbeat=clock.now(), last_heartbeat=clock.now())]
        storage.heartbeat(server)
        assert storage.servers() == [replace(server, first_heartbeat=clock.now(), last_heartbeat=clock.now())]

    def test_a_server_that_is_announced_again_is_there_once(self, storage: StorageProvider, clock: TestClock) -> None:
        server = announced(storage)
        now = clock.advance(seconds=3)
        storage.announce(server)
        assert storage.servers() == [replace(server, first_heartbeat=now, last_heartbeat=now)]

    def test_a_heartbeat_renews_the_load_and_the_lease(self, storage: StorageProvider, clock: TestClock) -> None:
        server, other = announced(storage), announced(storage)
        began = clock.now()
        now = clock.advance(seconds=3)
        busier = replace(server, busy=8, memory=2**33, cpu=99.5)

        stored = storage.heartbeat(busier)

        assert stored == storage.servers()
        found = {found.id: found for found in stored}
        assert found[server.id] == replace(busier, first_heartbeat=began, last_heartbeat=now)
        assert found[other.id] == replace(other, first_heartbeat=began, last_heartbeat=began)

    def test_two_heartbeats_at_one_moment_are_both_taken(self, storage: StorageProvider) -> None:
        server = announced(storage)
        assert storage.heartbeat(server) == storage.servers()
        assert storage.heartbeat(server) == storage.servers()

    def test_the_heartbeat_of_a_stranger_is_refused(self, storage: StorageProvider) -> None:
        announced(storage)
        stranger = a_server()
        assert storage.heartbeat(stranger) == []
        assert stranger.id not in {server.id for server in storage.servers()}

    def test_the_heartbeat_of_a_server_taken_for_dead_is_refused(self, storage: StorageProvider) -> None:
        server = announced(storage)
        storage.remove_dead(storage.servers())
        assert storage.heartbeat(server) == []
        assert storage.servers() == []

    def test_a_server_that_signs_off_is_gone(self, storage: StorageProvider) -> None:
        leaves, stays = announced(storage), announced(storage)
        storage.sign_off(leaves.id)
        storage.sign_off(leaves.id)
        assert [server.id for server in storage.servers()] == [stays.id]
        assert storage.heartbeat(leaves) == []

    def test_a_stranger_that_signs_off_is_no_error(self, storage: StorageProvider) -> None:
        server = announced(storage)
        storage.sign_off(a_server().id)
        assert [found.id for found in storage.servers()] == [server.id]

    def test_the_oldest_first_heartbeat_comes_first(self, storage: StorageProvider, clock: TestClock) -> None:
        servers = []
        for _ in range(4):
            servers.append(announced(storage))
            clock.advance(microseconds=1)
        answered = storage.heartbeat(servers[2])
        assert [server.id for server in storage.servers()] == [server.id for server in servers]
        assert answered == storage.servers()

    def test_servers_of_one_moment_come_by_id(self, storage: StorageProvider) -> None:
        servers = [announced(storage) for _ in range(8)]
        assert [server.id for server in storage.servers()] == sorted(server.id for server in servers)

    def test_a_server_that_was_not_heard_since_is_removed(self, storage: StorageProvider, clock: TestClock) -> None:
        dead, silent = announced(storage, name="dead"), announced(storage, name="silent")
        seen = {server.id: server for server in storage.servers()}
        clock.advance(seconds=3)

        assert storage.remove_dead([seen[dead.id]]) == [seen[dead.id]]

        assert storage.servers() == [seen[silent.id]]
        assert storage.heartbeat(dead) == []
        assert storage.remove_dead([seen[dead.id]]) == []

    def test_a_heartbeat_in_between_saves_a_server(self, storage: StorageProvider, clock: TestClock) -> None:
        saved, dead = announced(storage), announced(storage)
        seen = {server.id: server for server in storage.servers()}
        clock.advance(microseconds=1)
        storage.heartbeat(saved)

        assert storage.remove_dead(list(seen.values())) == [seen[dead.id]]

        assert [server.id for server in storage.servers()] == [saved.id]

    def test_removing_nobody_is_no_error(self, storage: StorageProvider) -> None:
        server = announced(storage)
        assert storage.remove_dead([]) == []
        assert [found.id for found in storage.servers()] == [server.id]


class BeingPresent(Contract):
    """Whether the process of a server lives, as far as the storage can tell, and what becomes of those that do not."""

    def took(self, storage: StorageProvider, server: ServerRecord) -> Presence:
        if self.no_presence is not None:
            assert storage.presence(server.id) is None
            pytest.skip(self.no_presence)
        presence = storage.presence(server.id)
        assert presence is not None
        return presence

    def test_a_server_that_holds_its_lock_is_not_absent(self, storage: StorageProvider, second: StorageProvider) -> None:
        server, other = announced(storage), announced(storage)
        with closing(self.took(storage, server)), closing(self.took(second, other)):
            for looker in (storage, second):
                assert looker.absent([server.id]) == looker.absent([server.id, other.id]) == frozenset()
            assert {server.id for server in second.servers()} == {server.id, other.id}

    def test_a_lock_is_held_until_it_is_released_whatever_others_do(
        self, storage: StorageProvider, second: StorageProvider
    ) -> None:
        gone, there = announced(storage), announced(storage)
        released = self.took(storage, gone)
        with closing(self.took(storage, there)) as held:
            assert held.held_for > 0
            released.close()
            released.close()
            assert released.held_for == 0
            assert second.absent([gone.id, there.id]) <= {gone.id}

    def test_a_lock_can_be_taken_again_once_it_was_released(self, storage: StorageProvider) -> None:
        server = announced(storage)
        self.took(storage, server).close()
        with closing(self.took(storage, server)):
            assert storage.absent([server.id]) == frozenset()

    def test_a_server_may_have_its_lock_later_than_it_is_registered(self, storage: StorageProvider) -> None:
        server = announced(storage, has_presence=False)
        assert [found.has_presence for found in storage.servers()] == [False]
        assert [found.has_presence for found in storage.heartbeat(replace(server, has_presence=True))] == [True]

    def test_nobody_of_none_is_absent(self, storage: StorageProvider) -> None:
        assert storage.absent([]) == frozenset()


class Pausing(Contract):
    """Whether a server shall take jobs, as people want it."""

    def test_a_server_learns_that_it_is_paused_with_its_heartbeat(self, storage: StorageProvider) -> None:
        server, other = announced(storage), announced(storage)

        assert storage.pause_server(server.id, True) is True

        assert {found.id: found.is_paused for found in storage.servers()} == {server.id: True, other.id: False}
        assert {found.id: found.is_paused for found in storage.heartbeat(server)} == {server.id: True, other.id: False}
        assert storage.pause_server(server.id, True) is True
        assert storage.pause_server(server.id, False) is True
        stored = storage.heartbeat(replace(server, is_paused=True))
        assert [found.is_paused for found in stored if found.id == server.id] == [False]

    def test_a_stranger_cannot_be_paused(self, storage: StorageProvider) -> None:
        announced(storage)
        assert storage.pause_server(a_server().id, True) is False
        assert [server.is_paused for server in storage.servers()] == [False]

    def test_a_paused_server_that_joins_anew_stays_paused(self, storage: StorageProvider) -> None:
        announced(storage, is_paused=True)
        assert [server.is_paused for server in storage.servers()] == [True]


class Noting(Contract):
    """Values kept under names."""

    def test_there_is_nothing_under_an_unknown_name(self, storage: StorageProvider) -> None:
        assert storage.get_metadata("id") is None
        assert storage.get_metadata("id", "shop") is None

    def test_a_value_is_kept(self, storage: StorageProvider) -> None:
        assert storage.put_metadata("id", "17") == "17"
        assert storage.get_metadata("id") == "17"

    def test_a_value_is_overwritten(self, storage: StorageProvider) -> None:
        storage.put_metadata("id", "17")
        assert storage.put_metadata("id", "18") == "18"
        assert storage.put_metadata("id", "18") == "18"
        assert storage.get_metadata("id") == "18"

    def test_a_value_is_left_when_it_is_not_to_be_overwritten(self, storage: StorageProvider) -> None:
        assert storage.put_metadata("id", "17", overwrite=False) == "17"
        assert storage.put_metadata("id", "18", overwrite=False) == "17"
        assert storage.get_metadata("id") == "17"

    def test_owners_have_values_of_their_own(self, storage: StorageProvider) -> None:
        storage.put_metadata("id", "1")
        storage.put_metadata("id", "2", "shop")
        storage.put_metadata("id", "3", owner="Shop", overwrite=False)
        assert [storage.get_metadata("id", owner) for owner in ("cluster", "shop", "Shop", "sho")] == ["1", "2", "3", None]

    def test_tells_names_apart_exactly(self, storage: StorageProvider) -> None:
        names = ["id", "Id", "id ", " id", "íd", "i%", "_d"]
        for name in names:
            storage.put_metadata(name, name)
        assert [storage.get_metadata(name) for name in names] == names

    @pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
    def test_a_note_comes_back_to_the_last_character(self, storage: StorageProvider, text: str) -> None:
        assert storage.put_metadata("name", text) == text
        assert storage.get_metadata("name") == text

    def test_an_empty_value_is_a_value(self, storage: StorageProvider) -> None:
        storage.put_metadata("id", "")
        assert storage.get_metadata("id") == ""
        assert storage.put_metadata("id", "17", overwrite=False) == ""

    def test_all_values_of_a_name_are_found_by_their_owners(self, storage: StorageProvider) -> None:
        assert storage.find_metadata("id") == {}
        for name, owner in (("id", "shop"), ("id", "Shop"), ("id", "cluster"), ("Id", "shop"), ("other", "shop")):
            storage.put_metadata(name, f"{name} of {owner}", owner)

        assert storage.find_metadata("id") == {owner: f"id of {owner}" for owner in ("shop", "Shop", "cluster")}

    def test_values_are_removed_and_others_stay(self, storage: StorageProvider) -> None:
        for name, owner in (("id", "shop"), ("id", "Shop"), ("id", "mail"), ("Id", "shop")):
            storage.put_metadata(name, "17", owner)

        storage.remove_metadata("id", ["shop", "mail", "nobody"])
        storage.remove_metadata("id", ["shop"])

        assert storage.find_metadata("id") == {"Shop": "17"}
        assert storage.get_metadata("id", "shop") is None
        assert storage.get_metadata("Id", "shop") == "17"
        assert storage.put_metadata("id", "18", "shop", overwrite=False) == "18"

    def test_removing_the_values_of_nobody_is_no_error(self, storage: StorageProvider) -> None:
        storage.put_metadata("id", "17")
        storage.remove_metadata("id", [])
        assert storage.get_metadata("id") == "17"
