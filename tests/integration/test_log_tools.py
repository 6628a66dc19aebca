"""tidemill log dump, verify, repair and export: what they show and change in a stopped data directory, also in one that
a crash, damage or a lost key-value store left."""
import functools
import hashlib
import json
import random
import shutil
import struct
import subprocess

from broker import Broker, quick
from test_tool import Tool
from wire import Wire, calc_crc32c, make_batch, records_of

NONE, CORRUPT_MESSAGE, COUNT = 0, 2, 40
SMALL = {"tidemill.journal.file.bytes": 1 << 20}  # the tests copy and read the directory often


def value(number):
    return b"%04d" % number * 25_000


@functools.cache
def batch(number):
    return make_batch([value(number)])


def fill(broker):
    with Wire(broker.port) as wire:
        for topic in "harmed", "other":
            wire.create(topic, **{"segment.bytes": 1 << 20})
            for number in range(COUNT):
                assert wire.produce(topic, batch(number)).error_code == NONE


def folder_of(broker, topic):
    with Wire(broker.port) as wire:
        return broker.directory / "data" / "topics" / str(wire.metadata(topic).topics[0].topic_id) / "0"


def digest(directory):
    """All names and bytes below a directory."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file()}


def row_file(data):
    return max((data / "rows").glob("rows-*.log"))


def tool_of(broker):
    return Tool(broker.address)


def verify(tool, data, code=0):
    """The findings. Nothing may change."""
    before = digest(data)
    answer = tool.json("log", "verify", data, code=code)
    assert digest(data) == before
    assert answer["faults"] == sum(row["error"] is not None for row in answer["findings"])
    return answer


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def faults(answer):
    return [(row["file"], row["byte"], row["error"]) for row in answer["findings"] if row["error"]]


def test_a_sound_directory_is_sound_after_a_stop_and_after_a_kill():
    with Broker(shards=2) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        assert "DIRECTORY_IN_USE" in tool.text("log", "verify", data, "-J", code=1)
        broker.kill()
        answer = verify(tool, data)
        assert answer["faults"] == 0, answer
        checked = {row["class"]: row["checked"] for row in answer["classes"]}
        assert checked["journal"] > 0 and checked["kv"] > 0, checked
        broker.start()
        broker.stop()
        answer = verify(tool, data)
        assert answer["faults"] == 0, answer
        checked = {row["class"]: row["checked"] for row in answer["classes"]}
        assert checked["segment"] == 2 * COUNT, checked
        broker.start()


def test_other_directories_are_refused():
    with Broker() as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        broker.stop()
        empty = broker.directory / "empty"
        empty.mkdir()
        assert "not a data directory" in tool.run("log", "verify", empty, code=1).stderr
        assert "No such file" in tool.run("log", "verify", broker.directory / "none", code=1).stderr
        meta = data / "tidemill.meta"
        content = meta.read_text()
        meta.write_text(content.replace("format=2", "format=3"))
        damaged = verify(tool, data, code=1)
        assert faults(damaged) == [("tidemill.meta", 0, "DAMAGED")], damaged
        newer = content.replace("format=2", "format=3")[:content.index("crc32c=")]
        meta.write_text(f"{newer}crc32c={calc_crc32c(newer.encode()):08x}\n")
        before = digest(data)
        for words in ("verify", data), ("dump", data), ("repair", data, "--yes"), ("export", "t", "--dir", data):
            refused = tool.run("log", *words, code=1).stderr
            assert "newer version" in refused, refused
        assert digest(data) == before
        meta.write_text(content)
        broker.start()


def test_each_kind_of_damage_is_named_with_file_and_byte():
    with Broker(shards=1) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        folder = folder_of(broker, "harmed")
        broker.stop()
        kept = broker.directory / "kept"
        shutil.copytree(data, kept)

        def harmed(change):
            shutil.rmtree(data)
            shutil.copytree(kept, data)
            change()
            return faults(verify(tool, data, code=1))
        segments = sorted(folder.glob("*.log"))
        name = str(segments[1].relative_to(data))
        size = segments[1].stat().st_size // 10
        cut, ends = segments[1].read_bytes()[:4 * size + 10], segments[-1].read_bytes()
        first_size = segments[0].stat().st_size
        assert harmed(lambda: flip(segments[1], 3 * size + 100)) == [(name, 3 * size, "DAMAGED")]
        assert harmed(lambda: flip(segments[1], 3 * size + 9)) == [(name, 3 * size, "DAMAGED")]
        assert harmed(lambda: flip(segments[1], 3 * size + 6)) == [(name, 3 * size, "DAMAGED")]
        assert harmed(lambda: segments[1].write_bytes(cut)) == [(name, 4 * size, "DAMAGED")]
        assert harmed(lambda: segments[1].write_bytes(cut[:-10])) == [(name, 4 * size, "MISSING")]
        first, last = (str(path.relative_to(data)) for path in (segments[0], segments[-1]))
        assert harmed(segments[0].unlink) == [(str(folder.relative_to(data)), None, "MISSING")]
        assert harmed(segments[1].unlink) == [(first, first_size, "MISSING")]
        assert harmed(lambda: segments[-1].write_bytes(ends[:-1]))[0][::2] == (last, "DAMAGED")
        index = segments[1].with_suffix(".index")
        assert harmed(lambda: flip(index, 12)) == [(str(index.relative_to(data)), 8, "DAMAGED")]
        assert harmed((data / "kv" / "CURRENT").unlink)[0] == ("kv/CURRENT", None, "MISSING")
        meta = data / "tidemill.meta"
        assert harmed(lambda: flip(meta, 3)) == [("tidemill.meta", 0, "DAMAGED")]


def test_no_flipped_bit_is_missed():
    """Every flip in a file of data is found, or it lies in a part that nothing reads any more."""
    with Broker(shards=1) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        with Wire(broker.port) as wire:
            wire.create("t")
            for number in range(200):
                wire.produce("t", make_batch([b"%d" % number * 100]))
        folder = folder_of(broker, "t")
        broker.stop()
        segment = min(folder.glob("*.log"))
        content = segment.read_bytes()
        drawn = random.Random(1)
        for _ in range(10 if quick() else 20):
            at = drawn.randrange(len(content))
            flip(segment, at)
            found = faults(verify(tool, data, code=1 if is_checked(content, at) else 0))
            assert not is_checked(content, at) or found[0][1] <= at, (at, found)
            segment.write_bytes(content)


def is_checked(content, at):
    """The leader epoch of a batch is the one field that neither a checksum nor an offset covers."""
    start = 0
    while start + 12 + int.from_bytes(content[start + 8:start + 12], "big") <= at:
        start += 12 + int.from_bytes(content[start + 8:start + 12], "big")
    return not 12 <= at - start < 16


def test_a_repair_keeps_all_sound_records_and_what_it_replaces():
    with Broker(shards=2) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        folder = folder_of(broker, "harmed")
        broker.stop()
        segments = sorted(folder.glob("*.log"))
        size = segments[1].stat().st_size // 10
        flip(segments[1], 3 * size + 500)
        flip(segments[2], 6)  # the length of the first batch
        segments[0].with_suffix(".index").write_bytes(b"\0" * 24)
        before = digest(data)
        harmed = segments[1].read_bytes()
        plan = tool.json("log", "repair", data, "--dry-run")["repairs"]
        assert {row["action"] for row in plan} == {"replace", "rebuild"} and digest(data) == before
        tool.run("log", "repair", data, code=2)
        assert digest(data) == before
        done = tool.json("log", "repair", data, "--yes")["repairs"]
        assert [row["error"] for row in done] == [None] * len(done)
        assert segments[1].with_name(segments[1].name + ".damaged").read_bytes() == harmed
        assert verify(tool, data)["faults"] == 0
        lost = {int(segments[1].stem) + 3, int(segments[2].stem)}
        broker.start()
        for _ in range(2):
            with Wire(broker.port) as wire:
                for number in set(range(COUNT)) - lost:
                    answer = wire.fetch("harmed", number)
                    assert answer.error_code == NONE
                    assert records_of(answer.records)[0].value == value(number)
                for number in lost:
                    assert wire.fetch("harmed", number).error_code == NONE
            read = tool.text("consume", "harmed", "-o", ":end", "-f", "%o\\n").split()
            assert set(map(int, read)) == set(range(COUNT)) - lost
            kcat = subprocess.run(["kcat", "-b", broker.address, "-C", "-e", "-q", "-t", "harmed", "-f", "%o\\n"],
                                  stdout=subprocess.PIPE, encoding="utf-8", timeout=60, check=True).stdout
            assert set(map(int, kcat.split())) == set(range(COUNT)) - lost
            broker.restart()


def repair_active(harm, lost):
    """Harms the segment that a start appends to. Afterwards only the lost offsets are gone."""
    with Broker(shards=2) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        folder = folder_of(broker, "harmed")
        broker.stop()
        active = max(folder.glob("*.log"))
        content = active.read_bytes()
        harm(active, len(content) // (COUNT - int(active.stem)))
        done = tool.json("log", "repair", data, "--yes")["repairs"]
        assert [(row["action"], row["error"]) for row in done] == [("replace", None)], done
        assert verify(tool, data)["faults"] == 0
        broker.start()
        assert "a partition lost records" not in broker.log_text()
        for appended in range(2):
            with Wire(broker.port) as wire:
                answer = wire.produce("harmed", make_batch([b"behind"]))
                assert (answer.error_code, answer.base_offset) == (NONE, COUNT + appended), answer
            read = tool.text("consume", "harmed", "-o", ":end", "-f", "%o\\n").split()
            assert set(map(int, read)) == set(range(COUNT + appended + 1)) - lost, read
            broker.restart(kill=True)
        broker.stop()
        assert verify(tool, data)["faults"] == 0


def test_a_repair_of_the_segment_that_a_start_appends_to():
    repair_active(lambda path, size: flip(path, 3 * size + 500), {33})
    repair_active(lambda path, size: path.write_bytes(path.read_bytes()[:-1]), {39})


def test_what_a_repair_cannot_mend_is_said():
    with Broker() as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        folder = folder_of(broker, "harmed")
        broker.stop()
        active = max(folder.glob("*.log"))
        active.write_bytes(active.read_bytes()[:-1])
        (data / "kv" / "CURRENT").rename(data / "kv" / "elsewhere")
        (data / "rows").rename(broker.directory / "rows")
        before = digest(data)
        left = tool.json("log", "repair", data, "--yes", code=1)["repairs"]
        assert {row["error"] for row in left} == {"NOT_REPAIRABLE"} and digest(data) == before, left
        (data / "kv" / "elsewhere").rename(data / "kv" / "CURRENT")
        (broker.directory / "rows").rename(data / "rows")


def test_an_export_of_a_stopped_directory_is_what_consume_prints():
    with Broker(shards=2) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        tool.run("topic", "create", "t", "-p", 12, "-c", "segment.bytes=1MiB")
        for number, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd") * 3):
            lines = "".join(f"{i}:{number}-{i}\n" for i in range(50))
            tool.run("produce", "t", "-K", ":", "-z", codec, stdin=lines)
        tool.run("topic", "trim", "t", "-p", 3, "-o", 7, "--yes")

        def sorted_lines(text):
            return sorted(text.splitlines(), key=lambda line: [json.loads(line)[key] for key in ("partition", "offset")])
        whole = sorted_lines(tool.text("consume", "t", "-o", ":end"))
        assert len(whole) == 15 * 50 - 7
        assert sorted_lines(tool.text("log", "export", "t")) == whole
        assert sorted_lines(tool.text("log", "export", "t", "-o", "8")) == \
            [line for line in whole if json.loads(line)["offset"] >= 8]
        some = sorted_lines(tool.text("log", "export", "t", "-p", "3,10", "-o", "9:11"))
        broker.kill()

        def export(*words, code=0):
            return sorted_lines(tool.text("log", "export", "t", "--dir", data, *words, code=code))
        assert export() == whole
        assert export("-p", "3,10", "-o", "9:11") == some
        assert export("-o", "@now") == [] and export("-o", "@-1h:now") == whole
        broker.start()
        broker.stop()
        before = digest(data)
        assert export() == whole
        topic_id = next((data / "topics").iterdir()).name
        for path in *(data / "kv").iterdir(), *(data / "rows").iterdir():  # nothing is left of the rows
            path.write_bytes(b"x" * path.stat().st_size)
        assert "has no topic t" in tool.run("log", "export", "t", "--dir", data, code=1).stderr
        lines = tool.text("log", "export", topic_id, "--dir", data).splitlines()
        plain = [{key: value for key, value in json.loads(line).items() if key != "topic"} for line in whole]
        found = [{key: value for key, value in json.loads(line).items() if key != "topic"} for line in lines]
        assert [row for row in found if row["partition"] != 3 or row["offset"] >= 7] == plain
        shutil.rmtree(data)
        assert before


def test_a_dump_shows_every_kind_of_file():
    with Broker(shards=1) as broker:
        data, tool = broker.directory / "data", tool_of(broker)
        fill(broker)
        tool.run("topic", "trim", "other", "-o", 5, "--yes")
        folder = folder_of(broker, "harmed")
        broker.kill()
        before = digest(data)

        def dump(*words):
            text = tool.text("log", "dump", data, *words)
            rows = [json.loads(line) for line in tool.text("log", "dump", data, *words, "-J").splitlines()]
            assert len(rows) == len(text.splitlines())
            return rows
        overview = dump()
        assert {"meta", "topic", "log", "journal", "file"} <= {row["kind"] for row in overview}
        assert {row["start_offset"] for row in overview if row["kind"] == "log"} == {0, 5}
        assert {row["end_offset"] for row in overview if row["kind"] == "log"} == {COUNT}
        assert {"topic", "journal"} <= {row["row_kind"] for row in dump("--rows")}
        units = [row for path in sorted((data / "shard-0").glob("journal-*.log")) for row in dump(path)]
        assert {"unit", "batch_part", "put", "log_start", "entry_end"} <= {row["kind"] for row in units}
        assert sum(row["kind"] == "batch_part" for row in units) == 2 * COUNT
        records = dump(row_file(data))
        assert {"begin", "end", "changes"} == {row["record_kind"] for row in records if row["kind"] == "row_record"}
        assert "journal" in {row["row_kind"] for row in records if row["kind"] == "row"}
        broker.start()
        broker.stop()
        witness, = dump(data / "shard-0" / "durable")
        assert witness["whole"] and witness["writes"] > 0, witness
        assert [row["text"] for row in dump(folder / "leader-epoch-checkpoint")] == ["0", "1", "0 0"]
        assert dump(data / "tidemill.meta")[0]["text"] == "format=2"
        segment = sorted(folder.glob("*.log"))[1]
        size = segment.stat().st_size // 10
        batches = dump(segment)
        assert [row["position"] for row in batches] == [size * i for i in range(10)]
        assert [row["position"] for row in dump(segment.with_suffix(".index"))] == [size * i for i in range(1, 10)]
        assert dump(segment.with_suffix(".timeindex"))[0]["kind"] == "time_index_entry"
        flip(segment, 2 * size + 70)
        assert [row["kind"] for row in dump(str(segment.relative_to(data)))] == ["batch"] * 2 + ["damage"] + ["batch"] * 7
        assert "has no file nothing" in tool.run("log", "dump", data, "nothing", code=1).stderr
        assert before


# What a start says of each state of the two copies of the rows.
KV_AGAIN = "the key-value store was damaged, it was written again and no row is lost"
KV_REPAIRED = "the key-value store was damaged or old, it was repaired and no row is lost"
FILE_AGAIN = "the row file was damaged, old or missing, it was written again and no row is lost"
LOST = "both copies of the rows are damaged or missing: "
FOREIGN = "are not of the same data directory"


class Copies:
    """A stopped data directory with older copies of its rows, and one of another broker."""

    def __init__(self, broker):
        self.broker, self.data, self.tool = broker, broker.directory / "data", tool_of(broker)
        broker.stop()
        self.copy("kv", "old-kv")
        self.copy("rows", "old-rows")
        broker.start()
        fill(broker)
        with Wire(broker.port) as wire:
            self.metadata = [topic.topic_id for topic in wire.metadata("harmed", "other").topics]
        broker.stop()
        shutil.copytree(self.data, broker.directory / "kept")

    def copy(self, name, to):
        shutil.copytree(self.data / name, self.broker.directory / to)

    def put(self, name, *parts):
        """Replaces a part of the data directory by a copy."""
        target = self.data.joinpath(*parts)
        shutil.rmtree(target)
        shutil.copytree(self.broker.directory / name, target)

    def harm(self, change):
        self.put("kept")
        change()
        return faults(verify(self.tool, self.data, code=1))

    def start(self):
        """Returns what this start logged."""
        before = len(self.broker.log_text())
        self.broker.start()
        with Wire(self.broker.port) as wire:
            assert [topic.topic_id for topic in wire.metadata("harmed", "other").topics] == self.metadata
            assert records_of(wire.fetch("harmed", 33).records)[0].value == value(33)
        self.broker.stop()
        return self.broker.log_text()[before:]

    def start_refused(self):
        arguments = [str(word) for word in self.broker.arguments()]
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                              timeout=60, check=False)
        assert done.returncode == 1, done
        return done.stdout

    def lose_a_kv_file(self):
        (self.data / "kv" / "CURRENT").unlink()

    def cut_row_file(self):
        path = row_file(self.data)
        path.write_bytes(path.read_bytes()[:-1])

    def harm_row_file(self):
        flip(row_file(self.data), 100)


def test_one_damaged_copy_of_the_rows_is_written_again_as_a_start_does():
    with Broker(shards=1, settings=SMALL) as broker:
        rows = Copies(broker)
        data, tool = rows.data, rows.tool
        for change, file, error, warning in [
                (rows.lose_a_kv_file, "kv/CURRENT", "MISSING", KV_AGAIN),
                (lambda: shutil.rmtree(data / "kv"), "kv/CURRENT", "MISSING", KV_AGAIN),
                (lambda: rows.put("old-kv", "kv"), "kv", "DAMAGED", KV_REPAIRED),
                (rows.harm_row_file, f"rows/{row_file(data).name}", "DAMAGED", FILE_AGAIN),
                (lambda: shutil.rmtree(data / "rows"), "rows", "MISSING", FILE_AGAIN),
                (lambda: rows.put("old-rows", "rows"), f"rows/{row_file(data).name}", "DAMAGED", FILE_AGAIN)]:
            found = rows.harm(change)
            assert found[0][::2] == (file, error), (file, found)
            harmed = digest(data)
            plan = tool.json("log", "repair", data, "--dry-run")["repairs"]
            assert {row["action"] for row in plan} == {"rebuild"} and digest(data) == harmed, plan
            done = tool.json("log", "repair", data, "--yes")["repairs"]
            assert {row["error"] for row in done} == {None}, done
            assert verify(tool, data)["faults"] == 0
            kept = set(digest(data).values())
            replaced = {value for name, value in harmed.items() if name.startswith(file.split("/", maxsplit=1)[0] + "/")}
            assert error == "MISSING" and "rows" in file or replaced <= kept, (file, harmed)
            assert warning not in rows.start(), warning
            rows.harm(change)  # a start without the repair says the same
            said = rows.start()
            assert warning in said, warning
            assert verify(tool, data)["faults"] == 0
        assert ": its last write is number " in said and ", the key-value store has number " in said, said


def test_two_damaged_copies_of_the_rows_are_named_and_what_is_whole_is_read():
    with Broker(shards=1, settings=SMALL) as broker:
        rows = Copies(broker)
        data, tool = rows.data, rows.tool
        with Broker(shards=1) as other:
            other.stop()
            shutil.copytree(other.directory / "data" / "rows", broker.directory / "foreign")

        def foreign():
            rows.put("foreign", "rows")
        for changes, files, message in [
                ((rows.lose_a_kv_file, rows.harm_row_file), {"kv", "rows"}, LOST),
                ((rows.lose_a_kv_file, rows.cut_row_file), {"kv", "rows"}, LOST),
                ((foreign,), {"kv"}, FOREIGN)]:
            found = rows.harm(lambda: [change() for change in changes])
            assert {name.split("/")[0] for name, _, _ in found} == files, found
            harmed = digest(data)
            done = tool.json("log", "repair", data, "--yes", code=1)["repairs"]
            assert {row["error"] for row in done} == {"NOT_REPAIRABLE"} and digest(data) == harmed, done
            assert message in rows.start_refused()
            shown = [json.loads(line) for line in tool.text("log", "dump", data, "-J").splitlines()]
            assert {row["topic"] for row in shown if row["kind"] == "topic"} == {"harmed", "other"}, shown
            lines = tool.text("log", "export", "harmed", "--dir", data).splitlines()
            assert [json.loads(line)["offset"] for line in lines] == list(range(COUNT))


def test_small_files_are_named_and_replaced():
    with Broker(shards=1, settings=SMALL) as broker:
        rows = Copies(broker)
        data, tool = rows.data, rows.tool
        folder = max((data / "topics").iterdir()) / "0"
        witness, epochs, meta = data / "shard-0" / "durable", folder / "leader-epoch-checkpoint", data / "tidemill.meta"
        for path, harm, at in [(witness, lambda: witness.write_bytes(b"x" * 8192), 0),
                               (epochs, lambda: epochs.write_bytes(b"0\n9\n0 0\n"), 0),
                               (meta, lambda: flip(meta, 3), 0), (meta, meta.unlink, None)]:
            found = rows.harm(harm)
            name = str(path.relative_to(data))
            assert [row[:2] for row in found] == [(name, at)], found
            harmed = digest(data).get(name)
            done = tool.json("log", "repair", data, "--yes")["repairs"]
            assert {row["error"] for row in done} == {None}, done
            assert verify(tool, data)["faults"] == 0
            assert digest(data).get(name + ".damaged") == harmed
            assert "tidemill.meta is damaged" not in rows.start()


def test_files_that_a_start_sets_aside_or_removes_are_known():
    with Broker(shards=1, settings=SMALL) as broker:
        rows = Copies(broker)
        data, tool = rows.data, rows.tool
        folder = max((data / "topics").iterdir())
        aside = folder.with_name("00000000-0000-0000-0000-000000000001.unknown")
        shutil.copytree(folder, aside)
        shutil.copytree(folder / "0", folder / "1.deleted")
        shutil.copytree(data / "kv", data / "kv.damaged")
        segment = min((folder / "0").glob("*.log"))
        shutil.copy(segment, segment.with_name(segment.name + ".deleted"))
        shutil.copy(row_file(data), str(row_file(data)) + ".damaged")
        unfinished = {"rows/rows-00000000000000000099.log.new": "rows",
                      "shard-0/journal-00000000000000000099.log.new": "journal", "tidemill.meta.new": "unfinished",
                      str(segment.with_suffix(".index.new").relative_to(data)): "unfinished"}
        for path in unfinished:
            (data / path).write_bytes(b"half")
        answer = verify(tool, data)
        assert answer["faults"] == 0
        notes = {row["file"]: row["class"] for row in answer["findings"]}
        name = str(folder.relative_to(data))
        assert notes == {str(aside.relative_to(data)): "kept", f"{name}/1.deleted": "deleted", "kv.damaged": "kept",
                         f"{name}/0/{segment.name}.deleted": "deleted",
                         f"rows/{row_file(data).name}.damaged": "kept", **unfinished}, notes
        shown = tool.text("log", "dump", data, aside / "0" / segment.name, "-J").splitlines()
        assert [json.loads(line)["base_offset"] for line in shown] == list(range(10))
        rows.start()


def swap_list(bases, end):
    content = struct.pack(f">II{len(bases)}qq", 1, len(bases), *bases, end)
    return content + struct.pack(">I", calc_crc32c(content))


def test_a_swap_of_segments_that_was_cut_off():
    with Broker(shards=1, settings=SMALL) as broker:
        rows = Copies(broker)
        data, tool = rows.data, rows.tool
        folder = max((data / "topics").iterdir()) / "0"
        end = int(sorted(folder.glob("*.log"))[1].stem)
        path = data / "cleaning" / f"{folder.parent.name}-0"

        def begin(content, move):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            for part in folder.glob(f"{0:020}.*"):
                move(part, part.with_name(part.name + ".swap"))
        rows.put("kept")
        begin(swap_list([0], end), lambda part, swap: part.rename(swap))  # not one file has its name yet
        answer = verify(tool, data)
        assert answer["faults"] == 0, answer
        assert str(path.relative_to(data)) in {row["file"] for row in answer["findings"]}, answer
        shown = [json.loads(line) for line in tool.text("log", "dump", data, path, "-J").splitlines()]
        assert shown == [{"kind": "swap_list", "whole": True, "segments": 1, "end_offset": end},
                         {"kind": "new_segment", "base_offset": 0}], shown
        assert "a cleaning that was cut off is finished" in rows.start()
        assert verify(tool, data)["faults"] == 0
        rows.put("kept")  # one segment takes the place of two, and only the second old one is removed yet
        first, second, third = sorted(folder.glob("*.log"))[:3]
        first.with_name(first.name + ".swap").write_bytes(first.read_bytes() + second.read_bytes())
        for part in folder.glob(f"{second.stem}.*"):
            part.unlink()
        path.parent.mkdir()
        path.write_bytes(swap_list([0], int(third.stem)))
        assert verify(tool, data)["faults"] == 0
        assert "a cleaning that was cut off is finished" in rows.start()
        rows.put("kept")
        begin(swap_list([], 0), shutil.copy)
        assert verify(tool, data)["faults"] == 0
        assert "the files of a cleaning that was cut off are removed" in rows.start()
        assert not path.exists() and not list(folder.glob("*.swap"))
        found = rows.harm(lambda: begin(swap_list([0], end)[:-1], shutil.copy))
        assert found == [(str(path.relative_to(data)), 0, "DAMAGED")], found
        assert {row["error"] for row in tool.json("log", "repair", data, "--yes", code=1)["repairs"]} == {"NOT_REPAIRABLE"}
        assert (f"{path} is damaged: a cleaning of partition 0 was cut off, and which of its files are new is lost. Restore "
                "the file and the topic's directory from a copy, or delete both") in rows.start_refused()
