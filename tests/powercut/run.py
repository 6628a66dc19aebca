#!/usr/bin/python3
"""Cuts the power of a real broker again and again: run.py [--cuts N] [--minutes M] [--seed S] [--jobs J]

Each disk is an ext4 in a loop device (cut_disk.py). On it a broker serves producers, consumers, committers, an admin
and processors (clients.py, pipeline.py), and compacts topics (compacted.py). In the midst of it the power is cut, often
in the midst of a cleaning (aim.py); after a quarter of the cuts there is another one while the broker starts. Then the
broker starts again, and everything that a client has seen must be there (history.py). `tidemill log verify` must find
no fault. After the last cut of a disk all clients must be served within ten seconds.

It ends after N cuts or M minutes, whichever comes first. It prints how often each situation was reached; with 100 cuts
or more, one that was never reached fails the run. A failure prints its seed; `--seed S --cuts 1` plays the same disk
again, with the same choices but not the same timing. TIDEMILL_BUILD names the build (default: build/asan).
"""
import argparse
import collections
import concurrent.futures
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "harness")]

import cleaner_files  # noqa: E402
import cut_disk  # noqa: E402
import pipeline  # noqa: E402
from broker import Broker, build_directory, wait_until  # noqa: E402
from clients import (Admin, Committer, Consumer, JsonProducer, KeyedProducer, ManyKeysProducer, Producer,  # noqa: E402
                     Sequence, Trimmer)
from compacted import LONG, SEGMENT_MS, Compacted  # noqa: E402
from history import History, Partition, Topic, Wrong, expect  # noqa: E402
from wire import Wire  # noqa: E402

LIVES = 6  # cuts of one disk
LIVENESS_SECONDS = 10  # of a machine that has time for this process
HANG_SECONDS = 120  # for all that is no promise
LAST_STEPS = 3  # of each client after the last cut
AIM_SECONDS = 10  # a cleaning that does not come is not waited for
RETENTION, COMPACT_RETENTION = 2 << 20, 16 << 10
KILO = 1 << 10
PLAIN = (b"b ", b"d ", b"h ")  # the names of the records of plain producers

STAGES = (None, None, None, "output", "swap")

# What 100 cuts must have reached.
REACH_CUTS = 100
REACH = (
    "plain records", "idempotent records", "retries", "offsets committed", "topics created", "topics deleted",
    "log starts moved", "log starts moved by retention", "segments rolled", "outputs compared",
    "starts with a checkpoint interval of 100 ms", "cuts with another one during the start",
    "records cleaned away", "tombstones cleaned away", "cuts in a cleaning",
    "cuts between the files of a cleaning and its swap", "cuts between a swap and its end",
    "cuts in a start that had a cleaning to finish", "directories verified")


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
        "log.cleaner.backoff.ms": choose.choice((10, 100)),
        "log.cleaner.threads": choose.choice((1, 2)),
        "log.cleaner.dedupe.buffer.size": choose.choice((KILO, 1 << 20)),
        "log.cleaner.io.buffer.size": choose.choice((KILO, 512 * KILO)),
        "log.cleaner.io.max.bytes.per.second": choose.choice((500_000, 1e9)),
    }


def compact_configs(policy, **more):
    return {"cleanup.policy": policy, "segment.ms": SEGMENT_MS, "min.cleanable.dirty.ratio": 0, **more}


def starvation():
    """How many times longer than alone this process takes now, because others use the processors."""
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.05:
        pass
    return max(1, (time.monotonic() - began) / 0.05)


def tasks(pid):
    """Name and state of each thread. The kernel's threads of io_uring come and go."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        try:
            name, _, rest = (task / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
        except OSError:
            continue
        yield name, rest.split()[0]


class Machine:
    """A disk with a broker and its clients, until its last cut."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        self.choose = random.Random(seed)
        self.disk = cut_disk.CutDisk(folder, seed)
        self.data = self.disk.path / "data"
        self.history = History(self.data)
        self.segments, self.cleaning_files, self.swaps = set(), {}, []
        self.broker = None
        self.clients, self.sequences = [], {}

    def mount(self):
        self.disk.mount()
        segments = cleaner_files.rolled_segments(self.data)
        self.history.count("segments rolled", len(segments - self.segments))
        self.segments |= segments
        self.cleaning_files = cleaner_files.files(self.data)
        self.swaps = cleaner_files.swaps(self.data)

    def begin(self):
        if self.broker is None:
            self.broker = Broker(directory=self.disk.path)
        self.broker.settings = broker_settings(self.choose)

    def start(self):
        self.begin()
        self.broker.start()
        left = cleaner_files.still_there(self.cleaning_files)
        expect(not left, f"the start has left files of a cleaning: {left}")
        if self.broker.settings["tidemill.checkpoint.interval.ms"] == 100:
            self.history.count("starts with a checkpoint interval of 100 ms")

    def create_topics(self):
        long = {"delete.retention.ms": LONG}
        soon = {"delete.retention.ms": self.choose.choice((0, 200))}
        fixed = (
            ("main", [Partition("main", n) for n in range(3)], {}),
            ("trims", [Partition("trims", n) for n in range(2)], {"segment.bytes": 1 << 20}),
            ("rolls", [Partition("rolls", n, RETENTION) for n in range(2)],
             {"segment.bytes": 1 << 20, "retention.bytes": RETENTION}),
            ("keys", [Compacted("keys", n) for n in range(2)], compact_configs("compact", **long)),
            ("tombs", [Compacted("tombs", 0, tombstones_go=True)], compact_configs("compact", **soon)),
            ("both", [Compacted("both", 0, retention=COMPACT_RETENTION)],
             compact_configs("compact,delete", **{"retention.bytes": COMPACT_RETENTION}, **long)),
            (pipeline.INPUT, [Partition(pipeline.INPUT, 0)], pipeline.topic_configs()))
        with Wire(self.broker.port) as wire:
            for name, partitions, configs in fixed:
                topic = self.history.topics[name] = Topic(name, partitions)
                wire.create(name, len(partitions), **configs)
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
                 (KeyedProducer, "g", topics["keys"], sequences["keys"]), (KeyedProducer, "h", topics["keys"]),
                 (KeyedProducer, "i", topics["tombs"], sequences["tombs"]),
                 (ManyKeysProducer, "j", topics["both"], sequences["both"]),
                 (Consumer,), (Committer,), (Admin,)]
        self.clients = [kind(h, self.broker.port, self.choose.random(), *rest) for kind, *rest in plans]
        for client in self.clients:
            client.steps = steps
            client.start()

    def join_clients(self, seconds):
        deadline = time.monotonic() + seconds
        for client in self.clients:
            client.join(max(deadline - time.monotonic(), 0))
            expect(not client.is_alive(), f"{type(client).__name__} has not ended within {seconds:.0f} s")
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
        self.join_clients(HANG_SECONDS)
        self.disk.unmount()

    def cut_while_starting(self):
        self.history.count("cuts in a start that had a cleaning to finish", bool(self.swaps))
        self.begin()
        self.broker.begin()
        time.sleep(self.choose.random() ** 2 * 0.15)
        self.disk.cut()
        self.broker.kill()
        self.disk.unmount()
        self.mount()
        self.history.count("cuts during a start")

    def begin_to_aim(self):
        """Returns a process that ends when a cleaning has come as far as it shall, and stands still with the broker."""
        stage, changes = self.choose.choice(STAGES), self.choose.randrange(6)
        if stage is None or not (self.data / "cleaning").exists():
            return None
        aim = subprocess.Popen([sys.executable, HERE / "aim.py", str(self.broker.pid), stage, str(changes), self.data],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        expect(aim.stdout.readline(), "nothing watches the cleaner")
        return aim

    def wait_for_the_cut(self, aim):
        seconds = 0.03 + self.choose.random() ** 2 * 0.8
        if aim is None:
            time.sleep(seconds)
            return
        try:
            aim.wait(AIM_SECONDS)
        except subprocess.TimeoutExpired:
            aim.kill()
            aim.wait()
        aim.stdin.close()
        aim.stdout.close()

    def count_swaps(self):
        """How far cleanings were, as the disk has it after the cut."""
        count = self.history.count
        count("cuts in a cleaning", bool(self.swaps))
        count("cuts between the files of a cleaning and its swap", any(s.written and not s.new for s in self.swaps))
        count("cuts between a swap and its end", any(s.new and s.left for s in self.swaps))

    def lose_power(self):
        """At a random time, or in a cleaning. Then perhaps again while the broker starts, more often if it finishes a
        cleaning."""
        aim = self.begin_to_aim()
        self.start_clients()
        self.wait_for_the_cut(aim)
        self.cut()
        self.mount()
        self.count_swaps()
        again = 0
        while self.choose.random() < (0.4 if self.swaps else 0.2):
            again = 1
            self.cut_while_starting()
        self.history.count("cuts with another one during the start", again)

    def life(self):
        """Works, loses power, starts again, and has lost nothing."""
        self.history.thaw()
        self.lose_power()
        self.start()
        with Wire(self.broker.port) as wire:
            self.history.check(wire)
            if self.choose.random() < 0.3:
                pipeline.check(wire, self.folder, self.history, HANG_SECONDS)
        self.verify()
        self.history.count("cuts")

    def verify(self):
        """A copy of the directory at one moment has no fault."""
        copy = pathlib.Path(self.folder) / "copy"
        self.broker.process.send_signal(signal.SIGSTOP)
        wait_until(self.stands_still, HANG_SECONDS, "the broker to stop")
        shutil.copytree(self.data, copy)
        self.broker.process.send_signal(signal.SIGCONT)
        done = subprocess.run([build_directory() / "tidemill", "log", "verify", copy], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
        expect(done.returncode == 0, f"tidemill log verify finds a fault:\n{done.stdout}")
        shutil.rmtree(copy)
        self.history.count("directories verified")

    def stands_still(self):
        return all(state == "T" or name.startswith("iou-") for name, state in tasks(self.broker.pid))

    def check_retries(self):
        """What an idempotent producer has sent is there: it has sent everything again that had no answer."""
        for sequences in self.sequences.values():
            for sequence in sequences.values():
                p = sequence.partition
                expect(not sequence.open, f"{p}: a retry was not answered")
                wanted = [m for m in p.sent if not m.name.startswith(PLAIN)]
                if isinstance(p, Compacted):  # records that are cleaned away were perhaps never seen
                    expect(p.log_end >= len(wanted), f"{p}: {len(wanted)} were sent, but it ends at {p.log_end}")
                    continue
                missing = [m for m in wanted if m not in p.places]
                expect(not missing, f"{p}: {len(missing)} records were never stored, one is {missing[:1]}")

    def check_compaction(self, wire, seconds):
        """Closed segments have one record of each key."""
        for topic in self.history.live_topics():
            for p in filter(lambda p: isinstance(p, Compacted), topic.partitions):
                wait_until(lambda p=p, topic=topic: not p.has_double_keys(
                    wire, cleaner_files.active_base(self.data, topic.id, p.number)), seconds, f"{p} to be compacted")

    def topic_directories(self):
        return len(list((self.data / "topics").iterdir()))

    def end(self):
        """After the last fault: every client is served, everything is at its end, and no file is left over."""
        seconds = LIVENESS_SECONDS * starvation()
        self.history.thaw()
        self.start_clients(LAST_STEPS)
        self.join_clients(seconds)
        with Wire(self.broker.port) as wire:
            self.history.check(wire)
            pipeline.check(wire, self.folder, self.history, seconds)
            self.check_retries()
            self.check_compaction(wire, seconds)
            live = len(wire.ask("Metadata", 12, topics=None).topics)
        wait_until(lambda: self.topic_directories() <= live, seconds, "files of deleted topics to be removed")
        self.broker.stop()

    def run(self, cuts):
        self.mount()
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
                total["records sent" if what.startswith("sent ") else what] += number


def work(job, options):
    """One of the parallel jobs: disks with the seeds first, first + jobs, ... What has happened; None: a failure."""
    sys.stdout.reconfigure(line_buffering=True)
    refusal = cut_disk.cannot()
    if refusal:
        if job == 0:
            print(f"not run here: real power cuts: {refusal}; root, loop devices and the right to mount are needed")
        return collections.Counter()
    total, seed, deadline = collections.Counter(), options.seed + job, time.monotonic() + options.minutes * 60
    wanted = -(-options.cuts // options.jobs)
    while total["cuts"] < wanted and time.monotonic() < deadline:
        cuts = min(LIVES, wanted - total["cuts"])
        try:
            play_disk(seed, cuts, total)
        except Exception as error:
            if not isinstance(error, Wrong):
                traceback.print_exc(file=sys.stdout)
            print(f"FAILED at cut {total['cuts'] + 1}: {error}")
            print(f"replay: tests/powercut/run.py --jobs 1 --cuts {cuts} --seed {seed}")
            return None
        seed += options.jobs
    return total


def main():
    parser = argparse.ArgumentParser(description="cuts the power of a real broker")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="disks at the same time")
    options = parser.parse_args()
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        totals = list(pool.map(work, range(options.jobs), [options] * options.jobs))
    total = sum(filter(None, totals), collections.Counter())
    print("; ".join(f"{number} {what}" for what, number in sorted(total.items())))
    missed = [what for what in REACH if total["cuts"] >= REACH_CUTS and not total[what]]
    if missed:
        print(f"FAILED: never reached: {'; '.join(missed)}")
    return int(None in totals or bool(missed))


if __name__ == "__main__":
    sys.exit(main())
