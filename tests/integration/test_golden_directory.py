"""Data directories that earlier versions wrote: this version opens each and gives clients exactly what they saw then.

golden/make.py made the archives. Each has a directory as a crash left it, and what clients had seen."""
import json
import pathlib
import sys
import tarfile
import tempfile

from broker import Broker, wait_until
from test_tool import Tool
from wire import LATEST, Wire, make_batch, records_of

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
sys.path.insert(0, str(GOLDEN))
from make import PRODUCER, SETTINGS, event, observe, send_events  # noqa: E402

NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC = 0, 1, 3
ARCHIVES = sorted(GOLDEN.glob("*.tar.xz"))


def compare(seen, expected):
    for key in expected:
        assert seen[key] == expected[key], (key, seen[key], expected[key])


def check_logs(wire):
    """Retries, log starts and deleted topics after the start."""
    for partition in range(2):
        retry = make_batch([b"%d" % n for n in range(15, 20)], sequence=15, **PRODUCER)
        answer = wire.produce("idempotent", retry, partition)
        assert (answer.error_code, answer.base_offset) == (NONE, 15), answer
    assert wire.fetch("trimmed", 13).error_code == OFFSET_OUT_OF_RANGE
    assert records_of(wire.fetch("trimmed", 14).records)[-1].value == b"9"
    assert wire.metadata("gone-0").topics[0].error_code == UNKNOWN_TOPIC


def go_on(wire):
    """New records follow the old ones, and the processors' state is there: a window is open, and ids are known."""
    batch = make_batch([b"%d" % n for n in range(20, 25)], sequence=20, **PRODUCER)
    assert wire.produce("idempotent", batch).base_offset == 20
    assert wire.produce("emptied", make_batch([b"new"])).base_offset == 20
    send_events(wire, event(10, "ann", 63_000), event(12, "ann", 64_000), event(13, "bob", 200_000))
    wait_until(lambda: wire.list_offset("events.sums", LATEST).offset == 4, 20, "the results of the open window")
    sums = [json.loads(r.value) for r in records_of(wire.fetch("events.sums", 2).records)]
    found = {row["user"]: (row["total"], row["events"]) for row in sums}
    assert found == {"ann": (22, 2), "bob": (11, 1)}, sums
    wait_until(lambda: wire.list_offset("events.dup", LATEST).offset == 3, 20, "the duplicate")


def check_compacted(expected):
    """The archive has a log with holes, and the newest record of each key."""
    ends = [row["end_offset"] for row in expected["partitions"] if row["topic"] == "compacted"]
    records = [json.loads(line) for line in expected["records"].get("compacted", [])]
    assert [len(records) < end for end in ends] == [True] * len(ends), ends
    assert {"k0", "k1", "k2"} == {row["key"] for row in records} or not ends, records


def check_archive(path, shards):
    with tempfile.TemporaryDirectory(prefix="tidemill-test-") as directory:
        with tarfile.open(path) as tar:
            tar.extractall(directory)
        expected = json.loads((pathlib.Path(directory) / "expected.json").read_text(encoding="utf-8"))
        check_compacted(expected)
        data = pathlib.Path(directory) / "data"
        with Broker(shards, directory, settings=SETTINGS) as broker:
            tool = Tool(broker.address)
            compare(observe(tool, expected["records"]), expected)
            with Wire(broker.port) as wire:
                check_logs(wire)
            broker.restart()
            compare(observe(tool, expected["records"]), expected)
            left = {path.name for path in (data / "topics").iterdir()}
            assert left <= {row["topic_id"] for row in expected["topics"]}, left
            with Wire(broker.port) as wire:
                check_logs(wire)
                go_on(wire)
            broker.stop()
            assert tool.json("log", "verify", data)["faults"] == 0


def test_this_version_opens_every_golden_directory():
    assert ARCHIVES
    for path in ARCHIVES:
        check_archive(path, 2)


def test_a_golden_directory_opens_with_any_number_of_shards():
    for shards in 1, 3:
        check_archive(ARCHIVES[-1], shards)


def test_the_tools_read_a_golden_directory():
    for path in ARCHIVES:
        with tempfile.TemporaryDirectory(prefix="tidemill-test-") as directory:
            with tarfile.open(path) as tar:
                tar.extractall(directory)
            data = pathlib.Path(directory) / "data"
            expected = json.loads((data.parent / "expected.json").read_text(encoding="utf-8"))
            tool = Tool("127.0.0.1:1")
            answer = tool.json("log", "verify", data)
            assert answer["faults"] == 0, answer
            for topic, records in expected["records"].items():
                assert sorted(tool.text("log", "export", topic, "--dir", data).splitlines()) == records, topic
