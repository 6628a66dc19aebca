"""Compacted topics: what real clients read after the cleaner, while it is killed, and when the broker stops."""
import random
import re

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from broker import Broker, quick, wait_until
from wire import EARLIEST, LATEST, Wire, make_batch, records_of

NONE, INVALID_RECORD = 0, 87
KEYS = 150
SETTINGS = {"log.segment.bytes": 1 << 20, "log.cleaner.backoff.ms": 20, "log.index.interval.bytes": 4096,
            "tidemill.checkpoint.interval.ms": 1000}


class Ledger:
    """A compacted topic, and everything that was written to it."""

    def __init__(self, broker, topic, **configs):
        self.broker, self.topic, self.random = broker, topic, random.Random(7)
        self.written = {}  # offset: (key, value)
        admin = AdminClient({"bootstrap.servers": broker.address})
        created = admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact", **configs})])
        created[topic].result(30)

    def fill(self, count, codec="none"):
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address, "enable.idempotence": True,
                                             "linger.ms": 5, "batch.num.messages": 20, "compression.type": codec})
        for _ in range(count):
            key = b"key-%d" % self.random.randrange(KEYS)
            value = None if self.random.randrange(10) == 0 else self.random.randbytes(5000)
            producer.produce(self.topic, value, key, on_delivery=self.delivered)
            producer.poll(0)
        assert producer.flush(120) == 0

    def delivered(self, error, message):
        assert error is None, error
        self.written[message.offset()] = (message.key(), message.value())

    def read(self):
        """All records as a consumer sees them: offset: (key, value)."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.broker.address, "group.id": "readers", "enable.auto.commit": False,
            "enable.partition.eof": True})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, 0, 0)])
        found = {}
        while True:
            message = consumer.poll(60)
            assert message is not None, "no end"
            if message.error() is not None:
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                break
            found[message.offset()] = (message.key(), message.value())
        consumer.close()
        assert list(found) == sorted(found)
        return found

    def check(self):
        """Nothing has changed but that older records of a key are gone."""
        found = self.read()
        assert all(self.written[offset] == record for offset, record in found.items())
        last = {key: offset for offset, (key, _) in sorted(self.written.items())}
        lost = [offset for offset in last.values() if offset not in found]
        assert not lost, lost
        return found


def first_at(wire, topic, offset):
    """The first record that a consumer at this offset gets."""
    while True:
        answer = wire.fetch(topic, offset)
        assert answer.error_code == NONE, answer
        found = [r.offset for r in records_of(answer.records) if r.offset >= offset]
        if found:
            return found[0]
        assert answer.records, "no batch"
        offset = last_of(answer.records) + 1


def last_of(records):
    """The last offset of the first batch, which may have no record."""
    return int.from_bytes(records[:8], "big") + int.from_bytes(records[23:27], "big")


def cleaning(broker):
    return list((broker.directory / "data").glob("cleaning/*"))


def compactions(broker):
    """The figures of each compaction that the broker has logged."""
    return [{name: int(value) for name, value in re.findall(r"(\w+)=(\d+)(?=\s|$)", line)}
            for line in broker.log_text().splitlines() if "a partition was compacted" in line]


def test_the_log_has_the_figures_of_each_compaction():
    with Broker(settings=SETTINGS) as broker:
        ledger = Ledger(broker, "state", **{"min.cleanable.dirty.ratio": "0.01"})
        ledger.fill(1000)
        wait_until(lambda: len(ledger.read()) < KEYS + 500 and not cleaning(broker), 120, "compaction")
        wait_until(lambda: sum(c["records"] - c["kept"] for c in compactions(broker)) == 1000 - len(ledger.read()), 20,
                   "a line for each record that is gone")
        told = compactions(broker)
        assert [c["compactions"] for c in told] == list(range(1, len(told) + 1)), told
        assert all(c["kept_bytes"] <= c["bytes"] and c["from_offset"] < c["to_offset"] and c["uncleanable"] == 0
                   for c in told), told


def test_clients_read_the_last_record_of_each_key():
    with Broker(shards=2, settings=SETTINGS) as broker:
        ledger = Ledger(broker, "state", **{"min.cleanable.dirty.ratio": "0.01"})
        for codec in "none", "lz4", "gzip", "zstd", "snappy":
            ledger.fill(400, codec)
        # The active segment has about 200 of the records.
        wait_until(lambda: len(ledger.read()) < KEYS + 500, 120, "compaction")
        found = ledger.check()
        with Wire(broker.port) as wire:
            end = wire.list_offset("state", LATEST).offset
            assert end == len(ledger.written) and wire.list_offset("state", EARLIEST).offset == 0
            firsts = {offset: first_at(wire, "state", offset) for offset in range(0, end, 37)}  # also in holes
            left = ledger.read()  # the cleaner may go on meanwhile
            assert all(first in found and not any(offset <= o < first for o in left)
                       for offset, first in firsts.items()), (firsts, left.keys())
            assert wire.produce("state", make_batch([b"no key"])).error_code == INVALID_RECORD
        broker.restart()
        assert set(ledger.check()) <= set(found)
        broker.restart(kill=True)
        ledger.fill(100)
        ledger.check()


def test_tombstones_go_after_their_retention():
    with Broker(settings=SETTINGS) as broker:
        ledger = Ledger(broker, "state", **{"min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"})
        ledger.fill(600)
        deleted = b"key-deleted"
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
        producer.produce("state", b"x", deleted)
        producer.produce("state", None, deleted)
        producer.flush(60)

        def is_gone():
            ledger.fill(300)
            return all(key != deleted for key, _ in ledger.read().values())
        wait_until(is_gone, 120, "the end of a tombstone")


def test_a_broker_that_is_killed_while_it_compacts():
    settings = {**SETTINGS, "log.cleaner.io.max.bytes.per.second": 4_000_000}
    with Broker(settings=settings) as broker:
        ledger = Ledger(broker, "state", **{"min.cleanable.dirty.ratio": "0.01"})
        ledger.fill(900)
        for cycle in range(3 if quick() else 10):
            ledger.fill(250)
            wait_until(lambda: cleaning(broker), 60, "a cleaning")
            if cycle % 2:
                wait_until(lambda: not cleaning(broker), 60, "its end")
            broker.restart(kill=True)
            ledger.check()


def test_a_broker_stops_while_the_cleaner_waits_for_its_rate():
    settings = {**SETTINGS, "log.cleaner.io.max.bytes.per.second": 200_000}
    with Broker(shards=2, settings=settings) as broker:
        ledger = Ledger(broker, "state")
        ledger.fill(600)
        wait_until(lambda: cleaning(broker) or "compacted" in broker.log_text(), 60, "a cleaning")
        broker.stop()
        broker.start()
        ledger.check()
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.delete_topics(["state"])["state"].result(30)
        wait_until(lambda: not list((broker.directory / "data").glob("topics/*/0/*.log")), 60, "the deletion")
        wait_until(lambda: not cleaning(broker), 60, "the end of the cleaning")
