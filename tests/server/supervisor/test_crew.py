"""Child processes: how their ends are told, when they are replaced, and how they are stopped. The children are real, but no
servers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobrunr.server.supervisor import crew as crew_module
from jobrunr.server.supervisor.back_off import BackOff
from jobrunr.server.supervisor.crew import Crew, Order
from jobrunr.server.supervisor.memory_watch import INTERVAL, MemoryWatch
from jobrunr.server.supervisor.messages import Beat, Channel, Hurry, Left, Pulse, channel_ends, encode
from jobrunr.server_record import ServerRecord
from jobrunr.testing.factories import a_server
from tests.server.conftest import eventually

SERVER = a_server(name="shop")
CHILD = """
import os, signal, socket, sys
messages, then, number = [bytes.fromhex(text) for text in sys.argv[1].split(",") if text], sys.argv[2], sys.argv[3]
supervisor = socket.socket(fileno=int(number))
for message in messages:
    supervisor.send(message)
exec(then)
"""
WAIT = "signal.pause()"
WAIT_FOR_WORD = "sys.exit(5 if supervisor.recv(100) else 6)"


def child(*says: object, then: str) -> list[str]:
    """The command of a child that says something and does something then."""
    messages = ",".join(encode(message).hex() for message in says)
    return [sys.executable, "-S", "-E", "-c", CHILD, messages, then]


class Watched:
    """A crew, ticked by hand, and what it has told."""

    def __init__(self, *commands: list[str], hang_timeout: float = 600, grace: float = 600) -> None:
        self.deaths: list[tuple[ServerRecord, str]] = []
        self.given_up = 0
        self.crew = Crew(
            commands,
            hang_timeout=timedelta(seconds=hang_timeout),
            grace=timedelta(seconds=grace),
            died=lambda server, how: self.deaths.append((server, how)),
        )
        self.crew.gave_up = self._give_up

    def until(self, condition: Callable[[], bool]) -> None:
        eventually(lambda: self._step() or condition())

    def until_up(self) -> None:
        self.until(lambda: bool(self.crew.processes) and all(process.was_up for process in self.crew.processes))

    def _step(self) -> None:
        self.crew.ears.wait(min(self.crew.tick(), 0.05))

    def _give_up(self) -> None:
        self.given_up += 1


@pytest.fixture
def watched() -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(*commands: list[str], **options: float) -> Watched:
        started.append(Watched(*commands, **options))
        return started[-1]

    yield start
    for each in started:
        each.crew.order(Order.DIE)
        each.until(each.crew.ended.is_set)
        each.crew.ears.close()


Start = Callable[..., Watched]


@pytest.mark.parametrize(
    ("then", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was killed by signal 9 (SIGKILL)"),
        ("os._exit(3)", "its process ended with exit code 3"),
        ("os._exit(0)", "its process ended with exit code 0"),
    ],
)
def test_how_a_child_died_is_told_and_another_is_started_at_once(watched: Start, then: str, how: str) -> None:
    one = watched(child(Beat(SERVER), then=then))
    one.until(lambda: bool(one.deaths))
    assert one.deaths == [(SERVER, how)]
    assert one.given_up == 0
    assert len(one.crew.processes) == 1, "the second is there; only the third will have to wait"


def test_of_a_child_that_had_signed_off_nobody_is_told(watched: Start) -> None:
    one = watched(child(Beat(SERVER), Left(), then="os._exit(0)"))
    one.until(lambda: bool(one.crew.processes))
    pid = one.crew.processes[0].pid
    one.until(lambda: [process.pid for process in one.crew.processes] != [pid])
    assert one.deaths == []


def test_a_child_that_ends_before_it_was_ever_up_ends_everything(watched: Start) -> None:
    one = watched(child(Pulse(), then="os._exit(2)"), child(Beat(SERVER), then=WAIT))
    one.until(lambda: one.given_up > 0)
    assert one.crew.failed_with == 2
    assert one.given_up == 1
    one.until(lambda: len(one.crew.processes) == 1)


def test_a_child_that_says_nothing_for_too_long_is_killed_with_all_that_it_has_started(
    watched: Start, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    forks = (
        f"if not os.path.exists({str(note)!r}):\n pid = os.fork()\n pid and open({str(note)!r}, 'w').write(str(pid))\n{WAIT}"
    )
    one = watched(child(Beat(SERVER), then=forks), hang_timeout=0.3)
    one.until(lambda: note.exists() and bool(note.read_text()))
    started = int(note.read_text())
    one.until(lambda: bool(one.deaths))
    assert one.deaths == [(SERVER, "its process did not answer for 300 ms and was killed")]
    eventually(lambda: not is_running(started))


def is_running(pid: int) -> bool:
    """Whether a process is there, and is not one that only waits for somebody to take notice of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def saying(message: object) -> str:
    """What a child does to say something."""
    return f"supervisor.send(bytes.fromhex({encode(message).hex()!r}))"


DEAF = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {saying(Beat(SERVER))}"


def test_a_child_that_takes_long_to_start_is_not_taken_for_one_that_hangs(watched: Start) -> None:
    begins_to_speak = f"import time; time.sleep(0.5); supervisor.send(bytes.fromhex('{encode(Beat(SERVER)).hex()}'))"
    one = watched(child(then=f"{begins_to_speak}; {WAIT}"), hang_timeout=0.1)

    one.until(lambda: bool(one.deaths))

    assert one.deaths == [(SERVER, "its process did not answer for 100 ms and was killed")]


def test_children_are_asked_to_stop_then_to_hurry_and_then_they_are_killed(watched: Start) -> None:
    one = watched(child(Beat(SERVER), then=WAIT), child(then=f"{DEAF}; {WAIT_FOR_WORD}"), child(then=f"{DEAF}; {WAIT}"))
    one.until_up()

    one.crew.order(Order.STOP)
    one.until(lambda: len(one.crew.processes) == 2)
    one.crew.order(Order.HURRY)
    one.until(lambda: len(one.crew.processes) == 1)
    assert not one.crew.ended.is_set()
    one.crew.order(Order.DIE)
    one.until(one.crew.ended.is_set)

    assert [how for _, how in one.deaths] == [
        "its process was killed by signal 15 (SIGTERM)",
        "its process ended with exit code 5",
        "its process was killed, because somebody wanted the end at once",
    ]
    assert one.crew.has_given_back


def test_a_child_that_does_not_stop_in_time_is_killed(watched: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "LAST_MOMENTS", 0.1)
    one = watched(child(then=f"{DEAF}; {WAIT}"), grace=0)
    one.until_up()
    one.crew.order(Order.STOP)
    one.until(one.crew.ended.is_set)
    assert [how for _, how in one.deaths] == ["its process did not stop in time and was killed"]
    assert one.crew.has_given_back


def test_a_child_that_stops_in_order_has_given_nothing_back(watched: Start) -> None:
    stops = f"signal.signal(signal.SIGTERM, lambda *_: ({saying(Left())}, os._exit(0)))"
    one = watched(child(then=f"{stops}; {saying(Beat(SERVER))}; {WAIT}"))
    one.until_up()
    one.crew.order(Order.STOP)
    one.until(one.crew.ended.is_set)
    assert (one.deaths, one.crew.has_given_back) == ([], False)


def test_the_wait_between_two_replacements_grows_to_half_a_minute_and_is_short_again_after_a_long_life() -> None:
    back_off = BackOff()
    assert [back_off.after(59) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert [back_off.after(60), back_off.after(59)] == [0, 1]


def test_that_memory_was_short_is_told_by_one_more_that_was_killed_for_it() -> None:
    counts = [7]
    memory = MemoryWatch(lambda: counts[-1])
    memory.look(0.0)
    memory.look(INTERVAL)
    assert not memory.explains_a_kill()
    counts.append(9)
    memory.look(2 * INTERVAL)
    assert [memory.explains_a_kill() for _ in range(3)] == [True, True, False], (
        "some die slowly; each kill explains one death"
    )


def test_a_kill_that_was_a_while_ago_was_somebody_else() -> None:
    counts = [7, 8]
    memory = MemoryWatch(lambda: counts[0])
    memory.look(0.0)
    counts.pop(0)
    for look in range(1, 3):
        memory.look(look * INTERVAL)
    assert not memory.explains_a_kill()


def test_where_the_system_does_not_tell_memory_is_not_blamed() -> None:
    memory = MemoryWatch(lambda: None)
    memory.look(0.0)
    assert not memory.explains_a_kill()


def test_messages_stay_whole_and_the_end_of_the_other_side_is_heard() -> None:
    ours, theirs = map(Channel, channel_ends())
    assert list(ours.receive()) == []
    beat = Beat(a_server(tags=tuple(f"a tag {number}" for number in range(3000))))
    assert theirs.send(beat)
    assert theirs.send(Pulse())
    assert list(ours.receive()) == [encode(beat), encode(Pulse())]
    theirs.close()
    with pytest.raises(EOFError):
        list(ours.receive())
    assert not ours.send(Hurry())
    ours.close()


def test_who_does_not_listen_holds_up_nobody() -> None:
    ours, theirs = map(Channel, channel_ends())
    sent = 0
    while theirs.send(Pulse()):
        sent += 1
    assert sent > 0
    assert len(list(ours.receive())) == sent
    assert theirs.send(Pulse())
    ours.close()
    theirs.close()
