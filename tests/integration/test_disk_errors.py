"""Calls of the real broker that fail: strace lets the n-th one of each kind return an error.

Success means durable. After an error the broker has stopped with exit code 4, or it serves all clients again. Then it
starts without errors and has everything that was acknowledged.
"""
import os
import random
import re
import subprocess
import tempfile
import time

from broker import Broker, quick, wait_until
from wire import LATEST, Cut, Wire, make_batch, records_of

os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # it does not work under strace
CANNOT_RUN, DISK_FAILED, NOT_LOADED = 1, 4, 127
SECONDS = 20
SETTINGS = {"tidemill.checkpoint.interval.ms": 100, "tidemill.unflushed.bytes": 65536,
            "tidemill.journal.file.bytes": 65536, "tidemill.checkpoint.bytes": 65536}
FINAL = True
# The call, its error, how many calls of a thread to let pass at most, and whether the broker must stop.
FAULTS = [
    ("fdatasync", "EIO", 8, None), ("syncfs", "EIO", 3, FINAL), ("fsync", "EIO", 6, None),
    ("pwritev", "EIO", 12, FINAL), ("pwritev", "ENOSPC", 12, None), ("openat", "EMFILE", 40, None),
    ("rename", "EIO", 4, None), ("unlink", "EIO", 4, None), ("ftruncate", "EIO", 4, None),
    ("fallocate", "ENOSPC", 4, None), ("pread64", "EIO", 20, None), ("mkdir", "ENOSPC", 4, None),
]
ROUNDS = 1 if quick() else 2


class Injected(Broker):
    """A broker under strace. Its process is strace's only child."""

    def __init__(self, directory, call, error, when):
        super().__init__(directory=directory, settings=SETTINGS)
        self.trace = directory + ".strace"
        self.inject = f"{call}:error={error}:when={when}"
        self.call = call

    def arguments(self):
        return ["strace", "-f", "-qq", "-y", "-o", self.trace, "-e", f"trace={self.call}", "-e",
                f"inject={self.inject}", *super().arguments()]

    def end(self, is_gone):
        """The exit code; None when it had to be killed."""
        children = f"/proc/{self.pid}/task/{self.pid}/children"
        code = self.process.wait(SECONDS) if is_gone else self.process.poll()
        if code is None:
            with open(children, encoding="ascii") as file:
                for child in file.read().split():
                    os.kill(int(child), 9)
            self.process.wait(SECONDS)
        self.kill()
        return code

    def descriptors(self, call):
        """Which ones the call was given."""
        with open(self.trace, encoding="utf-8", errors="replace") as file:
            return set(re.findall(call + r"\(([0-9]+<[^>]*>)", file.read()))

    def injected(self):
        with open(self.trace, encoding="utf-8", errors="replace") as file:
            return [line for line in file if "(INJECTED)" in line]


def refusal():
    """None, or the reason why strace does not work here."""
    try:
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        return "there is no strace"
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode else None


class Work:
    """Numbered records and commits, and which of them were acknowledged."""

    def __init__(self):
        self.acknowledged, self.sent = {}, 0  # acknowledged: offset: value
        self.committed = self.tried = 0
        self.topics = []

    def one(self, wire, topic):
        self.sent += 1
        value = b"%d;" % self.sent + random.Random(self.sent).randbytes(3000)
        answer = wire.produce(topic, make_batch([value]))
        if answer.error_code == 0:
            self.acknowledged[answer.base_offset] = value
        self.tried += 1
        code = wire.ask("OffsetCommit", 7, group_id="g", generation_id_or_member_epoch=-1, topics=[{
            "name": topic, "partitions": [{"partition_index": 0, "committed_offset": self.tried}]}])
        if code.topics[0].partitions[0].error_code == 0:
            self.committed = self.tried
        return answer.error_code

    def create(self, wire, name):
        answer = wire.ask("CreateTopics", 5, topics=[{"name": name, "num_partitions": 1, "replication_factor": 1}])
        if answer.topics[0].error_code == 0:
            self.topics.append(name)

    def run(self, port):
        """A hundred rounds. True: the broker is gone."""
        try:
            with Wire(port) as wire:
                self.create(wire, "t")
                for n in range(100):
                    self.one(wire, "t")
                    if n % 20 == 10:
                        self.create(wire, f"more-{n}")
                wait_until(lambda: self.one(wire, "t") == 0, 10, "a produce request to succeed after the error")
        except (Cut, OSError):
            return True
        return False

    def check(self, port):
        with Wire(port) as wire:
            names = {t.name for t in wire.ask("Metadata", 12, topics=None).topics}
            assert names >= set(self.topics), f"created {self.topics}, there are {names}"
            if "t" not in names:
                assert not self.acknowledged
                return
            end, at, found = wire.list_offset("t", LATEST).offset, 0, {}
            while at < end:
                records = records_of(wire.fetch("t", at).records)
                assert records, f"nothing at offset {at}, the end is {end}"
                found.update((r.offset, r.value) for r in records)
                at = records[-1].offset + 1
            wrong = [o for o, value in self.acknowledged.items() if found.get(o) != value]
            assert not wrong, f"acknowledged records are not at {wrong[:5]}, the end is {end}"
            answer = wire.ask("OffsetFetch", 7, group_id="g", topics=[{"name": "t", "partition_indexes": [0]}])
            committed = max(answer.topics[0].partitions[0].committed_offset, 0)
            assert self.committed <= committed <= self.tried, (self.committed, committed, self.tried)


def trial(call, error, when, must_stop):
    """Whether the error was injected."""
    with tempfile.TemporaryDirectory(prefix="tidemill-test-") as folder:
        broker, work = Injected(folder + "/d", call, error, when), Work()
        try:
            broker.start()
            is_gone = work.run(broker.port)
        except AssertionError:  # it has ended before it was ready
            is_gone = True
        code = broker.end(is_gone)
        injected = broker.injected()
        if code == NOT_LOADED:  # the call was the dynamic loader's
            return 0
        assert code in (None, CANNOT_RUN, DISK_FAILED), f"exit code {code}"
        assert not (must_stop and injected) or code is not None, f"it went on after {injected}"
        assert len(broker.descriptors("syncfs")) <= 1, "a descriptor that is younger than a write misses its loss"
        with Broker(directory=folder + "/d", settings=SETTINGS) as after:
            work.check(after.port)
        return len(injected)


def test_a_call_that_fails_stops_the_broker_or_does_no_harm():
    reason = refusal()
    if reason:
        print(f"not run here: errors injected by strace: {reason}")
        return
    started, reached = time.monotonic(), {}
    for seed in range(ROUNDS):
        for call, error, most, must_stop in FAULTS:
            when = 1 + random.Random(f"{seed} {call} {error}").randrange(most)
            for calls in (f"{when}", f"{when}+" if error == "EIO" else f"{when}..{when + 8}"):
                try:
                    count = trial(call, error, calls, must_stop)
                except AssertionError:
                    print(f"{call} {error} when={calls}")
                    raise
                reached[f"{call} {error}"] = reached.get(f"{call} {error}", 0) + count
    print(f"  injected: {reached}, {time.monotonic() - started:.0f} s")
    assert sum(count > 0 for count in reached.values()) >= len(reached) * 2 // 3, reached
