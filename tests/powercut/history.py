"""What clients have seen of a broker, kept outside its disk, and the checks after a power cut.

A fact is a record whose place is known: acknowledged, or consumed, or found after an earlier start. It must be there
after each cut. What was sent without an answer may be there once or not at all. `freeze` comes before each cut: an
answer that arrives later proves nothing, and is not noted.
"""
import threading
import zlib

from wire import EARLIEST, LATEST, NO_UUID, records_of


def mark_of(value):
    """Enough of a value to recognise it and to name it."""
    return value[:24], zlib.crc32(value)


class Wrong(AssertionError):
    """The broker broke a promise."""


def expect(condition, what):
    if not condition:
        raise Wrong(what)


class Partition:
    def __init__(self, topic, number, retention=None):
        self.topic, self.number, self.retention = topic, number, retention
        self.sent = set()
        self.facts = {}  # offset: mark
        self.places = {}  # mark: offset
        self.start = self.end = 0  # end: after the last fact
        self.trimmed = 0  # the highest start that DeleteRecords was asked for

    def __str__(self):
        return f"{self.topic}-{self.number}"

    def learn(self, offset, mark, how):
        expect(mark in self.sent, f"{self} offset {offset}: {how} {mark}, which nobody has sent")
        known = self.facts.setdefault(offset, mark)
        expect(known == mark, f"{self} offset {offset}: {how} {mark}, but it was {known}")
        place = self.places.setdefault(mark, offset)
        expect(place == offset, f"{self}: {mark} is at offset {place} and, {how}, at {offset}")
        self.end = max(self.end, offset + 1)


class Topic:
    def __init__(self, name, partitions, retention=None):
        self.name = name
        self.partitions = [Partition(name, n, retention) for n in range(partitions)]
        self.created = self.deleting = self.deleted = False  # created, deleted: as acknowledged or found
        self.id = NO_UUID


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.frozen = False
        self.topics = {}
        self.commits = {}  # group: (last acknowledged, last tried)
        self.counts = {}

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def note(self, function, *arguments):
        """Calls the function unless the history is frozen. Whether it did."""
        with self.lock:
            if not self.frozen:
                function(*arguments)
            return not self.frozen

    def freeze(self):
        with self.lock:
            self.frozen = True

    def thaw(self):
        with self.lock:
            self.frozen = False

    def live_topics(self):
        return [t for t in list(self.topics.values()) if t.created and not t.deleting]

    # Checks after a start. No client is at work.

    def check(self, wire):
        self.check_topics(wire)
        for topic in self.live_topics():
            for partition in topic.partitions:
                self.check_partition(wire, partition)
        for group in self.commits:
            self.check_commit(wire, group)

    def check_topics(self, wire):
        answer = wire.ask("Metadata", 12, topics=None)
        found = {t.name: t for t in answer.topics}
        for topic in self.topics.values():
            there = topic.name in found
            expect(there or topic.deleting or not topic.created, f"topic {topic.name} was created and is gone")
            expect(not (there and topic.deleted), f"topic {topic.name} was deleted and is back")
            if there and topic.created and topic.id != NO_UUID:
                expect(found[topic.name].topic_id == topic.id, f"topic {topic.name} has another id")
            topic.deleted = topic.deleting and not there
            topic.created, topic.deleting = there, there and topic.deleting
            if there:
                topic.id = found[topic.name].topic_id

    def check_partition(self, wire, partition):
        p = partition
        start, end = (wire.list_offset(p.topic, at, p.number).offset for at in (EARLIEST, LATEST))
        expect(start >= p.start, f"{p}: its start was {p.start} and is {start}")
        expect(p.retention is not None or start <= p.trimmed, f"{p}: its start is {start}, nobody has moved it")
        expect(end >= p.end, f"{p}: ends at {end}, but offset {p.end - 1} was known")
        p.start = start
        at = start
        size = 0
        for record in read(wire, p.topic, p.number, start, end):
            expect(record.offset == at, f"{p}: offset {record.offset} follows {at - 1}")
            p.learn(at, mark_of(record.value), "after the cut")
            at += 1
            size += len(record.value)
        expect(at == end, f"{p}: ends at {end}, but is readable only up to {at}")
        expect(p.retention is None or start == 0 or size > 0.9 * p.retention, f"{p}: retention kept only {size} bytes")
        self.count("records read back", end - start)

    def check_commit(self, wire, group):
        acknowledged, tried = self.commits[group]
        found = committed(wire, group)
        expect(acknowledged <= found <= tried,
               f"group {group}: offset {acknowledged} was committed, {tried} was tried, {found} is there")
        self.commits[group] = (found, found)


def read(wire, topic, partition, start, end):
    """All records of a partition."""
    at = start
    while at < end:
        answer = wire.fetch(topic, at, partition=partition, max_bytes=8 << 20, partition_max_bytes=8 << 20)
        expect(answer.error_code == 0, f"{topic}-{partition} offset {at}: fetch gives error {answer.error_code}")
        records = [r for r in records_of(answer.records) if r.offset >= at]
        expect(records, f"{topic}-{partition}: there is nothing at offset {at}, the end is {end}")
        yield from records
        at = records[-1].offset + 1


def committed(wire, group):
    answer = wire.ask("OffsetFetch", 7, group_id=group, topics=[{"name": "main", "partition_indexes": [0]}])
    return max(answer.topics[0].partitions[0].committed_offset, 0)
