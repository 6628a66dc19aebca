"""Compacted topics: what must be left of them after a power cut, and what a start may not bring back.

A swap of cleaned segments is visible before it is durable, as in Kafka. So a record that was seen to be gone may be
back after a cut. But what is gone while no cleaning of the partition is under way is gone for ever.
"""
from cleaner_files import is_cleaning
from history import Partition, expect, mark_of

STEP = 40  # between the timestamps of two records
SEGMENT_MS = 25 * STEP  # so a segment has about 25 records
LONG = 86_400_000


class Compacted(Partition):
    def __init__(self, topic, number, tombstones_go=False, retention=None):
        super().__init__(topic, number, retention)
        self.tombstones_go = tombstones_go
        self.last = {}  # key: the offset of its last fact
        self.tombstones = {}  # key: marks that were sent
        self.log_end = 0
        self.left, self.left_end = set(), 0  # the offsets below left_end that a start has shown for good

    def sends(self, mark):
        self.sent.add(mark)
        if mark.sum is None:
            self.tombstones.setdefault(mark.key, set()).add(mark)

    def learn(self, offset, mark, how):
        super().learn(offset, mark, how)
        expect(how == "acknowledged" or offset >= self.left_end or offset in self.left,
               f"{self} offset {offset}: {how} {mark}, which was cleaned away before an earlier start")
        self.last[mark.key] = max(offset, self.last.get(mark.key, -1))

    def check(self, wire, history):
        self.log_end = end = self.check_bounds(wire, history)
        expect(end <= len(self.sent), f"{self}: {len(self.sent)} records were sent, but it ends at {end}")
        found = self.read_twice(wire, end)
        for offset, mark in found.items():
            self.learn(offset, mark, "after the cut")
        self.check_keys(found)
        history.count("records read back", len(found))
        if is_cleaning(history.data, history.topics[self.topic].id, self.number):
            return
        gone = [o for o in self.left if o >= self.start and o not in found]
        history.count("records cleaned away", len(gone))
        history.count("tombstones cleaned away", sum(self.facts[o].sum is None for o in gone))
        self.left, self.left_end = set(found), end

    def read_twice(self, wire, end):
        """Until nothing changes: a cleaning or retention may be under way."""
        before, found = None, self.read_marks(wire, end)
        while found != before:
            before, found = found, self.read_marks(wire, end)
        return found

    def read_marks(self, wire, end):
        records = self.read_all(wire, end)
        offsets = [r.offset for r in records]
        expect(offsets == sorted(set(offsets)), f"{self}: the offsets do not rise: {offsets}")
        return {r.offset: mark_of(r) for r in records}

    def check_keys(self, found):
        there = {mark.key for mark in found.values()}
        for key, offset in self.last.items():
            if offset < self.start or offset in found:
                continue
            mark = self.facts[offset]
            expect(self.may_be_gone(mark), f"{self} offset {offset}: {mark}, the last of its key, is gone")
            expect(key not in there, f"{self} offset {offset}: {mark} is gone, but an older record of its key is there")

    def may_be_gone(self, mark):
        """The last known record of a key: it is an old tombstone, or perhaps one has replaced it and is gone, too."""
        if not self.tombstones_go:
            return False
        return mark.sum is None or any(t not in self.places for t in self.tombstones.get(mark.key, ()))

    def has_double_keys(self, wire, active_base):
        """Whether a closed segment has a record that a later closed one replaces."""
        end = min(active_base, self.end)
        keys = [mark.key for offset, mark in self.read_marks(wire, end).items() if offset < end]
        return len(keys) != len(set(keys))
