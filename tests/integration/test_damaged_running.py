"""A closed segment that is damaged under a running broker: reading the place gives an error, the log and `log verify`
name it, compaction of its partition stops, and all else works."""
from broker import Broker, wait_until
from test_log_tools import faults, flip, tool_of, verify
from wire import LATEST, Wire, make_batch, records_of

NONE, CORRUPT_MESSAGE, TOPIC, SET = 0, 2, 2, 0
COUNT, KEYS, SECONDS = 40, 4, 60
READ = "a read met damaged bytes"
NOT_COMPACTED = "a partition has a batch that cannot be read: it is not compacted any more"
SETTINGS = {"tidemill.journal.file.bytes": 1 << 20, "log.cleaner.backoff.ms": 20, "tidemill.tail.cache.bytes": 0}


def batch(number):
    return make_batch([b"%04d" % number * 25_000], keys=[b"key-%d" % (number % KEYS)])


def fill(broker):
    with Wire(broker.port) as wire:
        wire.create("t", partitions=2, **{"segment.bytes": 1 << 20})
        for partition in range(2):
            for number in range(COUNT):
                assert wire.produce("t", batch(number), partition=partition).error_code == NONE
        return broker.directory / "data" / "topics" / str(wire.metadata("t").topics[0].topic_id)


def compact(broker):
    with Wire(broker.port) as wire:
        configs = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
        answer = wire.ask("IncrementalAlterConfigs", 1, resources=[{
            "resource_type": TOPIC, "resource_name": "t", "configs": [
                {"name": name, "config_operation": SET, "value": value} for name, value in configs.items()]}])
        assert answer.responses[0].error_code == NONE, answer


def check(broker, damaged, partitions=(0, 1)):
    """Everything can be read but the damaged offsets of partition 0."""
    with Wire(broker.port) as wire:
        for partition in partitions:
            for number in range(COUNT):
                answer = wire.fetch("t", number, partition=partition)
                if partition == 0 and number in damaged:
                    assert answer.error_code == CORRUPT_MESSAGE, answer.error_code
                else:
                    assert answer.error_code == NONE, (partition, number, answer.error_code)
                    assert records_of(answer.records)[0].value == b"%04d" % number * 25_000


def lines(broker, text, *words):
    return [line for line in broker.log_text().splitlines() if text in line and all(w in line for w in words)]


def test_a_closed_segment_is_damaged_under_a_running_broker():
    size = len(batch(0))
    with Broker(settings=SETTINGS) as broker:
        folder = fill(broker) / "0"
        broker.restart()
        check(broker, ())
        segments = sorted(folder.glob("*.log"))
        assert len(segments) > 3
        places = [(segments[1], 3), (segments[1], 5), (segments[2], 0)]  # the batch in the segment
        damaged = set()
        for count, (segment, index) in enumerate(places):
            flip(segment, index * size + size // 2)
            damaged.add(int(segment.stem) + index)
            check(broker, damaged)
            check(broker, damaged)  # the second time nothing more is said
            assert len(lines(broker, READ)) == count + 1, lines(broker, READ)
            assert lines(broker, READ, f"file={segment}", f"byte={index * size} "), lines(broker, READ)
        compact(broker)
        wait_until(lambda: lines(broker, NOT_COMPACTED, f"file={segments[1]}", f"byte={3 * size} ", "partition=0"),
                   SECONDS, "the cleaner to meet the damage")
        wait_until(lambda: lines(broker, "a partition was compacted", f"directory={folder.parent}/1 "), SECONDS,
                   "the compaction of the other partition")
        check(broker, damaged, partitions=(0,))
        with Wire(broker.port) as wire:
            assert wire.produce("t", batch(COUNT)).error_code == NONE
            assert wire.list_offset("t", LATEST).offset == COUNT + 1
        assert sorted(folder.glob("*.log"))[:len(segments)] == segments
        assert len(lines(broker, NOT_COMPACTED)) == 1, lines(broker, NOT_COMPACTED)
        broker.stop()
        data = broker.directory / "data"
        found = {(file, byte) for file, byte, _ in faults(verify(tool_of(broker), data, code=1))}
        assert found == {(str(segment.relative_to(data)), index * size) for segment, index in places}, found
