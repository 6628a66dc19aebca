"""Damage to the rows of a stopped broker: topics, committed offsets, producer states, the state of an aggregate.

Whatever happens to one of the two copies, the next start repairs it, says so, and everything is there. Damage to both
is refused, and nothing is changed.
"""
import hashlib
import json
import shutil
import subprocess

from kafka.record.util import calc_crc32c

from broker import Broker, wait_until
from wire import Wire, make_batch, records_of

NONE, LATEST, TOPIC, SET = 0, -1, 2, 0
COUNT = 20
SETTINGS = {"tidemill.journal.file.bytes": 1 << 20, "tidemill.checkpoint.bytes": 1 << 20}
AGGREGATE = {"type": "aggregate", "group-by": "key", "window": "tumbling(1h)", "select": "count() as records",
             "output": "rows"}
START_MS = 1_700_000_000_000 // 3_600_000 * 3_600_000
REWRITTEN = "the key-value store was damaged, it was written again and no row is lost"
REPAIRED = "the key-value store was damaged or old, it was repaired and no row is lost"
FILE_REWRITTEN = "the row file was damaged, old or missing, it was written again and no row is lost"
META_REWRITTEN = "tidemill.meta is damaged or missing, it is written again"
WARNINGS = (REWRITTEN, REPAIRED, FILE_REWRITTEN, META_REWRITTEN)


def value(number):
    return b"%04d" % number * 25_000


class Scene:
    """A broker with rows of every kind. Each round adds a record, an offset and a batch, and checks the earlier ones."""

    def __init__(self, broker):
        self.broker = broker
        self.data = broker.directory / "data"
        self.rounds = 0
        with Wire(broker.port) as wire:
            for name in ("plain", "numbered", "clicks"):
                wire.create(name)
            for number in range(COUNT):
                assert wire.produce("plain", make_batch([value(number)])).error_code == NONE
            answer = wire.ask("InitProducerId", 4, transaction_timeout_ms=60_000)
            self.producer, self.epoch = answer.producer_id, answer.producer_epoch
            answer = wire.ask("IncrementalAlterConfigs", 1, resources=[{
                "resource_type": TOPIC, "resource_name": "clicks", "configs": [
                    {"name": f"processor.sum.{k}", "config_operation": SET, "value": v}
                    for k, v in AGGREGATE.items()]}])
            assert answer.responses[0].error_code == NONE, answer
        self.add()

    def click(self, wire, time_ms):
        assert wire.produce("clicks", make_batch([b"{}"], [time_ms], keys=[b"ann"])).error_code == NONE

    def numbered(self, wire, sequence):
        return wire.produce("numbered", make_batch([b"%d" % sequence], producer=self.producer, epoch=self.epoch,
                                                   sequence=sequence))

    def add(self):
        with Wire(self.broker.port) as wire:
            self.click(wire, START_MS + self.rounds)
            answer = self.numbered(wire, self.rounds)
            assert (answer.error_code, answer.base_offset) == (NONE, self.rounds), answer
            answer = wire.ask("OffsetCommit", 7, group_id="g", generation_id_or_member_epoch=-1, topics=[
                {"name": "plain", "partitions": [{"partition_index": 0, "committed_offset": self.rounds}]}])
            assert answer.topics[0].partitions[0].error_code == NONE, answer
        self.rounds += 1

    def check_records(self, wire):
        for number in range(COUNT):
            answer = wire.fetch("plain", number)
            assert answer.error_code == NONE and records_of(answer.records)[0].value == value(number)

    def check(self):
        with Wire(self.broker.port) as wire:
            self.check_records(wire)
            answer = wire.ask("OffsetFetch", 7, group_id="g", topics=[{"name": "plain", "partition_indexes": [0]}])
            assert answer.topics[0].partitions[0].committed_offset == self.rounds - 1, answer
            answer = self.numbered(wire, self.rounds - 1)  # a retry gets its first offset
            assert (answer.error_code, answer.base_offset) == (NONE, self.rounds - 1), answer
            assert wire.list_offset("numbered", LATEST).offset == self.rounds
        self.add()

    def check_aggregate(self):
        with Wire(self.broker.port) as wire:
            self.click(wire, START_MS + 3_600_000)
            wait_until(lambda: wire.list_offset("rows", LATEST).offset > 0, 20, "the result of the aggregate")
            records = records_of(wire.fetch("rows").records)
            assert [json.loads(r.value)["records"] for r in records] == [self.rounds], records

    def end(self, kill):
        if kill:
            self.broker.kill()
        else:
            self.broker.stop()

    def restart(self, warning, kill=False, harm=None, words=()):
        """Damages the stopped broker. `warning` is what the start must say, None: nothing."""
        self.end(kill)
        for path in self.data.glob("*/*.damaged"):
            path.unlink()
        shutil.rmtree(self.data / "kv.damaged", ignore_errors=True)
        before = len(self.broker.log_text())
        if harm:
            harm()
        self.broker.start()
        said = self.broker.log_text()[before:]
        for text in WARNINGS:
            assert (text in said) == (text == warning), (text, said)
        for word in words:
            assert word in said, (word, said)
        self.check()
        with_names = {p.name for p in self.data.glob("topics/*")}
        assert not any("unknown" in name for name in with_names), with_names

    def file(self, pattern):
        """The newest file of this name that has content."""
        return max((p for p in self.data.glob(pattern) if p.stat().st_size > 0 and p.suffix != ".damaged"),
                   key=lambda p: p.name)

    def flip(self, pattern, at=0.5):
        path = self.file(pattern)
        content = bytearray(path.read_bytes())
        content[int(len(content) * at)] ^= 4
        path.write_bytes(content)
        return path


def content(directory):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in directory.rglob("*") if path.is_file()}


def expect_refused(broker, *words):
    before = content(broker.directory / "data")
    ended = subprocess.run(broker.arguments(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                           check=False)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1, ended
    for word in (*words, "restore the whole data directory from a copy"):
        assert word in last, (word, ended.stderr)
    assert "accept-damage" not in ended.stderr and "shard-" not in last, ended.stderr
    assert content(broker.directory / "data") == before


def test_nothing_is_lost_when_one_copy_is_damaged():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        scene.restart(None)
        scene.restart(None, kill=True)
        scene.restart(None)
        kv, rows = scene.data / "kv", scene.data / "rows"
        for kill in (False, True):
            scene.restart(REWRITTEN, kill, lambda: scene.flip("kv/*.log", 0.1), ("kv.damaged", "000"))
            scene.restart(None)  # LevelDB writes a table
            scene.restart(REWRITTEN, kill, lambda: scene.flip("kv/*.ldb"), ("kv.damaged",))
            scene.restart(REWRITTEN, kill, lambda: scene.flip("kv/MANIFEST-*", 0.1), ("kv/MANIFEST-",))
            scene.restart(REWRITTEN, kill, (kv / "CURRENT").unlink, ("kv/CURRENT: the file is missing",))
            scene.restart(REWRITTEN, kill, lambda: scene.file("kv/*.log").unlink(), ("the file is missing",))
            scene.restart(REWRITTEN, kill, lambda: shutil.rmtree(kv))
            scene.restart(FILE_REWRITTEN, kill, lambda: scene.flip("rows/rows-*.log", 0.1), (".log.damaged",))
            for harm in (lambda: scene.file("rows/rows-*.log").unlink(), lambda: shutil.rmtree(rows)):
                scene.restart(FILE_REWRITTEN, kill, harm, ("/rows/rows-N.log: the file is missing",))
        scene.check_aggregate()


def test_nothing_is_lost_when_one_copy_is_older():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        for name, warning in (("kv", REPAIRED), ("rows", FILE_REWRITTEN)):
            broker.stop()
            older = broker.directory / f"older-{name}"
            shutil.copytree(scene.data / name, older)
            broker.start()
            scene.check()
            scene.restart(None)

            def go_back(name=name, older=older):
                shutil.rmtree(scene.data / name)
                older.rename(scene.data / name)
            scene.restart(warning, harm=go_back)
        scene.check_aggregate()


def test_damage_to_both_copies_is_refused_and_a_repaired_copy_is_enough():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        broker.stop()
        current = scene.data / "kv" / "CURRENT"
        text = current.read_bytes()
        file = scene.flip("rows/rows-*.log", 0.1)
        current.unlink()
        expect_refused(broker, f"{file}: damaged at byte ", f"{current}: the file is missing")
        (scene.data / "accept-damage").touch()  # applies to journals only
        expect_refused(broker, f"{file}: damaged at byte ", f"{current}: the file is missing")
        (scene.data / "accept-damage").unlink()
        current.write_bytes(text)
        broker.start()
        assert FILE_REWRITTEN in broker.log_text()
        scene.check()
        scene.check_aggregate()


def test_a_data_directory_without_row_files_is_upgraded():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        meta = scene.data / "tidemill.meta"

        def to_format_1():
            shutil.rmtree(scene.data / "rows")
            text = meta.read_bytes().splitlines(keepends=True)
            lines = text[0].replace(b"2", b"1") + text[1]
            meta.write_bytes(lines + b"crc32c=%08x\n" % calc_crc32c(lines))
        scene.restart(None, harm=to_format_1, words=("the rows have a second copy now",))
        assert meta.read_bytes().startswith(b"format=2\n")
        scene.restart(REWRITTEN, harm=(scene.data / "kv" / "CURRENT").unlink)
        scene.check_aggregate()


def test_tidemill_meta_is_written_again():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        scene.restart(META_REWRITTEN, harm=(scene.data / "tidemill.meta").unlink)
        scene.restart(META_REWRITTEN, harm=lambda: scene.flip("tidemill.meta"))
        scene.restart(META_REWRITTEN, kill=True, harm=lambda: (scene.data / "tidemill.meta").write_bytes(b""))
        assert b"format=2\n" in (scene.data / "tidemill.meta").read_bytes()
        scene.check_aggregate()


def test_files_of_an_unknown_topic_are_set_aside_and_never_deleted():
    with Broker(shards=2, settings=SETTINGS) as broker:
        scene = Scene(broker)
        broker.stop()
        unknown = scene.data / "topics" / "01234567-89ab-4def-8123-456789abcdef"
        (unknown / "0").mkdir(parents=True)
        (unknown / "0" / "00000000000000000000.log").write_bytes(b"records")
        broker.start()
        said = broker.log_text()
        assert "a topic's files have no topic, they are set aside" in said and f"{unknown}.unknown" in said, said
        broker.restart()
        aside = unknown.with_name(unknown.name + ".unknown")
        assert (aside / "0" / "00000000000000000000.log").read_bytes() == b"records" and not unknown.exists()
        assert broker.log_text().count("a topic's files have no topic") == 1
        scene.check()
