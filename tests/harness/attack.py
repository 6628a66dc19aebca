"""A broker under attack, and a client beside the attack that must not notice it.

    with Attacked() as attacked:
        with attacked.survives("what is done to it", megabytes=64):
            ... whatever ...

During such a block a client on a connection of its own writes records and reads them back. Each round trip may take
at most `seconds`. At the end of the block, the broker's peak of memory since the beginning is compared with the
limit. The kernel measures the peak (VmHWM), so short allocations count too. An allocation larger than the largest
legitimate one ends the broker.
"""
import contextlib
import os
import pathlib
import re
import threading
import time

import raw_wire as wire
from broker import Broker

MEGABYTE = 1 << 20
# The largest legitimate ones are a batch's uncompressed records and a request of socket.request.max.bytes.
LARGEST_ALLOCATION_MB = 300
PAUSE_SECONDS = 0.01
SANITIZER = (f"max_allocation_size_mb={LARGEST_ALLOCATION_MB}:quarantine_size_mb=4:thread_local_quarantine_size_kb=64:"
             "allocator_release_to_os_interval_ms=100")


class Bystander:
    """A normal client, on one connection for its whole life."""

    def __init__(self, port):
        self.link = wire.Link(port)
        self.count = 0
        reply = self.link.ask(wire.frame(wire.METADATA, 1, wire.array([wire.string("bystander")])))
        assert reply is not None, "the bystander was cut off"
        self.slowest = 0.0
        self.lock = threading.Lock()

    def check(self):
        """Writes and reads a record; returns the time that this took."""
        with self.lock:
            return self.round_trip()

    @contextlib.contextmanager
    def goes_on(self):
        """Makes round trips in the background during the block. If one fails, the block fails."""
        over, failures = threading.Event(), []

        def run():
            while not over.wait(PAUSE_SECONDS):
                try:
                    self.check()
                except Exception as error:
                    failures.append(error)
                    return

        thread = threading.Thread(target=run)
        self.slowest = 0.0
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if failures:
            raise failures[0]

    def round_trip(self):
        started = time.monotonic()
        value = b"record %d" % self.count
        batch = wire.batch(wire.record(value=value))
        reply = self.link.ask(wire.produce("bystander", batch))
        assert reply is not None, "the bystander was cut off"
        error, offset = produced(reply)
        assert error == 0 and offset == self.count, f"the bystander's record: error {error}, offset {offset}"
        reply = self.link.ask(wire.fetch("bystander", self.count))
        error, records = fetched(reply)
        assert error == 0 and value in records, "the bystander does not read what it wrote"
        self.count += 1
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, seconds)
        return seconds


def produced(reply, version=7):
    """Error and offset of the one partition of a Produce response, version 3 to 7."""
    times = 16 if version >= 5 else 8
    topics = reply.array(lambda t: (t.string(), t.array(lambda p: (p.i32(), p.i16(), p.i64(), p.take(times)))))
    return topics[0][1][0][1:3]


def fetched(reply):
    """Error and records of the first partition of a Fetch response, version 4."""
    reply.i32()
    topics = reply.array(lambda t: (t.string(), t.array(
        lambda p: (p.i32(), p.i16(), p.i64(), p.i64(), p.i32(), p.blob()))))
    partition = topics[0][1][0]
    return partition[1], partition[5]


class Attacked(Broker):
    def __init__(self, descriptors=None, **arguments):
        super().__init__(**arguments)
        self.descriptor_limit = descriptors
        self.bystander = None

    def arguments(self):
        limit = ["prlimit", f"--nofile={self.descriptor_limit}:{self.descriptor_limit}"] if self.descriptor_limit else []
        return limit + super().arguments()

    def start(self):
        before = os.environ.get("ASAN_OPTIONS")
        os.environ["ASAN_OPTIONS"] = SANITIZER
        try:
            super().start()
        finally:
            os.environ.pop("ASAN_OPTIONS")
            if before is not None:
                os.environ["ASAN_OPTIONS"] = before
        self.bystander = Bystander(self.port)
        self.bystander.check()

    def alive(self):
        return self.process.poll() is None

    def peak_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    @contextlib.contextmanager
    def survives(self, what, megabytes):
        self.forget_peak()
        before, started = self.rss_bytes(), time.monotonic()
        try:
            with self.bystander.goes_on():
                yield
            self.bystander.check()
        except Exception as error:
            raise AssertionError(f"{what}: {error}") from error
        assert self.alive(), f"{what}: the broker died"
        grown = (self.peak_bytes() - before) / MEGABYTE
        print(f"    {what}: +{grown:.0f} of {megabytes} MiB, {time.monotonic() - started:.1f} s, "
              f"bystander {self.bystander.slowest * 1000:.0f} ms")
        assert grown <= megabytes, f"{what}: memory grew by {grown:.0f} MiB, allowed are {megabytes}"
