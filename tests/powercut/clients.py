"""Clients that work until the broker is gone. Each is a thread with a connection of its own."""
import json
import random
import socket
import threading

from compacted import STEP, Compacted
from history import OUT_OF_RANGE, Content, Partition, Topic, end_of, mark_of
from wire import Cut, Wire, make_batch, records_of

NONE, UNKNOWN_TOPIC = 0, 3
WINDOW = 5  # open requests of a connection; the broker remembers as many batches of a producer
GONE = (Cut, OSError, socket.timeout)


class Client(threading.Thread):
    """Calls step() until the connection is cut, or `steps` times. An error before the cut is kept for the main thread.
    """

    def __init__(self, history, port, seed):
        super().__init__(daemon=True)
        self.history, self.port = history, port
        self.choose = random.Random(seed)
        self.wire = self.error = None
        self.steps = -1  # negative: no end

    def run(self):
        try:
            with Wire(self.port) as self.wire:
                self.begin()
                while self.steps != 0:
                    self.steps -= 1
                    self.step()
                self.finish()
        except GONE as error:
            if not self.history.frozen:
                self.error = error
        except Exception as error:  # for the main thread
            self.error = error

    def begin(self):
        pass

    def finish(self):
        pass

    def expect_error(self, code, allowed=(NONE,)):
        """An error answer is allowed only from a disk without power."""
        assert code in allowed or self.history.frozen, f"{type(self).__name__} got error {code}"
        return code == NONE

    def note(self, *call):
        return self.history.note(*call)


class Sequence:
    """One idempotent producer on one partition: what has no answer is sent again, in its order."""

    def __init__(self, partition, producer, epoch):
        self.partition, self.producer, self.epoch = partition, producer, epoch
        self.next = 0
        self.open = []  # (sequence number, records, bytes of the batch)


class Producer(Client):
    """Sends batches to a topic and leaves some requests open. Its unfinished batches outlive a cut in `sequences`."""

    def __init__(self, history, port, seed, name, topic, sequences=None):
        super().__init__(history, port, seed)
        self.name, self.topic, self.sequences = name, topic, sequences
        self.number = history.counts.get("sent " + name, 0)
        self.sent = []  # open requests: (partition, records, sequence or None, sequence number)

    def make_records(self, partition):
        if partition.retention is not None:
            return [self.unique(self.choose.randrange(60_000, 200_000))]
        if self.choose.random() < 0.05:
            return [self.unique(self.choose.randrange(20_000, 60_000))]
        return [self.unique(self.choose.randrange(3000)) for _ in range(self.choose.randrange(1, 6))]

    def unique(self, size):
        return Content(self.next_name() + b";" + self.choose.randbytes(size))

    def next_name(self):
        self.number += 1
        self.history.counts["sent " + self.name] = self.number
        return b"%s %d" % (self.name.encode(), self.number)

    def encode(self, partition, records, *ids):
        return make_batch([r.value for r in records], None, 0, *ids)

    def begin(self):
        for sequence in (self.sequences or {}).values():
            for number, records, batch in sequence.open[:]:
                self.send_batch(sequence.partition, records, batch, sequence, number)
                self.receive("retries")

    def send_batch(self, partition, records, batch, sequence, number):
        for record in records:
            partition.sends(mark_of(record))
        self.sent.append((partition, records, sequence, number))
        self.wire.send("Produce", 8, acks=-1, timeout_ms=30_000, topic_data=[
            {"name": partition.topic, "partition_data": [{"index": partition.number, "records": batch}]}])

    def step(self):
        partition = self.choose.choice(self.topic.partitions)
        records = self.make_records(partition)
        if self.sequences is None:
            sequence, number = None, 0
            batch = self.encode(partition, records)
        else:
            sequence = self.sequences[partition.number]
            number = sequence.next
            batch = self.encode(partition, records, sequence.producer, sequence.epoch, number)
            sequence.next += len(records)
            sequence.open.append((number, records, batch))
        self.send_batch(partition, records, batch, sequence, number)
        if len(self.sent) >= WINDOW or self.choose.random() < 0.5:
            self.receive()

    def finish(self):
        while self.sent:
            self.receive()

    def receive(self, what=None):
        partition, records, sequence, number = self.sent.pop(0)
        answer = self.wire.receive().responses[0].partition_responses[0]
        allowed = (NONE, UNKNOWN_TOPIC) if self.topic.deleting else (NONE,)
        if not self.expect_error(answer.error_code, allowed):
            return
        what = what or ("idempotent records" if sequence else "plain records")
        if not self.note(self.acknowledged, partition, records, sequence, number, answer.base_offset, what):
            raise Cut()  # more open batches than the broker remembers could not be sent again

    def acknowledged(self, partition, records, sequence, number, base, what):
        if sequence:
            assert sequence.open.pop(0)[0] == number
        for i, record in enumerate(records):
            partition.learn(base + i, mark_of(record), "acknowledged")
        self.history.count(what, len(records))


class KeyedProducer(Producer):
    """Writes a few keys again and again, and deletes some, in all codecs. Its timestamps make segments small."""
    KEYS = 8

    def make_records(self, partition):
        return [self.keyed() for _ in range(self.choose.randrange(1, 8))]

    def keyed(self):
        name = self.next_name()
        half = self.choose.randbytes(self.choose.randrange(400))
        value = None if self.choose.random() < 0.15 else half + half
        return Content(value, b"key-%d" % self.choose.randrange(self.KEYS), [("name", name)])

    def encode(self, partition, records, *ids):
        first = 1_700_000_000_000 + len(partition.sent) * STEP
        return make_batch([r.value for r in records], [first + i * STEP for i in range(len(records))],
                          self.choose.randrange(5), *ids or (-1, -1, -1), keys=[r.key for r in records],
                          headers=[r.headers for r in records])


class ManyKeysProducer(KeyedProducer):
    KEYS = 100


class JsonProducer(Producer):
    """The input of the processors. Some records are no JSON, some are late."""
    START, STEP = 1_700_000_000_000, 40

    def make_records(self, partition):
        return [self.document() for _ in range(self.choose.randrange(1, 8))]

    def document(self):
        self.next_name()
        text = json.dumps({"id": self.number, "a": self.choose.randrange(1000), "g": self.choose.choice("abc")})
        return Content((text[:-1] if self.choose.random() < 0.05 else text).encode())

    def encode(self, partition, records, *ids):
        first = self.number - len(records)
        times = [self.START + (first + i) * self.STEP - self.choose.randrange(1200) for i in range(len(records))]
        return make_batch([r.value for r in records], times, 0, *ids)


class Consumer(Client):
    """Reads what is visible. It must stay."""

    def begin(self):
        self.at = {}

    def step(self):
        topic = self.choose.choice(self.history.live_topics())
        p = self.choose.choice(topic.partitions)
        at = self.at.get(p, max(p.end - 5, 0))
        answer = self.wire.fetch(p.topic, at, partition=p.number, wait_ms=5)
        if answer.error_code != NONE:
            start_passed = (p.retention is not None or p.trimmed > 0) and answer.error_code == OUT_OF_RANGE
            assert self.history.frozen or topic.deleting or start_passed, f"{p}: fetch error {answer.error_code}"
            self.at.pop(p, None)
            return
        records = [r for r in records_of(answer.records) if r.offset >= at]
        after = end_of(answer.records)
        if after and self.note(self.seen, p, records):
            self.at[p] = after

    def seen(self, partition, records):
        for record in records:
            partition.learn(record.offset, mark_of(record), "consumed")
        self.history.count("records consumed", len(records))


class Committer(Client):
    GROUPS = ("g1", "g2", "g3")

    def begin(self):
        for group in self.GROUPS:
            self.history.commits.setdefault(group, (0, 0))

    def step(self):
        group = self.choose.choice(self.GROUPS)
        acknowledged, tried = self.history.commits[group]
        offset = tried + 1
        self.history.commits[group] = (acknowledged, offset)
        answer = self.wire.ask("OffsetCommit", 7, group_id=group, generation_id_or_member_epoch=-1, topics=[
            {"name": "main", "partitions": [{"partition_index": 0, "committed_offset": offset}]}])
        if self.expect_error(answer.topics[0].partitions[0].error_code):
            self.note(self.committed, group, offset)

    def committed(self, group, offset):
        self.history.commits[group] = (offset, offset)
        self.history.count("offsets committed")


class Trimmer(Client):
    """Deletes records. A log start that was told never goes back."""

    def step(self):
        p = self.choose.choice(self.history.topics["trims"].partitions)
        offset = self.choose.randint(p.start, max(p.start, p.end))
        p.trimmed = max(p.trimmed, offset)
        answer = self.wire.ask("DeleteRecords", 2, timeout_ms=10_000, topics=[{
            "name": p.topic, "partitions": [{"partition_index": p.number, "offset": offset}]}])
        row = answer.topics[0].partitions[0]
        if self.expect_error(row.error_code):
            assert self.history.frozen or p.start <= row.low_watermark <= p.trimmed, (p.start, row, p.trimmed)
            self.note(self.moved, p, row.low_watermark)

    def moved(self, partition, start):
        self.history.count("log starts moved", start > partition.start)
        partition.start = start


class Admin(Client):
    """Creates topics, writes to them and deletes them. A name is used once."""
    MOST = 5

    def step(self):
        mine = [t for t in self.history.live_topics() if t.name.startswith("t-")]
        if len(mine) >= self.MOST or (mine and self.choose.random() < 0.3):
            self.delete(self.choose.choice(mine))
        else:
            self.create()

    def create(self):
        name, count = f"t-{len(self.history.topics)}", self.choose.randrange(1, 3)
        is_compacted = self.choose.random() < 0.4
        kind, producer = (Compacted, KeyedProducer) if is_compacted else (Partition, Producer)
        configs = {"cleanup.policy": "compact", "segment.ms": "1", "min.cleanable.dirty.ratio": "0"}
        topic = self.history.topics[name] = Topic(name, [kind(name, n) for n in range(count)])
        answer = self.wire.ask("CreateTopics", 7, topics=[{
            "name": name, "num_partitions": count, "replication_factor": 1,
            "configs": [{"name": k, "value": v} for k, v in configs.items()] if is_compacted else []}])
        if self.expect_error(answer.topics[0].error_code) and self.note(self.created, topic, answer.topics[0].topic_id):
            self.fill(producer(self.history, self.port, self.choose.random(), name, topic))

    def fill(self, producer):
        producer.wire = self.wire
        for _ in range(self.choose.randrange(6)):
            producer.step()
        producer.finish()

    def created(self, topic, topic_id):
        topic.created, topic.id = True, topic_id
        self.history.count("topics created")

    def delete(self, topic):
        topic.deleting = True
        answer = self.wire.ask("DeleteTopics", 5, topic_names=[topic.name], timeout_ms=10_000)
        if self.expect_error(answer.responses[0].error_code):
            self.note(self.deleted, topic)

    def deleted(self, topic):
        topic.deleted = True
        self.history.count("topics deleted")
