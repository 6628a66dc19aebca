"""Somebody moves or replaces the data directory while the broker runs. The broker notices it, makes no new directory
there, and ends. Everything that it acknowledged is in the directory that was moved."""
import pathlib
import shutil
import tempfile

from broker import Broker
from wire import Cut, Wire, make_batch, records_of

NONE = 0
SECONDS = 30
SMALL = {"tidemill.journal.file.bytes": 65536, "tidemill.checkpoint.bytes": 262144}


def produce_until_it_ends(wire, first):
    """Produces one record after the other; how many are acknowledged in all."""
    count = first
    try:
        while wire.produce("t", make_batch([b"%d" % count])).error_code == NONE:
            count += 1
    except (Cut, ConnectionError):
        pass
    return count


def expect_all(directory, log_dirs, count):
    with Broker(directory=directory, settings={**SMALL, "log.dirs": log_dirs}) as broker, Wire(broker.port) as wire:
        values = []
        while len(values) < count:
            answer = wire.fetch("t", offset=len(values))
            assert answer.error_code == NONE, answer
            values += [int(r.value) for r in records_of(answer.records)]
        assert values[:count] == list(range(count))


def check(replace):
    """The data directory is moved to `away` while a client produces, and replace(data, away) puts something there."""
    with tempfile.TemporaryDirectory(prefix="tidemill-test-") as parent:
        data, away = pathlib.Path(parent) / "data", pathlib.Path(parent) / "away"
        broker = Broker(directory=parent, settings=SMALL)
        broker.start()
        with Wire(broker.port) as wire:
            wire.create("t")
            for n in range(50):
                assert wire.produce("t", make_batch([b"%d" % n])).error_code == NONE
            data.rename(away)
            replace(data, away)
            count = produce_until_it_ends(wire, 50)
        code = broker.process.wait(SECONDS)
        broker.kill()
        assert code == 4, code
        log = broker.log_text()
        assert f"the data directory {data} was moved, replaced or removed" in log, log
        assert not (data / "topics").exists(), "segments were written at the old place"
        assert not data.exists() or replace is not nothing, "the directory was made again"
        expect_all(parent, away, count)


def nothing(_data, _away):
    pass


def test_a_directory_that_is_moved_away():
    check(nothing)


def test_a_directory_that_is_replaced_by_an_empty_one():
    check(lambda data, _: data.mkdir())


def test_a_directory_that_is_replaced_by_one_with_the_same_names():
    def replace(data, away):
        (data / "shard-0").mkdir(parents=True)
        shutil.copytree(away / "kv", data / "kv")
    check(replace)
