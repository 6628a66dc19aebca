"""A disk of 64 MiB that is really full: producers are refused, all else continues, and the broker recovers by
itself."""
import random

from broker import Broker, wait_until
from small_disk import MEGABYTE, SmallDisk
from wire import EARLIEST, LATEST, Wire, make_batch, records_of

NONE, STORAGE_ERROR = 0, 56
PARTITIONS = 4
KEPT = [b"kept %d" % n for n in range(100)]
LARGE = make_batch([random.Random(1).randbytes(100_000)])
SETTINGS = {
    "tidemill.journal.file.bytes": 4 * MEGABYTE,
    "tidemill.checkpoint.bytes": 4 * MEGABYTE,
    "tidemill.unflushed.bytes": MEGABYTE,
    "tidemill.min.free.bytes": 16 * MEGABYTE,
    "log.segment.bytes": 4 * MEGABYTE,
}
SECONDS = 30


class Filled:
    """A broker on a small disk with a topic to check and one that fills the disk."""

    def __init__(self, broker):
        self.broker = broker
        self.acknowledged = [0] * PARTITIONS
        self.extra = 0
        with Wire(broker.port) as wire:
            wire.create("kept")
            wire.create("filler", partitions=PARTITIONS)
            for value in KEPT:
                assert wire.produce("kept", make_batch([value])).error_code == NONE

    def is_refused(self, wire, topic, batch, partition=0):
        """Whether one more batch is refused; counts it if it is not."""
        answer = wire.produce(topic, batch, partition=partition)
        if answer.error_code != NONE:
            assert answer.error_code == STORAGE_ERROR and answer.error_message == "the disk is full", answer
        elif topic == "filler":
            self.acknowledged[partition] += 1
        else:
            self.extra += 1
        return answer.error_code != NONE

    def fill(self):
        """Produces until all producers are refused. Each shard notices the full disk by itself."""
        with Wire(self.broker.port) as wire:
            def full():
                return (all([self.is_refused(wire, "filler", LARGE, p) for p in range(PARTITIONS)])
                        and self.is_refused(wire, "kept", make_batch([b"more"])))
            wait_until(full, SECONDS, "all producers to be refused")

    def check(self):
        """All acknowledged records exist, and no others."""
        with Wire(self.broker.port) as wire:
            values = []
            while len(values) < len(KEPT) + self.extra:
                answer = wire.fetch("kept", offset=len(values))
                assert answer.error_code == NONE, answer
                values += [r.value for r in records_of(answer.records)]
            assert values == KEPT + [b"more"] * self.extra
            ends = [wire.list_offset("filler", LATEST, p).offset for p in range(PARTITIONS)]
            assert ends == self.acknowledged, (ends, self.acknowledged)
            for partition in range(PARTITIONS):
                answer = wire.fetch("filler", ends[partition] - 1, partition=partition)
                assert answer.error_code == NONE and len(answer.records) > 100_000

    def commits(self, offset):
        with Wire(self.broker.port) as wire:
            answer = wire.ask("OffsetCommit", 7, group_id="g", generation_id_or_member_epoch=-1, topics=[
                {"name": "kept", "partitions": [{"partition_index": 0, "committed_offset": offset}]}])
            assert answer.topics[0].partitions[0].error_code == NONE, answer

    def committed(self):
        with Wire(self.broker.port) as wire:
            answer = wire.ask("OffsetFetch", 7, group_id="g", topics=[{"name": "kept", "partition_indexes": [0]}])
            return answer.topics[0].partitions[0].committed_offset

    def delete_filler(self):
        with Wire(self.broker.port) as wire:
            answer = wire.ask("DeleteTopics", 5, topic_names=["filler"], timeout_ms=10_000)
            assert answer.responses[0].error_code == NONE, answer

    def delete_records(self):
        """Deletes all records of the filler; the log starts that the broker answers."""
        with Wire(self.broker.port) as wire:
            answer = wire.ask("DeleteRecords", 2, timeout_ms=10_000, topics=[{"name": "filler", "partitions": [
                {"partition_index": p, "offset": -1} for p in range(PARTITIONS)]}])
            assert [p.error_code for p in answer.topics[0].partitions] == [NONE] * PARTITIONS, answer
            return [p.low_watermark for p in answer.topics[0].partitions]

    def heals(self):
        """A producer is accepted again by itself, after the records from before."""
        with Wire(self.broker.port) as wire:
            def again():
                answer = wire.produce("kept", make_batch([b"more"]))
                return answer if answer.error_code == NONE else None
            answer = wait_until(again, SECONDS, "a producer to be taken again")
            assert answer.base_offset == len(KEPT) + self.extra, answer
            self.extra += 1


def test_deleting_a_topic_makes_room_on_a_full_disk():
    with SmallDisk(64) as disk, Broker(shards=2, directory=disk.path, settings=SETTINGS) as broker:
        filled = Filled(broker)
        filled.fill()
        filled.commits(50)
        filled.check()
        broker.restart(kill=True)
        assert filled.committed() == 50
        filled.check()
        filled.fill()
        filled.commits(60)
        free = disk.free_bytes()
        filled.delete_filler()
        wait_until(lambda: disk.free_bytes() > free + 10 * MEGABYTE, SECONDS, "the files to be gone")
        filled.heals()
        assert filled.committed() == 60
        assert "the disk is nearly full: produce requests are refused" in broker.log_text()
        broker.restart()
        assert filled.committed() == 60
        with Wire(broker.port) as wire:
            assert wire.list_offset("kept", EARLIEST).offset == 0
            assert wire.list_offset("kept", LATEST).offset == len(KEPT) + filled.extra


def test_deleting_records_makes_room_on_a_full_disk():
    with SmallDisk(64) as disk, Broker(shards=2, directory=disk.path, settings=SETTINGS) as broker:
        filled = Filled(broker)
        filled.fill()
        free = disk.free_bytes()
        assert filled.delete_records() == filled.acknowledged
        wait_until(lambda: disk.free_bytes() > free + 10 * MEGABYTE, SECONDS, "the files to be gone")
        filled.heals()
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            assert [wire.list_offset("filler", EARLIEST, p).offset for p in range(PARTITIONS)] == filled.acknowledged
            assert [wire.list_offset("filler", LATEST, p).offset for p in range(PARTITIONS)] == filled.acknowledged


def test_a_disk_that_another_process_fills_to_the_last_byte():
    with SmallDisk(64) as disk, Broker(shards=2, directory=disk.path, settings=SETTINGS) as broker:
        filled = Filled(broker)
        disk.fill()
        filled.fill()
        for offset in range(20):
            filled.commits(offset)
        filled.check()
        disk.make_room()
        filled.heals()
        filled.check()
        assert filled.committed() == 19
        assert "the disk has enough free space again" in broker.log_text()


def test_a_start_without_any_room_fails_with_the_reason_and_the_next_one_works():
    with SmallDisk(64) as disk, Broker(shards=2, directory=disk.path, settings=SETTINGS) as broker:
        filled = Filled(broker)
        disk.fill()
        filled.fill()
        filled.commits(7)
        broker.kill()
        try:
            broker.start()
        except AssertionError:
            assert "No space left on device" in broker.log_text(), broker.log_text()
            assert broker.process.wait(SECONDS) == 1
            broker.kill()
            disk.make_room()
            broker.start()
        filled.check()
        assert filled.committed() == 7
        filled.heals()
