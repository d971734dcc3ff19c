"""What limits a database, from figures that nobody has measured."""

from __future__ import annotations

from msgspec.structs import replace

from jobrunr.bench import Figures, Rate, Spread, what_limits

QUICK = Spread(p50=0.2, p99=0.4, count=1000)

GOOD = Figures(
    storage="postgresql://db/shop",
    kind="postgresql",
    cpus=4,
    workers=32,
    poll_interval=5.0,
    round_trip=QUICK,
    commit=QUICK,
    start=Spread(p50=7.0, p99=12.0, count=250),
    enqueue=Rate(per_second=2000, busy=0.6, count=10_000),
    bulk=Rate(per_second=20_000, busy=0.9, count=50_000),
    drain=Rate(per_second=7000, busy=0.97, count=35_000),
)


def beginnings(figures: Figures) -> list[str]:
    """What each sentence is about."""
    return [sentence.split(":")[0] for sentence in what_limits(figures)]


def test_a_quick_database_leaves_the_process_as_the_limit_and_says_how_many_processors_there_are() -> None:
    process, praise = what_limits(GOOD)

    assert process.startswith("This process: while jobs ran, it used 97% of one processor")
    assert process.endswith("There are 4: `jobrunr worker --processes 4` uses them all.")
    assert "25 million jobs an hour" in praise


def test_with_one_processor_nobody_is_sent_to_further_processes() -> None:
    (sentence, *_) = what_limits(replace(GOOD, cpus=1))

    assert sentence.startswith("The processor: ")
    assert "--processes" not in sentence


def test_a_process_that_used_a_little_more_than_one_processor_used_all_of_it() -> None:
    assert "used 100% of one" in what_limits(replace(GOOD, drain=replace(GOOD.drain, busy=1.04)))[0]


def test_a_process_that_waits_is_limited_by_the_database_and_told_for_how_much_of_the_time() -> None:
    (sentence, *_) = what_limits(replace(GOOD, drain=replace(GOOD.drain, busy=0.4)))

    assert sentence.startswith("The database: while jobs ran, this process waited for 60% of the time")


def test_a_round_trip_of_more_than_a_millisecond_is_the_way_and_not_the_disk() -> None:
    far = replace(GOOD, round_trip=Spread(p50=3.0, p99=5.0, count=100), enqueue=Rate(per_second=250, busy=0.05, count=1250))

    assert beginnings(far)[0] == "The way to the database"
    assert "3.0 ms" in what_limits(far)[0]
    assert not any("disk" in sentence for sentence in beginnings(far))
    assert beginnings(replace(far, round_trip=replace(far.round_trip, p50=1.0)))[0] != "The way to the database"


def test_an_enqueue_that_waits_for_its_commit_is_limited_by_the_disk_or_a_replica() -> None:
    slow = replace(GOOD, enqueue=Rate(per_second=200, busy=0.1, count=1000))

    (sentence, *_) = what_limits(slow)

    assert sentence.startswith("The disk of the database, or a replica that it waits for: of the 5.0 ms ")
    assert "`enqueue_many` was 100 times as fast" in sentence
    assert "several threads" in sentence


def test_a_disk_under_sqlite_has_no_replica_and_no_way_and_gains_nothing_from_threads() -> None:
    slow = replace(GOOD, kind="sqlite", enqueue=Rate(per_second=200, busy=0.1, count=1000), round_trip=replace(QUICK, p50=2))

    disk, process, _ = what_limits(slow)

    assert disk.startswith("The disk of the database: ")
    assert "several threads" not in disk
    assert process.endswith("SQLite lets only one at a time write, so what gains are jobs that compute.")


def test_jobs_that_wait_for_half_of_the_poll_interval_wait_because_nobody_wakes_the_servers() -> None:
    asleep = replace(GOOD, start=Spread(p50=2400, p99=4900, count=250))

    (sentence, *_) = what_limits(asleep)

    assert sentence.startswith("Servers that nobody wakes: a job waits 2.4 s for its start, because ")
    assert "every 5 s only" in sentence
    assert "PgBouncer" in sentence
    assert "PgBouncer" not in what_limits(replace(asleep, kind="mariadb"))[0]


def test_of_mariadb_and_mysql_it_is_said_that_they_wake_nobody() -> None:
    assert any(sentence.startswith("MariaDB wakes nobody") for sentence in what_limits(replace(GOOD, kind="mariadb")))
    assert any(sentence.startswith("MySQL wakes nobody") for sentence in what_limits(replace(GOOD, kind="mysql")))


def test_nothing_is_praised_that_is_slow() -> None:
    assert len(what_limits(replace(GOOD, drain=replace(GOOD.drain, per_second=999)))) == 1


def test_there_are_four_sentences_at_most() -> None:
    everything = replace(
        GOOD,
        kind="mariadb",
        round_trip=Spread(p50=1.1, p99=2.0, count=100),
        start=Spread(p50=2400, p99=4900, count=250),
        enqueue=Rate(per_second=10, busy=0.05, count=50),
    )

    assert len(what_limits(everything)) == 4
