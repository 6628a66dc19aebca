"""A process may open only so many files. The broker keeps a limited number of segments open, so partitions and
connections never use up its descriptors: nothing is refused, nothing is lost."""
import socket
import subprocess
import tempfile
import threading

from broker import Broker, wait_until
from wire import Wire, make_batch, records_of

NONE = 0
AT_ONCE = 100  # partitions in one request
SECONDS = 60


class Limited(Broker):
    """A broker that may open `limit` files. prlimit becomes the broker, so it has its process id."""

    def __init__(self, limit, **more):
        super().__init__(**more)
        self.limit = limit
        self.most = 0

    def arguments(self):
        return ["prlimit", f"--nofile={self.limit}:{self.limit}", *super().arguments()]

    def count(self):
        """Notes how many are open. The listing itself is not one of them: it is made from outside."""
        self.most = max(self.most, self.descriptors())
        assert self.most <= self.limit
        return self.most


def produce_round(wire, topic, partitions, value):
    """One record to every partition, with many partitions in a request."""
    for first in range(0, partitions, AT_ONCE):
        batches = [{"index": p, "records": make_batch([b"%s %d" % (value, p)])}
                   for p in range(first, min(first + AT_ONCE, partitions))]
        answer = wire.ask("Produce", 8, acks=-1, timeout_ms=30_000,
                          topic_data=[{"name": topic, "partition_data": batches}])
        for part in answer.responses[0].partition_responses:
            assert part.error_code == NONE, part


def read_all(broker, wire, topic, partitions, expected):
    """Fetches as a consumer does: all partitions in one request, again and again."""
    got = {p: [] for p in range(partitions)}

    def step():
        wanted = [{"partition": p, "fetch_offset": len(got[p]), "partition_max_bytes": 1 << 20}
                  for p in got if len(got[p]) < len(expected)]
        answer = wire.ask("Fetch", 11, replica_id=-1, max_wait_ms=100, min_bytes=1, max_bytes=50 << 20,
                          topics=[{"topic": topic, "partitions": wanted}])
        for part in answer.responses[0].partitions if answer.responses else []:
            assert part.error_code == NONE, part
            got[part.partition_index] += [r.value for r in records_of(part.records)]
        broker.count()
        return all(len(values) >= len(expected) for values in got.values())

    wait_until(step, SECONDS, "all records to be read")
    for partition, values in got.items():
        assert values == [b"%s %d" % (value, partition) for value in expected], (partition, values)


def flushed(broker, partitions):
    """Whether every partition has a segment file with content."""
    logs = list((broker.directory / "data" / "topics").glob("*/*/*.log"))
    return len(logs) >= partitions and all(log.stat().st_size > 0 for log in logs)


def storm(broker, stop):
    """Opens connections all the time, more than the broker may have, and closes them again."""
    while not stop.is_set():
        held = []
        for _ in range(broker.limit):
            try:
                held.append(socket.create_connection(("127.0.0.1", broker.port), 1))
            except OSError:
                break
        for one in held:
            one.close()


def fill_and_read(limit, partitions, settings=None):
    values = [b"first", b"second", b"third"]
    with Limited(limit, settings={"tidemill.tail.cache.bytes": 0, **(settings or {})}) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", partitions=partitions)
            for value in values[:2]:
                produce_round(wire, "t", partitions, value)
                broker.count()
            wait_until(lambda: flushed(broker, partitions), SECONDS, "the flush")
            produce_round(wire, "t", partitions, values[2])
            read_all(broker, wire, "t", partitions, values)
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            read_all(broker, wire, "t", partitions, values)
            produce_round(wire, "t", partitions, b"fourth")
            read_all(broker, wire, "t", partitions, values + [b"fourth"])
        broker.stop()
        assert "file operation failed" not in broker.log_text()


def test_a_thousand_partitions_need_no_thousand_descriptors():
    fill_and_read(1024, 1000)


def test_a_thousand_partitions_work_with_few_descriptors():
    fill_and_read(256, 1000)


def test_two_thousand_partitions_are_recovered_with_few_descriptors():
    with Limited(1024) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", partitions=2000)
            produce_round(wire, "t", 2000, b"one")
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            read_all(broker, wire, "t", 2000, [b"one"])


def test_connections_do_not_take_the_descriptors_of_the_storage():
    stop = threading.Event()
    with Limited(256) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", partitions=300)
            threads = [threading.Thread(target=storm, args=(broker, stop)) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                for n in range(10):
                    produce_round(wire, "t", 300, b"round %d" % n)
                    broker.count()
                wait_until(lambda: flushed(broker, 300), SECONDS, "the flush")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            read_all(broker, wire, "t", 300, [b"round %d" % n for n in range(10)])
        assert "no file descriptor is left" not in broker.log_text()


def test_a_broker_that_may_open_too_few_files_says_how_many_it_needs():
    with tempfile.TemporaryDirectory() as directory:
        broker = Limited(24, directory=directory)
        ended = subprocess.run(broker.arguments(), capture_output=True, text=True, timeout=SECONDS, check=False)
        assert ended.returncode == 1, ended
        assert "may open 24 files" in ended.stderr and "ulimit -n" in ended.stderr, ended
        assert not (broker.directory / "data").exists()
