"""Kills the broker again and again under an idempotent producer and a committing group consumer.

Afterwards every acknowledged record is at its acknowledged offset, no record exists twice, no offset is missing, and
no committed offset ever went back.
"""
import threading

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from broker import Broker, quick, wait_until

CYCLES = 5 if quick() else 25
PARTITIONS = 3
TOPIC = "ledger"


class Producer:
    """Sends numbered records until it is stopped; notes the acknowledged offset of each."""

    def __init__(self, address):
        self.acknowledged = {}  # number: (partition, offset)
        self.failed = []
        self.sent = 0
        self.stopping = False
        self.client = confluent_kafka.Producer({
            "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 1,
            "message.timeout.ms": 120_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200})
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            number = self.sent
            self.client.produce(TOPIC, str(number), partition=number % PARTITIONS,
                                on_delivery=lambda error, message, n=number: self.delivered(error, message, n))
            self.sent += 1
            self.client.poll(0.002 if self.sent - len(self.acknowledged) > 200 else 0)
        left = self.client.flush(120)
        assert left == 0, f"{left} records were not answered"

    def delivered(self, error, message, number):
        if error is not None:
            self.failed.append((number, error))
        else:
            self.acknowledged[number] = (message.partition(), message.offset())

    def stop(self):
        self.stopping = True
        self.thread.join()


class Consumer:
    """One member of a group: reads, commits synchronously, checks the broker's committed offsets."""

    def __init__(self, address):
        self.committed = [0] * PARTITIONS
        self.went_back = []
        self.records = {}  # (partition, offset): number
        self.stopping = False
        self.client = confluent_kafka.Consumer({
            "bootstrap.servers": address, "group.id": "auditors", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "session.timeout.ms": 30_000, "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200})
        self.client.subscribe([TOPIC])
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            messages = [m for m in self.client.consume(200, 0.05) if m.error() is None]
            for message in messages:
                place = (message.partition(), message.offset())
                number = int(message.value())
                assert self.records.setdefault(place, number) == number, f"two records at {place}"
            if messages:
                self.commit()

    def commit(self):
        try:
            for partition in self.client.commit(asynchronous=False):
                if partition.error is None and partition.offset >= 0:
                    self.note(partition.partition, partition.offset)
        except confluent_kafka.KafkaException:
            pass  # the broker is down: the result of this commit is unknown

    def note(self, partition, offset):
        if offset < self.committed[partition]:
            self.went_back.append((partition, self.committed[partition], offset))
        self.committed[partition] = max(self.committed[partition], offset)

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.client.close()


def committed_offsets(address):
    client = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "auditors"})
    try:
        wanted = [confluent_kafka.TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
        return [max(0, p.offset) for p in client.committed(wanted, timeout=30)]
    finally:
        client.close()


def read_all(address):
    """{(partition, offset): number} of the whole topic; offsets must have no gaps."""
    client = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "readers",
                                       "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    partitions = [confluent_kafka.TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)]
    ends = [client.get_watermark_offsets(p, timeout=30)[1] for p in partitions]
    client.assign(partitions)
    found = {}
    while len(found) < sum(ends):
        for message in client.consume(min(1000, sum(ends) - len(found)), 10):
            assert message.error() is None, message.error()
            found[(message.partition(), message.offset())] = int(message.value())
    client.close()
    assert set(found) == {(p, o) for p in range(PARTITIONS) for o in range(ends[p])}
    return found


def test_repeated_kills_of_the_broker_lose_no_acknowledged_record():
    with Broker(shards=2, settings={"tidemill.checkpoint.bytes": 1 << 20}) as broker:
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
        producer, consumer = Producer(broker.address), Consumer(broker.address)
        try:
            for _ in range(CYCLES):
                before = len(producer.acknowledged)
                wait_until(lambda: len(producer.acknowledged) > before + 200, 60, "200 acknowledgements")
                broker.restart(kill=True)
                known = list(consumer.committed)  # read before the request: the broker may only know more
                kept = committed_offsets(broker.address)
                assert all(k >= c for k, c in zip(kept, known)), f"committed {known}, kept {kept}"
        finally:
            producer.stop()
        wait_until(lambda: len(consumer.records) >= producer.sent, 60, "the consumer to be at the end")
        consumer.stop()
        found = read_all(broker.address)
        assert not producer.failed, producer.failed[:3]
        assert not consumer.went_back, consumer.went_back
        assert len(producer.acknowledged) == producer.sent
        for number, place in producer.acknowledged.items():
            assert found[place] == number, f"{place} holds {found[place]}, acknowledged was {number}"
        assert len(found) == producer.sent, "a record is there twice"
        assert consumer.records == found
        assert "no row is lost" not in broker.log_text()  # a kill is not damage
        print(f"  {CYCLES} kills, {producer.sent} records")
