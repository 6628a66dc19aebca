"""A segment that was cut or removed while the broker was stopped: reading its records gives an error, all else
works."""
import shutil

from broker import Broker, wait_until
from wire import LATEST, Wire, make_batch, records_of

NONE, CORRUPT_MESSAGE = 0, 2
COUNT = 40
SECONDS = 30


def value(number):
    return b"%04d" % number * 25_000


def fill(broker):
    with Wire(broker.port) as wire:
        for topic in "harmed", "other":
            wire.create(topic, **{"segment.bytes": 1 << 20})
            for number in range(COUNT):
                assert wire.produce(topic, make_batch([value(number)])).error_code == NONE


def folder_of(broker, topic):
    """The folder of the first partition's segments: the topic's folder has the topic's id as its name."""
    with Wire(broker.port) as wire:
        return broker.directory / "data" / "topics" / str(wire.metadata(topic).topics[0].topic_id) / "0"


def check(broker, lost, appended):
    """`lost` are the offsets that may be unreadable; the last one must be."""
    with Wire(broker.port) as wire:
        for number in range(COUNT):
            assert records_of(wire.fetch("other", number).records)[0].value == value(number)
            answer = wire.fetch("harmed", number)
            if number in lost:
                assert answer.error_code in (NONE, CORRUPT_MESSAGE), answer
            else:
                assert answer.error_code == NONE and records_of(answer.records)[0].value == value(number)
        assert wire.fetch("harmed", COUNT - 1).error_code == CORRUPT_MESSAGE
        for number in range(COUNT, appended):
            assert records_of(wire.fetch("harmed", number).records)[0].value == b"behind"
        answer = wire.produce("harmed", make_batch([b"behind"]))
        assert answer.error_code == NONE and answer.base_offset == appended, answer
        assert wire.list_offset("harmed", LATEST).offset == appended + 1


def lose(harm):
    with Broker(shards=2) as broker:
        fill(broker)
        folder = folder_of(broker, "harmed")
        broker.stop()
        segment = max(folder.glob("*.log"))
        lost = range(int(segment.stem), COUNT)
        harm(segment)
        broker.start()
        log = broker.log_text()
        assert "a partition lost records" in log and f"{segment.name}: damaged at byte" in log, log
        assert (" bytes were durable; the file was truncated, replaced or removed. Stop the broker and restore the file from "
                "a copy, or delete the topic") in log, log
        check(broker, lost, COUNT)
        broker.restart()
        check(broker, lost, COUNT + 1)
        broker.restart(kill=True)
        check(broker, lost, COUNT + 2)


def test_a_segment_that_was_cut():
    lose(lambda segment: segment.write_bytes(segment.read_bytes()[:-1]))


def test_a_segment_that_was_removed():
    lose(lambda segment: segment.unlink())


def test_a_segment_that_vanishes_under_the_broker_stops_only_itself():
    """Its flushed records are gone. All others, of its partition too, are stored and survive a crash."""
    count = 20
    with Broker(settings={"tidemill.checkpoint.interval.ms": 200, "tidemill.tail.cache.bytes": 0}) as broker:
        segments = broker.directory / "data" / "topics"

        def produce(wire, first):
            for n in range(first, first + count):
                for partition in range(2):
                    answer = wire.produce("t", make_batch([b"%d" % n]), partition=partition)
                    assert answer.error_code == NONE, answer

        def check(wire, end):
            for partition, first in ((0, count), (1, 0)):
                values = []
                while len(values) < end - first:
                    answer = wire.fetch("t", first + len(values), partition=partition)
                    assert answer.error_code == NONE, (partition, answer)
                    values += [int(r.value) for r in records_of(answer.records)]
                assert values == list(range(first, end)), (partition, values)
            assert wire.fetch("t", 0, partition=0).error_code in (NONE, CORRUPT_MESSAGE)

        def wait_for_flush(wire, topic, partition, size):
            folder = segments / str(wire.metadata(topic).topics[0].topic_id) / str(partition)
            wait_until(lambda: sum(log.stat().st_size for log in folder.glob("*.log")) >= size, SECONDS, "the flush")
            return folder

        with Wire(broker.port) as wire:
            wire.create("t", partitions=2)
            wire.create("later")
            produce(wire, 0)
            size = sum(len(make_batch([b"%d" % n])) for n in range(count))
            folder = wait_for_flush(wire, "t", 0, size)
            # Until a flush has ended, its records are in memory and would be written again. The next one begins then.
            assert wire.produce("later", make_batch([b"0"])).error_code == NONE
            wait_for_flush(wire, "later", 0, 1)
            shutil.rmtree(folder)
            produce(wire, count)
            wait_until(lambda: "a segment file vanished" in broker.log_text(), SECONDS, "the broker to notice")
            check(wire, 2 * count)
            wait_until(lambda: list(folder.glob(f"{count:020}.log")), SECONDS, "a new segment")
        broker.restart()
        with Wire(broker.port) as wire:
            check(wire, 2 * count)
            produce(wire, 2 * count)
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            check(wire, 3 * count)
            assert wire.fetch("t", 0, partition=0).error_code == CORRUPT_MESSAGE
