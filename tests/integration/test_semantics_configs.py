"""Configs as tools see them: sources, synonyms, types, durability of answers, refusals that change nothing."""
import pathlib
import signal
import subprocess
import tempfile

import confluent_kafka
from confluent_kafka.admin import AdminClient, ConfigResource
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource as OldResource, ConfigResourceType

from broker import Broker, build_directory, wait_until
from wire import Wire

NONE, UNKNOWN_TOPIC, INVALID_CONFIG, INVALID_REQUEST = 0, 3, 40, 42
TOPIC, NODE = 2, 4
OF_TOPIC, OF_NODE, OF_CLUSTER, OF_FILE, OF_DEFAULT = 1, 2, 3, 4, 5
BOOLEAN, STRING, INT, LONG, DOUBLE, LIST = 1, 2, 3, 5, 6, 7
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def describe(wire, name="t", kind=TOPIC, keys=None, version=4):
    answer = wire.ask("DescribeConfigs", version, include_synonyms=True, include_documentation=True, resources=[
        {"resource_type": kind, "resource_name": name, "configuration_keys": keys}]).results[0]
    assert answer.error_code == NONE, answer
    return {c.name: c for c in answer.configs}


def change(wire, *operations, name="t", kind=TOPIC, validate_only=False):
    """operations: (key, operation, value)."""
    return wire.ask("IncrementalAlterConfigs", 1, validate_only=validate_only, resources=[{
        "resource_type": kind, "resource_name": name,
        "configs": [{"name": k, "config_operation": o, "value": v} for k, o, v in operations]}]).responses[0]


def replace(wire, name="t", **configs):
    return wire.ask("AlterConfigs", 1, resources=[{"resource_type": TOPIC, "resource_name": name, "configs": [
        {"name": k.replace("_", "."), "value": v} for k, v in configs.items()]}]).responses[0]


def overrides(wire, name="t"):
    return {n: c.value for n, c in describe(wire, name).items() if c.config_source == OF_TOPIC}


def test_topic_configs_have_a_source_and_synonyms_down_to_the_default():
    with Broker(settings={"log.retention.bytes": 5_000_000}) as broker, Wire(broker.port) as wire:
        wire.create("t", retention_ms=60_000, retention_bytes=100)
        found = describe(wire)
        mine = found["retention.ms"]
        assert (mine.value, mine.config_source) == ("60000", OF_TOPIC)
        assert (mine.synonyms[0].name, mine.synonyms[0].value, mine.synonyms[0].source) == (
            "retention.ms", "60000", OF_TOPIC)
        assert len(mine.synonyms) == 1  # Kafka has no default of log.retention.ms
        size = found["retention.bytes"]
        assert [(s.value, s.source) for s in size.synonyms] == [
            ("100", OF_TOPIC), ("5000000", OF_FILE), ("-1", OF_DEFAULT)]
        plain = found["cleanup.policy"]
        assert (plain.value, plain.config_source, plain.read_only) == ("delete", OF_DEFAULT, False)
        assert [(s.name, s.source) for s in plain.synonyms] == [("log.cleanup.policy", OF_DEFAULT)]
        wire.create("compacted", cleanup_policy="compact")
        assert describe(wire, "compacted")["cleanup.policy"].value == "compact"


def test_overrides_are_shown_only_when_set():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t", min_insync_replicas=1)
        wire.create("u")
        assert overrides(wire, "t") == {"min.insync.replicas": "1"}
        assert overrides(wire, "u") == {}


def test_every_config_has_type_source_and_documentation():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        for kind, name in ((TOPIC, "t"), (NODE, "1")):
            found = describe(wire, name, kind)
            assert len(found) > 30
            for entry in found.values():
                assert entry.config_type in range(1, 10), entry
                assert entry.config_source in (OF_FILE, OF_DEFAULT), entry
                assert entry.documentation and (entry.synonyms or entry.config_source == OF_DEFAULT), entry
        topic = describe(wire)
        types = {"cleanup.policy": LIST, "retention.ms": LONG, "segment.bytes": INT, "preallocate": BOOLEAN,
                 "compression.type": STRING, "min.cleanable.dirty.ratio": DOUBLE}
        assert {k: topic[k].config_type for k in types} == types
        assert describe(wire, "1", NODE)["log.dirs"].config_source == OF_FILE


def test_only_requested_keys_are_described():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        for version in range(5):
            assert set(describe(wire, keys=["retention.ms", "no.such"], version=version)) == {"retention.ms"}
        assert set(describe(wire, keys=[])) == set(describe(wire))  # no keys means all


def test_invalid_describe_requests_are_refused():
    with Broker() as broker, Wire(broker.port) as wire:
        for kind, name, error in ((TOPIC, "none", UNKNOWN_TOPIC), (NODE, "2", INVALID_REQUEST),
                                  (NODE, "x", INVALID_REQUEST), (99, "t", INVALID_REQUEST),
                                  (8, "1", INVALID_REQUEST), (16, "m", INVALID_REQUEST), (32, "g", INVALID_REQUEST)):
            got = wire.ask("DescribeConfigs", 4, resources=[
                {"resource_type": kind, "resource_name": name, "configuration_keys": None}]).results[0]
            assert got.error_code == error and got.error_message, (kind, name, got)


def test_a_change_is_visible_as_soon_as_it_is_answered():
    for shards in (1, 4):
        with Broker(shards=shards) as broker, Wire(broker.port) as wire, Wire(broker.port) as other:
            wire.create("t", 4)
            for n in range(30):
                assert change(wire, ("retention.ms", SET, str(1000 + n))).error_code == NONE
                assert overrides(other) == {"retention.ms": str(1000 + n)}
            assert change(wire, ("retention.ms", DELETE, None)).error_code == NONE
            assert overrides(other) == {} and describe(other)["retention.ms"].value == "604800000"


def test_lists_are_appended_to_and_subtracted_from():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        assert change(wire, ("cleanup.policy", APPEND, "compact")).error_code == NONE
        assert overrides(wire) == {"cleanup.policy": "delete,compact"}
        assert change(wire, ("cleanup.policy", SUBTRACT, "delete")).error_code == NONE
        assert overrides(wire) == {"cleanup.policy": "compact"}
        got = change(wire, ("retention.ms", APPEND, "5"))
        assert got.error_code == INVALID_CONFIG and "not LIST" in got.error_message


def test_a_refused_change_has_a_reason_and_changes_nothing():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        wire.create("t", retention_ms=77)
        good = ("segment.ms", SET, "5000")
        cases = [(("retention.ms", SET, "soon"), INVALID_CONFIG, "retention.ms"),
                 (("segment.bytes", SET, "1000"), INVALID_CONFIG, "segment.bytes"),
                 (("retentoin.ms", SET, "5"), INVALID_CONFIG, "retention.ms"),
                 (("retention.ms", SET, None), INVALID_REQUEST, "retention.ms"),
                 (("retention.ms", 9, "5"), INVALID_REQUEST, "9"),
                 (("segment.ms", DELETE, None), INVALID_REQUEST, "duplicate")]
        for bad, error, text in cases:
            got = change(wire, good, bad)
            assert got.error_code == error and text in got.error_message, (bad, got)
            assert overrides(wire) == {"retention.ms": "77"}
        assert change(wire, good, name="none").error_code == UNKNOWN_TOPIC
        assert change(wire, good, validate_only=True).error_code == NONE
        assert overrides(wire) == {"retention.ms": "77"}


def test_alter_configs_replaces_all_and_survives_a_crash():
    with Broker(shards=4) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", retention_ms=77, max_message_bytes=5000)
            assert replace(wire, segment_ms="9000", retention_bytes="123").error_code == NONE
            assert replace(wire, retention_ms="-5").error_code == INVALID_CONFIG
        broker.restart(kill=True)
        with Wire(broker.port) as wire:
            assert overrides(wire) == {"segment.ms": "9000", "retention.bytes": "123"}
            assert replace(wire).error_code == NONE and overrides(wire) == {}


def test_broker_configs_change_a_running_broker_and_survive_a_crash():
    with Broker(shards=4, settings={"message.max.bytes": 500_000}) as broker:
        with Wire(broker.port) as wire:
            wire.create("t", 4)
            size = ("message.max.bytes", SET, "10000")
            assert change(wire, size, ("log.retention.ms", SET, "1h"), name="", kind=NODE).error_code == NONE
            assert change(wire, ("message.max.bytes", SET, "20000"), name="1", kind=NODE).error_code == NONE
            refused = change(wire, ("num.partitions", SET, "2"), name="", kind=NODE)
            assert refused.error_code == INVALID_REQUEST and "num.partitions" in refused.error_message
        for kill in (False, True):
            broker.restart(kill=kill)
            with Wire(broker.port) as wire:
                found = describe(wire)["max.message.bytes"]
                assert (found.value, found.config_source) == ("20000", OF_NODE)
                assert [(s.value, s.source) for s in found.synonyms] == [
                    ("20000", OF_NODE), ("10000", OF_CLUSTER), ("500000", OF_FILE), ("1048588", OF_DEFAULT)]
                assert {n: c.value for n, c in describe(wire, "", NODE).items()} == {
                    "message.max.bytes": "10000", "log.retention.ms": "3600000"}
                assert describe(wire, "1", NODE)["log.retention.ms"].config_source == OF_CLUSTER
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address})
        for bytes_of_value, error in ((30_000, confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE), (15_000, None)):
            said = []
            producer.produce("t", b"x" * bytes_of_value, on_delivery=lambda e, _: said.append(e and e.code()))
            producer.flush(20)
            assert said == [error], said


def test_a_lowered_connection_limit_holds_for_new_connections():
    with Broker() as broker, Wire(broker.port) as wire, Wire(broker.port) as other:
        other.ask("ApiVersions", 0)
        assert change(wire, ("max.connections", SET, "2"), name="", kind=NODE).error_code == NONE
        with Wire(broker.port) as third:
            third.send("ApiVersions", 0)
            assert third.silent(), "a third connection was taken"
            other.ask("ApiVersions", 0)  # existing connections stay
            assert change(wire, ("max.connections", DELETE, None), name="", kind=NODE).error_code == NONE
            assert third.receive().error_code == NONE


def test_clients_of_both_libraries_change_broker_configs():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        admin = AdminClient({"bootstrap.servers": broker.address})
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", set_config={"log.segment.bytes": "2097152"})
        admin.alter_configs([resource])[resource].result(20)
        entry = admin.describe_configs([resource])[resource].result(20)["log.segment.bytes"]
        assert (entry.value, entry.source, entry.is_read_only) == ("2097152", OF_NODE, False)
        old = KafkaAdminClient(bootstrap_servers=broker.address)
        old.alter_configs([OldResource(ConfigResourceType.BROKER, "1", {"log.roll.ms": "7200000"})])
        shown = {n: c for n, c in describe(wire, "1", NODE).items() if c.config_source == OF_NODE}
        assert {n: c.value for n, c in shown.items()} == {"log.roll.ms": "7200000"}  # AlterConfigs replaces all
        old.close()


def test_a_resource_named_twice_is_an_invalid_request():
    with Broker() as broker, Wire(broker.port) as wire:
        wire.create("t")
        twice = [{"resource_type": TOPIC, "resource_name": "t", "configs": [
            {"name": "retention.ms", "config_operation": SET, "value": str(n)}]} for n in (1, 2)]
        answer = wire.ask("IncrementalAlterConfigs", 0, resources=twice)
        assert {r.error_code for r in answer.responses} == {INVALID_REQUEST}
        assert overrides(wire) == {}


def test_clients_of_both_libraries_change_and_read_configs():
    with Broker(shards=4) as broker, Wire(broker.port) as wire:
        wire.create("t")
        admin = AdminClient({"bootstrap.servers": broker.address})
        resource = ConfigResource(ConfigResource.Type.TOPIC, "t", set_config={"retention.ms": "4321"})
        admin.alter_configs([resource])[resource].result(20)
        shown = admin.describe_configs([resource])[resource].result(20)
        entry = shown["retention.ms"]
        assert (entry.value, entry.source, entry.is_default) == ("4321", OF_TOPIC, False)
        assert shown["segment.bytes"].is_default
        bad = ConfigResource(ConfigResource.Type.TOPIC, "t", set_config={"retention.ms": "never"})
        try:
            admin.alter_configs([bad])[bad].result(20)
            raise AssertionError("taken")
        except confluent_kafka.KafkaException as failure:
            assert failure.args[0].code() == confluent_kafka.KafkaError.INVALID_CONFIG
            assert "retention.ms" in failure.args[0].str()
        old = KafkaAdminClient(bootstrap_servers=broker.address)
        answers = old.describe_configs([OldResource(ConfigResourceType.TOPIC, "t")])
        assert ("retention.ms", "4321") in [(c[0], c[1]) for r in answers[0].resources for c in r[4]]
        old.close()


def test_a_configuration_that_cannot_be_used_ends_with_2_whether_checked_or_started():
    bad = {"listeners": "PLAINTEXT://localhost", "advertised.listeners": "kafka-1:9092",
           "tidemill.admin.listeners": "http://127.0.0.1:9644"}
    flags = [part for key, value in bad.items() for part in ("-X", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "broker.properties")
        file.write_text("# mine\nlisteners=SSL://localhost:9093\ninclude=none\nnothing\n", encoding="ascii")
        program = [str(build_directory() / "tidemilld"), "-X", f"log.dirs={directory}/data"]
        for check in ([], ["-t"]):
            ended = subprocess.run([*program, *check, *flags], capture_output=True, text=True, timeout=20, check=False)
            assert ended.returncode == 2, ended
            for key, value in bad.items():
                assert f"-X: {key}: '{value}': " in ended.stderr, (key, ended.stderr)
            ended = subprocess.run([*program, *check, "-c", str(file)], capture_output=True, text=True, timeout=20,
                                   check=False)
            assert ended.returncode == 2 and f"{file}:2: listeners: 'SSL://localhost:9093': " in ended.stderr, ended
            assert f"{file}:3: include: none: cannot be read: No such file or directory\n" in ended.stderr, ended
            assert f"{file}:4: expected key = value: nothing\n" in ended.stderr, ended
        assert not pathlib.Path(directory, "data").exists()
        fine = subprocess.run([*program, "-t"], capture_output=True, text=True, timeout=20, check=False)
        assert (fine.returncode, fine.stdout, fine.stderr) == (0, "", ""), fine


def test_an_unknown_flag_is_reported_with_the_nearest_one():
    for flags, said in ((["--chnged"], "unknown flag --chnged\nhint: did you mean --changed?\n"),
                        (["--nonsense"], "unknown flag --nonsense\nhint: tidemilld --help\n"),
                        (["-tZ"], "unknown flag -Z\nhint: tidemilld --help\n"),
                        (["-c"], "a value is missing after --config\nhint: tidemilld --help\n"),
                        (["--dev=yes"], "this flag takes no value: --dev=yes\nhint: tidemilld --help\n"),
                        (["file"], "unexpected argument file\nhint: tidemilld --help\n")):
        ended = subprocess.run([str(build_directory() / "tidemilld"), *flags], capture_output=True, text=True,
                               timeout=20, check=False)
        assert (ended.returncode, ended.stderr) == (2, f"tidemilld: {said}"), ended


def test_a_data_directory_that_is_not_a_directory_is_refused_with_that_reason():
    with tempfile.NamedTemporaryFile() as file:
        ended = subprocess.run([str(build_directory() / "tidemilld"), "-X", f"log.dirs={file.name}", "-X",
                                "listeners=PLAINTEXT://127.0.0.1:0"], capture_output=True, text=True, timeout=20,
                               check=False)
        assert ended.returncode == 1 and f"{file.name} is not a directory: set log.dirs" in ended.stderr, ended


def test_a_check_of_the_configuration_leaves_no_temporary_directory():
    program = [str(build_directory() / "tidemilld"), "--dev"]
    shown = subprocess.run([*program, "--print-config", "--changed"], capture_output=True, text=True, timeout=20,
                           check=True).stdout
    directory = pathlib.Path(next(l for l in shown.splitlines() if l.startswith("log.dirs="))[9:].split()[0])
    assert directory.name.startswith("tidemill-dev-") and not directory.exists(), shown


def test_the_status_is_written_while_topics_come_and_go():
    with Broker(shards=2) as broker, Wire(broker.port) as wire:
        for n in range(20):
            wire.create(f"t{n}")
            broker.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "status topics=20" in broker.log_text(), 10, "the status of all topics")


def test_an_error_of_the_system_is_logged_with_its_reason():
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "lock").mkdir()
        ended = subprocess.run([str(build_directory() / "tidemilld"), "-X", f"log.dirs={directory}", "-X",
                                "listeners=PLAINTEXT://127.0.0.1:0"], capture_output=True, text=True, timeout=20,
                               check=False)
        assert ended.returncode == 1, ended
        assert f'file operation failed call=open path={directory}/lock reason="Is a directory"' in ended.stderr, ended
