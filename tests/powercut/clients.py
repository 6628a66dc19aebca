"""Clients that work until the broker is gone. Each is a thread with a connection of its own."""
import json
import random
import socket
import threading

from history import Topic, mark_of
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
        self.open = []  # (sequence, values, timestamps)


class Producer(Client):
    """Sends batches to a topic and leaves some requests open. Its unfinished batches outlive a cut in `sequences`."""

    def __init__(self, history, port, seed, name, topic, sequences=None):
        super().__init__(history, port, seed)
        self.name, self.topic, self.sequences = name, topic, sequences
        self.number = history.counts.get("sent " + name, 0)
        self.sent = []  # open requests: (partition, values, sequence or None, sequence number)

    def make_values(self):
        if self.topic.partitions[0].retention is not None:
            return [self.unique(self.choose.randrange(60_000, 200_000))]
        if self.choose.random() < 0.05:
            return [self.unique(self.choose.randrange(20_000, 60_000))]
        return [self.unique(self.choose.randrange(3000)) for _ in range(self.choose.randrange(1, 6))]

    def unique(self, size):
        self.number += 1
        self.history.counts["sent " + self.name] = self.number
        return b"%s %d;" % (self.name.encode(), self.number) + self.choose.randbytes(size)

    def timestamps(self, values):
        return None

    def begin(self):
        for sequence in (self.sequences or {}).values():
            for number, values, times in sequence.open[:]:
                self.send_batch(sequence.partition, values, sequence, number, times)
                self.receive("retries")

    def send_batch(self, partition, values, sequence, number, times):
        ids = (sequence.producer, sequence.epoch, number) if sequence else (-1, -1, -1)
        batch = make_batch(values, times, 0, *ids)
        partition.sent.update(map(mark_of, values))
        self.sent.append((partition, values, sequence, number))
        self.wire.send("Produce", 8, acks=-1, timeout_ms=30_000, topic_data=[
            {"name": partition.topic, "partition_data": [{"index": partition.number, "records": batch}]}])

    def step(self):
        partition = self.choose.choice(self.topic.partitions)
        values = self.make_values()
        times = self.timestamps(values)
        sequence, number = None, 0
        if self.sequences is not None:
            sequence = self.sequences[partition.number]
            number = sequence.next
            sequence.next += len(values)
            sequence.open.append((number, values, times))
        self.send_batch(partition, values, sequence, number, times)
        if len(self.sent) >= WINDOW or self.choose.random() < 0.5:
            self.receive("records acknowledged")

    def finish(self):
        while self.sent:
            self.receive("records acknowledged")

    def receive(self, what):
        partition, values, sequence, number = self.sent.pop(0)
        answer = self.wire.receive().responses[0].partition_responses[0]
        allowed = (NONE, UNKNOWN_TOPIC) if self.topic.deleting else (NONE,)
        if not self.expect_error(answer.error_code, allowed):
            return
        if not self.note(self.acknowledged, partition, values, sequence, number, answer.base_offset, what):
            raise Cut()  # more open batches than the broker remembers could not be sent again

    def acknowledged(self, partition, values, sequence, number, base, what):
        if sequence:
            assert sequence.open.pop(0)[0] == number
        for i, value in enumerate(values):
            partition.learn(base + i, mark_of(value), "acknowledged")
        self.history.count(what, len(values))


class JsonProducer(Producer):
    """The input of the processors. Some records are no JSON, some are late."""
    START, STEP = 1_700_000_000_000, 40

    def make_values(self):
        return [self.document() for _ in range(self.choose.randrange(1, 8))]

    def document(self):
        self.number += 1
        self.history.counts["sent " + self.name] = self.number
        text = json.dumps({"id": self.number, "a": self.choose.randrange(1000), "g": self.choose.choice("abc")})
        return (text[:-1] if self.choose.random() < 0.05 else text).encode()

    def timestamps(self, values):
        first = self.number - len(values)
        return [self.START + (first + i) * self.STEP - self.choose.randrange(1200) for i in range(len(values))]


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
            start_passed = (p.retention is not None or p.trimmed > 0) and answer.error_code == 1
            assert self.history.frozen or topic.deleting or start_passed, f"{p}: fetch error {answer.error_code}"
            self.at.pop(p, None)
            return
        records = [r for r in records_of(answer.records) if r.offset >= at]
        if records and self.note(self.seen, p, records):
            self.at[p] = records[-1].offset + 1

    def seen(self, partition, records):
        for record in records:
            partition.learn(record.offset, mark_of(record.value), "consumed")
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
        topic = Topic(f"t-{len(self.history.topics)}", self.choose.randrange(1, 3))
        self.history.topics[topic.name] = topic
        answer = self.wire.ask("CreateTopics", 7, topics=[{
            "name": topic.name, "num_partitions": len(topic.partitions), "replication_factor": 1}])
        if self.expect_error(answer.topics[0].error_code) and self.note(self.created, topic, answer.topics[0].topic_id):
            producer = Producer(self.history, self.port, self.choose.random(), topic.name, topic)
            producer.wire = self.wire
            for _ in range(self.choose.randrange(4)):
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
