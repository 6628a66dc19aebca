"""The messages of starts that other tests do not show: rows that are whole but cannot be used, older copies, journals,
a lock. Each start must end, name what is wrong and what to do, and change nothing."""
import fcntl
import hashlib
import json
import shutil
import struct
import subprocess

from kafka.record.util import calc_crc32c

from broker import Broker, build_directory
from wire import Wire, make_batch

NONE, CORRUPT_MESSAGE, CHANGES = 0, 2, 4
SETTINGS = {"tidemill.journal.file.bytes": 1 << 20}


def digest(directory):
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != "lock"}


class Scene:
    def __init__(self, broker):
        self.broker, self.data = broker, broker.directory / "data"
        with Wire(broker.port) as wire:
            wire.create("t")
            assert wire.produce("t", make_batch([b"x"], producer=7, epoch=0, sequence=0)).error_code == NONE
            self.topic_id = wire.metadata("t").topics[0].topic_id
        broker.stop()
        shutil.copytree(self.data, broker.directory / "kept")

    def reset(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.broker.directory / "kept", self.data)

    def row_file(self):
        return max((self.data / "rows").glob("rows-*.log"))

    def add_rows(self, *rows):
        """Appends a write to the row file. LevelDB lacks it, so the start takes it from there."""
        content = self.row_file().read_bytes()
        at = 0
        while at < len(content):
            size, checksum, _, commit = struct.unpack_from(">IIIQ", content, at + 4)
            at += size
        payload = b"".join(struct.pack(">II", len(key), len(value)) + key + value for key, value in rows)
        head, tail = struct.pack(">4sI", b"TMR1", 28 + len(payload)), struct.pack(">IQI", CHANGES, commit + 1, checksum)
        crc = calc_crc32c(head + tail + payload)
        self.row_file().write_bytes(content + head + struct.pack(">I", crc) + tail + payload)

    def start(self):
        """The log of a start that must end."""
        done = subprocess.run(self.broker.arguments(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 1, done
        return done.stderr

    def refuses(self, *words):
        before = digest(self.data / "topics"), digest(self.data / "shard-0")
        last = self.start().strip().splitlines()[-1]
        for word in words:
            assert word in last, (word, last)
        assert (digest(self.data / "topics"), digest(self.data / "shard-0")) == before, last


def test_rows_that_are_whole_but_cannot_be_used():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        configs = [(b"Bconfig..key-%d" % n, b"1") for n in range(2000)]
        for rows, message in [
                ([(b"T" + bytes(16), b"\1")], "the rows of the topics cannot be read: "),
                (configs, "the broker's configs in the rows cannot be read: "),
                ([(b"Bcluster.id", b"short")],
                 "the cluster's id in the rows cannot be read: it has 5 bytes, and not 22 letters, digits, - or _: "),
                ([(b"Bcluster.id", b"\0" * 22)], "the cluster's id in the rows cannot be read: "),
                ([(b"Btrusted.time", b"\1")], "the row trusted.time with the time of the last run cannot be read: "),
                ([(b"J" + struct.pack(">I", 0), b"\1")], f"{scene.data}/kv: cannot read the rows: ")]:
            scene.reset()
            scene.add_rows(*rows)
            last = scene.start().strip().splitlines()[-1]
            assert message in last and "restore the whole data directory from a copy" in last, last


def test_a_producer_whose_state_is_malformed_is_forgotten():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        scene.add_rows((b"P" + scene.topic_id.bytes + struct.pack(">iq", 0, 7), b"\1"))
        broker.start()
        with Wire(broker.port) as wire:  # the log is loaded
            assert wire.produce("t", make_batch([b"y"], producer=7, epoch=0, sequence=1)).error_code == NONE
        assert "the stored state of a producer is malformed: the broker forgets this producer" in broker.log_text()


def test_older_copies_of_both_rows():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        broker.start()
        with Wire(broker.port) as wire:
            wire.create("u")
        broker.kill()
        for name in "kv", "rows":
            shutil.rmtree(scene.data / name)
            shutil.copytree(broker.directory / "kept" / name, scene.data / name)
        scene.refuses(f"{scene.data}: the rows in kv and rows know ", " starts of the broker, but tidemill.meta has ",
                      "both directories were replaced by older copies", "restore the whole data directory from a copy")


def test_a_directory_that_has_lost_its_meta_and_its_rows():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        for name in "kv", "rows":
            shutil.rmtree(scene.data / name)
        (scene.data / "tidemill.meta").unlink()
        scene.refuses(f"{scene.data} has a directory ", " but no tidemill.meta and no rows: restore the whole data directory "
                      "from a copy or use an empty directory")


def test_another_broker_has_the_directory():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        with (scene.data / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            scene.refuses(f"another broker is using the data directory {scene.data}: stop it")


def test_the_first_start_and_a_start_after_a_stop_say_what_they_found():
    with Broker(settings=SETTINGS) as broker:
        assert "new data directory" in broker.log_text()
        broker.restart()
        assert "data directory is clean" in broker.log_text()
        assert "  recovered" not in broker.log_text()
        with Wire(broker.port) as wire:
            wire.create("t")
        broker.restart(kill=True)
        assert " recovered " in broker.log_text()


def test_a_directory_that_cannot_be_locked_read_or_made():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        (scene.data / "lock").unlink()
        (scene.data / "lock").mkdir()
        scene.refuses(f"cannot lock the data directory {scene.data}")
        (scene.data / "lock").rmdir()
        (scene.data / "tidemill.meta").unlink()
        (scene.data / "tidemill.meta").mkdir()
        scene.refuses(f"{scene.data}/tidemill.meta: ", "; restore it from a copy of the data directory")
        broker.settings["log.dirs"] = "/proc/tidemill"
        scene.refuses("cannot create the data directory /proc/tidemill: ")


def test_a_torn_unit_at_the_end_of_a_journal_is_left_out():
    with Broker(settings=SETTINGS) as broker:
        with Wire(broker.port) as wire:
            wire.create("t")
            assert wire.produce("t", make_batch([b"x" * 20_000])).error_code == NONE
        broker.kill()
        data = broker.directory / "data"
        (data / "shard-0" / "durable").unlink()
        shown = subprocess.run([build_directory() / "tidemill", "log", "dump", data, "-J"], stdout=subprocess.PIPE,
                               timeout=60, check=True).stdout
        journal, = (row for row in map(json.loads, shown.splitlines()) if row["kind"] == "journal")
        path = data / "shard-0" / f"journal-{journal['end_file']:020}.log"
        content = bytearray(path.read_bytes())
        content[journal["end_position"] - 4096] ^= 1
        path.write_bytes(content)
        broker.start()
        assert ("the last unit of the journal is incomplete and left out: no mark says that it was durable"
                in broker.log_text())


def test_a_row_file_of_a_newer_format():
    with Broker(settings=SETTINGS) as broker:
        scene = Scene(broker)
        content = bytearray(scene.row_file().read_bytes())
        size, = struct.unpack_from(">I", content, 4)
        struct.pack_into(">I", content, 28, 2)
        struct.pack_into(">I", content, 8, calc_crc32c(bytes(content[:8] + content[12:size])))
        scene.row_file().write_bytes(content)
        scene.refuses(f"{scene.row_file()}: a newer version of Tidemill wrote this file: use that version or a newer one")


def test_a_start_says_which_closed_segments_are_damaged_or_missing():
    with Broker(settings=SETTINGS) as broker:
        with Wire(broker.port) as wire:
            for topic in "cut", "removed":
                wire.create(topic, **{"segment.bytes": 1 << 20})
                for _ in range(3):
                    assert wire.produce(topic, make_batch([b"x" * 900_000])).error_code == NONE
            ids = [wire.metadata(topic).topics[0].topic_id for topic in ("cut", "removed")]
        broker.stop()
        cut, removed = (broker.directory / "data" / "topics" / str(name) / "0" / f"{0:020}.log" for name in ids)
        cut.write_bytes(cut.read_bytes()[:-10])
        removed.unlink()
        broker.start()
        with Wire(broker.port) as wire:
            for topic in "cut", "removed":
                assert wire.fetch(topic, 0).error_code == CORRUPT_MESSAGE
                assert wire.fetch(topic, 1).error_code == NONE
        for event, path in ("segment is damaged", cut), ("segments are missing", removed):
            assert f"{event} directory={path.parent}" in broker.log_text(), event
