"""The same scenario with clients that Debian and npm do not have; ./interop builds them."""
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

from broker import ROOT, Broker, build_directory, wait_until
from scenario import run_scenario
from wire import Wire, make_batch

BUILT = pathlib.Path(os.environ.get("TIDEMILL_INTEROP", ROOT / "build" / "interop"))
HERE = pathlib.Path(__file__).resolve().parent
JAVA = ["java", "-Xmx512m", "-cp", f"{BUILT}/jars/*:{BUILT}/java"]
QUIET = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]


def test_kafkas_java_client_with_two_shards():
    run_scenario([*JAVA, *QUIET, "Matrix"], shards=2)


def test_franz_go_with_four_shards():
    run_scenario([str(BUILT / "franz")], shards=4)


def test_sarama_with_one_shard():
    run_scenario([str(BUILT / "sarama")], shards=1)


def test_aiokafka_with_two_shards():
    run_scenario([str(BUILT / "venv" / "bin" / "python"), str(HERE / "aio.py")], shards=2)


def tool(name, address, *arguments, given=None):
    """Runs one of Kafka's console tools; returns its output."""
    done = subprocess.run([*JAVA, *QUIET, name, "--bootstrap-server", address, *arguments], input=given, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{name} {arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def dump_segments(files):
    """What Kafka's dump tool says about segments and indexes."""
    return subprocess.run([*JAVA, *QUIET, "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration",
                           "--index-sanity-check", "--files", ",".join(map(str, files))], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", timeout=120, check=True).stdout


def test_kafkas_console_tools():
    topics, configs = "org.apache.kafka.tools.TopicCommand", "kafka.admin.ConfigCommand"
    groups = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    with Broker(shards=2) as broker:
        at = broker.address
        assert "Created topic orders." in tool(topics, at, "--create", "--topic", "orders", "--partitions", "3")
        assert tool(topics, at, "--list").split() == ["orders"]
        tool(configs, at, "--alter", "--entity-type", "topics", "--entity-name", "orders", "--add-config",
             "retention.ms=3600000,processor.keep.type=filter,processor.keep.where=[size(value) > 3],"
             "processor.keep.output=orders.long")
        described = tool(topics, at, "--describe", "--topic", "orders")
        assert "PartitionCount: 3" in described and "retention.ms=3600000" in described, described
        shown = tool(configs, at, "--describe", "--entity-type", "topics", "--entity-name", "orders")
        assert "processor.keep.where=size(value) > 3" in shown, shown
        tool("org.apache.kafka.tools.ConsoleProducer", at, "--topic", "orders", given="one\nthree\nfour\n")
        read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", at, "--topic", "orders", "--group", "readers",
                    "--from-beginning", "--max-messages", "3")
        assert sorted(read.split()) == ["four", "one", "three"], read
        kept = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", at, "--topic", "orders.long",
                    "--from-beginning", "--max-messages", "2")
        assert sorted(kept.split()) == ["four", "three"], kept
        listed = tool(groups, at, "--describe", "--group", "readers")
        assert "orders" in listed and "readers" in listed, listed
        tool(topics, at, "--delete", "--topic", "orders")
        assert "orders\n" not in tool(topics, at, "--list")


def test_kafkas_tools_trim_and_measure_logs():
    with Broker(shards=2) as broker, tempfile.TemporaryDirectory() as directory:
        at, offsets = broker.address, pathlib.Path(directory) / "offsets.json"
        tool("org.apache.kafka.tools.TopicCommand", at, "--create", "--topic", "orders", "--partitions", "2")
        for partition in range(2):
            with Wire(broker.port) as wire:
                wire.produce("orders", make_batch([b"%d" % n * 1000 for n in range(10)]), partition)
        offsets.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": "orders", "partition": 0, "offset": 4}, {"topic": "orders", "partition": 1, "offset": -1}]}))
        done = tool("org.apache.kafka.tools.DeleteRecordsCommand", at, "--offset-json-file", str(offsets))
        assert re.search(r"orders-0\s+low_watermark: 4", done) and re.search(r"orders-1\s+low_watermark: 10", done), done
        read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", at, "--topic", "orders", "--from-beginning",
                    "--max-messages", "6")
        assert read.split() == [str(n) * 1000 for n in range(4, 10)], read
        shown = tool("org.apache.kafka.tools.LogDirsCommand", at, "--describe", "--topic-list", "orders")
        told = json.loads(next(line for line in shown.splitlines() if line.startswith("{")))["brokers"][0]["logDirs"][0]
        assert told["logDir"] == str(broker.directory / "data") and told["error"] is None, told
        sizes = {row["partition"]: row["size"] for row in told["partitions"]}
        assert 10_000 < sizes["orders-0"] < 11_000 and sizes["orders-1"] == 0, sizes


def test_kafkas_consumer_moves_over_what_a_repair_left_out():
    with Broker(shards=1) as broker:
        with Wire(broker.port) as wire:
            wire.create("orders", **{"segment.bytes": 1 << 20})
            for number in range(30):
                wire.produce("orders", make_batch([b"%02d" % number * 50_000]))
            topic_id = str(wire.metadata("orders").topics[0].topic_id)
        broker.stop()
        segment = sorted((broker.directory / "data" / "topics" / topic_id / "0").glob("*.log"))[1]
        content = bytearray(segment.read_bytes())
        content[len(content) // 10 * 3 + 90] ^= 1
        segment.write_bytes(content)
        lost = int(segment.stem) + 3
        subprocess.run([build_directory() / "tidemill", "log", "repair", broker.directory / "data", "--yes"],
                       check=True, stdout=subprocess.PIPE)
        dumped = dump_segments([segment])
        assert f"baseOffset: {lost} lastOffset: {lost} count: 0 " in dumped and "isvalid: false" not in dumped, dumped
        broker.start()
        read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", broker.address, "--topic", "orders",
                    "--from-beginning", "--max-messages", "29")
        assert [int(line[:2]) for line in read.split()] == [n for n in range(30) if n != lost]


def all_files(logs):
    return [log.with_suffix(end) for log in logs for end in (".log", ".index", ".timeindex")]


def test_kafkas_dump_tool_reads_segments_that_the_cleaner_has_written():
    count, rounds = 40, 80
    settings = {"log.segment.bytes": 1 << 20, "log.cleaner.backoff.ms": 20, "log.index.interval.bytes": 256}
    with Broker(settings=settings) as broker:
        with Wire(broker.port) as wire:
            wire.create("state", **{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"})
            for number in range(rounds):
                keys = random.sample(range(300), count)
                values = [None if (number + key) % 17 == 0 else os.urandom(1000) for key in keys]
                batch = make_batch(values, keys=[b"key-%d" % key for key in keys], codec=1 if number % 3 == 0 else 0)
                assert wire.produce("state", batch).error_code == 0
        compacted = r"a partition was compacted .*to_offset=(\d+)"
        wait_until(lambda: re.findall(compacted, broker.log_text()) and
                   int(re.findall(compacted, broker.log_text())[-1]) > count * rounds * 2 // 3, 60, "compaction")
        broker.stop()
        logs = sorted(broker.directory.glob("data/topics/*/0/*.log"))
        dumped = dump_segments(all_files(logs))
        broker.start()
    assert 300 < dumped.count("| offset: ") < count * rounds * 2 // 3, dumped[-2000:]
    assert "deleteHorizonMs: OptionalLong[" in dumped, dumped[:2000]
    sound = dumped.count("passed sanity check.") + dumped.count(".index is empty.")
    assert sound == 2 * len(logs) and dumped.count(".timeindex passed") == len(logs), dumped[-2000:]
    assert "isvalid: false" not in dumped and "mismatch" not in dumped.lower(), dumped[-2000:]


def test_kafkas_dump_tool_reads_the_segments_and_their_indexes():
    records = 3000
    with Broker(settings={"log.segment.bytes": 1 << 20, "log.index.interval.bytes": 256}) as broker:
        for codec in ("none", "lz4"):
            said = subprocess.run([*JAVA, *QUIET, "Matrix", "produce", broker.address, "dumped", "1", codec,
                                   str(records if codec == "lz4" else 0), str(records)],
                                  stdout=subprocess.PIPE, encoding="utf-8", timeout=120, check=True).stdout
            assert f'"produced":{records}' in said.replace(" ", ""), said
        broker.stop()
        logs = sorted(broker.directory.glob("data/topics/*/0/*.log"))
        dumped = dump_segments(all_files(logs))
        broker.start()
    assert dumped.count("| offset: ") == 2 * records, dumped[-2000:]
    assert dumped.count("passed sanity check.") == 2 * len(logs), dumped[-2000:]
    assert "isvalid: false" not in dumped and "mismatch" not in dumped.lower(), dumped[-2000:]
