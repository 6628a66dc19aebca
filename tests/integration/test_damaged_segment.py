"""A segment that was cut or removed while the broker was stopped: reading its records gives an error, all else
works."""
from broker import Broker
from wire import LATEST, Wire, make_batch, records_of

NONE, CORRUPT_MESSAGE = 0, 2
COUNT = 40


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
        check(broker, lost, COUNT)
        broker.restart()
        check(broker, lost, COUNT + 1)
        broker.restart(kill=True)
        check(broker, lost, COUNT + 2)


def test_a_segment_that_was_cut():
    lose(lambda segment: segment.write_bytes(segment.read_bytes()[:-1]))


def test_a_segment_that_was_removed():
    lose(lambda segment: segment.unlink())
