#!/usr/bin/python3
"""Cuts the power of a real broker again and again: run.py [--cuts N] [--minutes M] [--seed S] [--jobs J]

Each disk is an ext4 in a loop device (cut_disk.py). On it a broker serves producers, consumers, committers, an admin
and processors (clients.py, pipeline.py). In the midst of it the power is cut; after a quarter of the cuts there is
another one while the broker starts. Then the broker starts again, and everything that a client has seen must be there
(history.py). After the last cut of a disk all clients must be served within ten seconds.

It ends after N cuts or M minutes, whichever comes first. A failure prints its seed; `--seed S --cuts 1` plays the same
disk again, with the same choices but not the same timing. TIDEMILL_BUILD names the build (default: build/asan).
"""
import argparse
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]

import cut_disk  # noqa: E402
import pipeline  # noqa: E402
from broker import Broker, wait_until  # noqa: E402
from clients import Admin, Committer, Consumer, JsonProducer, Producer, Sequence, Trimmer  # noqa: E402
from history import History, Topic, Wrong, expect  # noqa: E402
from wire import Wire  # noqa: E402

LIVES = 6  # cuts of one disk
LIVENESS_SECONDS = 10
LAST_STEPS = 3  # of each client after the last cut
RETENTION = 2 << 20
KILO = 1 << 10


def broker_settings(choose):
    return {
        "tidemill.shards": choose.choice((1, 2)),
        "tidemill.journal.file.bytes": choose.choice((64, 256, 1024, 4096)) * KILO,
        "tidemill.checkpoint.bytes": choose.choice((64, 1024, 16384)) * KILO,
        "tidemill.checkpoint.interval.ms": choose.choice((100, 100, 300, 2000)),
        "tidemill.unflushed.bytes": choose.choice((64, 1024, 16384)) * KILO,
        "tidemill.tail.cache.bytes": choose.choice((0, 32768)) * KILO,
        "tidemill.min.free.bytes": 4096 * KILO,
        "log.retention.check.interval.ms": 100,
        "log.segment.delete.delay.ms": choose.choice((0, 100, 1000)),
        "log.retention.ms": -1,  # the records have fixed timestamps
    }


class Machine:
    """A disk with a broker and its clients, until its last cut."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.choose = random.Random(seed)
        self.disk = cut_disk.CutDisk(folder, seed)
        self.history = History()
        self.broker = None
        self.clients, self.sequences = [], {}

    def start(self):
        self.disk.mount()
        if self.broker is None:
            self.broker = Broker(directory=self.disk.path)
        self.broker.settings = broker_settings(self.choose)
        self.broker.start()

    def create_topics(self):
        fixed = (("main", 3, {}), ("trims", 2, {"segment.bytes": 1 << 20}),
                 ("rolls", 2, {"segment.bytes": 1 << 20, "retention.bytes": RETENTION}),
                 (pipeline.INPUT, 1, pipeline.topic_configs()))
        with Wire(self.broker.port) as wire:
            for name, partitions, configs in fixed:
                topic = Topic(name, partitions, RETENTION if name == "rolls" else None)
                self.history.topics[name] = topic
                wire.create(name, partitions, **configs)
                topic.created = True
                answer = wire.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=60_000)
                self.sequences[name] = {p.number: Sequence(p, answer.producer_id, answer.producer_epoch)
                                        for p in topic.partitions}

    def start_clients(self, steps=-1):
        h, topics, sequences = self.history, self.history.topics, self.sequences
        plans = [(Producer, "a", topics["main"], sequences["main"]), (Producer, "b", topics["main"]),
                 (Producer, "c", topics["rolls"], sequences["rolls"]), (Producer, "d", topics["rolls"]),
                 (JsonProducer, "e", topics[pipeline.INPUT], sequences[pipeline.INPUT]),
                 (Producer, "f", topics["trims"], sequences["trims"]), (Trimmer,),
                 (Consumer,), (Committer,), (Admin,)]
        self.clients = [kind(h, self.broker.port, self.choose.random(), *rest) for kind, *rest in plans]
        for client in self.clients:
            client.steps = steps
            client.start()

    def join_clients(self):
        for client in self.clients:
            client.join(LIVENESS_SECONDS)
            expect(not client.is_alive(), f"{type(client).__name__} is not answered within {LIVENESS_SECONDS} s")
        for client in self.clients:
            if client.error:
                raise client.error
        self.clients = []

    def cut(self):
        """First the history is frozen: what is answered during the cut proves nothing."""
        self.history.freeze()
        expect(self.broker.process.poll() is None, "the broker stopped before the cut")
        self.disk.cut()
        self.broker.kill()
        self.join_clients()
        self.disk.unmount()

    def cut_while_starting(self):
        self.disk.mount()
        self.broker.settings = broker_settings(self.choose)
        self.broker.begin()
        time.sleep(self.choose.random() ** 2 * 0.15)
        self.disk.cut()
        self.broker.kill()
        self.disk.unmount()
        self.history.count("cuts during a start")

    def life(self):
        """Works, loses power, starts again, and has lost nothing."""
        self.history.thaw()
        self.start_clients()
        time.sleep(0.03 + self.choose.random() ** 2 * 0.8)
        self.cut()
        while self.choose.random() < 0.25:
            self.cut_while_starting()
        self.start()
        with Wire(self.broker.port) as wire:
            self.history.check(wire)
            if self.choose.random() < 0.3:
                pipeline.check(wire, self.folder, self.history)
        self.history.count("cuts")

    def check_retries(self):
        """What an idempotent producer has sent is there: it has sent everything again that had no answer."""
        for sequences in self.sequences.values():
            for sequence in sequences.values():
                p = sequence.partition
                expect(not sequence.open, f"{p}: a retry was not answered")
                missing = [m for m in p.sent if m not in p.places and not m[0].startswith((b"b ", b"d "))]
                expect(not missing, f"{p}: {len(missing)} records were never stored, one is {missing[:1]}")

    def topic_directories(self):
        return len(list((self.disk.path / "data" / "topics").iterdir()))

    def end(self):
        """After the last fault: every client is served, everything is at its end, and no file is left over."""
        self.history.thaw()
        self.start_clients(LAST_STEPS)
        self.join_clients()
        with Wire(self.broker.port) as wire:
            self.history.check(wire)
            pipeline.check(wire, self.folder, self.history)
            self.check_retries()
            live = len(wire.ask("Metadata", 12, topics=None).topics)
        wait_until(lambda: self.topic_directories() <= live, LIVENESS_SECONDS, "files of deleted topics to be removed")
        self.broker.stop()

    def run(self, cuts):
        self.start()
        self.create_topics()
        for _ in range(cuts):
            self.life()
        self.end()

    def close(self):
        if self.broker and self.broker.process:
            self.broker.kill()
        self.disk.unmount()


def play_disk(seed, cuts, total):
    """Adds what has happened to the total; raises when a promise was broken."""
    with tempfile.TemporaryDirectory(prefix="tidemill-cut-", dir=cut_disk.image_folder()) as folder:
        machine = Machine(folder, seed)
        try:
            machine.run(cuts)
        except BaseException:
            if machine.broker:
                machine.broker.print_log()
            raise
        finally:
            machine.close()
            for what, number in machine.history.counts.items():
                what = "records sent" if what.startswith("sent ") else what
                total[what] = total.get(what, 0) + number


def work(options):
    """One of the parallel jobs: disks with the seeds first, first + step, ..."""
    total, seed, deadline = {}, options.seed, time.monotonic() + options.minutes * 60
    refusal = cut_disk.cannot()
    if refusal:
        if options.worker == 0:
            print(f"not run here: real power cuts: {refusal}; root, loop devices and the right to mount are needed")
        return 0
    while total.get("cuts", 0) < options.cuts and time.monotonic() < deadline:
        cuts = min(LIVES, options.cuts - total.get("cuts", 0))
        try:
            play_disk(seed, cuts, total)
        except Exception as error:
            if not isinstance(error, Wrong):
                traceback.print_exc(file=sys.stdout)
            print(f"FAILED at cut {total.get('cuts', 0) + 1}: {error}")
            print(f"replay: tests/powercut/run.py --jobs 1 --cuts {cuts} --seed {seed}")
            return 1
        seed += options.jobs
    print("; ".join(f"{number} {what}" for what, number in sorted(total.items())))
    return 0


def main():
    parser = argparse.ArgumentParser(description="cuts the power of a real broker")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="disks at the same time")
    parser.add_argument("--worker", type=int, default=-1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    if options.worker >= 0:
        return work(options)
    each = -(-options.cuts // options.jobs)
    workers = [subprocess.Popen([sys.executable, __file__, "--worker", str(job), "--cuts", str(each), "--minutes",
                                 str(options.minutes), "--seed", str(options.seed + job), "--jobs",
                                 str(options.jobs)], env=os.environ) for job in range(options.jobs)]
    return max([worker.wait() for worker in workers])


if __name__ == "__main__":
    sys.exit(main())
