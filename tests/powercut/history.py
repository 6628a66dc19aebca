"""What clients have seen of a broker, kept outside its disk, and the checks after a power cut.

A fact is a record whose place is known: acknowledged, or consumed, or found after an earlier start. It must be there
after each cut. What was sent without an answer may be there once or not at all. `freeze` comes before each cut: an
answer that arrives later proves nothing, and is not noted.
"""
import collections
import struct
import threading
import zlib

from wire import EARLIEST, LATEST, NO_UUID, records_of

OUT_OF_RANGE = 1
# A record to send. A value without a key begins with its name. A record with a key has its name in a header.
Content = collections.namedtuple("Content", "value key headers", defaults=(None, ()))
Mark = collections.namedtuple("Mark", "name key sum")  # sum: None for a tombstone


def mark_of(record):
    """Enough of a record to recognise it and to name it."""
    name = record.headers[0][1] if record.headers else record.value[:24]
    return Mark(name, record.key, None if record.value is None else zlib.crc32(record.value))


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

    def sends(self, mark):
        self.sent.add(mark)

    def learn(self, offset, mark, how):
        expect(mark in self.sent, f"{self} offset {offset}: {how} {mark}, which nobody has sent")
        known = self.facts.setdefault(offset, mark)
        expect(known == mark, f"{self} offset {offset}: {how} {mark}, but it was {known}")
        place = self.places.setdefault(mark, offset)
        expect(place == offset, f"{self}: {mark} is at offset {place} and, {how}, at {offset}")
        self.end = max(self.end, offset + 1)

    def check(self, wire, history):
        end = self.check_bounds(wire, history)
        records = self.read_all(wire, end)
        at = self.start
        size = 0
        for record in records:
            expect(record.offset == at, f"{self}: offset {record.offset} follows {at - 1}")
            self.learn(at, mark_of(record), "after the cut")
            at += 1
            size += len(record.value)
        expect(at == end, f"{self}: ends at {end}, but is readable only up to {at}")
        expect(self.retention is None or self.start == 0 or size > 0.9 * self.retention,
               f"{self}: retention kept only {size} bytes")
        history.count("records read back", end - self.start)

    def check_bounds(self, wire, history):
        """Notes the log start. The log end."""
        start, end = (wire.list_offset(self.topic, at, self.number).offset for at in (EARLIEST, LATEST))
        expect(start >= self.start, f"{self}: its start was {self.start} and is {start}")
        expect(self.retention is not None or start <= self.trimmed, f"{self}: its start is {start}, nobody moved it")
        expect(end >= self.end, f"{self}: ends at {end}, but offset {self.end - 1} was known")
        history.count("log starts moved by retention", self.retention is not None and start > self.start)
        self.start = start
        return end

    def read_all(self, wire, end):
        while True:
            try:
                return list(read(wire, self.topic, self.number, self.start, end))
            except Wrong:
                start = wire.list_offset(self.topic, EARLIEST, self.number).offset
                if self.retention is None or start <= self.start:
                    raise
                self.start = start  # retention was faster


class Topic:
    def __init__(self, name, partitions):
        self.name, self.partitions = name, partitions
        self.created = self.deleting = self.deleted = False  # created, deleted: as acknowledged or found
        self.id = NO_UUID


class History:
    def __init__(self, data):
        self.data = data  # the broker's directory
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
                partition.check(wire, self)
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

    def check_commit(self, wire, group):
        acknowledged, tried = self.commits[group]
        found = committed(wire, group)
        expect(acknowledged <= found <= tried,
               f"group {group}: offset {acknowledged} was committed, {tried} was tried, {found} is there")
        self.commits[group] = (found, found)


def end_of(data):
    """The offset after the last whole batch of a Fetch answer. A cleaned batch may have no record."""
    at, end = 0, None
    while at + 27 <= len(data or b""):
        base, length, _, _, _, _, last = struct.unpack_from(">qiibihi", data, at)
        at += 12 + length
        if at <= len(data):
            end = base + last + 1
    return end


def read(wire, topic, partition, start, end):
    """All records of a partition."""
    at = start
    while at < end:
        answer = wire.fetch(topic, at, partition=partition, max_bytes=8 << 20, partition_max_bytes=8 << 20)
        expect(answer.error_code == 0, f"{topic}-{partition} offset {at}: fetch gives error {answer.error_code}")
        after = end_of(answer.records)
        expect(after, f"{topic}-{partition}: there is nothing at offset {at}, the end is {end}")
        yield from (r for r in records_of(answer.records) if r.offset >= at)
        at = after


def committed(wire, group):
    answer = wire.ask("OffsetFetch", 7, group_id=group, topics=[{"name": "main", "partition_indexes": [0]}])
    return max(answer.topics[0].partitions[0].committed_offset, 0)
