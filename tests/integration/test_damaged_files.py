"""One flipped bit in a file of a stopped broker, for each class of files. Clients then find every record, committed
offset, retry and result. Or records of a damaged segment answer an error, and the log names the segment. Or a damaged
journal is refused with the next step. TIDEMILL_SAMPLES=20 takes twenty bits of each class."""
import os
import random
import shutil

from broker import Broker
from test_damaged_rows import COUNT, NONE, SETTINGS, Scene, value
from wire import Wire, records_of

CORRUPT_MESSAGE = 2
SEGMENT, JOURNAL = "topics/{plain}/0/*.log", "shard-0/journal-*.log"
CLASSES = [JOURNAL, "shard-0/durable", "kv/*.log", "kv/*.ldb", "kv/MANIFEST-*", "kv/CURRENT", "rows/rows-*.log",
           "tidemill.meta", SEGMENT, "topics/*/*/*.index", "topics/*/*/*.timeindex",
           "topics/*/*/leader-epoch-checkpoint"]
NAMED = ("a read met damaged bytes", "segment is damaged", "a partition lost records")
SAMPLES = int(os.environ.get("TIDEMILL_SAMPLES", "1"))


class Sampled(Scene):
    """A scene whose directory is kept after a stop and after a kill."""

    def __init__(self, broker):
        super().__init__(broker)
        self.kept, self.folder = {}, broker.directory
        self.may_lose = False
        with Wire(broker.port) as wire:
            self.plain = wire.metadata("plain").topics[0].topic_id
        for name in "stopped", "killed":
            self.end(kill=name == "killed")
            self.kept[name] = self.rounds
            shutil.copytree(self.data, self.folder / name)
            if name == "stopped":
                self.broker.start()
                self.check()

    def check_records(self, wire):
        lost = 0
        for number in range(COUNT):
            answer = wire.fetch("plain", number)
            lost += answer.error_code == CORRUPT_MESSAGE
            if answer.error_code != CORRUPT_MESSAGE:
                assert answer.error_code == NONE and records_of(answer.records)[0].value == value(number), number
        named = [line for line in self.broker.log_text().splitlines()
                 if str(self.plain) in line and any(text in line for text in NAMED)]
        assert lost == 0 or (self.may_lose and named), (lost, named)

    def damage(self, name, pattern, chosen):
        """The file and the byte; None: the directory has no such file."""
        shutil.rmtree(self.data)
        shutil.copytree(self.folder / name, self.data)
        self.rounds = self.kept[name]
        files = [p for p in sorted(self.data.glob(pattern.format(plain=self.plain))) if p.stat().st_size > 0]
        if not files:
            return None
        path = chosen.choice(files)
        content = bytearray(path.read_bytes())
        at = chosen.randrange(len(content))
        content[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        return path, at

    def start(self, may_refuse):
        """True: it runs. Else it has refused the journal."""
        self.broker = Broker(directory=self.folder, settings=self.broker.settings)
        self.broker.begin()
        if self.broker.is_ready():
            return True
        assert self.broker.process.wait(30) == 1 and may_refuse
        last = self.broker.log_text().strip().splitlines()[-1]
        assert "damaged at byte" in last and "Restore the data directory from a copy" in last, last
        return False


def try_bit(scene, name, pattern, seed):
    """What happened: None, if there is no such file."""
    place = scene.damage(name, pattern, random.Random(seed))
    if place is None:
        return None
    scene.may_lose = pattern == SEGMENT
    try:
        runs = scene.start(may_refuse=pattern == JOURNAL)
        if runs:
            scene.check()
    except AssertionError as failure:
        scene.broker.print_log()
        raise AssertionError(f"{name}, seed {seed}: {place}") from failure
    finally:
        scene.broker.kill()
    return runs


def test_a_flipped_bit_loses_nothing_that_clients_see():
    settings = {**SETTINGS, "log.segment.bytes": 1 << 20, "log.index.interval.bytes": 4096}
    with Broker(settings=settings) as broker:
        scene = Sampled(broker)
        for number, pattern in enumerate(CLASSES):
            for seed in range(SAMPLES):
                names = ["stopped", "killed"] if (number + seed) % 2 else ["killed", "stopped"]
                assert any(try_bit(scene, name, pattern, seed) is not None for name in names), f"no file {pattern}"
