#!/usr/bin/python3
"""Makes a golden data directory: TIDEMILL_BUILD=build/asan tests/integration/golden/make.py NAME

It writes NAME.tar.xz beside this file, for example format-1: a data directory as a crash left it, with everything that
a broker stores, and expected.json, what clients saw. Every later version must open it (test_golden_directory.py). Run it
when a format changes, with the last version before the change. Never replace an archive.
"""
import io
import json
import pathlib
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "harness")]
from broker import Broker, wait_until  # noqa: E402
from test_tool import Tool  # noqa: E402
from wire import LATEST, Wire, make_batch  # noqa: E402

# Records and offsets of the archive may be years old: nothing may expire.
SETTINGS = {"tidemill.journal.file.bytes": 262144, "offsets.retention.minutes": 2**31 - 1,
            "producer.id.expiration.ms": 2**62, "log.retention.ms": -1, "log.cleaner.backoff.ms": 20}
PIPELINE = """[events/check]
type = validate
json = true
[events/uniq]
type = dedup
after = check
id = value.id
within = 10m
duplicates = events.dup
[events/sums]
type = aggregate
after = uniq
group-by = value.user
window = tumbling(1m)
select = sum(value.n) as total; count() as events
output = events.sums
"""
START = 1_700_000_040_000  # a full minute
TOPICS = {"plain": 3, "codecs": 1, "idempotent": 2, "trimmed": 2, "emptied": 1, "table": 1, "compacted": 1, "rolled": 1, "events": 1,
          "events.sums": 1, "events.dup": 1, "dlq.events": 1}
PRODUCER = {"producer": 4711, "epoch": 3}


def event(number, user, at):
    return json.dumps({"id": number, "user": user, "n": number}).encode(), START + at


def send_events(wire, *events):
    answer = wire.produce("events", make_batch([v for v, _ in events], timestamps=[t for _, t in events]))
    assert answer.error_code == 0, answer


def create(wire, name, partitions):
    more = {"cleanup.policy": "compact"} if name in ("table", "compacted") else {}
    if name == "compacted":
        more["min.cleanable.dirty.ratio"] = "0.01"
    wire.create(name, partitions, **{"retention.ms": -1, "segment.bytes": 1 << 20, **more})


def fill(wire, tool, half):
    """The same twice: the first half ends in segments and rows, the second one in the journal."""
    for partition in range(3):
        for codec in range(5):
            values = [b"%d-%d-%d" % (half, partition, n) for n in range(20)]
            keys = [b"key-%d" % n for n in range(20)]
            assert wire.produce("plain", make_batch(values, codec=codec, keys=keys), partition).error_code == 0
    for codec in range(5):
        wire.produce("codecs", make_batch([b"x" * 3000 + b"%d" % n for n in range(3)], codec=codec))
    wire.produce("codecs", make_batch([bytes((n * n + half) % 251 for n in range(20000))]))  # not copied by the journal
    for partition in range(2):
        for sequence in range(10 * half, 10 * half + 10, 5):
            batch = make_batch([b"%d" % (sequence + n) for n in range(5)], sequence=sequence, **PRODUCER)
            assert wire.produce("idempotent", batch, partition).error_code == 0
    for topic in "trimmed", "emptied":
        wire.produce(topic, make_batch([b"%d" % n for n in range(10)]))
    tool.run("topic", "trim", "trimmed", "-p", 0, "-o", 4 + 10 * half, "--yes")
    tool.run("topic", "trim", "emptied", "-o", "end", "--yes")
    for n in range(3):  # closed segments with indexes
        wire.produce("rolled", make_batch([b"%d" % n * 400_000]))
    for n in range(10):
        wire.produce("table", make_batch([b"%d-%d" % (half, n)], keys=[b"k%d" % (n % 3)]))
    for n in range(8):  # closed segments of two records
        wire.produce("compacted", make_batch([b"%d" % (8 * half + n) * 400_000], keys=[b"k%d" % (n % 3)]))
    tool.text("consume", "plain", "-g", "readers", "-n", 15)
    wire.create(f"gone-{half}", 2)
    wire.produce(f"gone-{half}", make_batch([b"lost"]))
    tool.run("topic", "delete", f"gone-{half}", "--yes")
    first = 10 * half
    send_events(wire, event(first, "ann", 60_000 * half + 1000), event(first + 1, "bob", 60_000 * half + 2000),
                event(first, "ann", 60_000 * half + 3000), (b"no json", START + 60_000 * half + 4000))
    wait_until(lambda: wire.list_offset("events.dup", LATEST).offset == half + 1, 20, "the duplicates")
    wait_until(lambda: wire.list_offset("dlq.events", LATEST).offset == half + 1, 20, "the dead letters")


def end_of_compaction(broker, tool):
    """Waits until the closed segments have one record of each key, and sees to it that this stays so."""
    def is_compacted():
        offsets = [int(line) for line in tool.text("consume", "compacted", "-o", ":end", "-f", "%o\\n").split()]
        return len(offsets) < 8
    wait_until(is_compacted, 60, "the compaction")
    tool.run("topic", "set", "compacted", "min.cleanable.dirty.ratio=1", "--yes")
    wait_until(lambda: not list((broker.directory / "data").glob("cleaning/*")), 20, "the end of the compaction")


def observe(tool, names=tuple(TOPICS)):
    """Everything that clients see."""
    described = tool.json("topic", "describe", *sorted(names))
    partitions = [{key: row[key] for key in ("topic", "partition", "start_offset", "end_offset")}
                  for row in described["partitions"]]
    topics = [{key: row[key] for key in ("topic", "topic_id", "partitions")} for row in described["topics"]]
    listed = [row["topic"] for row in tool.json("topic", "list")["topics"]]
    configs = [row for row in described["configs"]]
    records = {topic: sorted(tool.text("consume", topic, "-o", ":end").splitlines()) for topic in sorted(names)}
    offsets = [{key: row[key] for key in ("topic", "partition", "committed_offset")}
               for row in tool.json("group", "describe", "readers")["partitions"]]
    return {"listed": listed, "topics": topics, "partitions": partitions, "configs": configs, "records": records,
            "offsets": offsets, "processors": tool.json("processor", "list")["processors"]}


def archive(path, data, expected):
    with tarfile.open(path, "w:xz", preset=9) as tar:
        text = json.dumps(expected, indent=1, sort_keys=True).encode()
        for source in sorted(data.rglob("*")):
            if source.is_file() and source.name not in ("lock", "LOCK", "LOG", "LOG.old"):
                entry = tarfile.TarInfo(f"data/{source.relative_to(data)}")
                entry.size = source.stat().st_size
                with source.open("rb") as content:
                    tar.addfile(entry, content)
        entry = tarfile.TarInfo("expected.json")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))


def main():
    path = HERE / f"{sys.argv[1]}.tar.xz"
    if path.exists():
        sys.exit(f"{path} exists: an archive is never replaced")
    with Broker(shards=2, settings=SETTINGS) as broker:
        tool = Tool(broker.address)
        with Wire(broker.port) as wire:
            for name, partitions in TOPICS.items():
                create(wire, name, partitions)
            pipeline = broker.directory / "pipeline"
            pipeline.write_text(PIPELINE)
            tool.run("processor", "apply", "-f", pipeline, "--yes")
            fill(wire, tool, 0)
        broker.restart()
        with Wire(broker.port) as wire:
            fill(wire, tool, 1)
            wait_until(lambda: wire.list_offset("events.sums", LATEST).offset == 2, 20, "the closed window")
        end_of_compaction(broker, tool)
        expected = observe(tool)
        broker.kill()
        archive(path, broker.directory / "data", expected)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
